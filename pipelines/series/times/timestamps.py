"""Frequencies, the continuation of time stamps, and local wall-clock time."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError

Times = npt.NDArray[np.datetime64]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

STEP = "step"
"""The frequency of counted rows without a date; steps are stored as minutes since 1970."""

OLD_ALIASES = {"H": "h", "T": "min", "S": "s", "BH": "bh"}
"""Former names of units in pandas, until version 2, and their present names."""

_OLD_MONTHS = {"M": "ME or MS", "Q": "QE or QS", "Y": "YE or YS", "A": "YE or YS"}


def current_alias(frequency: str) -> str:
    """A pandas alias in the present names of units ("15T" becomes "15min")."""
    parts = re.fullmatch(r"(-?\d*)([A-Z]+)", frequency)
    if parts and parts[2] in OLD_ALIASES:
        return parts[1] + OLD_ALIASES[parts[2]]
    return frequency


_LEAST_FILLED = 10
"""With up to this many cells per row, rows on a common grid are rows with gaps."""

_ROUND_STEPS = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 14400),
    *(21600, 43200, 86400, 604800),
)
"""Usual steps of clocks and loggers, in seconds."""

FINER_THAN_SECONDS = (
    "Time stamps are kept to the second. Choose gaps 'count', which counts the rows (0, 1, 2, ...) "
    "in place of the time, or average the values to seconds."
)


def offset_of(frequency: str) -> Any:
    """The pandas offset of an alias such as "h", "30min", "D", "B", "MS", "QE" or "YS".

    Raises:
        DataError: pandas does not know the alias, or it is not a whole number of seconds.
    """
    import pandas as pd

    if frequency == STEP:
        return pd.tseries.frequencies.to_offset("min")
    try:
        offset = pd.tseries.frequencies.to_offset(frequency)
    except ValueError:
        offset = None
    if offset is None or offset.n < 1:
        parts = re.fullmatch(r"\d*([A-Z])(-[A-Z]{3})?", frequency)
        today = _OLD_MONTHS.get(parts[1] if parts else "")
        raise DataError(
            f"frequency {frequency!r} is not known",
            advice=f"Write {today}, by whether a time is the end or the start of the period."
            if today
            else "Write a pandas alias such as 30min, h, D, B, W, MS, ME, QS or YS.",
        )
    seconds = fixed_seconds(frequency)
    if seconds is not None and (seconds < 1 or seconds != int(seconds)):
        raise DataError(
            f"frequency {frequency!r} is not a whole number of seconds",
            advice=FINER_THAN_SECONDS,
        )
    return offset


@functools.lru_cache(maxsize=64)
def fixed_seconds(frequency: str) -> float | None:
    """The length of a step in seconds, or None if it varies (months, business days, weeks "W")."""
    import pandas as pd

    if frequency == STEP:
        return float(_MINUTE)

    offset = pd.tseries.frequencies.to_offset(frequency)
    # To pandas 3 a day is not a fixed length, but without daylight saving it is one.
    if isinstance(offset, pd.offsets.Day):
        return float(offset.n * _DAY)
    if isinstance(offset, pd.offsets.Tick):
        return pd.Timedelta(offset).total_seconds()
    return None


def future_times(last: np.datetime64, frequency: str, horizon: int) -> Times:
    """The `horizon` time stamps after `last`, datetime64[s] [horizon].

    Month ends stay month ends, and business days skip weekends.
    """
    return regular_times(last, frequency, horizon + 1)[1:]


def earlier_times(first: np.datetime64, frequency: str, count: int) -> Times:
    """The `count` time stamps before `first`, datetime64[s] [count], ascending."""
    import pandas as pd

    seconds = fixed_seconds(frequency)
    if seconds is not None:
        return first.astype("datetime64[s]") + np.arange(-count, 0) * np.timedelta64(
            int(seconds), "s"
        )
    offset = offset_of(frequency)
    times = pd.date_range(end=pd.Timestamp(first), periods=count + 1, freq=offset)[:-1]
    return times.to_numpy().astype("datetime64[s]")


def regular_times(first: np.datetime64, frequency: str, count: int) -> Times:
    """`count` time stamps that begin with `first`, datetime64[s] [count].

    Raises:
        DataError: `first` is not a time of this frequency, such as a Sunday among business days.
    """
    import pandas as pd

    first = first.astype("datetime64[s]")
    seconds = fixed_seconds(frequency)
    if seconds is not None:
        return first + np.arange(count) * np.timedelta64(int(seconds), "s")
    start = pd.Timestamp(first)
    offset = offset_of(frequency)
    if not offset.is_on_offset(start):
        raise DataError(
            f"the time {first} does not belong to the frequency {frequency!r}",
            advice="State another frequency, or correct the time stamp.",
        )
    dates = pd.date_range(start, periods=count, freq=offset)
    return np.asarray(dates.values.astype("datetime64[s]"))


def infer_frequency(times: Times) -> str:
    """The pandas alias of the step between most neighbouring time stamps, or "".

    Gaps do not matter, since the most frequent step counts, and of equally frequent steps the
    shortest. Daily data without weekends is "B"; steps of 28 to 31, 90 to 92 or 365 and 366 days
    are months, quarters and years if all times start or end one. "" means that no step is shared
    by at least half of the neighbours, or that there are fewer than two time stamps.

    Args:
        times: ascending time stamps without duplicates, datetime64[s] [T].
    """
    if len(times) < 2:
        return ""
    seconds = times.astype("datetime64[s]").astype(np.int64)
    steps, counts = np.unique(np.diff(seconds), return_counts=True)
    step = int(steps[np.argmax(counts)])
    if step >= 28 * _DAY:
        monthly = _months(times) or _business_months(times)
        if monthly:
            return monthly
    if step == _DAY and _on_business_days(seconds):
        return "B"
    if 2 * counts.max() < counts.sum():
        return ""
    return fixed_alias(step)


def fixed_alias(seconds: int) -> str:
    """The pandas alias of a step of `seconds`."""
    for unit, alias in ((_DAY, "D"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s")):
        if seconds % unit == 0:
            return alias if seconds == unit else f"{seconds // unit}{alias}"
    raise ValueError(seconds)


def common_divisor(series: Sequence[Times]) -> str:
    """The alias of the longest step that divides all steps of all series, or "".

    It is also "" if nearly all cells of a grid with that step would be empty.

    Args:
        series: ascending times of each series, datetime64[s] [T].
    """
    steps = [np.diff(times.astype("datetime64[s]").astype(np.int64)) for times in series]
    divisor = int(np.gcd.reduce(np.concatenate(steps))) if any(map(len, steps)) else 0
    cells = sum(int(own.sum()) for own in steps)
    rows = sum(len(times) for times in series)
    return fixed_alias(divisor) if divisor and cells <= _LEAST_FILLED * rows * divisor else ""


def usual_step(series: Sequence[Times]) -> str:
    """The alias of the approximate step between times, as of a jittering logger, or ""."""
    steps = np.concatenate([np.diff(np.unique(times)) for times in series]).astype(np.int64)
    median = float(np.median(steps)) if len(steps) else 0.0
    for seconds in _ROUND_STEPS:
        near = np.abs(steps - seconds) <= 0.2 * seconds
        if abs(median - seconds) <= 0.05 * seconds and 2 * near.sum() > len(steps):
            return fixed_alias(seconds)
    return ""


def _on_business_days(seconds: npt.NDArray[np.int64]) -> bool:
    # Day 0 of the epoch was a Thursday; Monday is 0.
    weekdays = (seconds // _DAY + 3) % 7
    return bool(seconds[-1] - seconds[0] >= 7 * _DAY and np.all(weekdays < 5))


def _months(times: Times) -> str:
    """The alias of steps of whole months if all times are first days, or all last days, of one."""
    days = times.astype("datetime64[D]")
    if np.any(days != times):
        return ""
    months = days.astype("datetime64[M]")
    if np.all(months == days):
        edge = "S"
    elif np.all((days + 1).astype("datetime64[M]") == days + 1):
        edge = "E"
    else:
        return ""
    numbers = months.astype(np.int64)
    steps, counts = np.unique(np.diff(numbers), return_counts=True)
    step = int(steps[np.argmax(counts)])
    if 2 * counts.max() < counts.sum() or np.any(steps % step):
        return ""
    month = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")[
        int(numbers[0] % 12)
    ]
    if step % 12 == 0:
        return f"{step // 12 if step > 12 else ''}Y{edge}-{month}"
    if step == 3:
        return f"Q{edge}-{month}"
    return f"{step if step > 1 else ''}M{edge}"


def _business_months(times: Times) -> str:
    """ "BMS" or "BME" if every time is the first, or the last, business day of its month, or ""."""
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    steps, counts = np.unique(np.diff(months.astype(np.int64)), return_counts=True)
    if np.any(days != times) or steps[np.argmax(counts)] != 1 or steps[0] < 1:
        return ""
    if np.all(days == np.busday_offset(months.astype("datetime64[D]"), 0, roll="forward")):
        return "BMS"
    ends = (months + 1).astype("datetime64[D]") - 1
    return "BME" if np.all(days == np.busday_offset(ends, 0, roll="backward")) else ""


def show_time(moment: np.datetime64, frequency: str) -> str:
    """A time for a message: without the clock time if it is 0:00, or the number of a step."""
    if frequency == STEP:
        return f"step {step_numbers(moment)}"
    text = str(moment.astype("datetime64[s]"))
    return text.removesuffix("T00:00:00").replace("T", " ")


def step_numbers(times: Any) -> Any:
    """The numbers of steps without a date, int64 of the shape of `times`; see `STEP`."""
    return np.asarray(times).astype("datetime64[m]").astype(np.int64)


def anchored(frequency: str, times: Times) -> str:
    """Adds the most frequent day of the week to weeks without a stated day ("W", "2W").

    Without a day, pandas assumes weeks that end on Sundays.
    """
    if not re.fullmatch(r"\d*W", frequency) or not len(times):
        return frequency
    weekdays = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    day = int(np.argmax(np.bincount(weekdays, minlength=7)))
    return f"{frequency}-{('MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN')[day]}"


def instant(moment: np.datetime64, time_zone: str) -> np.datetime64:
    """The UTC of a wall-clock time of a zone; times that the clock skips are moved forward."""
    import pandas as pd

    clock = pd.Timestamp(moment.astype("datetime64[s]"))
    aware = clock.tz_localize(time_zone, ambiguous=True, nonexistent="shift_forward")
    return aware.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[s]")


def wall_clock_minutes(times: Times, time_zone: str = "") -> npt.NDArray[np.int32]:
    """Minutes since 1970-01-01 00:00 in local wall-clock time, int32 of the shape of `times`.

    Args:
        times: datetime64; instants (UTC) if there is a time zone, else wall-clock times.
        time_zone: an IANA name or a fixed offset such as "+01:00".
    """
    if time_zone:
        import pandas as pd

        aware = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(time_zone)
        times = np.asarray(aware.tz_localize(None).values)
    minutes = times.astype("datetime64[m]").astype(np.int64)
    return minutes.astype(np.int32)
