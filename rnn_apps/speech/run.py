"""A trained run: evaluate it, transcribe with it, export it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from pipelines.base.errors import DataError, UserError
from pipelines.speech.recordings.labels import LabelSet
from rnn_apps.application.run_folder import RunFolder, open_run
from rnn_apps.speech.config import APPLICATION, SpeechConfig
from rnn_apps.speech.network.build import (
    build_model as build_model,  # Makes the layers known to Keras.
)
from rnn_apps.speech.recognition import Recogniser
from rnn_apps.speech.run_data import (
    RECORDINGS,
    list_fingerprint,
    load_parts,
    load_source,
    one_part,
)

if TYPE_CHECKING:
    from pipelines.speech import Recordings
    from rnn_apps.speech.decoding import DecodingConfig, Transcript
    from rnn_apps.speech.streaming import KerasStepModel
    from rnn_apps.speech.transcription import Samples

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
        self.step_models: dict[int, KerasStepModel] = {}

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds: the training's figures and the latest evaluation."""
        return self.folder.read_metrics()

    @functools.cached_property
    def recogniser(self) -> Recogniser:
        """The model compiled for batches of features."""
        return Recogniser(self.model)

    @functools.cached_property
    def _own(self) -> dict[str, Recordings]:
        if not (self.data or self.config.data):
            raise UserError(
                "the run was trained on recordings that are not kept. Name them when the run is "
                "opened, speech.load(folder, data=...), or others to evaluate on: --data SOURCE"
            )
        parts = load_parts(self.config, self.data)
        self.folder.check_own_data(
            RECORDINGS, parts["train"].report.source, list_sha256=list_fingerprint(parts)
        )
        return parts

    @property
    def held_out_part(self) -> str:
        """The test part, or validation where there is no test part, or "" where neither is."""
        return next((part for part in ("test", "validation") if part in self._own), "")

    @property
    def judged_part(self) -> str:
        """The part that the run is judged on: test; validation where there is no test part.

        Raises:
            DataError: nothing was held out.
        """
        if part := self.held_out_part:
            return part
        raise DataError(
            "no recordings were held out in training. Name some to judge on: --data SOURCE",
            file=self._own["train"].report.source,
        )

    def recordings(self, part: str) -> Recordings:
        """Those of a part of the run's own data.

        Raises:
            UserError: there is no such part, or the data is gone.
        """
        if part not in self._own:
            raise UserError(f"the run's data has no {part} part; it has {', '.join(self._own)}")
        return self._own[part]

    def other_recordings(self, data: str | Recordings, part: str = "") -> Recordings:
        """Those of another source: of the named part, or its test part, or all.

        Raises:
            UserError: a part is named that the source does not have.
        """
        found = load_source(self.config, data)
        if part and part not in found.parts:
            raise UserError(
                f"{found.report.source} has no {part} part; it has "
                f"{', '.join(found.parts) or 'no parts'}. Leave --part out to judge all of it"
            )
        return one_part(found, part or "test")

    def evaluate(
        self,
        data: str | Recordings | None = None,
        part: str = "",
        decoding: DecodingConfig | None = None,
    ) -> dict[str, Any]:
        """Judges the run: word and character error rates; writes the report.

        Args:
            data: other recordings; None for the run's own.
            part: train, validation or test; by default test, and validation where there is none.
            decoding: how outputs become text, beside greedy decoding; by default a beam search.

        Returns:
            "table", the figures of every way of decoding, and where the report is.

        Raises:
            DataError: no recording can be read.
        """
        from rnn_apps.speech.decoding import DecodingConfig
        from rnn_apps.speech.judging.evaluation import evaluate

        return evaluate(self, data, part, decoding or DecodingConfig())

    def transcribe(
        self,
        recordings: str | Path | Samples | Sequence[str | Path | Samples],
        decoding: DecodingConfig | None = None,
        sample_rate: int | None = None,
        unusable: Callable[[int, UserError], None] | None = None,
    ) -> list[list[Transcript]]:
        """What is said in recordings.

        Recordings longer than a minute are recognised as a stream, in constant memory, which a
        model of one direction can do; their words' times count from the beginning.

        Args:
            recordings: sound files, or samples as
                `pipelines.speech.audio.samples.one_channel` takes them; one or several.
            decoding: how outputs become text; by default a beam search.
            sample_rate: sample rate of the samples in Hz, if it is not the config's; a file knows
                its own.
            unusable: called with the number of each recording that cannot be used and its error;
                that recording's list of transcripts is then empty. None: see below.

        Returns:
            For each recording its transcripts, best first: text, score, confidence, and words with
            times and confidence. A long recording has one.

        Raises:
            UserError: the only recording cannot be used.
            UnusableRecordingsError: some of several cannot be used, and `unusable` is None; it
                names them, and its `transcripts` are those of the others.
        """
        from rnn_apps.speech.transcription import as_list, transcribe

        return transcribe(self, as_list(recordings), decoding, sample_rate, unusable)

    def write_word_model(
        self, to: str | Path, text: Sequence[str | Path] = (), order: int = 3
    ) -> dict[str, Any]:
        """Trains a word model on the run's transcripts, and on more text; for decoding.

        Args:
            to: the ARPA file that it is written to.
            text: more text in UTF-8, a sentence a line: files, or folders of `.txt` files.
            order: words of the longest n-gram.

        Returns:
            Its n-grams, and its perplexity on what was held out from training.

        Raises:
            DataError: the text cannot be read, or there are no words.
            ConfigurationError: the order is below one.
        """
        from rnn_apps.speech.run_word_model import write_word_model

        return write_word_model(self, to, text, order)

    def export(self, to: str | Path, formats: Sequence[str] | None = None) -> dict[str, Any]:
        """Writes files that recognise speech, each proven equal to the Keras model.

        Args:
            to: the folder for them.
            formats: of those that `exporting.export` knows; None for all that the model allows.

        Returns:
            For every file its size, its word error rate beside Keras', and how fast it is.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        from rnn_apps.speech.device.exporting import export

        return export(self, to, formats)


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
