"""Recordings with what is said in them, and what was found when they were listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from pipelines.data_report import DataReport
from pipelines.errors import DataError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Recording:
    """A sound file and what is said in it.

    Attributes:
        path: the sound file.
        transcript: what is said, as given.
        speaker: who says it; "" if that is not known.
        seconds: how long it is, by its header.
        sample_rate: by its header, in Hz.
        part: "train", "validation" or "test" where the source says so, else "".
    """

    path: Path
    transcript: str
    speaker: str = ""
    seconds: float = 0.0
    sample_rate: int = 0
    part: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of a list of recordings, before its file has been looked at.

    Attributes:
        place: where the line stands, for messages.
    """

    path: Path
    transcript: str
    speaker: str = ""
    part: str = ""
    place: str = ""


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


# A whole word: "training" and "dev-clean" name parts, "testimony" does not.
_PART_NAME = re.compile(
    r"((?P<train>train(ing)?)|(?P<validation>dev|val|valid(ation)?)|(?P<test>test(ing)?))(?![a-z])"
)


def paths_once(entries: Iterable[Entry], report: DataReport) -> Iterator[Entry]:
    """Yields the entries but for those whose file was listed before, which are reported."""
    seen: set[Path] = set()
    for entry in entries:
        if entry.path in seen:
            report.note("listed twice", "the first mention counts", entry.place or str(entry.path))
            continue
        seen.add(entry.path)
        yield entry
