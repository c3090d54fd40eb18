"""Public holidays as covariates that are known ahead, by the `holidays` package."""

from __future__ import annotations

import dataclasses
import datetime
import difflib

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.timestamps import STEP, fixed_seconds

HOLIDAY, DAYS_TO_HOLIDAY = "holiday", "days_to_holiday"
NAMES = (HOLIDAY, DAYS_TO_HOLIDAY)
MOST_DAYS = 30
"""A holiday that is further away than this many days is as if it were this far."""

_DAY_SECONDS = 86400
_MOST_CODES = 100
_BUSINESS_DAY = "B"


def with_holidays(series_set: SeriesSet, calendar: str, reach: int) -> SeriesSet:
    """The series with two more covariates that are known ahead, from the local date of each row.

    `holiday` is 1 on a public holiday and 0 on other days; `days_to_holiday` is the number of days
    to the next one, 0 on the day itself and at most `MOST_DAYS`.

    Args:
        series_set: series with dates, in steps of a day or less; covariates of this function are
            computed anew.
        calendar: country, or country and subdivision, as ISO 3166 codes: "DE" or "DE-BY".
        reach: number of rows after the end of each series for which they are computed, where no
            other covariate limits it.

    Raises:
        UserError: the package `holidays` is not installed.
        ConfigurationError: there is no such country or subdivision.
        DataError: the rows have no dates or longer steps than a day, or the data has a column of
            one of these names.
    """
    series_set = without_holidays(series_set)
    _check(series_set)
    days = _Holidays(calendar)
    series = []
    for one in series_set:
        rows = len(one.future_covariates) if series_set.future_names else len(one) + reach
        columns = days.covariates(_dates(series_set, one, rows))
        known = one.future_covariates[:rows]
        if not series_set.future_names:
            known = np.empty((rows, 0), np.float32)
        series.append(
            dataclasses.replace(one, future_covariates=np.concatenate([known, columns], axis=1))
        )
    return dataclasses.replace(
        series_set, series=tuple(series), future_names=(*series_set.future_names, *NAMES)
    )


def without_holidays(series_set: SeriesSet) -> SeriesSet:
    """The series without the covariates that `with_holidays` added."""
    if series_set.future_names[-len(NAMES) :] != NAMES:
        return series_set
    names = series_set.future_names[: -len(NAMES)]
    series = [
        dataclasses.replace(one, future_covariates=one.future_covariates[:, : len(names)])
        for one in series_set
    ]
    return dataclasses.replace(series_set, series=tuple(series), future_names=names)


class _Holidays:
    """The public holidays of a country or of a part of it."""

    def __init__(self, calendar: str) -> None:
        try:
            import holidays
        except ImportError:
            raise UserError(
                "holidays need the package of this name: pip install 'rnn-apps[holidays]'"
            ) from None
        country, _, part = calendar.strip().partition("-")
        countries = holidays.list_supported_countries(include_aliases=True)
        if country not in countries:
            raise _unknown("country", country, list(countries))
        if part and part not in countries[country]:
            raise _unknown(f"subdivision of {country}", part, list(countries[country]))
        self._package = holidays
        self._country, self._part = country, part or None

    def covariates(self, dates: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float32]:
        """`holiday` and `days_to_holiday` of each date, float32 [dates, 2]."""
        first, last = (date.astype(datetime.date) for date in (dates.min(), dates.max()))
        years = range(first.year, last.year + 2)
        known = self._package.country_holidays(self._country, subdiv=self._part, years=years)
        # Dates beyond the last holiday that is known are as far from one as can be.
        free = np.array([*sorted(known), datetime.date(last.year + 9, 1, 1)], "datetime64[D]")
        ahead = free[np.searchsorted(free, dates)] - dates
        days = np.minimum(ahead.astype(np.int64), MOST_DAYS).astype(np.float32)
        return np.stack([(days == 0).astype(np.float32), days], axis=1)


def _dates(series_set: SeriesSet, series: TimeSeries, rows: int) -> npt.NDArray[np.datetime64]:
    """The local dates of the first `rows` rows of a series and its future, datetime64[D] [rows]."""
    later = max(rows - len(series), 0)
    times = np.concatenate([series.times, series_set.future_times(series, later)])[:rows]
    minutes = series_set.wall_clock(times)
    return minutes.astype("datetime64[m]").astype("datetime64[D]")


def _check(series_set: SeriesSet) -> None:
    taken = [name for name in NAMES if name in series_set.future_names + series_set.past_names]
    if taken:
        raise DataError(
            "is the name of a covariate that holidays adds",
            file=series_set.report.source,
            column=taken[0],
            advice="Rename the column, or leave out holidays.",
        )
    if series_set.frequency == STEP:
        raise DataError(
            "the rows are counted without a date, so that their holidays are not known",
            file=series_set.report.source,
            advice="Leave out holidays, or give a column of times.",
        )
    seconds = fixed_seconds(series_set.frequency)
    if series_set.frequency != _BUSINESS_DAY and (seconds is None or seconds > _DAY_SECONDS):
        raise DataError(
            f"a step of {series_set.frequency} is longer than a day, so that it is not a holiday",
            file=series_set.report.source,
            advice="Leave out holidays.",
        )


def _unknown(what: str, name: str, names: list[str]) -> ConfigurationError:
    near = difflib.get_close_matches(name.upper(), names, 3)
    if near:
        advice = f"Did you mean {', '.join(near)}"
    elif not names:
        advice = "None is known there"
    elif len(names) > _MOST_CODES:
        advice = "Write the two letters that ISO 3166 gives the country, as DE for Germany"
    else:
        advice = f"Available: {', '.join(sorted(names))}"
    return ConfigurationError(f"holidays: {name!r} is not the code of a {what}. {advice}")
