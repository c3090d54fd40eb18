"""Language modelling with recurrent networks: train, judge, write, score, export.

from rnn_apps import language_modelling

config = language_modelling.LanguageModellingConfig(data="file:novel.txt", run="my-run")
run = language_modelling.train(config)
run.evaluate()
print(run.generate("Once upon")[0])
run.export("exported")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.base.lazy_names import lazy_names

if TYPE_CHECKING:
    from rnn_apps.language_modelling.config import (
        LanguageModellingConfig as LanguageModellingConfig,
    )
    from rnn_apps.language_modelling.network.build import build_model as build_model
    from rnn_apps.language_modelling.network.build import inference_model as inference_model
    from rnn_apps.language_modelling.run import Run as Run
    from rnn_apps.language_modelling.run import load as load
    from rnn_apps.language_modelling.training_run import config_from as config_from
    from rnn_apps.language_modelling.training_run import train as train

_HOMES = {
    "LanguageModellingConfig": "config",
    "Run": "run",
    "build_model": "network.build",
    "inference_model": "network.build",
    "config_from": "training_run",
    "load": "run",
    "train": "training_run",
}

__all__ = [
    "LanguageModellingConfig",
    "Run",
    "build_model",
    "config_from",
    "inference_model",
    "load",
    "train",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
