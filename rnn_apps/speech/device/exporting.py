"""A run as files for servers and devices: samples to text, whole or as a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from pipelines.base.stated_columns import Stated
from pipelines.speech.audio.padding import padded
from rnn_apps.application.going_on import read_origin
from rnn_apps.edge.speech.ctc import ctc_greedy
from rnn_apps.edge.speech.recogniser import TOKENIZER
from rnn_apps.edge.speech.speech_labels import SpeechLabels
from rnn_apps.export.delivery import (
    SAVED_MODEL,
    Delivery,
    DeviceFile,
    deliver,
    kibibytes,
    saved_and_loaded,
)
from rnn_apps.export.results import ExportError
from rnn_apps.speech.device.contract import FILES, contract
from rnn_apps.speech.device.export_recordings import (
    calibration_examples,
    judged_recordings,
    proof_recordings,
)
from rnn_apps.speech.device.serving import LOG_PROBABILITIES, RECOGNISE, ServedRecogniser
from rnn_apps.speech.device.step_model import FEATURES, PRESENT, step_model, whole_model
from rnn_apps.speech.device.trial import Trial, try_recogniser
from rnn_apps.speech.judging.metrics import total, word_errors
from rnn_apps.speech.network.capabilities import can_stream
from rnn_apps.speech.streaming import raw_features
from rnn_apps.speech.trained import TrainedRecogniser

if TYPE_CHECKING:
    from rnn_apps.export.device_files import WrittenFile

# A quantised state that is fed back drifts from Keras' without harm to what is written: such a file
# is held to its task, the word error rate, and only to a coarse bound on every number.
QUANTIZED_TOLERANCE = 0.4
MOST_WORDS_LOST = 0.01
# Rounding may decide between two labels whose log probabilities are no further apart than this.
TIE = 1e-3

HEADER = ["file", "takes", "KiB", "word error rate", "largest difference from Keras",
          "ms per call", "real-time factor", "delay in ms", "memory in KiB"]  # fmt: skip


def export(
    run: TrainedRecogniser,
    to: str | Path,
    formats: Sequence[str] | None = None,
    data: str = "",
    columns: Stated = (),
) -> dict[str, Any]:
    """Writes files that recognise speech, each proven on recordings; see `Run.export`.

    Args:
        run: trained run whose recogniser is exported.
        to: folder for the files.
        formats: names of formats, out of `FORMATS`; None for all that the model allows.
        data: source of recordings to prove the files on; empty for the run's own, or for
            synthetic speech if these are gone.
        columns: columns of a list that `data` names, by role; see `Run.export`.

    Returns:
        "table" with a row for each file, "files", and "contract", the file that says what they
        take and give; "not written" names the formats that failed, with the reason.

    Raises:
        ConfigurationError: there is no such format, or the model does not allow it.
        ExportError: no file writes what Keras writes; none is left behind.
    """
    return deliver(
        SpeechDelivery(run, data, columns), to, formats,
        origin=read_origin(run.folder), model=run.folder.model,
    )  # fmt: skip


class SpeechDelivery(Delivery):
    """The files of a recogniser, judged by the texts that they write and their word error rate.

    Args:
        run: trained speech recogniser.
        data: source of recordings to prove the files on; empty for the run's own.
        columns: columns of a list that `data` names, by role; see `Run.export`.
    """

    files = FILES
    header = HEADER

    def __init__(self, run: TrainedRecogniser, data: str = "", columns: Stated = ()) -> None:
        self._run = run
        self._data = data
        self._columns = columns

    def choose(self, asked: str | Sequence[str] | None) -> Sequence[str]:
        """See `Delivery`."""
        streams = can_stream(self._run.config)
        if asked is None:
            names = [name for name in self.without_code() if name in FILES]
            allowed = [name for name in names if streams or not FILES[name].streaming]
            # The converter quantises no loop of unknown length but the fused LSTM's.
            if self._run.config.cell != "lstm":
                allowed.remove("tflite_int8")
            return [SAVED_MODEL, *allowed]
        chosen = super().choose(asked)
        refused = [n for n in chosen if n in FILES and FILES[n].streaming and not streams]
        if refused:
            raise ConfigurationError(
                f"formats = {', '.join(refused)}: the model needs the whole utterance and cannot "
                "stream. Choose tflite, or train with bidirectional = false and normalisation = "
                "'global'"
            )
        if any(FILES[name].target == "c" for name in chosen if name in FILES):
            from rnn_apps.export.c.sound.front_end import refuse_features

            refuse_features(raw_features(self._run.config))
        return chosen

    def prepare(self, formats: Sequence[str]) -> None:
        """See `Delivery`."""
        run = self._run
        proof = proof_recordings(run, self._data, self._columns)
        self._judged = judged_recordings(run, proof=proof)
        # A stream has a room around it, which files for whole utterances add by themselves.
        self._streams = [
            padded(one, run.config.sample_rate, run.config.padding_seconds)
            for one in self._judged.samples
        ]
        device = any(name != SAVED_MODEL for name in formats)
        self._calibration = calibration_examples(run, proof) if device else []
        self._expected = self._judged.log_probabilities(run)
        self._texts = [
            run.labels.decode(ctc_greedy(values, run.labels.blank)) for values in self._expected
        ]
        # Without transcripts of its own language, a file has to write what Keras writes.
        self._said = self._judged.transcripts if self._judged.transcribed else self._texts
        self._keras_errors = total(word_errors(self._said, self._texts))
        rate = f"word error rate in Keras {self._keras_errors.rate:.4f}"
        if not self._judged.transcribed:
            rate = "word error rates compared with what Keras writes"
        self.title = f"Proven on {self._judged.what}; {rate}; one thread"

    def contract(self, formats: Sequence[str]) -> dict[str, Any]:
        """See `Delivery`."""
        return contract(self._run, formats)

    def save_companions(self, folder: Path) -> None:
        """Writes the alphabet."""
        self._run.labels.tokenizer.save(folder / TOKENIZER)

    def device_file(self, wanted: DeviceFile, folder: Path) -> list[Any]:
        """See `Delivery`."""
        from rnn_apps.export.device_files import write_model

        config = self._run.config
        make = step_model if wanted.streaming else whole_model
        written = write_model(
            make(self._run.model, config),
            folder / wanted.file,
            wanted,
            name="recogniser",
            mode="streaming" if wanted.streaming else "sequence",
            data=self._examples(wanted.streaming),
            chunk=config.subsampling if wanted.streaming else 1,
            tolerance=None if wanted.quantize is None else QUANTIZED_TOLERANCE,
        )
        if wanted.target == "c":
            written = self._with_ears(written)
        samples = self._streams if wanted.streaming else self._judged.samples
        trial = try_recogniser(folder, wanted.file, wanted.target, samples)
        rate = self._judge(wanted.file, trial.texts, exact=wanted.quantize is None)
        metric = "word error rate"
        if not self._judged.transcribed:
            metric += " compared with Keras' text"
        written.add_task_metric(metric, self._keras_errors.rate, rate, self._judged.what)
        return _row(wanted, written, rate, trial)

    def _with_ears(self, written: WrittenFile) -> WrittenFile:
        """Adds the features and the listener to C code, judged by the labels that it writes.

        Raises:
            ExportError: from samples of 16 bits it writes what is worse than Keras' text.
        """
        from rnn_apps.export.c.sound.listening_folder import add_listening

        config, labels = self._run.config, self._run.labels
        folder, heard = add_listening(
            written.code, self._run.model.name, raw_features(config).of_streams, self._streams,
            subsampling=config.subsampling, lookahead=config.lookahead,
            pieces=SpeechLabels.of(labels.tokenizer, labels.spelling).pieces,
        )  # fmt: skip
        texts = [labels.decode(np.array(row, np.int32)) for row in heard]
        # A recording of other than 16 bits is rounded, so that its text may be another one.
        self._judge(f"{written.path.name}, from samples", texts, exact=False)
        return dataclasses.replace(written, kibibytes=round(folder.flash_bytes / 1024, 1))

    def _examples(self, streaming: bool) -> list[dict[str, np.ndarray]]:
        if not (streaming and self._run.config.lookahead):
            return self._calibration
        return [
            {**one, PRESENT: np.ones((*one[FEATURES].shape[:2], 1), np.float32)}
            for one in self._calibration
        ]

    def _judge(self, file: str, texts: Sequence[str], *, exact: bool) -> float:
        """Computes the word error rate of texts that a file wrote.

        Raises:
            ExportError: they are not those of Keras, or worse by more than quantisation may cost.
        """
        found, keras = total(word_errors(self._said, texts)), self._keras_errors
        if exact:
            for text, wanted, values in zip(texts, self._texts, self._expected, strict=True):
                first, second = np.sort(values, axis=1)[:, -1], np.sort(values, axis=1)[:, -2]
                if text != wanted and (first - second).min() > TIE:
                    raise ExportError(f"{file}: writes {text!r} where Keras writes {wanted!r}")
        elif found.errors - keras.errors > max(1.0, MOST_WORDS_LOST * found.reference):
            raise ExportError(
                f"{file}: quantised, the word error rate is {found.rate:.4f} instead of "
                f"{keras.rate:.4f}. Choose another format"
            )
        return found.rate

    def saved_model(self, path: Path) -> list[Any]:
        """See `Delivery`."""
        with saved_and_loaded(ServedRecogniser(self._run), path) as loaded:
            texts, difference = self._served(loaded)
            rate = self._judge(SAVED_MODEL, texts, exact=True)
        return [SAVED_MODEL, "a batch of recordings", kibibytes(path), rate, difference,
                None, None, None, None]  # fmt: skip

    def _served(self, loaded: Any) -> tuple[list[str], float]:
        """The texts that a SavedModel writes, and its largest difference from Keras.

        Raises:
            ExportError: its log probabilities are not those of Keras.
        """
        texts: list[str] = []
        difference = 0.0
        for batch in self._judged.batches():
            inputs = {name: tf.constant(value) for name, value in batch.items()}
            written = loaded.signatures[RECOGNISE](**inputs)["text"].numpy()
            outputs = loaded.signatures[LOG_PROBABILITIES](**inputs)
            for row, length in enumerate(outputs["lengths"].numpy()):
                values = outputs["log_probabilities"][row, :length].numpy()
                wanted = self._expected[len(texts)]
                if values.shape != wanted.shape:
                    raise ExportError(
                        f"the SavedModel gives {len(values)} output frames where Keras gives "
                        f"{len(wanted)}"
                    )
                difference = max(difference, float(np.abs(values - wanted).max()))
                texts.append(written[row].decode("utf-8"))
        if not difference <= 1e-2:
            raise ExportError(
                f"the SavedModel's log probabilities are up to {difference:g} from Keras'"
            )
        return texts, difference


FORMATS = SpeechDelivery.formats()


def _row(wanted: DeviceFile, written: WrittenFile, rate: float, trial: Trial) -> list[Any]:
    delay = None if trial.delay_seconds is None else round(1000 * trial.delay_seconds)
    return [
        wanted.file,
        "a stream" if wanted.streaming else "a whole utterance",
        written.kibibytes,
        rate,
        written.error,
        written.latency_ms,
        round(trial.real_time_factor, 5),
        delay,
        trial.memory_kib,
    ]
