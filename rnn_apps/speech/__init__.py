"""Speech recognition with CTC: train, judge, transcribe, export.

from rnn_apps import speech

config = speech.SpeechConfig(data="file:recordings/manifest.csv", run="my-run")
run = speech.train(config)
run.evaluate()
print(run.transcribe("hello.wav")[0][0].text)
run.export("exported")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.base.lazy_names import lazy_names

if TYPE_CHECKING:
    from rnn_apps.speech.config import SpeechConfig as SpeechConfig
    from rnn_apps.speech.decoding import DecodingConfig as DecodingConfig
    from rnn_apps.speech.network.build import build_model as build_model
    from rnn_apps.speech.run import Run as Run
    from rnn_apps.speech.run import load as load
    from rnn_apps.speech.training_run import config_from as config_from
    from rnn_apps.speech.training_run import train as train

_HOMES = {
    "DecodingConfig": "decoding",
    "Run": "run",
    "SpeechConfig": "config",
    "build_model": "network.build",
    "config_from": "training_run",
    "load": "run",
    "train": "training_run",
}

__all__ = ["DecodingConfig", "Run", "SpeechConfig", "build_model", "config_from", "load", "train"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
