"""Runs exported models on the device: numpy and one runtime, neither TensorFlow nor Keras.

`load` opens a .tflite file on LiteRT or on TensorFlow Lite Micro; `StreamingSession` carries the
state from chunk to chunk; `sampling`, `beam_search`, `ctc` and `forecasting` turn what the four
applications' models give into text, labels and forecasts.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "load": "model",
    "EdgeModel": "model",
    "Signature": "model",
    "TensorSpec": "model",
    "StreamingSession": "streaming",
    "SamplingConfig": "sampling",
    "generate": "sampling",
    "token_probabilities": "sampling",
    "BeamConfig": "beam_search",
    "Hypothesis": "beam_search",
    "beam_search": "beam_search",
    "greedy_search": "beam_search",
    "StepResult": "beam_search",
    "EdgeDecoder": "sequence_to_sequence",
    "CtcBeamSearch": "ctc",
    "ctc_greedy": "ctc",
    "EdgeForecaster": "forecasting",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Imports a part at its first use: a device that only forecasts loads no decoder."""
    if name in _HOME:
        return getattr(importlib.import_module(f"rnn_apps.edge.{_HOME[name]}"), name)
    raise AttributeError(f"module 'rnn_apps.edge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
