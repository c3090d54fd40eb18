"""Which column, or which columns together, are the time of a table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.column_kinds import (
    COUNTER_NAMES,
    ID_NAMES,
    TIME_NAMES,
    counts_rows,
    is_words,
    parses_as_numbers,
    rises_evenly,
)
from pipelines.series.tables.columns import is_number, is_text
from pipelines.series.tables.joined_columns import CLOCK, JoinedColumn
from pipelines.series.tables.tables import Block, Table
from pipelines.series.times.format_detection import AmbiguousTimeError
from pipelines.series.times.step_counters import (
    advice_on_counters,
    check_no_hidden_series,
    step_counter,
)
from pipelines.series.times.time_columns import TimeReader
from pipelines.series.times.time_parts import calendar_parts, clock_column, joined_time

_MOST_LINES_OF_NAMES = 3
_LEAST_NUMBERED = 5
"""At least this many columns such as d_1, d_2, ... or V2, V3, ... seem to count the time."""


def time_role(
    table: Table,
    stated: tuple[str, ...],
    free: list[str],
    sample: Block,
    options: SeriesOptions,
    joined: list[JoinedColumn],
    report: DataReport,
) -> str:
    """The name of the time; columns that make it together go from `free` to `joined`."""
    whole: JoinedColumn | None = None
    if stated:
        time = stated[0]
        if len(stated) > 1:
            whole = joined_time(stated)
    elif getattr(table, "counted", False):
        # Series as rows without times: what stands before their values describes the series.
        time = ""
    else:
        parts = calendar_parts(free, sample)
        time = _find_time(table, free, sample, options, parts)
        if parts and time == parts.name:
            whole = parts
    if whole is None and time and len(stated) < 2:
        clock = clock_column(time, [column for column in free if column != time], sample)
        if clock:
            whole = JoinedColumn(f"{time},{clock}", (time, clock), CLOCK)
    if whole is None:
        if not time:
            report.note("no column of times", "the rows are counted")
        return time
    report.note("columns that make the time together", "read as one", ", ".join(whole.columns))
    joined.append(whole)
    sample.columns[whole.name] = whole.join(sample)
    for column in whole.columns:
        if column in free:
            free.remove(column)
    return whole.name


def _find_time(
    table: Table,
    free: Sequence[str],
    sample: Block,
    options: SeriesOptions,
    parts: JoinedColumn | None,
) -> str:
    partial = parts.columns if parts else ()
    named = [c for c in free if c.lower() in TIME_NAMES and c not in partial]
    others = [column for column in free if column not in named and column not in partial]
    for column in named:
        if _reads_as_times(column, sample, options):
            return column
    for column in others:
        kind = sample.columns[column].type
        numeric = is_number(kind) or (is_text(kind) and parses_as_numbers(sample.columns[column]))
        if not numeric and _reads_as_times(column, sample, options):
            return column
    if parts:
        return parts.name
    if named:
        # Reading a column that should be the time raises an error that tells which row is wrong.
        return named[0]
    counter = step_counter(free, sample, options)
    if counter:
        return counter
    dated = [column for column in free if names_a_time(column)]
    if len(dated) > 1:
        raise DataError(
            f"the columns are named after times ({', '.join(dated[:2])}, ...), the rows are not",
            file=table.name,
            advice="Transpose the table: one row per time, one column per series.",
        )
    words = [column for column in free if is_words(sample.columns[column])]
    numbered = re.findall(r"\b[A-Za-z]_?(\d+)\b", " ".join(free))
    if words and len(numbered) >= _LEAST_NUMBERED and 2 * len(numbered) > len(free):
        raise DataError(
            f"no column can be read as times, and the columns are numbered ({free[-2]}, "
            f"{free[-1]}), so that each row seems to be a series",
            file=table.name,
            advice="Transpose the table: one row per time, one column per series.",
        )
    if not [column for column in words if column.lower() not in ID_NAMES]:
        check_no_hidden_series(free, sample, options)
        return _counted_rows(table, free, sample, options)
    _check_one_line_of_names(free, sample)
    raise DataError(
        f"no column can be read as times among {', '.join(table.columns[:10])}",
        file=table.name,
        advice="Add a column of time stamps, or state time_column (and time_format)."
        + advice_on_counters(free, sample),
    )


def _check_one_line_of_names(free: Sequence[str], sample: Block) -> None:
    """Refuses a header of several lines, as spreadsheets and yfinance write it.

    Raises:
        DataError: one of the first rows has the name of a column of times.
    """
    for column in free:
        for row, value in enumerate(sample.columns[column][:_MOST_LINES_OF_NAMES].to_pylist()):
            if isinstance(value, str) and value.strip().lower() in TIME_NAMES:
                raise DataError(
                    f"has {value.strip()!r}, the name of a column of times: the header seems to "
                    "have several lines",
                    file=sample.file,
                    row=sample.row_number(row),
                    column=column,
                    advice="Write one line of names above the values (pandas: read_csv with header="
                    "[0, 1], then join the names), and remove the other lines.",
                )


def _counted_rows(table: Table, free: Sequence[str], sample: Block, options: SeriesOptions) -> str:
    """The column that counts the rows, or "" if there is none and the rows are to be counted.

    Raises:
        DataError: one of several columns rises by equal steps, like a time.
    """
    if not getattr(table, "numbered", True):
        raise DataError(
            "no column can be read as times, and the numbers of the rows have gaps",
            file=table.name,
            advice="Add a column of times; if the rows follow one another, call reset_index(drop="
            "True); if their numbers count the time, rename the index to ds.",
        )
    left = [column for column in free if column.lower() not in ID_NAMES]
    if options.targets or len(left) < 2:
        return ""
    rising = [column for column in left if rises_evenly(sample.columns[column])]
    if not rising or (len(rising) == 1 and counts_rows(sample.columns[rising[0]])):
        counts = [column for column in rising if column.lower() not in COUNTER_NAMES]
        return counts[0] if counts else ""
    raise DataError(
        f"rises by equal steps, like a time, and no column is called {TIME_NAMES[0]}",
        file=table.name,
        column=rising[0],
        advice="If it is the time, state it as time_column with its time_format (unix, "
        "unix_ms, or steps for rows that are counted); if it is to be forecast, state the targets.",
    )


def names_a_time(text: str) -> bool:
    """Whether the name of a column, such as 2024-01 or 1960, reads as a time."""
    import pyarrow as pa

    digits = re.fullmatch(r"\d{4}", text)
    if not digits and not re.search(r"\d\D\d", text):
        return False
    try:
        TimeReader("").read(Block({"": pa.array([text])}, "", lambda i: i))
    except AmbiguousTimeError:
        return True
    except DataError:
        return False
    return True


def _reads_as_times(column: str, sample: Block, options: SeriesOptions) -> bool:
    reader = TimeReader(column, time_format=options.time_format, time_zone=options.time_zone)
    array = sample.columns[column]
    # A single number does not tell what it counts.
    rows = array if is_number(array.type) or parses_as_numbers(array[:1]) else array[:1]
    try:
        reader.read(Block({column: rows}, sample.file, sample.row_number))
    except AmbiguousTimeError:
        return True
    except DataError:
        return False
    return True
