"""Reading `.keras` files that hold layers of this package."""

from __future__ import annotations

import importlib
from pathlib import Path

import keras

_HOMES = (
    "adaptive_softmax",
    "attention",
    "bidirectional",
    "cells",
    "feature_normalisation",
    "frame_lengths",
    "initializers",
    "lookahead",
    "recurrent",
    "regularisation",
    "sampled_softmax",
    "speech_features",
    "streamed_frames",
    "token_embedding",
)


def load_model(path: str | Path) -> keras.Model:
    """A `.keras` file's model, not compiled, in Keras' safe mode: no code of the file is run.

    As `keras.saving.load_model`, which finds a class of another package only where that has been
    imported before.

    Raises:
        ValueError, TypeError, OSError: from Keras, if it cannot read the file.
    """
    for home in _HOMES:
        importlib.import_module(f"rnn_apps.layers.{home}")
    return keras.saving.load_model(path, compile=False, safe_mode=True)
