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

from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.speech.audio import MOST_SECONDS
from pipelines.speech.cache import cache_folder
from pipelines.speech.extraction_pool import Request, extract_missing
from pipelines.speech.feature_config import FeatureConfig
from pipelines.speech.normalisation import feature_statistics
from pipelines.speech.recordings import Recording, Recordings

_HASH_THREADS = 4


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Recordings whose features lie on disk.

    Attributes:
        config: what was computed.
        recordings: those that have features.
        files: the features of each, float32 [frames, size] before normalisation.
        frames: how many each has, int64 [recordings].
        report: what was dropped, by listing the recordings and by reading them.
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
        """As `frames`: what is stored does not change."""
        return self.frames

    @property
    def places(self) -> tuple[str, ...]:
        """Where each recording comes from, for messages."""
        return tuple(str(recording.path) for recording in self.recordings)

    def load(
        self, number: int, generator: np.random.Generator | None = None
    ) -> npt.NDArray[np.float32]:
        """The features of a recording, float32 [frames, size].

        Raises:
            DataError: they are gone or damaged since.
        """
        try:
            found: npt.NDArray[np.float32] = np.load(self.files[number], allow_pickle=False)
            return found
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"the kept features cannot be read: {error}",
                file=self.files[number],
                advice="Delete the file and extract again.",
            ) from None

    def statistics(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Mean and standard deviation of each feature over all frames, float32 [size] each."""
        return feature_statistics(self.load(number) for number in range(len(self)))

    def where(self, wanted: Callable[[Recording], bool]) -> FeatureStore:
        """The recordings that `wanted` accepts, with the same report.

        Raises:
            DataError: it accepts none.
        """
        return self.take([i for i, recording in enumerate(self.recordings) if wanted(recording)])

    def take(self, numbers: Sequence[int]) -> FeatureStore:
        """The recordings of these numbers, with the same report.

        Raises:
            DataError: there is none.
        """
        if not len(numbers):
            raise DataError("no recording is left of those chosen", file=self.report.source)
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
    say: Callable[[str], None] = print,
) -> FeatureStore:
    """Extracts the features of all recordings, or finds them where they were kept.

    They are kept by the content of the recording and the config: what is there is not computed
    again, whatever the recordings' names, and an extraction that was stopped goes on.

    Args:
        recordings: from `load_recordings`; its report is added to.
        config: what is computed.
        cache_dir: see `cache.cache_folder`.
        processes: that extract; 0: as many as there are cores.
        most_seconds: longer recordings are dropped.
        say: is told how far it is, every few seconds.

    Raises:
        DataError: no recording is left.
    """
    folder = cache_folder(cache_dir) / "speech-features" / config.key[:16]
    with ThreadPoolExecutor(_HASH_THREADS) as threads:
        targets = list(threads.map(lambda item: _target(folder, item.path), recordings))
        answers = list(threads.map(_kept, targets))
    missing: dict[Path, Request] = {}
    for recording, target, answer in zip(recordings, targets, answers, strict=True):
        if answer is None:
            missing.setdefault(target, Request(str(recording.path), str(target)))
    if missing:
        found = extract_missing(
            list(missing.values()), config, processes=processes, most_seconds=most_seconds, say=say
        )
        by_target = dict(zip(missing, found, strict=True))
        answers = [
            answer if answer is not None else by_target[target]
            for target, answer in zip(targets, answers, strict=True)
        ]
    report = recordings.report
    kept = [i for i, answer in enumerate(answers) if _noted(answer, recordings[i], report)]
    if not kept:
        raise DataError(f"none of its recordings can be used:\n{report}", file=report.source)
    return FeatureStore(
        config,
        tuple(recordings[i] for i in kept),
        tuple(targets[i] for i in kept),
        np.array([answers[i]["frames"] for i in kept], np.int64),  # type: ignore[index]
        report,
    )


def _noted(answer: Any, recording: Recording, report: DataReport) -> bool:
    """Reports what was found in a recording; whether it can be used."""
    if "error" in answer:
        kind, problem = answer["error"]
        report.note(kind, "dropped", f"{recording.path} {problem}")
        return False
    for note in answer["notes"]:
        report.note(note, "kept", str(recording.path))
    return True


def _target(folder: Path, path: Path) -> Path:
    """Where the features of a recording of this content are kept."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(2**20), b""):
                digest.update(piece)
    except OSError:
        # It was there when it was listed; the worker will say what is wrong with it.
        digest.update(str(path).encode())
    name = digest.hexdigest()
    return folder / name[:2] / f"{name}.npy"


def _kept(target: Path) -> dict[str, Any] | None:
    """What is known about a recording; None if it has to be read."""
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
        # Not there, or damaged: it is made again.
        return None
    return answer
