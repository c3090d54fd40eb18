"""Where a line ends: at \\n or \\r\\n, and nowhere else.

Python's own readers also end a line at a lone \\r, and `str.splitlines` at form feeds, U+0085,
U+2028 and others. One such character inside a sentence would shift every line after it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

_LONE = re.compile(r" *\r[ \r]*")


class LineEnds:
    """Converts the line ends of a text that arrives in pieces: \\r\\n becomes \\n.

    Args:
        lone_return: replacement for a \\r without \\n after it: "\\n" in running text; "\\r", which
            leaves it unchanged, if each line is a sentence.

    Attributes:
        windows: number of \\r\\n so far.
        lone: number of lone \\r so far.
        lone_lines: line numbers of the first few lone \\r; lines are counted from 1 and end at \\n.
    """

    def __init__(self, lone_return: str) -> None:
        self._lone_return = lone_return
        self._held = ""
        self._line_ends = 0
        self.windows = 0
        self.lone = 0
        self.lone_lines: list[int] = []

    def read(self, piece: str, final: bool = False) -> str:
        """The piece with its line ends as \\n; a \\r at its end is held back for the next piece."""
        text = self._held + piece
        self._held = ""
        if text.endswith("\r") and not final:
            text, self._held = text[:-1], "\r"
        if "\r" in text:
            self.windows += text.count("\r\n")
            text = text.replace("\r\n", "\n")
            self._note_lone(text)
        self._line_ends += text.count("\n")
        return text.replace("\r", self._lone_return) if "\r" in text else text

    def _note_lone(self, text: str) -> None:
        place = text.find("\r")
        while place >= 0 and len(self.lone_lines) < 5:
            self.lone_lines.append(self._line_ends + text.count("\n", 0, place) + 1)
            place = text.find("\r", place + 1)
        self.lone += text.count("\r")


def split_lines(text: str) -> list[str]:
    """The lines of a text in which each line is a sentence.

    A lone \\r becomes one space together with the spaces around it. No line follows the last \\n.
    Empty lines count, so that line n stays line n.
    """
    text = LineEnds("\r").read(text, final=True)
    lines = (_LONE.sub(" ", text) if "\r" in text else text).split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def row_lines(lines: Iterable[str], quoted: bool) -> Iterator[str]:
    """The lines of a table, in which a lone \\r inside a cell does not end the row.

    It becomes one space together with the spaces around it, as in `split_lines`; in quotation marks
    it becomes \\n, as any line break there. Where no \\n ends a row with another one below it, the
    lone \\r do, as on old Macintoshes: then each becomes the end of a line. So does one between
    pieces that have as many cells each, as where such a file was appended to another one.

    Args:
        lines: lines of the file with their ends at \\n, in which each lone \\r is unchanged.
        quoted: True if cells may stand in quotation marks.
    """
    rest = iter(lines)
    first: list[str] = []
    is_open = False
    for line in rest:
        first.append(line)
        is_open ^= quoted and line.count('"') % 2 == 1
        if not is_open:
            break
    below = next(rest, None)
    if below is None:
        yield from _ended_by_returns("".join(first))
        return
    is_open = False
    for line in itertools.chain(first, [below], rest):
        if "\r" in line and not is_open and not (quoted and '"' in line):
            rows = line.removesuffix("\n").strip("\r").split("\r")
            if len(rows) > 1 and _are_rows(rows, ",;\t|" if quoted else "\t"):
                yield from (row + "\n" for row in rows)
                continue
        yield _without_lone_returns(line, quoted, is_open) if "\r" in line else line
        is_open ^= quoted and line.count('"') % 2 == 1


def _are_rows(pieces: Sequence[str], delimiters: str) -> bool:
    """Whether all pieces have the same number of cells, of several."""
    counts = ([piece.count(delimiter) for piece in pieces] for delimiter in delimiters)
    return any(count[0] and len(set(count)) == 1 for count in counts)


def _ended_by_returns(text: str) -> Iterator[str]:
    *whole, last = text.replace("\r", "\n").split("\n")
    for line in whole:
        yield line + "\n"
    if last:
        yield last


def _without_lone_returns(line: str, quoted: bool, is_open: bool) -> str:
    content = line.removesuffix("\n")
    pieces = content.split('"') if quoted else [content]
    for number, piece in enumerate(pieces):
        inside = is_open ^ (number % 2 == 1)
        # Some programs end lines with \r\r\n or \n\r.
        if not inside and number == 0:
            piece = piece.lstrip("\r")
        if not inside and number == len(pieces) - 1:
            piece = piece.rstrip("\r")
        pieces[number] = piece.replace("\r", "\n") if inside else _LONE.sub(" ", piece)
    return '"'.join(pieces) + line[len(content) :]
