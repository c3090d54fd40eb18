"""Translation with recurrent networks: train, judge, translate, score, export.

from rnn_apps import translation

config = translation.TranslationConfig(data="file:train.en,train.de", run="my-run")
run = translation.train(config)
run.evaluate()
print(run.translate("A man rides a bicycle.")[0][0].text)
run.export("exported")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.base.lazy_names import lazy_names

if TYPE_CHECKING:
    from rnn_apps.translation.config import TranslationConfig as TranslationConfig
    from rnn_apps.translation.network.build import build_model as build_model
    from rnn_apps.translation.run import Run as Run
    from rnn_apps.translation.run import load as load
    from rnn_apps.translation.search.search_options import SearchOptions as SearchOptions
    from rnn_apps.translation.training_run import config_from as config_from
    from rnn_apps.translation.training_run import train as train
    from rnn_apps.translation.translating import Translator as Translator

_HOMES = {
    "Run": "run",
    "SearchOptions": "search.search_options",
    "TranslationConfig": "config",
    "Translator": "translating",
    "build_model": "network.build",
    "config_from": "training_run",
    "load": "run",
    "train": "training_run",
}

__all__ = [
    "Run",
    "SearchOptions",
    "TranslationConfig",
    "Translator",
    "build_model",
    "config_from",
    "load",
    "train",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
