"""Which columns together make the time, and which only repeat a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.series.tables.column_kinds import is_words
from pipelines.series.tables.columns import is_text
from pipelines.series.tables.joined_columns import (
    CLOCK,
    PART_NAMES,
    PART_RANGES,
    PARTS,
    WEEKDAY_NAMES,
    JoinedColumn,
    as_text,
    has_dates,
    part_numbers,
    part_of,
    wall_clock,
    whole_numbers,
)
from pipelines.series.tables.tables import Block
from pipelines.series.times.format_detection import AmbiguousTimeError
from pipelines.series.times.numeric_times import UNITS, epoch_of
from pipelines.series.times.time_columns import TimeReader
from pipelines.series.times.time_formats import is_like
from pipelines.series.times.timestamps import wall_clock_minutes

if TYPE_CHECKING:
    import pyarrow as pa

_CLOCK_TEXT = r"(?i)^([01]?\d|2[0-4])(:[0-5]\d(:[0-5]\d(\.0+)?)?|\.[0-5]\d\.[0-5]\d)( ?[ap]m)?$"
_SHORT_CLOCK_TEXT = r"^([01]?\d|2[0-4])\.[0-5]\d$"
_CLOCK_NAMES = ("time", "clock", "time of day", "time_of_day", "zeit", "uhrzeit", "hora", "heure")
"""Only in columns of these names is 13.30 a clock time; elsewhere it is a number."""

_HOUR_NAMES = ("he", "hour ending", "hour_ending", "hourending", "hr ending", "stunde", "period")
_CLOCK_LIKE = (
    r"(?i)^\d{1,2}h\d{2}$|^\d{1,2} ?([ap]m|uhr)$|^\d{1,2}[:.]\d{2} ?(-|to|bis) ?\d{1,2}[:.]\d{2}$"
)
"""Clock times and hours that are recognised so that they do not name series, but not read."""

_WEEKDAYS = ("weekday", "dayofweek", "day_of_week", "dow")


def calendar_parts(free: Sequence[str], sample: Block) -> JoinedColumn | None:
    """The columns year and month (or quarter), day, hour, minute as one column of times.

    None unless there are a year and a month or quarter, all with plausible whole numbers. A finer
    part is used only if all coarser parts exist.
    """
    parts: dict[str, str] = {}
    for column in free:
        part = part_of(column)
        if part and part not in parts and _is_part(sample.columns[column], part):
            parts[part] = column
    if "year" not in parts or not ("month" in parts or "quarter" in parts):
        return None
    chosen = ["year", "month" if "month" in parts else "quarter"]
    if chosen[1] == "month":
        for part in ("day", "hour", "minute"):
            if part not in parts:
                break
            chosen.append(part)
    columns = tuple(parts[part] for part in chosen)
    return JoinedColumn(",".join(columns), columns, PARTS)


def clock_column(time: str, free: Sequence[str], sample: Block) -> str:
    """The column with the clock times that belong to the dates in `time`, or ""."""
    if not _only_dates(sample.columns[time]):
        return ""
    dates = sample.columns[time]
    # A clock time next to dates that occur once each, such as the sunrise, describes the day.
    repeat = len(dates.unique()) < len(dates)
    for column in free:
        array = sample.columns[column].drop_null()
        named = column.lower() in _CLOCK_NAMES
        if len(array) and (named or repeat) and _is_clock(array, named):
            return column
    for column in free:
        if part_of(column) == "hour" and repeat:
            hours = whole_numbers(sample.columns[column])
            if hours is not None and len(hours) and hours.min() >= 0 and hours.max() <= 24:
                if hours.max() == 24:
                    raise DataError(
                        "has hours up to 24, which may be the beginning or the end of an hour",
                        file=sample.file,
                        column=column,
                        advice="Write a column with the date and the hour from 0 to 23.",
                    )
                return column
    return ""


def joined_time(columns: tuple[str, ...]) -> JoinedColumn:
    """The time that several columns make: parts of a date if all are named so, else date and clock.

    Raises:
        DataError: the columns are neither.
    """
    name = ",".join(columns)
    parts = [part_of(column) for column in columns]
    if parts and all(parts) and "year" in parts and len(set(parts)) == len(parts):
        return JoinedColumn(name, columns, PARTS)
    if len(columns) == 2:
        return JoinedColumn(name, columns, CLOCK)
    raise DataError(
        f"time_column = {name!r} names {len(columns)} columns",
        advice="Name one column, a date and a clock time, or columns called "
        f"{', '.join(PART_NAMES)}.",
    )


def repeats_time(column: str, sample: Block, times: npt.NDArray[np.datetime64]) -> bool:
    """Whether a column only repeats the time or a part of it: seconds, a year, a month, ..."""
    part = part_of(column)
    numbers = part_numbers(sample.columns[column], part)
    if numbers is None:
        return False
    if part:
        return bool(np.array_equal(numbers, _part_values(part, times)))
    if column.lower() in _WEEKDAYS:
        weekdays = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
        return any(np.array_equal(numbers, (weekdays + s) % 7 + o) for s in (0, 1) for o in (0, 1))
    unit = epoch_of(numbers)
    if not unit:
        return False
    moments = np.round(numbers.astype(np.float64) * UNITS[unit]).astype("datetime64[us]")
    apart = np.abs(moments - times.astype("datetime64[us]"))
    return bool(np.all(apart <= np.timedelta64(1, "D")))


def part_of_time(column: str, array: pa.Array) -> str:
    """The part of the time in a column, for a message: "a clock time", "a month"; "" if none.

    Such a column never names a series.
    """
    known = array.drop_null()
    if column.lower() in _HOUR_NAMES:
        return "an hour"
    if part_of(column) or column.lower() in (*_WEEKDAYS, "week", "date", "time"):
        return f"a {part_of(column) or column.lower()}"
    if not len(known):
        return ""
    if _is_clock(known, False) or (is_text(array.type) and is_like(as_text(known), _CLOCK_LIKE)):
        return "a clock time"
    if is_text(array.type):
        texts = {text.casefold() for text in as_text(known).unique().to_pylist()}
        if texts <= {"am", "pm", "a.m.", "p.m."}:
            return "AM or PM"
        # One or two of them may mean something else: sun is weather, and May is a name.
        if len(texts) > 2 and texts <= WEEKDAY_NAMES.keys():
            return "a day of the week"
        if (
            len(texts) > 2
            and part_numbers(as_text(known), "month") is not None
            and not _are_numbers(texts)
        ):
            return "a month"
    return ""


def _are_numbers(texts: set[str]) -> bool:
    return all(text.lstrip("+-").replace(".", "", 1).isdigit() for text in texts)


def _part_values(part: str, times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    months = times.astype("datetime64[M]")
    month = months.astype(np.int64) % 12
    values = {
        "year": times.astype("datetime64[Y]").astype(np.int64) + 1970,
        "quarter": month // 3 + 1,
        "month": month + 1,
        "day": (times.astype("datetime64[D]") - months).astype(np.int64) + 1,
        "hour": times.astype("datetime64[h]").astype(np.int64) % 24,
        "minute": times.astype("datetime64[m]").astype(np.int64) % 60,
    }
    return np.asarray(values[part])


def _is_part(array: pa.Array, part: str) -> bool:
    numbers = part_numbers(array, part)
    low, high = PART_RANGES[part]
    return numbers is not None and bool(numbers.min() >= low and numbers.max() <= high)


def _only_dates(array: pa.Array) -> bool:
    """Whether a column of times has no time of day."""
    import pyarrow as pa

    known = array.drop_null()
    if is_text(array.type):
        return len(known) > 0 and not is_like(as_text(known)[:1], r"[:T]")
    if pa.types.is_timestamp(array.type):
        days = wall_clock(known).cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
        return bool(np.all(days == days.astype("datetime64[D]")))
    return bool(pa.types.is_date(array.type))


def _is_clock(array: pa.Array, named: bool) -> bool:
    """Whether values are clock times; 13.30 counts only in a column `named` as clock times are."""
    import pyarrow as pa

    if pa.types.is_time(array.type):
        return True
    if not is_text(array.type):
        return False
    texts = as_text(array)
    return is_like(texts, _CLOCK_TEXT) or (named and is_like(texts, _SHORT_CLOCK_TEXT))


def is_another_time(column: str, sample: Block) -> bool:
    """Whether another column than the time also has whole times, such as the end of each step."""
    array = sample.columns[column].drop_null()
    if not len(array) or not (has_dates(array.type) or is_words(array)):
        return False
    try:
        TimeReader(column).read(Block({column: array}, sample.file, sample.row_number))
    except AmbiguousTimeError:
        return True
    except DataError:
        return False
    return True


def sample_times(
    time: str, sample: Block, time_format: str, time_zone: str
) -> npt.NDArray[np.datetime64] | None:
    """The times of the first rows in wall-clock time, or None if they cannot be read."""
    reader = TimeReader(time, time_format=time_format, time_zone=time_zone)
    try:
        times = reader.read(sample)
    except DataError:
        return None
    if reader.aware and reader.zone:
        return wall_clock_minutes(times, reader.zone).astype("datetime64[m]")
    return times
