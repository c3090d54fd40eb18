"""Whole series, one per line of a file, as the rows of a long table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.errors import DataError
from pipelines.series.tables.tables import Block

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BLOCK = 1 << 16

SERIES, TIME, VALUE = "series", "time", "value"
"""The names of the columns where the file itself has no names for them."""


@dataclass(frozen=True, eq=False)
class WholeSeries:
    """One series as it stands in a file.

    Attributes:
        name: what tells the series from the others of the file.
        line: number of its line in the file, from 1.
        columns: Arrow arrays of equal length, by the names of the table's columns.
        place: what a message calls the value of a column at a time step, such as "V17".
    """

    name: str
    line: int
    columns: dict[str, pa.Array]
    place: Callable[[str, int], str]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True)
class SeriesBlock(Block):
    """Rows that come from whole series, so that many of them lie on one line of the file."""

    place: Callable[[int, str], str]

    def error(self, problem: str, i: int, column: str, advice: str | None = None) -> DataError:
        """A DataError about a value, which is named by its place on its line."""
        return super().error(problem, i, self.place(i, column), advice)


def series_blocks(
    series: Iterable[WholeSeries], columns: Sequence[str], file: str
) -> Iterator[Block]:
    """The series one below the other, in blocks of some `ROWS_PER_BLOCK` rows.

    Raises:
        DataError: two lines of the file have the same series.
    """
    lines: dict[str, int] = {}
    gathered: list[WholeSeries] = []
    rows = 0
    for one in series:
        # Blanks around a name are no part of it where it is read.
        name = one.name.strip()
        if name in lines:
            raise DataError(
                f"the series {name!r} is already on line {lines[name]}",
                file=file,
                row=one.line,
                advice="Give every series a name of its own.",
            )
        lines[name] = one.line
        gathered.append(one)
        rows += len(one)
        if rows >= ROWS_PER_BLOCK:
            yield _block(gathered, columns, file)
            gathered, rows = [], 0
    if gathered:
        yield _block(gathered, columns, file)


def _block(series: list[WholeSeries], columns: Sequence[str], file: str) -> SeriesBlock:
    import pyarrow as pa

    firsts = np.concatenate([[0], np.cumsum([len(one) for one in series])[:-1]]).tolist()
    arrays = {
        column: pa.concat_arrays([one.columns[column] for one in series]) for column in columns
    }

    def of_row(i: int) -> tuple[WholeSeries, int]:
        number = bisect_right(firsts, i) - 1
        return series[number], i - firsts[number]

    def line(i: int) -> int:
        return of_row(i)[0].line

    def place(i: int, column: str) -> str:
        one, step = of_row(i)
        return one.place(column, step)

    return SeriesBlock(arrays, file, line, place)
