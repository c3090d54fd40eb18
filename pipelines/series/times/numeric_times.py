"""Times as numbers: the time since 1970 in four units, Excel's days, counted steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.series.tables.tables import Block
from pipelines.series.times.time_formats import EARLIEST, LATEST

Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64]

UNITS = {"unix": 1_000_000, "unix_ms": 1_000, "unix_us": 1, "unix_ns": 0.001}
"""Number of microseconds in one unit; all units count from the beginning of 1970."""

EXCEL, STEPS = "excel", "steps"
NUMERIC_FORMATS = (*UNITS, EXCEL, STEPS)
"""Values of `time_format` for a column of numbers; steps are counted and have no date."""

STEP_MICROSECONDS = 60_000_000
"""Microseconds per step: steps without a date are stored as minutes since 1970."""

_FIRST, _LAST = np.datetime64("1980-01-01", "us"), np.datetime64("2100-01-01", "us")
"""Within these years the unit is recognised, since a number fits only one unit."""

_EXCEL_DAYS = (20_000, 80_000)
"""Excel's numbers of days from 1954 to 2119."""

_DAY_MICROSECONDS = 86_400_000_000
_EXCEL_EPOCH = np.datetime64("1899-12-30", "us")
_YEAR_1971 = np.datetime64("1971-01-01", "us")
_MOST_STEPS = 2**31 - 1


def epoch_of(numbers: Numbers) -> str:
    """The unit in which all numbers are times of the years 1980 to 2099; "" if there is none."""
    if not len(numbers):
        return ""
    for name, microseconds in UNITS.items():
        low, high = float(numbers.min()) * microseconds, float(numbers.max()) * microseconds
        if low >= _FIRST.astype(np.int64) and high < _LAST.astype(np.int64):
            return name
    return ""


def numeric_format(numbers: Numbers) -> str:
    """The format of a column of numbers if it is certain: a unit's name or `STEPS`; else "".

    Steps are whole numbers that begin at 0 or 1: others may be Excel's days, or a date in digits.
    """
    epoch = epoch_of(numbers)
    if epoch or not len(numbers):
        return epoch
    whole = bool(np.all(numbers == np.round(numbers)))
    return STEPS if whole and numbers.min() in (0, 1) else ""


def moments_of(
    numbers: Numbers, form: str, block: Block, column: str
) -> npt.NDArray[np.datetime64]:
    """Numbers as times, datetime64[us] [rows].

    Args:
        numbers: finite numbers [rows].
        form: format of the numbers, one of `NUMERIC_FORMATS`.
        block: rows that the numbers come from, for messages.
        column: name of their column, for messages.

    Raises:
        DataError: a time is implausible; the message names the first such row, and the format that
            fits all numbers.
    """
    if form == STEPS:
        return _steps(numbers, block, column)
    if form == EXCEL:
        microseconds = np.round(numbers.astype(np.float64) * 86_400_000) * 1_000
        moments = _EXCEL_EPOCH + _bounded(microseconds)
    else:
        moments = _bounded(_microseconds(numbers, form)).astype("datetime64[us]")
    wrong = np.flatnonzero((moments < EARLIEST) | (moments >= LATEST))
    other = epoch_of(numbers)
    # In too fine a unit, decades become the first days of 1970.
    early = form in UNITS and other not in ("", form) and moments.max() < _YEAR_1971
    if len(wrong) or early:
        first = int(wrong[0]) if len(wrong) else 0
        raise block.error(
            f"{numbers[first]:.17g} read as {form} is {_shown(moments[first])}",
            first,
            column,
            f"State time_format {other}, which fits all values." if other else ADVICE,
        )
    return moments


ADVICE = (
    "State the time_format: a strptime format such as %d.%m.%Y, or for numbers "
    f"{', '.join(UNITS)} (since 1970), {EXCEL} (days of a spreadsheet) or {STEPS} (rows counted, "
    "without a date)."
)


def unknown_numbers(numbers: Numbers, block: Block, column: str) -> DataError:
    """The error for numbers that are neither a time since 1970 nor counted steps."""
    low, high = _EXCEL_DAYS
    advice = ADVICE
    if len(numbers) and low <= numbers.min() and numbers.max() < high:
        day = (_EXCEL_EPOCH + np.timedelta64(int(numbers[0]), "D")).astype("datetime64[D]")
        advice = (
            f"If these are days of a spreadsheet, which begin on {day}, state time_format "
            f"{EXCEL}; if they count rows, state time_format {STEPS}."
        )
    years = len(numbers) > 0 and numbers.min() >= 1500 and numbers.max() < 2300
    if years and np.any(numbers != np.round(numbers)):
        advice = "These seem to be years with decimals: write dates such as 1949-02."
    return block.error(f"{numbers[0]:.17g} does not tell a time by itself", 0, column, advice)


def _microseconds(numbers: Numbers, form: str) -> npt.NDArray[Any]:
    unit = UNITS[form]
    if unit < 1:
        # Whole nanoseconds have more digits than float64.
        return numbers // 1_000
    return np.round(numbers.astype(np.float64) * unit)


def _bounded(microseconds: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole microseconds as timedelta64, clipped to the range of int64."""
    most = 4e18
    return np.clip(microseconds, -most, most).astype(np.int64).astype("timedelta64[us]")


def _steps(numbers: Numbers, block: Block, column: str) -> npt.NDArray[np.datetime64]:
    wrong = np.flatnonzero((numbers != np.round(numbers)) | (np.abs(numbers) > _MOST_STEPS))
    if len(wrong):
        first = int(wrong[0])
        raise block.error(
            f"{numbers[first]:.17g} is not the number of a step",
            first,
            column,
            "Steps are whole numbers: 0, 1, 2, ...",
        )
    return (numbers.astype(np.int64) * STEP_MICROSECONDS).astype("datetime64[us]")


def _shown(moment: np.datetime64) -> str:
    year = moment.astype("datetime64[Y]")
    return f"in the year {year}" if abs(int(str(year))) > 9999 else str(moment)[:19]
