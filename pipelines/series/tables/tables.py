"""What a table is: named columns, read block by block, whose every row has a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipelines.base.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a table: one Arrow array per column, and where the rows come from."""

    columns: dict[str, pa.Array]
    file: str
    row_number: Callable[[int], int]
    """Number in the file, from 1, of row i of the block, from 0."""

    def error(self, problem: str, i: int, column: str, advice: str | None = None) -> DataError:
        """A DataError about the value of `column` in row i of the block."""
        return DataError(
            problem, file=self.file, row=self.row_number(i), column=column, advice=advice
        )


class Table(Protocol):
    """A table that can be read from front to back repeatedly.

    Attributes:
        name: the file or source, for messages.
        columns: the names of the columns, in order, without duplicates.
        notes: decisions that opening the table took, such as the delimiter that it recognised.
    """

    name: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """The rows, with these columns only, one block at a time."""
        ...


def check_column_names(columns: Sequence[str], file: str) -> None:
    """Refuses two columns of the same name (DataError)."""
    places: dict[str, int] = {}
    for place, column in enumerate(columns, start=1):
        if column in places:
            raise DataError(
                f"columns {places[column]} and {place} have the same name",
                file=file,
                column=column,
                advice="Rename one of them.",
            )
        places[column] = place
