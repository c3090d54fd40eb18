"""Text that is read piece by piece, so that it may be larger than memory."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport, Finding
from pipelines.tokenizers.tokenizer import utf8

CHUNK = 2**20
"""Number of characters in a piece of text."""

LINE_SEARCH = 2**16
"""How far a border between two parts may move to reach the end of a line: bytes or characters."""


class TextCorpus(abc.ABC):
    """A text, or a part of one, that can be read repeatedly.

    Attributes:
        name: name of the source, for messages.
        fingerprint: hash of what is read, in hexadecimal; it changes only with the source.
        report: findings of the latest complete reading.
    """

    def __init__(self, name: str, fingerprint: str) -> None:
        self.name = name
        self.fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        self.report = DataReport(name)

    def chunks(self) -> Iterator[str]:
        """Yields the text in consecutive pieces that cut no word in two; see `cut_safely`.

        Raises:
            DataError: the text is empty or cannot be read; the message names file and offset.
        """
        report = DataReport(self.name)
        empty = True
        for chunk in cut_safely(self._pieces(report)):
            empty = False
            report.rows += chunk.count("\n")
            yield chunk
        if empty:
            raise DataError("the text is empty", file=self.name)
        self.report = report

    @abc.abstractmethod
    def _pieces(self, report: DataReport) -> Iterator[str]:
        """The text in pieces of any length; peculiarities are noted in `report`."""

    @abc.abstractmethod
    def part(self, start: float, stop: float) -> TextCorpus:
        """The share of the text from `start` to `stop`, 0 to 1, with borders moved to line ends.

        Parts that share a border join without loss or overlap.

        Raises:
            DataError: the text is so short that the part would be empty.
        """


class MemoryText(TextCorpus):
    """A text in memory.

    Args:
        text: content of the whole text.
        name: name of the source, for messages.
        findings: findings of the reading that brought the text into memory.

    Raises:
        DataError: the text holds half of a surrogate pair; the message names the line.
    """

    def __init__(self, text: str, name: str = "text", findings: Sequence[Finding] = ()) -> None:
        super().__init__(name, f"memory {hashlib.sha256(_as_utf8(text, name)).hexdigest()}")
        self._text = text
        self._findings = tuple(findings)

    def _pieces(self, report: DataReport) -> Iterator[str]:
        for one in self._findings:
            report.note(one.kind, one.treatment, (one.places or [""])[0], one.count)
        for start in range(0, len(self._text), CHUNK):
            yield self._text[start : start + CHUNK]

    def part(self, start: float, stop: float) -> MemoryText:
        """See `TextCorpus.part`."""
        first, last = self._border(start), self._border(stop)
        if first >= last:
            raise too_short(self.name, f"{len(self._text)} characters", start, stop)
        name = part_name(self.name, start, stop)
        return MemoryText(self._text[first:last], name, self._findings)

    def _border(self, share: float) -> int:
        length = len(self._text)
        place = round(share * length)
        if place in (0, length):
            return place
        line_end = self._text.find("\n", place - 1, place + LINE_SEARCH)
        return line_end + 1 if line_end >= 0 else place


def _as_utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        for row, line in enumerate(text.split("\n"), 1):
            utf8(line, name, row)
        raise


@dataclass(frozen=True)
class TextParts:
    """The parts of a text; None for a part that does not exist."""

    train: TextCorpus
    validation: TextCorpus | None
    test: TextCorpus | None


def part_name(name: str, start: float, stop: float) -> str:
    """The name of a share of a text."""
    if (start, stop) == (0.0, 1.0):
        return name
    return f"{name} [{100 * start:g}% to {100 * stop:g}%]"


def too_short(name: str, size: str, start: float, stop: float) -> DataError:
    """The error for a share of a text that would be empty."""
    return DataError(
        f"the text of {size} has nothing between {100 * start:g}% and {100 * stop:g}% of it: parts "
        "are cut at line ends",
        file=name if isinstance(name, str) else Path(name),
        advice="Give more text, another split, or separate files for validation and test.",
    )


def cut_safely(pieces: Iterable[str], size: int = CHUNK) -> Iterator[str]:
    """Cuts a text that arrives in pieces into chunks of at most `size` characters.

    Each chunk ends after a line break or, if none is in reach, before a run of spaces; so no word
    or subword is cut, and encoding chunk by chunk equals encoding the whole text. A line without
    any space is cut after exactly `size` characters.
    """
    held = ""
    for piece in pieces:
        held = held + piece if held else piece
        while len(held) > size:
            cut = _last_cut(held, size)
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def _last_cut(text: str, size: int) -> int:
    cut = text.rfind("\n", 0, size) + 1
    if cut:
        return cut
    space = text.rfind(" ", 1, size)
    while space > 0 and text[space - 1] == " ":
        space -= 1
    return space if space > 0 else size
