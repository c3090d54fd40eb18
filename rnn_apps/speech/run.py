"""A trained run: evaluate it, transcribe with it, export it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import UserError
from pipelines.base.stated_columns import Stated
from rnn_apps.edge.speech.endpointing import EndpointConfig
from rnn_apps.speech.decoding import DecodingConfig, Transcript
from rnn_apps.speech.device.exporting import export
from rnn_apps.speech.judging.evaluation import evaluate
from rnn_apps.speech.trained import TrainedRecogniser
from rnn_apps.speech.transcription import Samples, Transcription, as_list, transcribe
from rnn_apps.speech.word_model import write_word_model

if TYPE_CHECKING:
    from pipelines.speech import Recordings


class Run(TrainedRecogniser):
    """A trained speech recogniser with its folder and its verbs; made by `train` and `load`."""

    def evaluate(
        self,
        data: str | Recordings | None = None,
        part: str = "",
        decoding: DecodingConfig | None = None,
        columns: Stated = (),
    ) -> dict[str, Any]:
        """Judges the run: word and character error rates; writes the report.

        Args:
            data: recordings other than the run's own; None for the run's own.
            part: name of the part: train, validation or test; empty for test, or for validation
                where there is no test part.
            decoding: way in which outputs become text, apart from greedy decoding, which is
                judged too; None for a beam search.
            columns: columns of a list of other recordings by role, such as {"text": NAME} or
                ["text=NAME"], in place of all that the training stated; empty for those.

        Returns:
            "table", the figures of every way of decoding, and where the report is.

        Raises:
            DataError: no recording can be read.
        """
        return evaluate(self, data, part, decoding or DecodingConfig(), columns)

    def transcribe(
        self,
        recordings: str | Path | Samples | Sequence[str | Path | Samples],
        decoding: DecodingConfig | None = None,
        sample_rate: int | None = None,
        unusable: Callable[[int, UserError], None] | None = None,
        endpoint: EndpointConfig | None = None,
        padding_seconds: float | None = None,
        processes: int = 1,
    ) -> list[list[Transcript]]:
        """Transcribes recordings.

        Recordings longer than a minute are recognised as a stream, in constant memory, which a
        model of one direction can do; their words' times count from the beginning.

        Args:
            recordings: sound files, or samples as
                `pipelines.speech.audio.samples.one_channel` takes them; one or several.
            decoding: way in which outputs become text; None for a beam search.
            sample_rate: sample rate of the samples in Hz; None for the configuration's. A file
                knows its own.
            unusable: function that is called with the number of each recording that cannot be
                used and its error; that recording's list of transcripts is then empty. None to
                raise the errors listed below.
            endpoint: rules by which the utterances of a recording longer than a minute end; None
                for the default ones.
            padding_seconds: length of quiet noise that is added on each side of a recording of up
                to a minute, in seconds, for recordings that were cut where the word begins and
                ends; 0 for none, None for the length that the run was trained with. The words'
                times stay those of the recording.
            processes: number of processes that share the recordings; 0 for one per core. Each
                opens the run's folder, which takes seconds; the transcripts are the same.

        Returns:
            For each recording its transcripts, best first: text, score, confidence, and words with
            times and confidence. A long recording has one.

        Raises:
            ConfigurationError: the padding is negative or longer than five seconds, or the number
                of processes is negative.
            UserError: the only recording cannot be used.
            UnusableRecordingsError: some of several cannot be used, and `unusable` is None; it
                names them, and its `transcripts` are those of the others.
        """
        settings = Transcription(
            decoding or DecodingConfig(), sample_rate, endpoint or EndpointConfig(), padding_seconds
        )
        return transcribe(self, as_list(recordings), settings, unusable, processes)

    def write_word_model(
        self, to: str | Path, text: Sequence[str | Path] = (), order: int = 3
    ) -> dict[str, Any]:
        """Trains a word model for decoding on the run's transcripts, and on more text.

        Where the run's recordings are gone, the text alone is learnt from.

        Args:
            to: ARPA file that the model is written to.
            text: further text in UTF-8, one sentence per line: files, or folders of `.txt` files.
            order: number of words in the longest n-gram.

        Returns:
            Its n-grams, and its perplexity on what was held out from training.

        Raises:
            DataError: the text cannot be read, or there are no words.
            UserError: the run's recordings are gone, and there is no text.
            ConfigurationError: the order is below one.
        """
        return write_word_model(self, to, text, order)

    def export(
        self,
        to: str | Path,
        formats: Sequence[str] | None = None,
        data: str = "",
        columns: Stated = (),
    ) -> dict[str, Any]:
        """Writes files that recognise speech, each proven equal to the Keras model.

        Args:
            to: folder for the files.
            formats: names of formats, out of `exporting.FORMATS`; None for all but C code that the
                model allows.
            data: source of recordings to prove the files on; empty for the run's own. Where these
                are gone, synthetic speech replaces them.
            columns: columns of a list that `data` names, by role; see `evaluate`.

        Returns:
            For every file its size, its word error rate compared with Keras', and how fast it is.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        return export(self, to, formats, data, columns)


def load(folder: str | Path, data: str | Recordings = "") -> Run:
    """Opens the folder of a trained run.

    Args:
        folder: folder of the run, as `train` left it.
        data: recordings that the run was trained on, where the configuration does not name them.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
        DataError: its alphabet is missing, or is another model's.
    """
    return Run.open(folder, data)
