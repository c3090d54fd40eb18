"""Tables whose columns have types: Parquet files and pandas DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import DataError, first_line
from pipelines.series.tables.tables import Block, check_column_names

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ROWS_PER_BLOCK = 1 << 16


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
    """A pandas DataFrame; an index of times or texts, or with a name, counts as a column.

    Attributes:
        numbered: True if the rows are numbered without gaps, so that their numbers can be the time.
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
                "the index has durations and not times",
                file=name,
                advice="Add the moment at which they begin.",
            )
        named = any(label is not None for label in frame.index.names)
        words = isinstance(frame.index.dtype, pd.StringDtype) or frame.index.dtype == object
        self.numbered = bool(
            named or (isinstance(frame.index, pd.RangeIndex) and abs(frame.index.step) == 1)
        )
        if named or words:
            # Texts may be times; an index that only counts the rows is left out later.
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
            yield Block(arrays, self.name, _numbers_from(start + 1))


def _block(batch: Any, columns: Sequence[str], file: str, first: int) -> Block:
    arrays = {column: batch.column(batch.schema.get_field_index(column)) for column in columns}
    return Block(arrays, file, _numbers_from(first))


def _frame_column(values: pd.Series) -> pa.Array:
    import pandas as pd
    import pyarrow as pa

    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    try:
        array = pa.Array.from_pandas(values)
    except (pa.ArrowException, OverflowError):
        # Mixed Python objects become text, which is read, or refused, value by value.
        array = pa.array([str(value) if known else None for value, known in _marked(values)])
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _marked(values: pd.Series) -> Iterator[tuple[Any, bool]]:
    return zip(values, values.notna(), strict=True)


def _numbers_from(first: int) -> Callable[[int], int]:
    """The numbers of a block's rows, whose first row has the number `first`."""
    return lambda i: first + i
