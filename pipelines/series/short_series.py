"""Series that are too short for a window: left out, refused, or lengthened at the beginning.

Rows that lengthen a series have its first value and are not observed. They count in no part of a
split, no statistics, no loss and no figure; a network only reads them in the past of a window, in
which at least one row is the series' own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.series.splits import Part, part_rows
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.timestamps import earlier_times

_MOST_NAMES = 10


def treated(
    series_set: SeriesSet, policy: str, *, lookback: int, horizon: int, part: Part | None = None
) -> SeriesSet:
    """The series, with those that are too short for a window treated by a policy.

    Args:
        series_set: series of any length.
        policy: "skip" leaves them as they are, so that windows leave them out; "pad" lengthens them
            to `lookback` - 1 rows more; "refuse" does not accept them.
        lookback: number of past rows in a window.
        horizon: number of rows to forecast; 0 where only the lookback has to be filled.
        part: part of the rows in which a window has to fit; None for all rows.

    Raises:
        DataError: a series is too short, and the policy is "refuse"; or all are too short even for
            padding.
    """
    if policy == "skip":
        return series_set
    short = [
        place
        for place, series in enumerate(series_set)
        if not series.padding and _rows(series, series_set, part) < lookback + horizon
    ]
    if not short:
        return series_set
    names = _shown([series_set[place].name for place in short])
    if policy == "refuse":
        raise DataError(
            f"{len(short)} of {len(series_set)} series are too short for a window of lookback "
            f"{lookback}{f' + horizon {horizon}' if horizon else ''} time steps: {names}",
            file=series_set.report.source,
            advice="Give more rows, a smaller lookback, or choose short_series 'pad' or 'skip'.",
        )
    rows = lookback - 1
    series = list(series_set)
    for place in short:
        series[place] = padded(series[place], series_set, rows)
    series_set.report.note(
        "series too short for a window",
        f"lengthened by {rows} rows at the beginning, which count for nothing",
        names,
        len(short),
    )
    return dataclasses.replace(series_set, series=tuple(series))


def padded(series: TimeSeries, series_set: SeriesSet, rows: int) -> TimeSeries:
    """The series with `rows` more rows at its beginning, with the values of its first row.

    Args:
        series: series to lengthen.
        series_set: set that it belongs to.
        rows: number of rows to add.
    """

    def longer(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.concatenate([np.repeat(values[:1], rows, axis=0), values])

    return dataclasses.replace(
        series,
        times=np.concatenate(
            [earlier_times(series.times[0], series_set.frequency, rows), series.times]
        ),
        target=longer(series.target),
        observed=np.concatenate([np.zeros(rows, bool), series.observed]),
        past_covariates=longer(series.past_covariates),
        future_covariates=longer(series.future_covariates),
        padding=series.padding + rows,
    )


def _rows(series: TimeSeries, series_set: SeriesSet, part: Part | None) -> int:
    start, stop = part_rows(part, series, series_set)
    # The past of a window may reach back before the part.
    return 0 if stop <= start else stop


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
