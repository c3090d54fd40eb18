"""Features of recordings: extracted in parallel, kept on disk, never computed twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.speech.audio.reading import MOST_SECONDS
from pipelines.speech.cache import cache_folder
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.extraction_pool import Request, extract_missing
from pipelines.speech.feature_extraction.normalisation import feature_statistics
from pipelines.speech.recordings.recording import Recording, Recordings

_HASH_THREADS = 4


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Recordings whose features are on disk.

    Attributes:
        config: configuration of the features.
        recordings: the recordings that have features.
        files: file of each recording's features, float32 [frames, size] before normalisation.
        frames: number of frames of each recording, int64 [recordings].
        report: counts of what was dropped while recordings were listed and read.
    """

    config: FeatureConfig
    recordings: tuple[Recording, ...]
    files: tuple[Path, ...]
    frames: npt.NDArray[np.int64]
    report: DataReport

    def __len__(self) -> int:
        return len(self.recordings)

    @property
    def fewest_frames(self) -> npt.NDArray[np.int64]:
        """The same as `frames`, since stored features do not change."""
        return self.frames

    @property
    def places(self) -> tuple[str, ...]:
        """The place of each recording in its source, for messages."""
        return tuple(recording.place for recording in self.recordings)

    def load(
        self, number: int, generator: np.random.Generator | None = None
    ) -> npt.NDArray[np.float32]:
        """The features of a recording, float32 [frames, size].

        Raises:
            DataError: the features were deleted or damaged after they were stored.
        """
        try:
            features: npt.NDArray[np.float32] = np.load(self.files[number], allow_pickle=False)
            return features
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"the stored features cannot be read: {error}",
                file=self.files[number],
                advice="Delete the file and extract the features again.",
            ) from None

    def copies(
        self, number: int, generator: np.random.Generator | None, count: int
    ) -> list[npt.NDArray[np.float32]]:
        """The features of a recording `count` times, since stored features do not change."""
        return [self.load(number)] * count

    def statistics(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Mean and standard deviation of each feature over all frames, float32 [size] each."""
        return feature_statistics(self.load(number) for number in range(len(self)))

    def where(self, wanted: Callable[[Recording], bool]) -> FeatureStore:
        """The recordings that `wanted` accepts, with the same report.

        Raises:
            DataError: no recording is accepted.
        """
        return self.take([i for i, recording in enumerate(self.recordings) if wanted(recording)])

    def take(self, numbers: Sequence[int]) -> FeatureStore:
        """The recordings of these numbers, with the same report.

        Raises:
            DataError: `numbers` is empty.
        """
        if not len(numbers):
            raise DataError("no recording matches the selection", file=self.report.source)
        return FeatureStore(
            self.config,
            tuple(self.recordings[number] for number in numbers),
            tuple(self.files[number] for number in numbers),
            self.frames[np.asarray(numbers)],
            self.report,
        )


def extract_features(
    recordings: Recordings,
    config: FeatureConfig,
    *,
    cache_dir: str | Path = "",
    processes: int = 0,
    most_seconds: float = MOST_SECONDS,
) -> FeatureStore:
    """Extracts the features of all recordings, or finds them in the cache folder.

    They are stored by the content of the recording and the configuration: existing features are not
    computed again, even for renamed recordings, and an interrupted extraction continues.

    Args:
        recordings: recordings from `load_recordings`; findings are added to their report.
        config: configuration of the features.
        cache_dir: folder that keeps the features; "" for the default, see `cache.cache_folder`.
        processes: number of worker processes that extract features; 0 for one per core.
        most_seconds: longest recording that is used, in seconds; longer ones are dropped.

    Raises:
        DataError: no recording is left.
    """
    folder = cache_folder(cache_dir) / "speech-features" / config.key[:16]
    with ThreadPoolExecutor(_HASH_THREADS) as threads:
        # A file may have many segments, but it is read only once.
        paths = list(dict.fromkeys(item.path for item in recordings))
        digests = dict(zip(paths, threads.map(_digest, paths), strict=True))
        targets = [_target(folder, digests[item.path], item) for item in recordings]
        answers = list(threads.map(_kept, targets))
    missing: dict[Path, Request] = {}
    for recording, target, answer in zip(recordings, targets, answers, strict=True):
        if answer is None:
            segment = recording.segment
            offset, seconds = (0.0, None) if segment is None else segment.bounds
            request = Request(str(recording.path), str(target), offset, seconds, recording.channel)
            missing.setdefault(target, request)
    if missing:
        extracted = extract_missing(
            list(missing.values()), config, processes=processes, most_seconds=most_seconds
        )
        by_target = dict(zip(missing, extracted, strict=True))
        answers = [
            answer if answer is not None else by_target[target]
            for target, answer in zip(targets, answers, strict=True)
        ]
    report = recordings.report
    kept = [
        i
        for i, answer in enumerate(answers)
        if _noted(answer, recordings[i], config.sample_rate, report)
    ]
    if not kept:
        raise DataError(f"none of its recordings can be used:\n{report}", file=report.source)
    return FeatureStore(
        config,
        tuple(recordings[i] for i in kept),
        tuple(targets[i] for i in kept),
        np.array([answers[i]["frames"] for i in kept], np.int64),  # type: ignore[index]
        report,
    )


def _noted(answer: Any, recording: Recording, sample_rate: int, report: DataReport) -> bool:
    """Reports the findings about a recording, and returns whether it can be used."""
    if "error" in answer:
        kind, problem = answer["error"]
        report.note(kind, "dropped", f"{recording.place} {problem}")
        return False
    if recording.sample_rate and recording.sample_rate != sample_rate:
        kind = "higher" if recording.sample_rate > sample_rate else "lower"
        treatment = f"resampled to {sample_rate} Hz"
        if kind == "lower":
            treatment += ", without the frequencies that it does not have"
        place = f"{recording.place} has {recording.sample_rate} Hz"
        report.note(f"{kind} sample rate than the model's", treatment, place)
    for note in answer["notes"]:
        report.note(note, "kept", recording.place)
    return True


def _target(folder: Path, digest: str, recording: Recording) -> Path:
    """The file for the features of a recording with this content, or of a part of it."""
    name, segment = digest, recording.segment
    text = digest
    if segment is not None:
        text += f" {segment.offset!r} {segment.seconds!r}"
    if recording.channel:
        text += f" channel {recording.channel}"
    if text != digest:
        name = hashlib.sha256(text.encode()).hexdigest()
    return folder / name[:2] / f"{name}.npy"


def _digest(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(2**20), b""):
                digest.update(piece)
    except OSError:
        # The file existed when it was listed; the worker will report what is wrong with it.
        digest.update(str(path).encode())
    return digest.hexdigest()


def _kept(target: Path) -> dict[str, Any] | None:
    """The stored answer about a recording; None if the recording has to be read."""
    answer: dict[str, Any] = {"notes": []}
    try:
        answer = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        if "error" in answer:
            return answer
    except (OSError, json.JSONDecodeError):
        pass
    try:
        answer["frames"] = len(np.load(target, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError):
        # Missing or damaged features are computed again.
        return None
    return answer
