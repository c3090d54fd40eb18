"""Series that end earlier than their data, or later, with forecasts as if they were known."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import DataError, UserError
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.stated_moments import stated_moment
from pipelines.series.times.timestamps import STEP


def until(series_set: SeriesSet, last: str) -> SeriesSet:
    """The series as they were known at a time; covariates that are known ahead stay known.

    An interpolated value that is missing at the end is the last one that was observed by then, so
    that nothing of a later value is left in it; zeros that fill what is missing stay, as in the
    windows of training.

    Args:
        series_set: series with a later end.
        last: time of the last row that counts as known, in the local time of the data, such as
            "2014-10-01" or "2014-10-01 13:00", or with an offset from UTC if the data has a time
            zone; a number of a row where rows are counted.

    Raises:
        UserError: the text is not such a time, or has an offset where the data has no time zone.
        DataError: no series has a row at or before this time, or all series end before it.
    """
    moment = _moment(series_set, last)
    ends = [int(np.searchsorted(series.times, moment, side="right")) for series in series_set]
    known = [
        _cut(series, end, series_set.missing)
        for series, end in zip(series_set, ends, strict=True)
        if end > series.padding
    ]
    first = min(series.times[series.padding] for series in series_set)
    final = max(series.times[-1] for series in series_set)
    if not known or moment > final:
        raise DataError(
            f"the data goes from {series_set.shown(first)} to {series_set.shown(final)}, which "
            f"does not hold the time {last}",
            file=series_set.report.source,
            advice="Name a time within the data, or none for its end.",
        )
    return dataclasses.replace(series_set, series=tuple(known), rows=0)


def before(series_set: SeriesSet, moment: np.datetime64) -> SeriesSet:
    """The series as they were known before a moment; covariates that are known ahead stay known.

    Args:
        series_set: series with a later end.
        moment: time of the first row that is not known, datetime64[s].
    """
    ends = [int(np.searchsorted(series.times, moment, side="left")) for series in series_set]
    known = [
        _cut(series, end, series_set.missing)
        for series, end in zip(series_set, ends, strict=True)
        if end > series.padding and series.observed[:end].any()
    ]
    return dataclasses.replace(series_set, series=tuple(known), rows=0)


def lengthened(series_set: SeriesSet, values: NDArray[np.float32]) -> SeriesSet:
    """The series with forecasts after their end, as if these had been observed.

    Args:
        series_set: series without covariates of the past, which nobody knows there.
        values: values float32 [series, steps] that follow the end of each series.
    """
    steps = values.shape[1]
    longer = [
        dataclasses.replace(
            series,
            times=np.concatenate([series.times, series_set.future_times(series, steps)]),
            target=np.concatenate([series.target, row]),
            observed=np.concatenate([series.observed, np.ones(steps, bool)]),
            past_covariates=np.zeros((len(series) + steps, 0), np.float32),
            future_covariates=series.future_covariates
            if series_set.future_names
            else np.zeros((len(series) + steps, 0), np.float32),
        )
        for series, row in zip(series_set, values, strict=True)
    ]
    return dataclasses.replace(series_set, series=tuple(longer), rows=0)


def _moment(series_set: SeriesSet, last: str) -> np.datetime64:
    if series_set.frequency == STEP:
        try:
            return np.datetime64(int(last), "m").astype("datetime64[s]")
        except ValueError:
            raise UserError(
                f"at = {last!r}: the rows are counted, so name the number of a row, such as 100"
            ) from None
    return stated_moment(last, series_set.time_zone, "at")


def _cut(series: TimeSeries, end: int, missing: str) -> TimeSeries:
    target, observed = series.target[:end].copy(), series.observed[:end]
    seen = np.flatnonzero(observed)
    if missing == "interpolate" and len(seen):
        target[seen[-1] + 1 :] = target[seen[-1]]
    return dataclasses.replace(
        series,
        times=series.times[:end],
        target=target,
        observed=observed,
        past_covariates=series.past_covariates[:end],
        offset=0,
    )
