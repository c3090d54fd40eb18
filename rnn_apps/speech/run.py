"""A trained run: evaluate it, transcribe with it, export it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from pipelines.errors import UserError
from pipelines.speech.labels import LabelSet
from rnn_apps.run_folder import RunFolder, open_run
from rnn_apps.speech.build import build_model as build_model  # Makes the layers known to Keras.
from rnn_apps.speech.config import APPLICATION, SpeechConfig
from rnn_apps.speech.recognition import Recogniser

if TYPE_CHECKING:
    from pipelines.speech import Recordings

TOKENIZER = "tokenizer"


class Run:
    """A trained speech recogniser with its folder; made by `train` and `load`.

    Args:
        folder: the run's folder.
        config: the effective configuration.
        labels: what the model writes.
        model: the trained model, as `build_model` gives it.
        data: what it was trained on, where the configuration does not name it.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: SpeechConfig,
        labels: LabelSet,
        model: keras.Model,
        data: str | Recordings = "",
    ) -> None:
        self.folder = folder
        self.config = config
        self.labels = labels
        self.model = model
        self.data = data

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds: the training's figures and the latest evaluation."""
        return self.folder.read_metrics()

    @functools.cached_property
    def recogniser(self) -> Recogniser:
        """The model compiled for batches of features."""
        return Recogniser(self.model)


def load(folder: str | Path, data: str | Recordings = "") -> Run:
    """Opens the folder of a trained run.

    Args:
        folder: as `train` left it.
        data: what the run was trained on, if the configuration does not name it.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
        DataError: its alphabet is missing, or is another model's.
    """
    found = open_run(folder, APPLICATION)
    config = found.read_config(SpeechConfig)
    labels = LabelSet.load(found.path / TOKENIZER, lowercase=config.lowercase)
    model = found.load_model()
    size = int(model.output["logits"].shape[-1])
    if size != labels.size:
        raise UserError(
            f"{found.path / TOKENIZER}: there are {labels.size} labels, the blank included, the "
            f"model has {size}: it is another model's. Put back the run's own"
        )
    return Run(found, config, labels, model, data)
