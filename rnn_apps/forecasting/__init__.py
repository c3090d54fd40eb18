"""Forecasting with recurrent networks: train, judge beside baselines, predict, export.

    from rnn_apps import forecasting

    run = forecasting.train(forecasting.ForecastingConfig(data="builtin:demand", run="my-run"))
    run.evaluate()
    forecast = run.predict(dataframe)
    run.export("exported")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnn_apps.forecasting.build import build_model as build_model
    from rnn_apps.forecasting.config import ForecastingConfig as ForecastingConfig
    from rnn_apps.forecasting.run import Run as Run
    from rnn_apps.forecasting.run import load as load
    from rnn_apps.forecasting.training_run import train as train

_PUBLIC = {
    "ForecastingConfig": "config",
    "Run": "run",
    "build_model": "build",
    "load": "run",
    "train": "training_run",
}

__all__ = ["ForecastingConfig", "Run", "build_model", "load", "train"]


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that the configuration alone stays cheap."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
