"""Parquet files with one series per row, in the fields of GluonTS or of Chronos' data sets.

GluonTS has `start` and a list `target`; the data sets of Chronos (Ansari et al. 2024) have `id`, a
list `timestamp` and a list `target`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError, first_line
from pipelines.series.layouts.json_lines import FIELDS, JsonLinesTable, Record
from pipelines.series.layouts.steps_of_time import StepOfTime
from pipelines.series.layouts.whole_series import TIME, WholeSeries

if TYPE_CHECKING:
    import pyarrow as pa

_TARGET, _TIMES, _START, _ID = "target", "timestamp", "start", "id"
_ROWS_PER_BATCH = 256

Moments = npt.NDArray[np.datetime64]


def holds_series(path: str | Path) -> bool:
    """Whether a Parquet file has a list of numbers, `target`, in each row."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        schema = parquet.read_schema(path)
    except (OSError, ValueError):
        # Whoever reads it as a table says what is wrong.
        return False
    kind = schema.field(_TARGET).type if _TARGET in schema.names else pa.null()
    return any(
        is_list(kind)
        for is_list in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )


class ParquetSeriesTable(JsonLinesTable):
    """A Parquet file of whole series as a long table; see `JsonLinesTable`.

    Where each series has a list of times, the step between those of the first one is the frequency,
    unless one is stated, and all series need it. Times with a zone are read in UTC.

    Args:
        path: path of the file.
        frequency: frequency that the user stated, or "".

    Raises:
        DataError: the first row is not a series, its times do not rise evenly, or it has a start
            and no frequency is known.
    """

    _unit = "row"

    def __init__(self, path: str | Path, frequency: str) -> None:
        import pyarrow.parquet as parquet

        super().__init__(path, frequency)
        schema = parquet.read_schema(path)
        unread = [name for name in schema.names if name not in {*FIELDS, _ID, _TIMES}]
        if unread:
            self.notes += (f"not read: {', '.join(unread)}",)
        of_times = [schema.field(name) for name in schema.names if name in (_TIMES, _START)]
        zones = {_zone(field.type) for field in of_times}
        if zones - {None, "UTC"}:
            self.notes += ("times with a zone are read in UTC",)

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
        """The record with the names of the fields of GluonTS, and with times without a zone."""
        fields = {name: value for name, value in record.items() if value is not None}
        if _ID in fields:
            fields.setdefault("item_id", fields[_ID])
        times = fields.get(_TIMES)
        if isinstance(times, list) and times:
            moments = fields[_TIMES] = self._moments(times, row)
            if _START not in fields:
                fields[_START] = str(moments[0]).replace("T", " ")
                if row == 1 and not self._stated:
                    fields["freq"] = self._frequency_of(moments)
        if isinstance(fields.get(_START), datetime):
            # A fraction of a second stays, and is refused where the start is read.
            fields[_START] = str(_without_zone(fields[_START])).removesuffix(".000000")
        return fields

    def _moments(self, times: list[Any], row: int) -> Moments:
        for place, one in enumerate(times):
            if not isinstance(one, date):
                raise DataError(
                    f"holds {str(one)[:40]!r}, which is not a time", file=self.name, row=row,
                    column=f"{_TIMES}, value {place + 1}",
                    advice="Write the lists with a type of time stamps.",
                )  # fmt: skip
            if isinstance(one, datetime) and (one.microsecond or getattr(one, "nanosecond", 0)):
                raise DataError(
                    f"holds {one}, between two seconds", file=self.name, row=row,
                    column=f"{_TIMES}, value {place + 1}",
                    advice="Write one row per time and series instead of lists.",
                )  # fmt: skip
        return np.array([_without_zone(one) for one in times], "datetime64[s]")

    def _frequency_of(self, moments: Moments) -> str:
        import pandas as pd

        found = pd.infer_freq(pd.DatetimeIndex(moments)) if len(moments) > 2 else None
        if found is None:
            few = len(moments) < 3
            raise DataError(
                f"{len(moments)} times do not tell the step between them"
                if few
                else "the times do not rise by equal steps",
                file=self.name, row=1, column=_TIMES,
                advice="State the frequency, such as h, D or MS."
                if few
                else "Write one row per time and series, which may have gaps, instead of lists.",
            )  # fmt: skip
        return found

    def _series_of(
        self, record: Record, line: int, step: StepOfTime | None, features: dict[str, Any]
    ) -> WholeSeries:
        series = super()._series_of(record, line, step, features)
        moments = record.get(_TIMES)
        if step is None or not isinstance(moments, np.ndarray):
            return series
        values = len(record[_TARGET])
        advice = "All series need the same step and a time for each value."
        if len(moments) != values:
            raise DataError(
                f"has {len(moments)} times and {values} values",
                file=self.name, row=line, column=_TIMES, advice=advice,
            )  # fmt: skip
        counted = series.columns[TIME].to_numpy(zero_copy_only=False)[:values]
        # Steps of months are counted in months, whichever of their days is written.
        unit = "datetime64[M]" if step.months else "datetime64[s]"
        different = np.flatnonzero(moments.astype(unit) != counted.astype(unit))
        if len(different):
            place = int(different[0])
            raise DataError(
                f"the times do not rise by the step of the first series: {moments[place]} is "
                f"where {counted[place].astype('datetime64[s]')} should be",
                file=self.name, row=line, column=f"{_TIMES}, value {place + 1}",
                advice=f"{advice} Rows that have one time and one value each may have gaps.",
            )  # fmt: skip
        return series


def _zone(kind: pa.DataType) -> str | None:
    """The time zone of a type of times, or of lists of them; None without one."""
    return getattr(getattr(kind, "value_type", kind), "tz", None)


def _without_zone(moment: date) -> np.datetime64:
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(moment)
