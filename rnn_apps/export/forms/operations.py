"""Operations that Keras writes with operators which no runtime for devices has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from keras.src.backend.tensorflow import numpy as backend_numpy


@contextlib.contextmanager
def plain_operations() -> Iterator[None]:
    """Traces `argmax` and `argmin` as one operator each.

    Keras' own look at the bits of a float first, since 0.0 is larger than -0.0 to them; here the
    two are equal and the first one wins.
    """
    own = {name: getattr(backend_numpy, name) for name in ("argmax", "argmin")}
    try:
        for name in own:
            setattr(backend_numpy, name, _index_of(getattr(tf, name)))
        yield
    finally:
        for name, function in own.items():
            setattr(backend_numpy, name, function)


def _index_of(find: Any) -> Any:
    def call(x: Any, axis: int | None = None, keepdims: bool = False) -> tf.Tensor:
        x = tf.convert_to_tensor(x)
        if x.shape.rank == 0:
            return tf.zeros((), "int32")
        flat = tf.reshape(x, [-1]) if axis is None else x
        found = find(flat, axis=0 if axis is None else axis, output_type="int32")
        if not keepdims:
            return found
        if axis is None:
            return tf.reshape(found, [1] * x.shape.rank)
        return tf.expand_dims(found, axis)

    return call
