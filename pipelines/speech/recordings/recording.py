"""Recordings with what is said in them, and what was found when they were listed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.speech.audio.reading import Samples, read_audio

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Segment:
    """A part of a sound file.

    Attributes:
        offset: seconds from the beginning of the file.
        seconds: length of the part.
    """

    offset: float
    seconds: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Offset and length, as `audio.stream_audio` takes them."""
        return self.offset, self.seconds

    def __str__(self) -> str:
        return f"({self.offset:.3f} to {self.offset + self.seconds:.3f} s)"


@dataclass(frozen=True)
class Recording:
    """A sound file, or a segment of one, and what is said in it.

    Attributes:
        path: the sound file.
        transcript: what is said, as given.
        speaker: name of the person who says it; "" if that is not known.
        seconds: length of the file or of the segment.
        sample_rate: sample rate of the file, in Hz.
        part: "train", "validation" or "test" where the source says so, else "".
        segment: where in the file it is; None for all of the file.
    """

    path: Path
    transcript: str
    speaker: str = ""
    seconds: float = 0.0
    sample_rate: int = 0
    part: str = ""
    segment: Segment | None = None

    @property
    def place(self) -> str:
        """The file, and where in it, for messages."""
        return str(self.path) if self.segment is None else f"{self.path} {self.segment}"

    def read(
        self,
        sample_rate: int,
        *,
        most_seconds: float = float("inf"),
        observe: Callable[[Samples], None] | None = None,
    ) -> Samples:
        """The samples of the recording, float32 [samples]; see `audio.stream_audio`.

        How long recordings may be was decided when they were listed.

        Raises:
            AudioError: see there.
        """
        offset, seconds = (0.0, None) if self.segment is None else self.segment.bounds
        return read_audio(
            self.path, sample_rate, most_seconds=most_seconds, observe=observe, offset=offset,
            seconds=seconds,
        )  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of a list of recordings, before its file has been looked at.

    Attributes:
        place: where the line stands, for messages.
        offset: where in the file the recording begins, in seconds; None if that is not said.
        seconds: length of the recording as the list says it; None if it does not.
    """

    path: Path
    transcript: str
    speaker: str = ""
    part: str = ""
    place: str = ""
    offset: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Recordings(Sequence[Recording]):
    """Recordings that can be used, and a report of those that cannot.

    Attributes:
        items: the recordings.
        report: what was dropped or changed, and why, counted.
    """

    items: tuple[Recording, ...]
    report: DataReport = field(default_factory=DataReport)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recording]:
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> Recording: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Recording, ...]: ...

    def __getitem__(self, index: int | slice) -> Recording | tuple[Recording, ...]:
        return self.items[index]

    @property
    def seconds(self) -> float:
        """How long all recordings are together."""
        return sum(item.seconds for item in self.items)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers' names, in alphabetical order."""
        return tuple(sorted({item.speaker for item in self.items}))

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the source distinguishes, in the order train, validation, test."""
        return tuple(part for part in PARTS if any(item.part == part for item in self.items))

    def where(self, wanted: Callable[[Recording], bool]) -> Recordings:
        """The recordings that `wanted` accepts, with the same report.

        Raises:
            DataError: it accepts none.
        """
        chosen = tuple(item for item in self.items if wanted(item))
        if not chosen:
            raise DataError("no recording is left of those chosen", file=self.report.source)
        return Recordings(chosen, self.report)


def parse_part(name: str) -> str:
    """The part that a folder, a split or a column's value names, "" if it names none.

    "train-clean-100" is train; "dev", "valid" and "validation" are validation; "test-other" test.
    """
    found = _PART_NAME.match(name.strip().lower())
    return "" if found is None else next(part for part in PARTS if found[part])


def stated_part(name: str, **place: Any) -> str:
    """As `parse_part`, for a text that is there to say the part.

    Args:
        name: the text; empty for a recording of no part.
        place: where it stands, as `DataError` takes it.

    Raises:
        DataError: it names none of the parts.
    """
    found = parse_part(name)
    if name.strip() and not found:
        raise DataError(
            f"the part {name.strip()!r} is none of {', '.join(PARTS)}", **place,
            advice="Name the part that the recording belongs to, or leave it empty.",
        )  # fmt: skip
    return found


# A whole word: "training" and "dev-clean" name parts, "testimony" does not.
_PART_NAME = re.compile(
    r"((?P<train>train(ing)?)|(?P<validation>dev|val|valid(ation)?)|(?P<test>test(ing)?))(?![a-z])"
)


def paths_once(entries: Iterable[Entry], report: DataReport) -> Iterator[Entry]:
    """Yields the entries but for those whose recording was listed before, which are reported."""
    seen: dict[tuple[str, float | None, float | None], str] = {}
    for entry in entries:
        # One file may be named in several ways: a.wav, ./a.wav, /home/me/a.wav.
        key = (os.path.abspath(entry.path), entry.offset, entry.seconds)  # noqa: PTH100
        if key not in seen:
            seen[key] = entry.transcript
            yield entry
            continue
        kind = "listed twice"
        if seen[key] != entry.transcript:
            kind = "listed twice with different transcripts"
        report.note(kind, "the first mention counts", entry.place or str(entry.path))
