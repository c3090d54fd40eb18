"""Forecasting with recurrent networks: train, compare with baselines, predict, export.

from rnn_apps import forecasting

run = forecasting.train(forecasting.ForecastingConfig(data="builtin:elecdemand", run="my-run"))
run.evaluate()
forecast = run.predict(dataframe)
run.export("exported")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.base.lazy_names import lazy_names

if TYPE_CHECKING:
    from rnn_apps.forecasting.config import ForecastingConfig as ForecastingConfig
    from rnn_apps.forecasting.judging.refitted import evaluate_refitted as evaluate_refitted
    from rnn_apps.forecasting.network.build import build_model as build_model
    from rnn_apps.forecasting.run import Run as Run
    from rnn_apps.forecasting.run import load as load
    from rnn_apps.forecasting.training_run import config_from as config_from
    from rnn_apps.forecasting.training_run import train as train

_HOMES = {
    "ForecastingConfig": "config",
    "Run": "run",
    "build_model": "network.build",
    "config_from": "training_run",
    "evaluate_refitted": "judging.refitted",
    "load": "run",
    "train": "training_run",
}

__all__ = [
    "ForecastingConfig",
    "Run",
    "build_model",
    "config_from",
    "evaluate_refitted",
    "load",
    "train",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
