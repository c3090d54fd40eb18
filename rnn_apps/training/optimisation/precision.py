"""The arithmetic of layers while a model is built."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def layer_precision(name: str) -> Iterator[None]:
    """Layers made inside the block compute in the named Keras dtype policy."""
    outside = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(outside)
