"""Recordings with their transcripts, and the findings of listing them."""

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
        offset: place in the file at which the part begins, in seconds.
        seconds: length of the part.
    """

    offset: float
    seconds: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Offset and length, as arguments of `reading.stream_audio`."""
        return self.offset, self.seconds

    def __str__(self) -> str:
        return f"({self.offset:.3f} to {self.offset + self.seconds:.3f} s)"


@dataclass(frozen=True)
class Recording:
    """A sound file, or a segment of one, and its transcript.

    Attributes:
        path: path of the sound file.
        transcript: the spoken words, as in the source.
        speaker: name of the speaker; "" if unknown.
        seconds: length of the file or of the segment.
        sample_rate: sample rate of the file, in Hz.
        part: "train", "validation" or "test"; "" if the source does not say.
        segment: part of the file; None for the whole file.
        channel: number of the channel that is read, counted from 1; 0 for the mean of all.
    """

    path: Path
    transcript: str
    speaker: str = ""
    seconds: float = 0.0
    sample_rate: int = 0
    part: str = ""
    segment: Segment | None = None
    channel: int = 0

    @property
    def place(self) -> str:
        """The file and the place in the file, for messages."""
        return str(self.path) if self.segment is None else f"{self.path} {self.segment}"

    def read(
        self,
        sample_rate: int,
        *,
        most_seconds: float = float("inf"),
        observe: Callable[[Samples], None] | None = None,
    ) -> Samples:
        """The samples of the recording, float32 [samples]; see `reading.read_audio`.

        The length is not limited by default, since it was checked when recordings were listed.

        Args:
            sample_rate: sample rate of the samples, in Hz.
            most_seconds: longest allowed recording, in seconds.
            observe: function that is called with every block as it is in the file.

        Raises:
            AudioError: see `reading.stream_audio`.
        """
        offset, seconds = (0.0, None) if self.segment is None else self.segment.bounds
        return read_audio(
            self.path, sample_rate, most_seconds=most_seconds, observe=observe, offset=offset,
            seconds=seconds, channel=self.channel,
        )  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of a list of recordings, before its file has been examined.

    Attributes:
        path: path of the sound file.
        transcript: the spoken words.
        speaker: name of the speaker; "" if unknown.
        part: "train", "validation" or "test"; "" if the list does not say.
        place: place of the line, for messages.
        offset: place in the file at which the recording begins, in seconds; None if not stated.
        seconds: length of the recording; None if not stated.
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
    """Usable recordings, and a report on the others.

    Attributes:
        items: the recordings.
        report: counts of what was dropped or changed, by reason.
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
        """The total length of all recordings, in seconds."""
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
            DataError: no recording is accepted.
        """
        chosen = tuple(item for item in self.items if wanted(item))
        if not chosen:
            raise DataError("no recording matches the selection", file=self.report.source)
        return Recordings(chosen, self.report)


def parse_part(name: str) -> str:
    """The part that the name of a folder or split, or a value of a column, states; "" for none.

    "train-clean-100" is train; "dev", "valid" and "validation" are validation; "test-other" test.
    """
    match = _PART_NAME.match(name.strip().lower())
    return "" if match is None else next(part for part in PARTS if match[part])


def stated_part(name: str, **place: Any) -> str:
    """As `parse_part`, for a text whose purpose is to state the part.

    Args:
        name: name of the part; empty for a recording without a part.
        place: place of the text, as arguments of `DataError`.

    Raises:
        DataError: the text does not name a part.
    """
    part = parse_part(name)
    if name.strip() and not part:
        raise DataError(
            f"the part {name.strip()!r} does not exist", **place,
            advice=f"Available: {', '.join(PARTS)}; or leave it empty.",
        )  # fmt: skip
    return part


# A whole word: "training" and "dev-clean" name parts, "testimony" does not.
_PART_NAME = re.compile(
    r"((?P<train>train(ing)?)|(?P<validation>dev|val|valid(ation)?)|(?P<test>test(ing)?))(?![a-z])"
)


def paths_once(entries: Iterable[Entry], report: DataReport) -> Iterator[Entry]:
    """Yields the first entry for each recording; further entries are reported."""
    seen: dict[tuple[str, float | None, float | None], str] = {}
    for entry in entries:
        # A file may be named in several ways: a.wav, ./a.wav, /home/me/a.wav.
        key = (os.path.abspath(entry.path), entry.offset, entry.seconds)  # noqa: PTH100
        if key not in seen:
            seen[key] = entry.transcript
            yield entry
            continue
        kind = "listed twice"
        if seen[key] != entry.transcript:
            kind = "listed twice with different transcripts"
        report.note(kind, "the first mention counts", entry.place or str(entry.path))
