"""Tables whose columns are parts of the time, such as one column per month and one row per year."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.base.errors import DataError
from pipelines.series.tables.joined_columns import MONTH_NAMES, WEEKDAY_NAMES

_HOUR = re.compile(r"(?:h|he|hr|hour)[ _]?(\d{1,2})")
_CLOCK = re.compile(r"([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d)?")
_QUARTERS = {"q1", "q2", "q3", "q4"}
_YEARS = ("year", "yr")
_LEAST_CLOCKS = 4


def check_no_spread_times(targets: Sequence[str], time: str, file: str) -> None:
    """Refuses columns that seem to be series but are parts of the time of each row.

    Args:
        targets: columns to forecast that the user did not state.
        time: name of the column of times.
        file: file of the table, for messages.

    Raises:
        DataError: the columns are the months of a year, the hours of a day and the like.
    """
    parts = _parts(targets, time)
    if parts:
        raise DataError(
            f"the columns {targets[0]}, {targets[1]}, ... are {parts}, so that each row has "
            "several times",
            file=file,
            advice="Write one row per time (with pandas: melt), or state the targets if each "
            "column is to be a separate series.",
        )


def _parts(targets: Sequence[str], time: str) -> str:
    names = [target.strip().casefold() for target in targets]
    if len({MONTH_NAMES[name] for name in names if name in MONTH_NAMES}) == 12:
        return "the months of a year"
    if len({WEEKDAY_NAMES[name] for name in names if name in WEEKDAY_NAMES}) == 7:
        return "the days of a week"
    if set(names) >= _QUARTERS:
        return "the quarters of a year"
    clocks = [name for name in names if _CLOCK.fullmatch(name)]
    if len(clocks) >= _LEAST_CLOCKS and 2 * len(clocks) > len(names):
        return "the times of a day"
    hours = {int(hour[1]) for name in names if (hour := _HOUR.fullmatch(name))}
    digits = {int(name) for name in names if re.fullmatch(r"\d{1,2}", name)}
    alone = len(digits) == len(names)
    if _is_range(hours, 24) or (alone and _is_range(digits, 24)):
        return "the hours of a day"
    if alone and digits == set(range(1, 13)) and time.casefold() in _YEARS:
        return "the months of a year"
    return ""


def _is_range(numbers: set[int], count: int) -> bool:
    return len(numbers) == count and min(numbers) in (0, 1) and max(numbers) - min(numbers) < count
