"""Notations of time stamps as text: which are tried, and how a text is read in one of them."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

_DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%y.%m.%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%y/%m/%d",
    "%d-%m-%y",
    "%m-%d-%y",
    "%y-%m-%d",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_MONTHS = (
    *("%Y-%m", "%Y/%m", "%m/%Y", "%m.%Y", "%Y %b", "%b %Y", "%b-%Y", "%Y %B", "%B %Y", "%b-%y"),
    *("%YM%m", "%Y-M%m", "%Y M%m"),
)

FORMATS = (
    *(date + clock for date in _DATES for clock in _CLOCKS),
    *("%Y%m%d" + clock for clock in _CLOCKS if clock),
    *_MONTHS,
)
"""Formats that are tried for time stamps other than ISO 8601; see also `COMPACT` and
`WHOLE_PERIODS`."""

COMPACT = {
    "%Y%m%d": r"^(1[5-9]|2[0-2])\d{6}$",
    "%Y%m%d%H": r"^(1[5-9]|2[0-2])\d{8}$",
    "%Y%m%d%H%M": r"^(1[5-9]|2[0-2])\d{10}$",
    "%Y%m%d%H%M%S": r"^(1[5-9]|2[0-2])\d{12}$",
    "%Y%m": r"^(1[5-9]|2[0-2])\d{2}(0[1-9]|1[0-2])$",
    "%y%m%d": r"^\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$",
}
"""Formats of digits only, and patterns of their texts for the years 1500 to 2299."""

WHOLE_PERIODS = {
    "year": r"^\d{4}$",
    "quarter": r"^\d{4}[ -]?Q[1-4]$|^Q[1-4][ -]?\d{4}$",
    "week": r"^\d{4}-?W\d{2}$",
}
"""Years (1998), quarters (1998Q1, 1998 Q1, 1998-Q1, Q1 1998) and ISO weeks (2024-W05), each read as
its start, and patterns of their texts."""

YEARS_AHEAD = 10
"""Number of years that a two-digit year may be ahead of today; Python reads 49 as 2049, but data is
mostly from the past."""

EARLIEST, LATEST = np.datetime64("1500-01-01", "us"), np.datetime64("2300-01-01", "us")
"""Time stamps outside of these were misread: a two-digit year as four digits, a wrong unit."""

_SLOW = re.compile(r"%[^YmdHMSbBpIyT]")
"""Directives that Arrow ignores or refuses (%f, %j, %V, ...): all but those in the pattern."""

_DAY_OF_WEEK = {"%G": " %u", "%Y": " %w"}


def check_format(time_format: str, others: tuple[str, ...]) -> None:
    """Refuses a stated format that cannot be used.

    Args:
        time_format: the stated format; "" if none was stated.
        others: names of further formats, which are not strptime formats.

    Raises:
        ConfigurationError: the format has no directive, or one that Python's strptime does not
            know.
    """
    if not time_format or time_format in others or time_format in WHOLE_PERIODS:
        return
    example = "Write a strptime format such as %d.%m.%Y %H:%M, or " + ", ".join(others)
    if "%" not in time_format:
        raise ConfigurationError(f"time_format = {time_format!r} has no %. {example}")
    try:
        datetime.datetime.strptime("", with_day_of_week(time_format)[0])
    except ValueError as error:
        if "does not match format" not in str(error):
            raise ConfigurationError(
                f"time_format = {time_format!r} is not a format: {error}. {example}"
            ) from None


def with_day_of_week(form: str) -> tuple[str, str]:
    """A format of weeks, completed by a day of the week, and the text for that day, a Monday.

    Python reads the number of a week only together with a day of the week.
    """
    weeks = "%V" in form or "%W" in form or "%U" in form
    if not weeks or any(day in form for day in ("%u", "%w", "%a", "%A")):
        return form, ""
    return form + _DAY_OF_WEEK["%G" if "%G" in form else "%Y"], " 1"


def is_like(array: pa.Array, pattern: str) -> bool:
    """Whether every text of `array` matches the regular expression."""
    import pyarrow.compute as compute

    return bool(compute.all(compute.match_substring_regex(array, pattern)).as_py())


def read_by_format(array: pa.Array, form: str) -> pa.Array | None:
    """Time stamps of trimmed texts in a format, or None if a text does not fit it.

    Args:
        array: texts without blanks around them.
        form: a strptime format, or a key of `WHOLE_PERIODS`.

    Returns:
        timestamp[us], UTC if the format has an offset; None also if a year is implausible.
    """
    import pyarrow as pa

    if form in WHOLE_PERIODS:
        moments = _whole_periods(array, form)
    elif _SLOW.search(form.replace("%%", "")):
        moments = _by_python(array, form)
    else:
        moments = _by_arrow(array, form)
    if moments is not None and "%y" in form.replace("%%", ""):
        moments = _of_the_past(moments)
    if moments is None or not plausible(moments):
        return None
    return moments.cast(pa.timestamp("us"))


def with_plain_offset(array: pa.Array) -> pa.Array:
    """Rewrites texts of ISO 8601 with " UTC", " GMT" or a blank before the offset for Arrow."""
    import pyarrow.compute as compute

    iso = r"^(\d{4}-\d{2}-\d{2}[T ][\d:]+(?:\.\d+)?) "
    if not is_like(array[:1], iso):
        return array
    array = compute.replace_substring_regex(array, iso + r"?(?:UTC|GMT)$", r"\1Z")
    return compute.replace_substring_regex(array, iso + r"([+-]\d{2}:?\d{2})$", r"\1\2")


def plausible(moments: pa.Array) -> bool:
    """Whether all time stamps are in the years 1500 to 2299."""
    import pyarrow as pa

    values = moments.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
    return not len(values) or bool(values.min() >= EARLIEST and values.max() < LATEST)


def _whole_periods(array: pa.Array, form: str) -> pa.Array | None:
    import pyarrow as pa
    import pyarrow.compute as compute

    if not is_like(array, WHOLE_PERIODS[form]):
        return None
    if form == "week":
        return _by_python(compute.replace_substring(array, "-", ""), "%GW%V")
    digits = compute.replace_substring_regex(array, r"[ -]?Q[1-4][ -]?", "")
    months = (compute.cast(digits, pa.int64()).to_numpy() - 1970) * 12
    if form == "quarter":
        quarters = [int(text[text.index("Q") + 1]) for text in array.to_pylist()]
        months += (np.array(quarters) - 1) * 3
    return pa.array(months.astype("datetime64[M]").astype("datetime64[us]"))


def _of_the_past(moments: pa.Array) -> pa.Array:
    """Time stamps of two-digit years, moved back a century if they are far in the future.

    They are not moved if they continue others that are not far in the future.
    """
    import pyarrow as pa

    exact = moments.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    days = exact.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    far = months > np.datetime64("now", "M") + 12 * YEARS_AHEAD
    if not far.any():
        return moments
    earlier = (months - 1200).astype("datetime64[D]") + (days - months) + (exact - days)
    moved = np.where(far, earlier, exact)
    if np.abs(np.diff(moved)).sum() > np.abs(np.diff(exact)).sum():
        return moments
    return pa.array(moved)


def _by_arrow(array: pa.Array, form: str) -> pa.Array | None:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as compute

    try:
        moments = compute.strptime(array, format=form, unit="s")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    # Arrow reads the 31st of February as the 2nd of March; pandas refuses it, but is slow.
    doubtful = array.filter(compute.less_equal(compute.day(moments), 3))
    exact = pd.to_datetime(pd.Series(doubtful.to_pylist()), format=form, errors="coerce", utc=True)
    return None if exact.isna().any() else moments


def _by_python(array: pa.Array, form: str) -> pa.Array | None:
    """Reads with Python's strptime, each distinct text once."""
    import pyarrow as pa

    whole, day = with_day_of_week(form)
    encoded = array.dictionary_encode()
    moments = []
    try:
        for text in encoded.dictionary.to_pylist():
            moments.append(datetime.datetime.strptime(text + day, whole))
    except ValueError:
        return None
    aware = "%z" in form
    if aware:
        moments = [moment.astimezone(datetime.UTC) for moment in moments]
    kind = pa.timestamp("us", "UTC" if aware else None)
    return pa.array(moments, kind).take(encoded.indices)
