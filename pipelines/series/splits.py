"""The borders of the training, validation and test parts of a set of series."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.series.times.stated_moments import parse_moment, stated_moment
from pipelines.series.times.timestamps import STEP
from pipelines.shares import parse_shares

if TYPE_CHECKING:
    from pipelines.series.time_series import SeriesSet, TimeSeries

Border = float | int | np.datetime64 | datetime.date | str | None
Part = tuple[Border, Border]
"""From the first border up to but not including the second: two shares of the rows (float), two row
numbers (int) or two times (datetime64, datetime or ISO text) in local wall-clock time, or instants
if they have an offset from UTC. None means the beginning or the end."""


@dataclass(frozen=True)
class Split:
    """Three consecutive parts, each a `Part`; the targets of a part lie inside it."""

    train: Part
    validation: Part
    test: Part

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation part; without it, training can use its rows too."""
        return self.validation[0] is None or self.validation[0] != self.validation[1]

    @property
    def has_test(self) -> bool:
        """Whether there is a test part; without it, training can use the most recent rows."""
        return self.test[0] is None or self.test[0] != self.test[1]

    def __iter__(self) -> Iterator[Part]:
        return iter((self.train, self.validation, self.test))


def parse_split(text: str) -> Split:
    """Reads a split.

    Args:
        text: the split in one of three forms: "0.7,0.1,0.2", shares of the rows, "1,0,0" for all;
            "8640,2880,2880", numbers of rows; "2014-10-01,2014-11-01", the times at which
            validation and test begin, and optionally a third time at which the test ends, all of
            them with an offset from UTC or none. A second share or number of 0 leaves out the
            validation part, a third one the test part.

    Raises:
        ConfigurationError: the text has none of these forms, the shares are more than 1 together,
            the training part is empty, or the times do not ascend or not all have an offset.
    """
    fields = [field.strip() for field in text.split(",")]
    # A training part of one row could hold no window: "1,0,0" means all rows.
    if len(fields) == 3 and all(field.isdigit() for field in fields) and fields != ["1", "0", "0"]:
        return _by_rows([int(field) for field in fields])
    if len(fields) == 3 and all(_is_number(field) for field in fields):
        return _by_shares(text)
    try:
        times = [parse_moment(field) for field in fields]
    except ValueError:
        times = []
    if times and "0" in fields:
        raise ConfigurationError(
            f"split {text!r} has times and a 0: no part is left out by times. Write shares such as "
            "0.9,0.1,0, or numbers of rows"
        )
    if len(times) in (2, 3):
        return _by_times(text, fields, times)
    raise ConfigurationError(
        f"split {text!r} cannot be read: write three shares such as 0.7,0.1,0.2, three numbers "
        "of rows such as 8640,2880,2880, or two times such as 2014-10-01,2014-11-01 at which the "
        "validation and the test part begin"
    )


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text)).item()
    except ValueError:
        return False


def _by_rows(rows: list[int]) -> Split:
    first, second, third = (int(border) for border in np.cumsum(rows))
    if rows[0] == 0 or third == 0:
        raise ConfigurationError("the training part of the split has no rows")
    return Split((0, first), (first, second), (second, third))


def _by_shares(text: str) -> Split:
    train, validation, test = parse_shares(text)
    # Rounded, so that 0.7 + 0.1 + 0.2 is the whole and not 0.9999999999999999 of it.
    first, second = round(train, 9), round(train + validation, 9)
    return Split((0.0, first), (first, second), (second, round(train + validation + test, 9)))


def _by_times(
    text: str, fields: list[str], times: list[tuple[np.datetime64, np.timedelta64 | None]]
) -> Split:
    offsets = [offset for _, offset in times if offset is not None]
    if offsets and len(offsets) < len(times):
        raise ConfigurationError(
            f"split {text!r} has times with and without an offset from UTC: write all in one way"
        )
    instants = [moment - (offset or np.timedelta64(0, "s")) for moment, offset in times]
    if any(later <= earlier for earlier, later in itertools.pairwise(instants)):
        raise ConfigurationError("the times of the split must ascend")
    # What an offset means depends on the zone of the data, so that such a time stays a text.
    first, second, *end = fields if offsets else [moment for moment, _ in times]
    return Split((None, first), (first, second), (second, end[0] if end else None))


def part_rows(part: Part | None, series: TimeSeries, series_set: SeriesSet) -> tuple[int, int]:
    """The rows [start, stop) of `series` that belong to `part`.

    Shares and row numbers refer to the common grid of a wide table; in a long table they refer to
    the rows of each series.

    Args:
        part: borders of the part; None for all rows.
        series: the series whose rows are wanted.
        series_set: the set that the series belongs to.

    Raises:
        DataError: the part reaches beyond the rows of the table, or of the longest series.
    """
    start, stop = (None, None) if part is None else part
    return (
        _row(start, series.padding, series, series_set),
        _row(stop, len(series), series, series_set),
    )


def _row(border: Border, default: int, series: TimeSeries, series_set: SeriesSet) -> int:
    if border is None:
        return default
    if isinstance(border, str | np.datetime64 | datetime.date):
        if series_set.frequency == STEP:
            raise DataError(
                f"the split names the time {border}, but the rows are counted without a date",
                file=series_set.report.source,
                advice="Give shares or numbers of rows.",
            )
        moment = stated_moment(str(border), series_set.time_zone, "split")
        row = int(np.searchsorted(series.times.astype("datetime64[s]"), moment))
        return max(row, series.padding)
    own = len(series) - series.padding
    total = series_set.rows or own
    if isinstance(border, float | np.floating):
        row = round(float(border) * total)
    else:
        row = int(border)
        longest = series_set.rows or max(len(one) - one.padding for one in series_set)
        if row > longest:
            raise DataError(
                f"the split asks for {row} time steps, the data has {longest}",
                file=series_set.report.source,
                advice="Make the parts smaller.",
            )
    return series.padding + min(max(row - series.offset, 0), own)
