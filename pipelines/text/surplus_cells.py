"""Whether further cells of a row with tabs were moved there by a tab inside a cell before them."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

FURTHER_CELLS = "rows with cells behind the columns that are read"
"""The kind of a note on rows whose further cells are ordinary."""

# If nearly all rows have as many cells, further ones come from a tab inside a cell.
_FEWEST_ROWS = 10
_NEARLY_ALL = 0.9
# Rows whose cells tell what a column usually holds, and further cells that tell of a column.
_SAMPLE = 1000
_FEWEST_CELLS = 3
_DIGITS = re.compile(r"\d+")


class SurplusCells:
    """The cells behind the usual ones, in the rows of a table with tabs between its cells.

    A tab inside a cell moves or cuts the columns that are read only if it stands before the end of
    the last of them. It does not where the rows differ in width anyway, as with a varying number of
    references; where a column behind those that are read still holds what it usually does; or where
    the further cells are a column of their own, such as a remark on some of the rows.

    Args:
        rows: cells of the rows below the header, or of the first of them.
        read: places of the columns that are read, from 0.
        named: number of columns that a header names; 0 without a header.

    Attributes:
        width: number of cells of a usual row.
        basis: words for what tells the usual width, such as "the first row has".
        uneven: True if the rows differ in width, so that no width is the usual one.
    """

    def __init__(
        self, rows: Sequence[Sequence[str]], read: Collection[int], named: int = 0
    ) -> None:
        counts = Counter(map(len, rows))
        usual, times = counts.most_common(1)[0] if rows else (0, 0)
        even = len(rows) >= _FEWEST_ROWS and times >= _NEARLY_ALL * len(rows)
        self.width = named or usual
        self.basis = "the first row has" if named else "nearly all rows have"
        self.uneven = not (named or even)
        self._needed = max(read) + 1
        self._rows = rows[:_SAMPLE]

    def has(self, cells: Sequence[str]) -> bool:
        """Whether a row has text in further cells."""
        return filled_width(cells) > (self._needed if self.uneven else self.width)

    def may_have_moved(self, cells: Sequence[str]) -> bool:
        """Whether a column that is read may have been moved or cut in a row."""
        if self.uneven or not self.has(cells):
            return False
        in_place = [
            _shape(cells[column]) in shapes
            for column, shapes in self._columns_behind.items()
            if cells[column].strip()
        ]
        if in_place and all(in_place):
            return False
        return _shape(cells[self.width]) not in self._own_shapes

    @functools.cached_property
    def _columns_behind(self) -> dict[int, set[str]]:
        """What columns behind those that are read hold, by place, where it comes again."""
        usual = [cells for cells in self._rows if len(cells) == self.width]
        columns = range(self._needed, self.width)
        repeated = {column: _repeated(cells[column] for cells in usual) for column in columns}
        return {column: shapes for column, shapes in repeated.items() if shapes}

    @functools.cached_property
    def _own_shapes(self) -> set[str]:
        """What the further cells hold again and again, as ends of sentences do not."""
        further = [cells[self.width] for cells in self._rows if self.has(cells)]
        shapes = {_shape(cell) for cell in further}
        # A tab before the last usual column would have moved that column's cells there.
        last = {_shape(cells[-1]) for cells in self._rows if len(cells) == self.width}
        several = len(further) >= _FEWEST_CELLS and 2 * len(shapes) <= len(further)
        return shapes if several and not shapes & last else set()


def filled_width(cells: Sequence[str]) -> int:
    """The number of cells up to the last that has text: tabs at the end move no column."""
    return max((number for number, cell in enumerate(cells, 1) if cell.strip()), default=0)


def _shape(cell: str) -> str:
    """A cell with all numbers written alike, as scores and licences differ in their numbers."""
    return _DIGITS.sub("0", cell.strip())


def _repeated(cells: Iterable[str]) -> set[str]:
    """The shapes that come again in a column; none if many of its cells are like no other."""
    counts = Counter(_shape(cell) for cell in cells if cell.strip())
    several = {shape: count for shape, count in counts.items() if count > 1}
    return set(several) if sum(several.values()) >= _NEARLY_ALL * counts.total() else set()
