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
_HUNDREDS = r"^\s*[-+]?[1-9]\d{2}\s*$"
_THOUSANDS = r"^\s*[-+]?[1-9]\d{3,}\s*$"
_DECIMAL = re.compile(r"\s*[-+]?\d*[.,]\d+([eE][-+]?\d+)?\s*")


@dataclass
class _Column:
    """What the values of a column have shown so far.

    Attributes:
        decimals: whether a number has other than three digits after the mark, or none before it.
        thousands: whether a number of at least 1000 has no mark, so that none is grouped.
        hundreds: whether a number from 100 to 999 has no mark, as it has none in either reading.
        grouped: number of values that may be grouped.
        first: text of the first of them.
        error: refusal that names its place.
        delimiter: character between the fields of its file.
    """

    decimals: bool = False
    thousands: bool = False
    hundreds: bool = False
    grouped: int = 0
    first: str = ""
    error: DataError | None = None
    delimiter: str = ""

    @property
    def may_be_grouped(self) -> bool:
        return bool(self.grouped) and not self.decimals and not self.thousands


class GroupedThousands:
    """Looks at the numbers of text in all blocks of a source; `refuse_doubtful` says what they are.

    Args:
        columns: names of the columns of numbers.
        markers: numbers that mean a missing value.
    """

    def __init__(self, columns: Iterable[str], markers: tuple[float, ...]) -> None:
        self._columns = {column: _Column() for column in columns}
        self._markers = {*markers, *MARKERS}

    def add(self, block: Block, table: Table) -> None:
        """Looks at a block of a table whose decimal mark is neither stated nor proven otherwise."""
        if getattr(table, "decimal_is_certain", True):
            return
        mark = getattr(table, "decimal", ".")
        for name, column in self._columns.items():
            values = block.columns[name]
            if is_text(values.type) and not (column.decimals or column.thousands):
                self._look(column, values, mark)
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
        column.grouped += compute.sum(grouped).as_py() or 0
        column.thousands = self._has(values, _THOUSANDS)
        column.hundreds = column.hundreds or self._has(values, _HUNDREDS)

    def _has(self, values: pa.Array, pattern: str) -> bool:
        """Whether a value fits the pattern and is not a usual marker of missing values."""
        import pyarrow.compute as compute

        fitting = values.filter(compute.match_substring_regex(values, pattern))
        some = compute.unique(fitting).slice(0, len(self._markers) + 1).to_pylist()
        return any(float(text) not in self._markers for text in some)

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
            # Programs write a point and fields between commas, people with a comma as decimal mark
            # write semicolons.
            likely = column.grouped >= LEAST_GROUPED and (
                "," in column.first or column.delimiter == ";"
            )
            if not decimals and (column.hundreds or likely):
                raise column.error
            if column.grouped >= LEAST_GROUPED:
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
