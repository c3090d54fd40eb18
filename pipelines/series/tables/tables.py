"""Tables of any origin, read block by block: CSV and Parquet files, pandas DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.base.errors import DataError
from pipelines.series.options import SeriesOptions

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ROWS_PER_BLOCK = 1 << 16


@dataclass(frozen=True)
class Block:
    """Some consecutive rows of a table: an Arrow array a column, and where the rows come from."""

    columns: dict[str, pa.Array]
    file: str
    row_number: Callable[[int], int]
    """The number in the file, from 1, of the block's row i from 0."""

    def error(self, problem: str, i: int, column: str, advice: str | None = None) -> DataError:
        """A DataError about the value of `column` in row i of the block."""
        return DataError(
            problem, file=self.file, row=self.row_number(i), column=column, advice=advice
        )


class Table(Protocol):
    """A table that is read front to back, as often as wanted.

    Attributes:
        name: the file or source, for messages.
        columns: the names of the columns, in order, without duplicates.
        notes: what was settled on the way, such as a delimiter that was found.
    """

    name: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """The rows with these columns only, a block at a time."""
        ...


def open_table(path: str | Path, options: SeriesOptions) -> Table:
    """Opens a CSV or Parquet file; which of the two, its first bytes say.

    Raises:
        DataError: the file cannot be read, or its beginning is not a table.
    """
    from pipelines.series.tables.csv_files import CsvTable

    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None
    if head.startswith(b"PAR1"):
        return ParquetTable(path)
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        raise DataError("is not a Parquet file: it does not begin with PAR1", file=path)
    for magic, what in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise DataError(
                f"is {what}, not a table in CSV or Parquet",
                file=path,
                advice="Unpack it or save it as CSV.",
            )
    return CsvTable(path, options)


_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstandard",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"SQLite f": "an SQLite database",
}


class ParquetTable:
    """A Parquet file, read by row groups."""

    def __init__(self, path: str | Path) -> None:
        import pyarrow.parquet as parquet

        self.name = str(path)
        self.notes: tuple[str, ...] = ()
        try:
            with parquet.ParquetFile(path) as file:
                self.columns = tuple(file.schema_arrow.names)
                self._rows = file.metadata.num_rows
        except (OSError, ValueError) as error:
            raise DataError(
                f"is not a whole Parquet file: {first_line(error)}",
                file=path,
                advice="It may have been cut off: write or copy it again.",
            ) from None
        check_column_names(self.columns, self.name)
        if not self._rows:
            raise DataError("has no rows", file=path)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """See `Table.blocks`. A row's number is its place in the file, from 1."""
        import pyarrow.parquet as parquet

        first = 1
        try:
            with parquet.ParquetFile(self.name) as file:
                batches = file.iter_batches(ROWS_PER_BLOCK, columns=list(columns))
                for batch in batches:
                    yield _block(batch, columns, self.name, first)
                    first += len(batch)
        except (OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"cannot be read after row {first - 1}: {first_line(error)}",
                file=self.name,
                advice="The file is damaged: write or copy it again.",
            ) from None


class FrameTable:
    """A pandas DataFrame; an index of times or texts, or one with a name, counts as a column.

    Attributes:
        numbered: whether the rows that have no other time are numbered without a hole.
    """

    def __init__(self, frame: pd.DataFrame, name: str = "DataFrame") -> None:
        import pandas as pd

        self.name = name
        self.notes: tuple[str, ...] = ()
        if isinstance(frame.index, pd.PeriodIndex):
            frame = frame.set_axis(frame.index.to_timestamp())
        if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None:
            frame = frame.rename_axis("time")
        if isinstance(frame.index, pd.TimedeltaIndex):
            raise DataError(
                "the index holds lengths of time and not times",
                file=name,
                advice="Add the moment that they count from.",
            )
        named = any(label is not None for label in frame.index.names)
        words = isinstance(frame.index.dtype, pd.StringDtype) or frame.index.dtype == object
        self.numbered = bool(
            named or (isinstance(frame.index, pd.RangeIndex) and abs(frame.index.step) == 1)
        )
        if named or words:
            # Texts may be times; a column of that name that only counts the rows is left out.
            frame = frame.reset_index()
        self._frame = frame
        self.columns = tuple(map(str, frame.columns))
        check_column_names(self.columns, self.name)
        if not len(frame):
            raise DataError("has no rows", file=name)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """See `Table.blocks`. A row's number is its place in the frame, from 1."""
        numbers = {column: number for number, column in enumerate(self.columns)}
        places = [numbers[column] for column in columns]
        for start in range(0, len(self._frame), ROWS_PER_BLOCK):
            part = self._frame.iloc[start : start + ROWS_PER_BLOCK]
            arrays = {
                column: _frame_column(part.iloc[:, place])
                for column, place in zip(columns, places, strict=True)
            }
            yield Block(arrays, self.name, _counter(start + 1))


def check_column_names(columns: Sequence[str], file: str) -> None:
    """Refuses a name that two columns have."""
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


def _block(batch: Any, columns: Sequence[str], file: str, first: int) -> Block:
    arrays = {column: batch.column(batch.schema.get_field_index(column)) for column in columns}
    return Block(arrays, file, _counter(first))


def _frame_column(values: pd.Series) -> pa.Array:
    import pandas as pd
    import pyarrow as pa

    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    try:
        array = pa.Array.from_pandas(values)
    except (pa.ArrowException, OverflowError):
        # Mixed Python objects: as text they are read, or refused, value by value.
        array = pa.array([str(value) if known else None for value, known in _marked(values)])
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _marked(values: pd.Series) -> Iterator[tuple[Any, bool]]:
    return zip(values, values.notna(), strict=True)


def _counter(first: int) -> Callable[[int], int]:
    return lambda i: first + i


def first_line(error: Exception) -> str:
    """The first line of an error's message, without a full stop, to be part of another's."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
