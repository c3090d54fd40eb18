"""A run as files for servers and devices: samples to text, whole or as a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from pipelines.base.atomic_files import atomic_folder, write_json
from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge.speech.ctc import ctc_greedy
from rnn_apps.edge.speech.recogniser import CONTRACT, STREAMING_MODEL, TOKENIZER
from rnn_apps.export.formats import assembled_folder, chosen_formats, write_formats
from rnn_apps.export.processes import conversion_process
from rnn_apps.export.results import ExportError, ExportResult
from rnn_apps.speech.device.export_recordings import (
    JudgedRecordings,
    calibration_examples,
    judged_recordings,
)
from rnn_apps.speech.device.step_model import FEATURES, LOGITS, PRESENT, step_model, whole_model
from rnn_apps.speech.device.trial import Trial, try_recogniser
from rnn_apps.speech.judging.metrics import total, word_errors
from rnn_apps.speech.network.capabilities import can_stream
from rnn_apps.speech.streaming import raw_features

if TYPE_CHECKING:
    from rnn_apps.speech.run import Run

SAVED_MODEL = "saved_model"
# A quantised state that is fed back drifts from Keras' without harm to what is written: such a file
# is held to its task, the word error rate, beside a coarse bound on every number.
QUANTIZED_TOLERANCE = 0.4
MOST_WORDS_LOST = 0.01
# Log probabilities that are no further apart may be told apart differently by rounding.
TIE = 1e-3


@dataclass(frozen=True)
class ModelFile:
    """A file for a device."""

    file: str
    streaming: bool = False
    target: str = "litert"
    quantize: str | None = None


FILES = {
    "tflite": ModelFile("whole.tflite"),
    "tflite_dynamic": ModelFile("whole_dynamic.tflite", quantize="dynamic"),
    "tflite_int8": ModelFile("whole_int8.tflite", quantize="int8"),
    "streaming": ModelFile(STREAMING_MODEL, True),
    "streaming_dynamic": ModelFile("streaming_dynamic.tflite", True, quantize="dynamic"),
    "streaming_int8": ModelFile("streaming_int8.tflite", True, quantize="int8"),
    "tflm": ModelFile("streaming_tflm.tflite", True, "tflm"),
    "tflm_int8": ModelFile("streaming_tflm_int8.tflite", True, "tflm", "int8"),
}
FORMATS = (SAVED_MODEL, *FILES)
HEADER = ["file", "takes", "KiB", "word error rate", "largest difference from Keras",
          "ms a call", "real-time factor", "delay in ms", "memory in KiB"]  # fmt: skip


def export(
    run: Run,
    to: str | Path,
    formats: Sequence[str] | None = None,
    data: str = "",
    finished: Callable[[str, list[Any]], None] | None = None,
) -> dict[str, Any]:
    """Writes files that recognise speech, each proven on recordings; see `Run.export`.

    Args:
        run: a trained run, whose recordings are still there.
        to: the folder for the files.
        formats: of `FORMATS`; None for all that the model allows.
        data: recordings to prove the files on, instead of the run's own.
        finished: is told each format and its row of the table as soon as it is there.

    Returns:
        "table" with a row for each file, "files", and "contract", the file that says what they
        take and give; "not written" names the formats that failed, with the reason.

    Raises:
        ConfigurationError: there is no such format, or the model does not allow it.
        ExportError: no file writes what Keras writes; none is left behind.
    """
    chosen = _chosen(run, formats)
    if any(name != SAVED_MODEL for name in chosen):
        conversion_process.prepare()
    judged = judged_recordings(run, data)
    calibration: list[dict[str, np.ndarray]] = []
    if any(name != SAVED_MODEL for name in chosen):
        calibration = calibration_examples(run)
    folder = Path(to)
    with assembled_folder(folder, CONTRACT) as beside:
        run.labels.tokenizer.save(beside / TOKENIZER)
        # The trial of a file reads it.
        write_json(beside / CONTRACT, contract(run, chosen))
        exporter = _Exporter(run, beside, judged, calibration)
        written = write_formats(chosen, exporter.row, finished)
        write_json(beside / CONTRACT, contract(run, list(written.rows)))
    title = (
        f"Proven on {judged.what}; word error rate in Keras "
        f"{total(exporter.keras_errors).rate:.4f}; one thread"
    )
    return written.result(folder, CONTRACT, title, HEADER)


def _chosen(run: Run, formats: Sequence[str] | None) -> list[str]:
    streams = can_stream(run.config)
    if formats is None:
        allowed = [name for name, file in FILES.items() if streams or not file.streaming]
        # The converter quantises no loop of unknown length but the fused LSTM's.
        if run.config.cell != "lstm":
            allowed.remove("tflite_int8")
        return [SAVED_MODEL, *allowed]
    asked = chosen_formats(formats, FORMATS)
    refused = [n for n in asked if n in FILES and FILES[n].streaming and not streams]
    if refused:
        raise ConfigurationError(
            f"formats = {', '.join(refused)}: the model needs the whole utterance and cannot "
            "stream. Choose tflite, or train with bidirectional = false and normalisation = "
            "'global'"
        )
    return list(asked)


def contract(run: Run, formats: Sequence[str]) -> dict[str, Any]:
    """What the exported files take and give, for whoever calls them without this toolkit."""
    config, tokenizer = run.config, run.labels.tokenizer
    features = raw_features(config)
    found: dict[str, Any] = {
        "vocabulary_sha256": tokenizer.fingerprint,
        "tokenizer": tokenizer.kind,
        "labels": run.labels.size,
        "blank": run.labels.blank,
        "features": asdict(features),
        "feature_size": features.size,
        "subsampling": config.subsampling,
        "lookahead": config.lookahead,
        "seconds_per_output": config.seconds_per_output,
        "files": {
            FILES[name].file: {
                "takes": "a stream" if FILES[name].streaming else "a whole utterance",
                "target": FILES[name].target,
                "quantized": FILES[name].quantize,
            }
            for name in formats
            if name in FILES
        },
        "meaning": {
            FEATURES: "float32 [1, frames, feature_size], before normalisation",
            PRESENT: "float32 [1, frames, 1], 1 for a frame of the utterance, 0 behind its end; "
            "where the model looks ahead",
            LOGITS: "float32 [1, output frames, labels], the last label is the blank; of a stream "
            "the first `lookahead` output frames are to be dropped, and behind the end of an "
            "utterance frames that are not present follow until as many have come",
            "NAME and NAME_out": "a state: zeros before an utterance, then the output of the "
            "step before",
        },
    }
    if SAVED_MODEL in formats:
        found["saved_model"] = _SERVED
    return found


_SERVED_INPUTS = {
    "samples": "float32 [batch, samples], -1 to 1 at the features' sample rate",
    "sample_lengths": "int32 [batch], the true number of samples of each row",
}
_SERVED = {
    "recognise": {
        "inputs": _SERVED_INPUTS,
        "outputs": {"text": "string [batch]", "confidence": "float32 [batch], 0 to 1"},
    },
    "log_probabilities": {
        "inputs": _SERVED_INPUTS,
        "outputs": {
            "log_probabilities": "float32 [batch, output frames, labels], nats",
            "lengths": "int32 [batch], the true number of output frames",
        },
    },
}


class _Exporter:
    """Writes files of one run and judges them on the same recordings.

    Args:
        run: the trained run.
        folder: the folder for the files.
        judged: the recordings that files are judged on.
        calibration: features of training recordings, for comparisons and to calibrate int8.
    """

    def __init__(
        self,
        run: Run,
        folder: Path,
        judged: JudgedRecordings,
        calibration: list[dict[str, np.ndarray]],
    ) -> None:
        self._run = run
        self._folder = folder
        self._judged = judged
        self._expected = judged.log_probabilities(run)
        self._texts = [
            run.labels.decode(ctc_greedy(found, run.labels.blank)) for found in self._expected
        ]
        self.keras_errors = word_errors(judged.transcripts, self._texts)
        self._calibration = calibration

    def row(self, name: str) -> list[Any]:
        """Writes one format and returns its row of the table.

        Raises:
            ExportError: what it writes is not what Keras writes.
        """
        return self._saved_model() if name == SAVED_MODEL else self._file(FILES[name])

    def _file(self, wanted: ModelFile) -> list[Any]:
        from rnn_apps.export.card import add_task_metric
        from rnn_apps.export.tflite import export_tflite

        config = self._run.config
        make = step_model if wanted.streaming else whole_model
        result = export_tflite(
            make(self._run.model, config),
            self._folder / wanted.file,
            target=wanted.target,
            mode="streaming" if wanted.streaming else "sequence",
            quantize=wanted.quantize,
            representative_data=self._examples(wanted.streaming),
            chunk=config.subsampling if wanted.streaming else 1,
            tolerance=None if wanted.quantize is None else QUANTIZED_TOLERANCE,
        )
        try:
            trial = try_recogniser(self._folder, wanted.file, wanted.target, self._judged.samples)
            rate = self._judge(wanted.file, trial.texts, exact=wanted.quantize is None)
        except UserError:
            _discard(result)
            raise
        keras_rate = total(self.keras_errors).rate
        add_task_metric(result, "word error rate", keras_rate, rate, self._judged.what)
        return _row(wanted, result, rate, trial)

    def _examples(self, streaming: bool) -> list[dict[str, np.ndarray]]:
        if not (streaming and self._run.config.lookahead):
            return self._calibration
        return [
            {**one, PRESENT: np.ones((*one[FEATURES].shape[:2], 1), np.float32)}
            for one in self._calibration
        ]

    def _judge(self, file: str, texts: Sequence[str], *, exact: bool) -> float:
        """The word error rate of texts that a file wrote.

        Raises:
            ExportError: they are not those of Keras, or worse by more than quantisation may cost.
        """
        found, keras = total(word_errors(self._judged.transcripts, texts)), total(self.keras_errors)
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

    def _saved_model(self) -> list[Any]:
        """Writes the SavedModel and proves it after loading it again."""
        from rnn_apps.speech.device.serving import LOG_PROBABILITIES, RECOGNISE, ServedRecogniser

        served = ServedRecogniser(self._run)
        path = self._folder / SAVED_MODEL
        with atomic_folder(path) as beside:
            tf.saved_model.save(served, str(beside), signatures=served.signatures())
            loaded = tf.saved_model.load(str(beside))
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
            rate = self._judge(SAVED_MODEL, texts, exact=True)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return [SAVED_MODEL, "a batch of recordings", round(size / 1024, 1), rate, difference,
                None, None, None, None]  # fmt: skip


def _row(wanted: ModelFile, result: ExportResult, rate: float, trial: Trial) -> list[Any]:
    delay = None if trial.delay_seconds is None else round(1000 * trial.delay_seconds)
    return [
        wanted.file,
        "a stream" if wanted.streaming else "a whole utterance",
        round(result.bytes / 1024, 1),
        rate,
        result.error,
        result.latency_ms,
        round(trial.real_time_factor, 5),
        delay,
        trial.memory_kib,
    ]


def _discard(result: ExportResult) -> None:
    for suffix in ("", ".json", ".md"):
        result.path.with_name(result.path.name + suffix).unlink(missing_ok=True)
