"""A trained speech recogniser with its folder, its labels and its recordings."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import keras

from pipelines.base.errors import DataError, UserError
from pipelines.base.stated_columns import Stated
from pipelines.speech import Recordings
from pipelines.speech.recordings.labels import LabelSet
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.trained import Trained, require_own_vocabulary
from rnn_apps.speech.config import APPLICATION, SpeechConfig
from rnn_apps.speech.network.build import (
    build_model as build_model,  # Makes the layers known to Keras.
)
from rnn_apps.speech.recognition import Recogniser
from rnn_apps.speech.run_data import (
    RECORDINGS,
    OwnRecordings,
    list_fingerprint,
    load_other,
    one_part,
)

if TYPE_CHECKING:
    from typing import Self

TOKENIZER = "tokenizer"


class TrainedRecogniser(Trained[SpeechConfig]):
    """A trained speech recogniser with its folder.

    Args:
        folder: folder of the run.
        config: effective configuration of the run.
        labels: labels that the model writes.
        model: trained model, as `build_model` gives it.
        data: recordings that the run was trained on, where the configuration does not name them.
    """

    application = APPLICATION
    config_type = SpeechConfig

    def __init__(
        self,
        folder: RunFolder,
        config: SpeechConfig,
        labels: LabelSet,
        model: keras.Model,
        data: str | Recordings = "",
    ) -> None:
        self.own: OwnRecordings = OwnRecordings(config, data)
        super().__init__(folder, config, model, self.own)
        self.labels = labels
        self.data = data
        # The model in steps, by the output frames of a step; see `streaming.recognition_stream`.
        self.step_models: dict[int, Any] = {}

    @classmethod
    def read(cls, folder: RunFolder, config: SpeechConfig, data: Any) -> Self:
        """Reads the alphabet and the model; see `Trained.read`.

        Raises:
            UserError: the alphabet is another model's.
            DataError: the alphabet is missing.
        """
        labels = LabelSet.load(folder.path / TOKENIZER, config.spelling())
        model = folder.load_model()
        size = int(model.output["logits"].shape[-1])
        require_own_vocabulary(
            folder.path / TOKENIZER, labels.size, size, "labels, the blank included"
        )
        return cls(folder, config, labels, model, data or "")

    @functools.cached_property
    def recogniser(self) -> Recogniser:
        """The model compiled for batches of features."""
        return Recogniser(self.model)

    @functools.cached_property
    def _unchanged(self) -> OwnRecordings:
        """The run's own recordings, known to be those that it was trained on.

        Raises:
            UserError: the run was trained on recordings that are not kept.
            DataError: the recordings are gone, or their list has changed since training.
        """
        try:
            whole = self.own.whole
        except DataError as error:
            raise DataError(
                str(error).rstrip("."),
                advice="The run's own recordings are needed for this. Name others: --data SOURCE.",
            ) from None
        self.folder.check_own_data(RECORDINGS, self.own.name, list_sha256=list_fingerprint(whole))
        return self.own

    @property
    def held_out_part(self) -> str:
        """The test part, or validation where there is no test part, or "" where neither is."""
        return self._unchanged.held_out_part

    @property
    def judged_part(self) -> str:
        """The part that the run is judged on: test; validation where there is no test part.

        Raises:
            DataError: nothing was held out.
        """
        return self._unchanged.judged_part

    def recordings(self, part: str) -> Recordings:
        """The recordings of a part of the run's own data.

        Raises:
            UserError: there is no such part, or the data is gone.
        """
        return self._unchanged.part(part)

    def other_recordings(
        self, data: str | Recordings, part: str = "", columns: Stated = ()
    ) -> Recordings:
        """The recordings of another source: of the named part, or its test part, or all.

        Args:
            data: source of the recordings.
            part: name of the part; empty for the test part, or all if there are no parts.
            columns: columns of a list of recordings by role; empty for those of the training.

        Raises:
            UserError: a part is named that the source does not have.
        """
        recordings = load_other(self.config, data, columns)
        if part and part not in recordings.parts:
            raise UserError(
                f"{recordings.report.source} has no {part} part. Available: "
                f"{', '.join(recordings.parts) or 'none'}. Leave --part out to judge all of it"
            )
        return one_part(recordings, part or "test")
