"""Recurrent networks on Keras 3, from data to the edge device."""

from __future__ import annotations

import importlib
from types import ModuleType

# This import also runs pipelines/__init__.py, which sets the switches that TensorFlow reads.
from pipelines.base.moved_modules import keep_old_names
from pipelines.base.terminal_log import show_log

__version__ = "0.1.0"

show_log("rnn_apps")

# Modules that the documentation named before they moved, and the first one, which the console
# script of an earlier editable installation imports.
keep_old_names(
    {
        "rnn_apps.command_line": "rnn_apps.application.command_line",
        "rnn_apps.edge.features": "rnn_apps.edge.speech.features",
        "rnn_apps.forecasting.conformal": "rnn_apps.forecasting.judging.conformal",
        "rnn_apps.forecasting.metrics": "rnn_apps.forecasting.judging.metrics",
        "rnn_apps.model_zoo": "rnn_apps.application.model_zoo",
    }
)

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
