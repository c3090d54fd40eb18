"""Which format a column of time stamps has, decided by all texts or numbers of its first block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.tables.tables import Block
from pipelines.series.times import numeric_times
from pipelines.series.times.numeric_times import STEPS
from pipelines.series.times.time_formats import (
    COMPACT,
    FORMATS,
    WHOLE_PERIODS,
    is_like,
    read_by_format,
)
from pipelines.series.times.timestamps import infer_frequency

if TYPE_CHECKING:
    import pyarrow as pa


class AmbiguousTimeError(DataError):
    """Time stamps that fit two formats and give different times."""


def format_of_numbers(
    texts: pa.Array | None,
    numbers: numeric_times.Numbers,
    block: Block,
    column: str,
    report: DataReport,
) -> str:
    """The format of numbers that are times: a unit, steps, or a date written in digits.

    Args:
        texts: the numbers as they are written; None if they are not whole numbers.
        numbers: the numbers themselves, [rows].
        block: rows that they come from, for messages.
        column: name of their column, for messages.
        report: report that receives the format.

    Raises:
        AmbiguousTimeError: two formats fit and give different times.
        DataError: the numbers do not tell a time by themselves.
    """
    if texts is not None:
        whole_years = is_like(texts, WHOLE_PERIODS["year"])
        if whole_years and read_by_format(texts, "year") is not None:
            return "year"
        digits = [form for form, like in COMPACT.items() if is_like(texts, like)]
        fitting = _fitting_format(texts, digits, block, column, report)
        if fitting:
            return fitting
    form = numeric_times.numeric_format(numbers)
    if not form:
        raise numeric_times.unknown_numbers(numbers, block, column)
    report.note(
        "time format", "rows counted without a date" if form == STEPS else f"read as {form}"
    )
    return form


def format_of_texts(array: pa.Array, block: Block, column: str, report: DataReport) -> str:
    """The format of texts that are times in another notation than ISO 8601.

    Args:
        array: the texts, trimmed.
        block: rows that they come from, for messages.
        column: name of their column, for messages.
        report: report that receives the format.

    Returns:
        The format by which all texts are times; if there is none, one by which the first text is,
        so that reading can tell which text does not fit.

    Raises:
        AmbiguousTimeError: two formats fit and give different times.
        DataError: no format fits the first text.
    """
    for form, like in WHOLE_PERIODS.items():
        if is_like(array, like):
            return form
    candidates = [form for form in FORMATS if read_by_format(array[:1], form) is not None]
    fitting = _fitting_format(array, candidates, block, column, report)
    if fitting:
        return fitting
    if candidates:
        return candidates[0]
    raise block.error(
        f"{str(array[0])[:40]!r} cannot be read as a time",
        0,
        column,
        f"Write ISO 8601 (2016-07-01 00:00). {numeric_times.ADVICE}",
    )


def _fitting_format(
    array: pa.Array, forms: list[str], block: Block, column: str, report: DataReport
) -> str:
    """The format among `forms` by which all texts of `array` are times, or "".

    Raises:
        AmbiguousTimeError: two formats fit and give different times, and regularity does not
            tell which is right.
    """
    whole: dict[str, pa.Array] = {}
    for form in forms:
        moments = read_by_format(array, form)
        if moments is not None:
            whole[form] = moments
    if not whole:
        return ""
    readings = list(whole.values())
    chosen = list(whole)
    if any(not reading.equals(readings[0]) for reading in readings):
        chosen = [form for form, moments in whole.items() if _is_regular(moments)]
        # If months of a few years are read as days, most of each year is missing.
        filled = [form for form in chosen if _is_mostly_there(whole[form])]
        chosen = filled or chosen
    if not chosen or any(not whole[form].equals(whole[chosen[0]]) for form in chosen):
        raise AmbiguousTimeError(
            f"{str(array[0])!r} may be {' or '.join(whole)}",
            file=block.file,
            row=block.row_number(0),
            column=column,
            advice="State the time_format.",
        )
    report.note("time format", f"read as {chosen[0]}")
    return chosen[0]


def _is_mostly_there(moments: pa.Array) -> bool:
    """Whether at least half of the steps from the first to the last time stamp exist."""
    times = np.unique(moments.to_numpy(zero_copy_only=False).astype("datetime64[s]"))
    steps = np.diff(times).astype(np.int64)
    return not len(steps) or bool(steps.sum() <= 2 * len(times) * np.median(steps))


def _is_regular(moments: pa.Array) -> bool:
    """Whether time stamps ascend and most of their steps are the same."""
    times = moments.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    if np.any(times[1:] < times[:-1]):
        return False
    return bool(infer_frequency(np.unique(times)))
