"""Numbers of text whose mark may group thousands (1.467 for 1467), found in all values of a column.

Sums with grouped thousands and measurements with three decimals look alike one by one. As a whole a
column tells more: decimals are rarely all of three digits, and grouped numbers below 1000 have no
mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.tables.columns import is_text
from pipelines.series.tables.missing_values import MARKERS
from pipelines.series.tables.tables import Block, Table

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_GROUPED = 5
"""With fewer numbers with a mark, three digits after each of them may be chance."""

_GROUPED = r"^\s*[-+]?[1-9]\d{0,2}[.,]\d{3}\s*$"
_LOW = r"^\s*[-+]?\d{1,2}[.,]"
_HUNDREDS = r"^\s*[-+]?[1-9]\d{2}\s*$"
_THOUSANDS = r"^\s*[-+]?[1-9]\d{3,}\s*$"
_DECIMAL = re.compile(r"\s*[-+]?\d*[.,]\d+([eE][-+]?\d+)?\s*")


@dataclass
class _Column:
    """What the values of a column have shown so far.

    Attributes:
        decimals: whether a number has other than three digits after the mark, or none before it.
        thousands: whether a number of at least 1000 has no mark, so that none is grouped.
        hundreds: number of values from 100 to 999 without a mark, as they have none in either
            reading.
        grouped: number of values that may be grouped.
        low: number of those with one or two digits before the mark, which are far below the
            hundreds if they are decimals.
        first: text of the first of them.
        error: refusal that names its place.
        delimiter: character between the fields of its file.
    """

    decimals: bool = False
    thousands: bool = False
    hundreds: int = 0
    grouped: int = 0
    low: int = 0
    first: str = ""
    error: DataError | None = None
    delimiter: str = ""

    @property
    def may_be_grouped(self) -> bool:
        return bool(self.grouped) and not self.decimals and not self.thousands

    @property
    def is_doubtful(self) -> bool:
        """Whether the numbers are as likely grouped, if the file does not say what its mark is."""
        if "," in self.first or self.delimiter == ";":
            # People who write a comma as decimal mark put semicolons between fields.
            return bool(self.hundreds) or self.grouped >= LEAST_GROUPED
        # Programs write a point between commas, and may leave out the decimals of whole numbers.
        return self.low >= LEAST_GROUPED and self.hundreds >= self.low


class GroupedThousands:
    """Looks at the numbers of text in all blocks of a source; `refuse_doubtful` says what they are.

    Args:
        columns: names of the columns of numbers.
        markers: numbers that mean a missing value.
    """

    def __init__(self, columns: Iterable[str], markers: tuple[float, ...]) -> None:
        self._columns = {column: _Column() for column in columns}
        self._markers = {*markers, *MARKERS}
        self._marks: set[str] = set()

    @property
    def decimal(self) -> str:
        """The decimal mark that is stated, proven or was read; "" if none is, or files differ."""
        return next(iter(self._marks)) if len(self._marks) == 1 else ""

    def add(self, block: Block, table: Table) -> None:
        """Looks at a block of a table; nothing is to be found where its mark is certain."""
        mark = getattr(table, "decimal", "")
        if getattr(table, "decimal_is_certain", True):
            if mark:
                self._marks.add(mark)
            return
        for name, column in self._columns.items():
            values = block.columns[name]
            if is_text(values.type) and not (column.decimals or column.thousands):
                self._look(column, values, mark)
                if column.decimals or column.grouped:
                    self._marks.add(mark)
                if column.grouped and not column.first:
                    self._remember_first(column, name, block, mark)
                    column.delimiter = getattr(table, "delimiter", ",")

    def _look(self, column: _Column, values: pa.Array, mark: str) -> None:
        import pyarrow as pa
        import pyarrow.compute as compute

        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        marked = compute.match_substring(values, mark)
        grouped = compute.match_substring_regex(values, _GROUPED)
        column.decimals = bool(compute.any(compute.and_not(marked, grouped)).as_py())
        some = values.filter(grouped)
        column.grouped += len(some)
        column.low += compute.sum(compute.match_substring_regex(some, _LOW)).as_py() or 0
        column.thousands = bool(self._number_of(values, _THOUSANDS))
        column.hundreds += self._number_of(values, _HUNDREDS)

    def _number_of(self, values: pa.Array, pattern: str) -> int:
        """The number of values that fit the pattern and are no usual markers of missing values."""
        import pyarrow.compute as compute

        fitting = values.filter(compute.match_substring_regex(values, pattern))
        counts = compute.value_counts(fitting)
        texts, numbers = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
        pairs = zip(texts, numbers, strict=True)
        return sum(number for text, number in pairs if float(text) not in self._markers)

    def _remember_first(self, column: _Column, name: str, block: Block, mark: str) -> None:
        import pyarrow.compute as compute

        values = block.columns[name]
        place = compute.match_substring_regex(values.cast("string"), _GROUPED).index(True).as_py()
        column.first = str(values[place]).strip()
        column.error = block.error(
            f"{column.first!r} may be a number with grouped thousands or one with three decimals, "
            f"as all numbers with a {mark!r} in this column are",
            place,
            name,
            f"State decimal {mark!r} if {mark!r} is the decimal mark, else write the numbers "
            "without it.",
        )

    def refuse_doubtful(self, report: DataReport) -> None:
        """Refuses what may be grouped, or reports how it was read where that is most likely right.

        Raises:
            DataError: a column may hold grouped thousands; docs/data.md lists when.
        """
        decimals = any(column.decimals for column in self._columns.values())
        for name, column in self._columns.items():
            if not column.may_be_grouped or column.error is None:
                continue
            if not decimals and column.is_doubtful:
                raise column.error
            if column.hundreds or column.grouped >= LEAST_GROUPED:
                report.note(
                    "numbers with three digits after the mark, which could group thousands",
                    "read as decimals: state decimal if they are, else write them without the mark",
                    f"column {name!r}: {column.first}",
                    column.grouped,
                )


def proves_decimals(fields: Iterable[str], mark: str) -> bool:
    """Whether a field is a number whose mark cannot group thousands: it is the decimal mark.

    Args:
        fields: fields of any columns of a file.
        mark: mark that the numbers are read with.
    """
    return any(
        mark in field and _DECIMAL.fullmatch(field) and not re.match(_GROUPED, field)
        for field in fields
    )
