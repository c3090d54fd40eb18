"""The recordings that exported files are judged on, and those that calibrate them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError, UserError
from pipelines.base.stated_columns import Stated
from pipelines.speech.audio.reading import AudioError
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from pipelines.speech.recordings.recording import Recording, Recordings
from rnn_apps.speech.device.step_model import FEATURES
from rnn_apps.speech.run_data import load_other, one_part
from rnn_apps.speech.streaming import raw_features
from rnn_apps.speech.trained import TrainedRecogniser

_log = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]

STAND_IN = "builtin:digits"
"""Synthetic speech that files are proven on where the run's own recordings are gone."""

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
        transcribed: True if the transcripts say what is said in them in the run's own spelling.
    """

    samples: list[Array]
    transcripts: list[str]
    what: str
    transcribed: bool = True

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


@dataclass(frozen=True)
class ProofRecordings:
    """Recordings that files are proven on, and recordings that calibrate them.

    Attributes:
        part: name of the recordings to judge on, for tables and cards.
        judged: recordings to judge on.
        calibrating: recordings to calibrate with.
        transcribed: True if the transcripts count; False for sounds that only have to be heard by a
            file as Keras hears them.
    """

    part: str
    judged: Recordings
    calibrating: Recordings
    transcribed: bool = True


def proof_recordings(
    run: TrainedRecogniser, data: str = "", columns: Stated = ()
) -> ProofRecordings:
    """Finds recordings to prove exported files on.

    They are the test part of the run's own recordings (or else its validation or training part), or
    of `data`. Where the run's own recordings are gone and no other are named, synthetic speech
    replaces them; its transcripts are not judged, since the run may be of another language.

    Args:
        run: trained speech recogniser.
        data: another source, of which the test part, or all, is taken; empty for the run's own.
        columns: columns of a list that `data` names, by role; see `Run.export`.

    Raises:
        DataError: `data` cannot be read.
        UserError: the run's own recordings are gone, and nothing can replace them; or columns are
            stated without a source.
    """
    if columns and not data:
        raise UserError("column goes with other data, since the run knows its own: name data")
    if data:
        source = load_other(run.config, data, columns)
        judged = one_part(source, "test")
        train = one_part(source, "train") if "train" in source.parts else judged
        return ProofRecordings("test" if "test" in source.parts else data, judged, train)
    try:
        parts = run.own.whole
    except UserError as error:
        return _stand_in(run, error)
    part = next(name for name in ("test", "validation", "train") if name in parts)
    return ProofRecordings(part, parts[part], parts["train"])


def _stand_in(run: TrainedRecogniser, gone: UserError) -> ProofRecordings:
    advice = "Name recordings to prove the files on: --data SOURCE"
    reason = str(gone).rstrip(".")
    try:
        source = load_other(run.config, STAND_IN)
    except UserError as error:
        raise UserError(f"{reason}. {advice}, since {STAND_IN} is missing, too: {error}") from None
    _log.warning(
        "%s. The files are proven on synthetic speech (%s) instead, as sounds only. %s", reason,
        STAND_IN, advice,
    )  # fmt: skip
    return ProofRecordings(
        STAND_IN, one_part(source, "test"), one_part(source, "train"), transcribed=False
    )


def judged_recordings(
    run: TrainedRecogniser, data: str = "", proof: ProofRecordings | None = None
) -> JudgedRecordings:
    """Reads recordings to judge on, evenly spread over them, up to three minutes.

    Args:
        run: trained speech recogniser.
        data: another source than the run's own recordings; see `proof_recordings`.
        proof: result of `proof_recordings`, if it is known already.

    Raises:
        UserError: the recordings are gone.
    """
    proof = proof or proof_recordings(run, data)
    recordings = list(proof.judged)
    seconds = sum(one.seconds for one in recordings)
    share = min(1.0, JUDGED_SECONDS / max(seconds, 1e-9))
    chosen = _spread(recordings, round(share * len(recordings)))
    read = _read(chosen, run)
    heard = sum(len(samples) for samples, _ in read) / run.config.sample_rate
    what = f"{len(read)} {proof.part} recordings, {heard:.0f} s"
    if len(read) < len(chosen):
        what += f" ({len(chosen) - len(read)} more cannot be read)"
    transcripts = [run.labels.tidy(one.transcript) for _, one in read]
    samples = [samples for samples, _ in read]
    return JudgedRecordings(samples, transcripts, what, proof.transcribed)


def calibration_examples(run: TrainedRecogniser, proof: ProofRecordings) -> list[dict[str, Array]]:
    """Features of training recordings, for comparisons and to calibrate int8.

    Args:
        run: trained speech recogniser.
        proof: recordings that `proof_recordings` found.

    Returns:
        A dict with "features" float32 [1, frames, size] for each.

    Raises:
        DataError: the recordings are gone.
    """
    recordings = list(proof.calibrating)
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
