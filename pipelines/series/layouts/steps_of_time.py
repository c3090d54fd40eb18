"""The times of a series of which a file tells only the first one and the frequency."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError

_SECONDS = {
    "s": 1,
    "S": 1,
    "second": 1,
    "min": 60,
    "T": 60,
    "minute": 60,
    "h": 3600,
    "H": 3600,
    "hour": 3600,
    "D": 86400,
    "day": 86400,
    "W": 604800,
    "week": 604800,
}
_MONTHS = {
    "M": 1,
    "MS": 1,
    "ME": 1,
    "month": 1,
    "Q": 3,
    "QS": 3,
    "QE": 3,
    "quarter": 3,
    "Y": 12,
    "YS": 12,
    "YE": 12,
    "A": 12,
    "AS": 12,
    "year": 12,
}
_WORDS = {
    "secondly": "1_second",
    "minutely": "1_minute",
    "half_hourly": "30_minute",
    "hourly": "1_hour",
    "daily": "1_day",
    "weekly": "1_week",
    "monthly": "1_month",
    "quarterly": "1_quarter",
    "yearly": "1_year",
}
_FREQUENCY = re.compile(r"(\d*)_?([A-Za-z]+)(-[A-Za-z]{3})?")
_START = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d)[-:](\d\d)(?:[-:](\d\d)(?:\.0+)?)?)?")


@dataclass(frozen=True)
class StepOfTime:
    """The step from one value to the next: seconds, or calendar months, or business days."""

    seconds: int = 0
    months: int = 0
    business_days: bool = False

    def times(self, start: np.datetime64, count: int) -> npt.NDArray[np.datetime64]:
        """The times of `count` values, datetime64[s] [count].

        In steps of months, a time is the first day of its month.
        """
        numbers = np.arange(count)
        if self.months:
            return (start.astype("datetime64[M]") + numbers * self.months).astype("datetime64[s]")
        if self.business_days:
            days = np.busday_offset(start.astype("datetime64[D]"), numbers, roll="forward")
            return days.astype("datetime64[s]")
        return start.astype("datetime64[s]") + numbers * np.timedelta64(self.seconds, "s")


def step_of_time(frequency: str) -> StepOfTime | None:
    """The step that a frequency means; None if it is not known.

    Args:
        frequency: alias of pandas, old or new ("1H", "30min", "MS", "W-SUN"), or a word of the
            Monash archive ("half_hourly", "4_seconds").
    """
    if frequency == "B":
        return StepOfTime(business_days=True)
    parts = _FREQUENCY.fullmatch(_WORDS.get(frequency, frequency))
    if parts is None:
        return None
    number, unit = int(parts[1] or 1), parts[2]
    singular = unit.removesuffix("s") if len(unit) > 3 else unit
    seconds, months = _SECONDS.get(singular, 0), _MONTHS.get(singular, 0)
    if not number or not (seconds or months):
        return None
    return StepOfTime(number * seconds, number * months)


def start_of_series(text: Any, file: str, line: int, column: str) -> np.datetime64:
    """The first time of a series, datetime64[s]; "2012-01-01 00-30-00" of Monash is understood.

    Raises:
        DataError: the text is not a time; the message names its line.
    """
    parts = _START.fullmatch(str(text).strip())
    moment: np.datetime64 = np.datetime64("NaT", "s")
    if parts:
        day, hour, minute, second = (part or "00" for part in parts.groups())
        with contextlib.suppress(ValueError):
            moment = np.datetime64(f"{day}T{hour}:{minute}:{second}", "s")
    if np.isnat(moment):
        raise DataError(
            f"{str(text)[:60]!r} is not the time of a first value",
            file=file,
            row=line,
            column=column,
            advice="Write it as 2012-01-31 13:00:00.",
        )
    return moment
