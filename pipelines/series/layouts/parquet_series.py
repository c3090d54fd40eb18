"""Parquet files with one series per row, in the fields of GluonTS or of Chronos' data sets.

GluonTS has `start` and a list `target`; the data sets of Chronos (Ansari et al. 2024) have `id`, a
list `timestamp` and a list `target`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.errors import DataError, first_line
from pipelines.series.layouts.json_lines import JsonLinesTable, Record
from pipelines.series.layouts.steps_of_time import StepOfTime
from pipelines.series.layouts.whole_series import TIME, WholeSeries

_TARGET, _TIMES, _START = "target", "timestamp", "start"
_ROWS_PER_BATCH = 256


def holds_series(path: str | Path) -> bool:
    """Whether a Parquet file has a list of numbers, `target`, in each row."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        schema = parquet.read_schema(path)
    except (OSError, ValueError):
        # Whoever reads it as a table says what is wrong.
        return False
    return _TARGET in schema.names and (
        pa.types.is_list(schema.field(_TARGET).type)
        or pa.types.is_large_list(schema.field(_TARGET).type)
    )


class ParquetSeriesTable(JsonLinesTable):
    """A Parquet file of whole series as a long table; see `JsonLinesTable`.

    Where each series has a list of times, the step between them is the frequency, unless one is
    stated.

    Args:
        path: path of the file.
        frequency: frequency that the user stated, or "".

    Raises:
        DataError: the first row is not a series, its times do not rise evenly, or it has a start
            and no frequency is known.
    """

    def _records(self) -> Iterator[tuple[int, Record]]:
        import pyarrow.parquet as parquet

        row = 0
        try:
            with parquet.ParquetFile(self.name) as file:
                for batch in file.iter_batches(_ROWS_PER_BATCH):
                    for record in batch.to_pylist():
                        row += 1
                        yield row, self._as_gluonts(record, row)
        except (OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"cannot be read after row {row}: {first_line(error)}",
                file=self.name,
                advice="The file is damaged: write or copy it again.",
            ) from None

    def _as_gluonts(self, record: Record, row: int) -> Record:
        """The record with the names of the fields of GluonTS, and with its times as text."""
        fields = {name: value for name, value in record.items() if value is not None}
        fields.setdefault("item_id", fields.get("id", f"row {row}"))
        times = fields.get(_TIMES)
        if isinstance(times, list) and times and _START not in fields:
            if not all(isinstance(one, datetime) for one in times):
                raise DataError(
                    f"holds {str(times[0])[:40]!r}, which is not a time", file=self.name, row=row,
                    column=_TIMES, advice="Write the lists with a type of time stamps.",
                )  # fmt: skip
            fields |= {_START: times[0], "freq": self._frequency_of(times, row)}
        if isinstance(fields.get(_START), datetime):
            fields[_START] = f"{fields[_START]:%Y-%m-%d %H:%M:%S}"
        return fields

    def _frequency_of(self, times: list[Any], row: int) -> str:
        import pandas as pd

        index = pd.DatetimeIndex(times)
        found = pd.infer_freq(index) if len(index) > 2 else None
        if found is None:
            raise DataError(
                "the times do not rise by equal steps",
                file=self.name, row=row, column=_TIMES,
                advice="Write one row per time and series, which may have gaps, instead of lists.",
            )  # fmt: skip
        return found

    def _series_of(
        self, record: Record, line: int, step: StepOfTime | None, features: dict[str, Any]
    ) -> WholeSeries:
        series = super()._series_of(record, line, step, features)
        times = record.get(_TIMES)
        if step is not None and isinstance(times, list):
            counted = series.columns[TIME].to_numpy(zero_copy_only=False)
            last = np.datetime64(times[-1].replace(tzinfo=None), "s")
            if len(times) != len(counted) or (not step.months and counted[-1] != last):
                raise DataError(
                    f"has {len(times)} times up to {last}, but its {len(counted)} values, one per "
                    f"step of the first series, end at {counted[-1].astype('datetime64[s]')}",
                    file=self.name, row=line, column=_TIMES,
                    advice="All series need the same step and a time for each value.",
                )  # fmt: skip
        return series
