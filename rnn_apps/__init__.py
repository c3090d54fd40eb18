"""Recurrent networks on Keras 3, from data to the edge device."""

from __future__ import annotations

import importlib
from types import ModuleType

# This import also runs pipelines/__init__.py, which sets the switches that TensorFlow reads.
from pipelines.base.terminal_log import show_log

__version__ = "0.1.0"

show_log("rnn_apps")

_LAZY = {
    "edge": "edge",
    "export": "export",
    "forecasting": "forecasting",
    "language_modelling": "language_modelling",
    "layers": "layers",
    "model_zoo": "application.model_zoo",
    "models": "models",
    "speech": "speech",
    "training": "training",
    "translation": "translation",
}


def __getattr__(name: str) -> ModuleType:
    """Imports a part of the toolkit at its first use, so that `import rnn_apps` stays cheap."""
    if name in _LAZY:
        return importlib.import_module(f"rnn_apps.{_LAZY[name]}")
    raise AttributeError(f"module 'rnn_apps' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
