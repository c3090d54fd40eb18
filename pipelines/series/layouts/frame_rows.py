"""Series as rows of a DataFrame: the name of a series, then its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.series.layouts.series_rows import (
    SAMPLE_LINES,
    RowsTable,
    not_series,
    rows_layout,
)
from pipelines.series.layouts.whole_series import WholeSeries
from pipelines.series.options import SeriesOptions

if TYPE_CHECKING:
    import pandas as pd

NAME = "DataFrame"


class FrameRowsTable(RowsTable):
    """A DataFrame of series as rows; see `RowsTable`.

    Args:
        frame: frame whose rows are series; an index of names counts as the first column.
        options: options with the layout "rows".

    Raises:
        DataError: the rows are not series.
    """

    def __init__(self, frame: pd.DataFrame, options: SeriesOptions) -> None:
        import pandas as pd

        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index()
        self._frame = frame
        header = [str(column) for column in frame.columns]
        sample = [_texts(row) for row in _rows(frame.head(SAMPLE_LINES))]
        layout = rows_layout([header, *sample], ",", options, stated=True) if sample else None
        if layout is None or not layout.header:
            raise not_series([header, *sample], NAME)
        super().__init__(NAME, layout, ".")

    def _series(self) -> Iterator[WholeSeries]:
        for number, row in enumerate(_rows(self._frame), start=1):
            yield self._one(_texts(row), number)


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    return frame.itertuples(index=False, name=None)


def _texts(row: Sequence[Any]) -> list[str]:
    import pandas as pd

    return ["" if pd.isna(cell) else str(cell) for cell in row]
