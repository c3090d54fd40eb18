"""Series as rows: the name of a series, then its values, as in the M4 competition's files.

The columns of values have numbers (V2, V3, ...), times (2024-01, 2024-02, ...), or no names at all
if the file has no header. A series ends with its last value; empty cells after it are no values.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import DataError
from pipelines.base.stated_columns import joined_names
from pipelines.series.layouts.whole_series import (
    SERIES,
    TIME,
    VALUE,
    WholeSeries,
    series_blocks,
)
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.checked_file import numbered_lines
from pipelines.series.tables.csv_files import MISSING, find_delimiter
from pipelines.series.tables.tables import Block, check_column_names
from pipelines.series.times.time_role import names_a_time

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_VALUES = 5
"""With at least this many numbered columns of values, rows are recognised as series."""

SAMPLE_LINES = 20

_NUMBERED = re.compile(r"[A-Za-z]{0,10}_?(\d+)")
_NUMBER = re.compile(r"[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?")
_YEARS = range(1500, 2300)
_MISSING = frozenset(MISSING)


@dataclass(frozen=True)
class RowsLayout:
    """Where the parts of a row stand.

    Attributes:
        delimiter: character between the fields.
        header: names of all columns; () if the file has no header.
        leading: number of columns before the values; they name and describe the series.
        naming: places, from 0, of the columns that name the series together.
        times: True if the header names the times of the values.
    """

    delimiter: str
    header: tuple[str, ...]
    leading: int
    naming: tuple[int, ...]
    times: bool


def find_rows_layout(path: str | Path, options: SeriesOptions) -> RowsLayout | None:
    """The layout of a file of series as rows; None if the rows are not plainly series.

    They plainly are if they begin with words that differ from row to row, followed by at least
    `LEAST_VALUES` columns of numbers, whose headers count or are times, or which have no header.
    With layout "rows" any number of columns will do, and their headers may be anything.

    Raises:
        DataError: the layout is stated, and the file is not of it.
    """
    stated = options.layout == "rows"
    if options.time_column and not stated:
        return None
    lines: list[str] = []
    for _, line in numbered_lines(path):
        if lines or not line.startswith("#"):
            lines.append(line)
        if len(lines) == SAMPLE_LINES:
            break
    if not lines:
        return None
    try:
        delimiter = find_delimiter(lines, options, str(path))
    except DataError:
        if stated:
            raise
        return None
    rows = [_fields(line, delimiter) for line in lines]
    found = rows_layout(rows, delimiter, options, stated)
    if stated and found is None:
        raise not_series(rows, str(path))
    return found


def not_series(rows: list[list[str]], file: str) -> DataError:
    """The refusal of rows that are stated to be series, by what is wrong with them.

    Args:
        rows: first rows as lists of fields; the first of them may be a header.
        file: name of the file.
    """
    below = rows[1:]
    names = [row[0].strip() for row in below if row]
    if below and names and all(map(_is_word, names)):
        twice = next((name for name in names if names.count(name) > 1), "")
        cell = next(
            (
                (number, place)
                for number, row in enumerate(below, start=1)
                for place in range(_leading_words(below), len(row))
                if not _is_value(row[place])
            ),
            None,
        )
        if cell is not None:
            number, place = cell
            column = rows[0][place].strip() if place < len(rows[0]) else ""
            return DataError(
                f"series {below[number - 1][0]!r} holds {below[number - 1][place]!r}, which is not "
                "a number",
                file=file,
                column=column or f"field {place + 1}",
                advice="Correct it, or leave it empty if it is missing.",
            )
        if twice:
            return DataError(
                f"several rows are called {twice!r}, but each row is a series",
                file=file,
                advice="Give each row a name of its own, or state id_column.",
            )
    return DataError(
        "the rows are not series: each has to begin with its name, followed by numbers",
        file=file,
        advice="Correct it, or state another layout; if the names are numbers, state id_column.",
    )


def rows_layout(
    rows: list[list[str]], delimiter: str, options: SeriesOptions, stated: bool
) -> RowsLayout | None:
    """The layout of rows of text, of which the first may be a header; None if they are not series.

    Args:
        rows: first rows as lists of fields.
        delimiter: character between the fields.
        options: roles that the user stated.
        stated: True if the user says that each row is a series.
    """
    first, below = rows[0], rows[1:]
    if not stated and set(options.targets) & set(first):
        return None
    named = [name.strip() for name in options.id_column.split(",") if name.strip() in first]
    leading = max((first.index(name) + 1 for name in named), default=0)
    leading = max(leading, _leading_words(below or rows))
    if not leading or not all(_is_value(text) for row in below for text in row[leading:]):
        return None
    labels = first[leading:]
    if len(labels) < (1 if stated else LEAST_VALUES):
        return None
    naming = tuple(first.index(name) for name in named) or _naming(below or rows, leading)
    if not naming or (not named and any(names_a_time(row[naming[0]]) for row in below[:1])):
        return None
    values = all(map(_is_value, labels))
    if values and not _count(labels) and not all(map(_is_word, first[:leading])):
        return None
    if values and not _count(labels):
        return RowsLayout(delimiter, (), leading, naming, times=False)
    times = _are_times(labels)
    if not below or not (stated or times or _count(labels)):
        return None
    return RowsLayout(delimiter, tuple(first), leading, naming, times)


def _leading_words(rows: list[list[str]]) -> int:
    """The number of columns at the beginning that hold words in every row."""
    shortest = min(len(row) for row in rows)
    return next((i for i in range(shortest) if not all(_is_word(row[i]) for row in rows)), shortest)


def _naming(rows: list[list[str]], leading: int) -> tuple[int, ...]:
    """The first leading column whose values differ from row to row; () if there is none."""
    return tuple(i for i in range(leading) if len({row[i] for row in rows}) == len(rows))[:1]


def _is_word(text: str) -> bool:
    return text.strip() not in _MISSING and not _NUMBER.fullmatch(text.strip())


def _is_value(text: str) -> bool:
    return text.strip() in _MISSING or _NUMBER.fullmatch(text.strip()) is not None


def _count(labels: Sequence[str]) -> bool:
    """Whether labels such as V2, V3, V4 or 1, 2, 3 count by one."""
    parts = [_NUMBERED.fullmatch(label.strip()) for label in labels]
    numbers = [int(part[1]) for part in parts if part]
    return len(numbers) == len(labels) and all(
        later - earlier == 1 for earlier, later in itertools.pairwise(numbers)
    )


def _are_times(labels: Sequence[str]) -> bool:
    years = all(label.strip().isdigit() and int(label) in _YEARS for label in labels)
    ends = (labels[0], labels[len(labels) // 2], labels[-1])
    return years or (not _count(labels) and all(names_a_time(label.strip()) for label in ends))


def _fields(line: str, delimiter: str) -> list[str]:
    # Files whose series end early can have thousands of delimiters at the end of a row.
    return next(csv.reader([line.rstrip(delimiter)], delimiter=delimiter), [])


class RowsTable:
    """A file of series as rows, read as a long table: a name, the value and, if known, the time.

    Args:
        path: path of the file.
        layout: places of the parts of a row, as `find_rows_layout` gives them.
        decimal: decimal mark, if the user stated it.

    Attributes:
        counted: whether the values are counted, as no header names their times.
    """

    def __init__(self, path: str | Path, layout: RowsLayout, decimal: str) -> None:
        self.name = str(path)
        self.decimal = decimal or "."
        self.decimal_is_certain = bool(decimal)
        self.delimiter = layout.delimiter
        self._layout = layout
        labels = layout.header[: layout.leading]
        self._leading = [
            label if label.strip() and not _NUMBERED.fullmatch(label) else f"column {i}"
            for i, label in enumerate(labels or [""] * layout.leading, start=1)
        ]
        if self._leading[layout.naming[0]].startswith("column "):
            self._leading[layout.naming[0]] = SERIES
        self._labels = layout.header[layout.leading :]
        self.counted = not layout.times
        self.columns = (*self._leading, *((TIME,) if layout.times else ()), VALUE)
        check_column_names(self.columns, self.name)
        header = "" if layout.header else ", and there is no header"
        self.notes: tuple[str, ...] = (f"each row is a series{header}",)

    @property
    def roles(self) -> SeriesOptions:
        """What the columns are, where the user does not say otherwise."""
        return SeriesOptions(
            layout="rows",
            id_column=joined_names([self._leading[place] for place in self._layout.naming]),
            time_column=TIME if self._layout.times else "",
            targets=(VALUE,),
        )

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """See `Table.blocks`. The number of a row is the line of its series in the file."""
        return series_blocks(self._series(), columns, self.name)

    def _series(self) -> Iterator[WholeSeries]:
        above, header = True, bool(self._layout.header)
        for number, line in numbered_lines(self.name):
            # Below the first other line, a name may begin with the sign of comments: values follow.
            fields = _fields(line, self._layout.delimiter)
            if line.startswith("#") and (above or len(fields) - self._layout.leading < 2):
                continue
            above = False
            if header:
                header = False
                continue
            yield self._one(fields, number)

    def _one(self, fields: list[str], line: int) -> WholeSeries:
        import pyarrow as pa

        leading = self._layout.leading
        if self._layout.header and len(fields) > len(self._layout.header):
            raise DataError(
                f"{len(fields)} fields where the header has {len(self._layout.header)}",
                file=self.name,
                row=line,
                advice="Put quotes around a field that contains the delimiter.",
            )
        words = fields[:leading] + [""] * (leading - len(fields))
        values = [None if text in _MISSING else text for text in fields[leading:]]
        while values and values[-1] is None:
            values.pop()
        # A series without any value is one empty row, so that the report names it.
        values = values or [None]
        arrays: dict[str, pa.Array] = {
            column: pa.array([word.strip() or None], pa.string()).take(
                pa.array([0] * len(values), pa.int32())
            )
            for column, word in zip(self._leading, words, strict=True)
        }
        arrays[VALUE] = pa.array(values, pa.string())
        if self._layout.times:
            labels = self._labels[: len(values)]
            arrays[TIME] = pa.array([label.strip() for label in labels], pa.string())
        name = "/".join(words[place].strip() for place in self._layout.naming)
        return WholeSeries(name, line, arrays, self._place)

    def _place(self, column: str, step: int) -> str:
        if column not in (VALUE, TIME):
            return column
        return self._labels[step] if self._labels else f"field {self._layout.leading + step + 1}"
