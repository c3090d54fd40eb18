"""The recordings that exported files are judged on, and those that calibrate them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.speech.audio.reading import AudioError
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from pipelines.speech.recordings.recording import Recording
from rnn_apps.speech.device.step_model import FEATURES
from rnn_apps.speech.run_data import load_source, one_part
from rnn_apps.speech.streaming import raw_features
from rnn_apps.speech.trained import TrainedRecogniser

Array = npt.NDArray[np.float32]

# How much of the recordings files are judged on; and how many calibrate, each up to so long.
JUDGED_SECONDS = 180.0
CALIBRATED, CALIBRATED_SECONDS = 24, 6.0
_BATCH = 8


@dataclass(frozen=True)
class JudgedRecordings:
    """Recordings with what is said in them.

    Attributes:
        samples: of each, at the model's rate.
        transcripts: tidied.
        what: says which they are, for tables and cards.
    """

    samples: list[Array]
    transcripts: list[str]
    what: str

    def log_probabilities(self, run: TrainedRecogniser) -> list[Array]:
        """What the Keras model gives for each, [output frames, labels]."""
        extract = SpeechFeatures(raw_features(run.config))
        found: list[Array] = []
        for samples in self.samples:
            features = extract(samples)[None]
            lengths = np.array([features.shape[1]], np.int32)
            inputs = {FEATURES: features, "frame_lengths": lengths}
            found.extend(run.recogniser.log_probabilities(inputs))
        return found

    def batches(self) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
        """Padded batches, as the SavedModel takes them."""
        for at in range(0, len(self.samples), _BATCH):
            rows = self.samples[at : at + _BATCH]
            lengths = np.array([len(row) for row in rows], np.int32)
            padded = np.zeros((len(rows), int(lengths.max())), np.float32)
            for row, samples in zip(padded, rows, strict=True):
                row[: len(samples)] = samples
            yield {"samples": padded, "sample_lengths": lengths}


def judged_recordings(run: TrainedRecogniser, data: str = "") -> JudgedRecordings:
    """Recordings from the run's test part, evenly spread over it, up to three minutes.

    Where the data has no test part it is the validation or else the training part.

    Args:
        run: trained speech recogniser.
        data: another source, of which the test part, or all, is taken; empty for the run's own.

    Raises:
        DataError: the recordings are gone.
    """
    if data:
        part, recordings = "test", list(one_part(load_source(run.config, data), "test"))
    else:
        parts = run.own.whole
        part = next(name for name in ("test", "validation", "train") if name in parts)
        recordings = list(parts[part])
    seconds = sum(one.seconds for one in recordings)
    share = min(1.0, JUDGED_SECONDS / max(seconds, 1e-9))
    chosen = _spread(recordings, round(share * len(recordings)))
    read = _read(chosen, run)
    heard = sum(len(samples) for samples, _ in read) / run.config.sample_rate
    return JudgedRecordings(
        [samples for samples, _ in read],
        [run.labels.tidy(one.transcript) for _, one in read],
        f"{len(read)} {part} recordings, {heard:.0f} s"
        + (f" ({len(chosen) - len(read)} more cannot be read)" if len(read) < len(chosen) else ""),
    )


def calibration_examples(run: TrainedRecogniser) -> list[dict[str, Array]]:
    """Features of training recordings, for comparisons and to calibrate int8.

    Returns:
        A dict with "features" float32 [1, frames, size] for each.

    Raises:
        DataError: the recordings are gone.
    """
    recordings = list(run.own.part("train"))
    # The longest ones show the most.
    recordings.sort(key=lambda one: -min(one.seconds, CALIBRATED_SECONDS))
    chosen = _spread(recordings[: 4 * CALIBRATED], CALIBRATED)
    extract = SpeechFeatures(raw_features(run.config))
    most = round(CALIBRATED_SECONDS * run.config.sample_rate)
    return [{FEATURES: extract(samples[:most])[None]} for samples, _ in _read(chosen, run)]


def _spread(recordings: Sequence[Recording], count: int) -> list[Recording]:
    """So many recordings, at least one, at even distances; all if there are fewer."""
    count = min(len(recordings), max(1, count))
    places = np.linspace(0, len(recordings) - 1, count).round().astype(int)
    return [recordings[place] for place in places.tolist()]


def _read(recordings: Sequence[Recording], run: TrainedRecogniser) -> list[tuple[Array, Recording]]:
    """The samples of those recordings that can be read."""
    found, problem = [], ""
    for one in recordings:
        try:
            found.append((one.read(run.config.sample_rate), one))
        except AudioError as error:
            problem = str(error)
    if not found:
        raise DataError(
            f"none of the recordings to prove the files on can be read: {problem}",
            file=run.config.data,
        )
    return found
