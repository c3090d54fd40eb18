"""The role of each column of a table: time, id, target or covariate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.errors import DataError
from pipelines.base.stated_columns import nearest_columns
from pipelines.data_report import DataReport
from pipelines.series.options import NONE, SeriesOptions
from pipelines.series.reading.row_keys import check_one_row_for_each_time
from pipelines.series.tables.column_kinds import (
    COUNTER_NAMES,
    ID_NAMES,
    counts_rows,
    holds_names,
    is_words,
)
from pipelines.series.tables.columns import cause_of_text
from pipelines.series.tables.joined_columns import NAMES, JoinedColumn, named_columns, whole_numbers
from pipelines.series.tables.tables import Block, Table
from pipelines.series.times.spread_times import check_no_spread_times
from pipelines.series.times.step_counters import counts_times
from pipelines.series.times.time_parts import (
    is_another_time,
    part_of_time,
    repeats_time,
    sample_times,
)
from pipelines.series.times.time_role import time_role

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_ROWS = 2000

_NAMELESS = re.compile(r"column \d+|Unnamed: \d+")
"""The names of columns without a name, here and in pandas."""


@dataclass(frozen=True)
class ColumnRoles:
    """The names of the columns by their roles.

    Attributes:
        time: column of the times; "" if there is none, so that the rows are counted.
        id: column that names the series; "" for a wide table.
        targets, past, future, static: columns to forecast, and columns of covariates.
        categories: columns among them whose values are names of categories, not numbers.
        joined: the columns, named above, that are made of several columns.
    """

    time: str
    id: str
    targets: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    categories: tuple[str, ...] = ()
    joined: tuple[JoinedColumn, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers that change with time."""
        return self.targets + self.past + self.future

    @property
    def read(self) -> tuple[str, ...]:
        """All columns of the table that are read."""
        made_of = {column.name: column.columns for column in self.joined}
        named = (self.time, self.id, *self.numbers, *self.static)
        columns = (column for name in named if name for column in made_of.get(name, (name,)))
        return tuple(dict.fromkeys(columns))


def find_roles(
    table: Table, options: SeriesOptions, report: DataReport, *, covariates: bool = False
) -> ColumnRoles:
    """Decides the role of every column from the options, the names and the first rows.

    The time is the stated column or columns; else the first column that is named as in `TIME_NAMES`
    and can be read as times; else the first that can be read as times. If it has only dates, a
    column of clock times or hours is joined to it. Columns called year, month and so on together
    are the time if no other column is. In a table of only numbers without any of these, the rows
    are counted.

    The id (unless the layout is wide) is the stated columns; else a column that is named as in
    `ID_NAMES` and does not number the rows; else the only column of text, if the times repeat or if
    it is constant in the first rows.

    The targets are the stated columns; else all remaining columns without times and row numbers.

    Args:
        table: the table whose columns get roles.
        options: roles that the user stated, and the layout.
        report: report that receives notes on columns that are left out.
        covariates: switch for a table of covariates, whose targets are the covariates: those of
            text are categories.

    Raises:
        DataError: a stated column does not exist or has two roles, no column can be read as times,
            a column of text has no role or holds numbers with units or times, no target is left,
            the columns are parts of the time, or the rows belong to several series and no single
            column tells to which.
    """
    stated = _stated(options, table)
    _check_stated(table, stated)
    taken = {column for columns in stated.values() for column in columns}
    free = [column for column in table.columns if column not in taken]
    sample = _sample(table)
    joined: list[JoinedColumn] = []
    time = time_role(table, stated["time_column"], free, sample, options, joined, report)
    free = _without_counters([c for c in free if c != time], sample, time, options, report)
    identity, free = _id_role(
        stated["id_column"], free, sample, time, options, joined, report, covariates
    )
    if options.layout in ("long", "rows") and not identity:
        raise DataError("no column names the series", file=table.name, advice="State id_column.")
    targets = options.targets or tuple(column for column in free if column != identity)
    if not options.targets:
        numbers = [column for column in targets if column not in options.categories]
        if not covariates:
            _check_numbers(numbers, sample, table.name)
        check_no_spread_times(targets, time, table.name)
    if not targets:
        raise DataError("no column is left to forecast", file=table.name, advice="State targets.")
    static = stated["static_covariates"]
    over_time = (*stated["past_covariates"], *stated["future_covariates"])
    columns = (*targets, *over_time)
    _check_categories(options, (*columns, *static), table.name)
    if static and not identity:
        raise DataError(
            f"static covariates ({', '.join(static)}) need a long table with an id column",
            file=table.name,
            advice="State id_column.",
        )
    return ColumnRoles(
        time,
        identity,
        targets,
        stated["past_covariates"],
        stated["future_covariates"],
        static,
        _categories(columns, columns if covariates else over_time, options, sample),
        tuple(joined),
    )


def _categories(
    columns: Sequence[str], covariates: Sequence[str], options: SeriesOptions, sample: Block
) -> tuple[str, ...]:
    """The columns whose values are categories: those stated, and covariates of text.

    Raises:
        DataError: a covariate whose values are not stated as categories holds text that is a number
            with something added, or a time.
    """
    named = []
    for column in columns:
        if column in options.categories:
            named.append(column)
        elif column in covariates and holds_names(sample.columns[column]):
            _check_names(column, sample)
            named.append(column)
    return tuple(named)


def _check_names(column: str, sample: Block) -> None:
    """Refuses text that does not name categories."""
    first = str(sample.columns[column].drop_null()[0])
    cause = cause_of_text(first)
    if not cause and is_another_time(column, sample):
        cause = "Leave the column out, or write the number of days or hours that it stands for."
    if cause:
        raise DataError(
            f"holds text ({first[:40]!r}), not numbers",
            file=sample.file,
            column=column,
            advice=f"{cause} Or, if its values are names, state the column in categories.",
        )


def _without_counters(
    free: list[str], sample: Block, time: str, options: SeriesOptions, report: DataReport
) -> list[str]:
    """The free columns that have information of their own; the others are left out."""
    kept = []
    times = None
    if time:
        times = sample_times(time, sample, options.time_format, options.time_zone)
    for column in free:
        array = sample.columns[column]
        if column.lower() in COUNTER_NAMES and counts_rows(array):
            report.note("columns that only count the rows", "left out", column)
        elif _NAMELESS.fullmatch(column) and array.null_count == len(array):
            report.note("columns without name and values", "left out", column)
        elif (
            column.lower() in ID_NAMES and options.id_column and _numbers_rows(sample, column, time)
        ):
            report.note("columns that only count the rows", "left out", column)
        elif times is not None and is_another_time(column, sample):
            report.note("further columns of times", "left out", column)
        elif times is not None and counts_times(column, sample, times):
            report.note("columns that only count the times", "left out", column)
        elif times is not None and repeats_time(column, sample, times):
            report.note("columns that only repeat the time", "left out", column)
        else:
            kept.append(column)
    return kept


def _id_role(
    stated: tuple[str, ...],
    free: list[str],
    sample: Block,
    time: str,
    options: SeriesOptions,
    joined: list[JoinedColumn],
    report: DataReport,
    covariates: bool,
) -> tuple[str, list[str]]:
    """The name of the id, and the columns that remain free; see `find_roles` and `time_role`."""
    if len(stated) > 1:
        joined.append(JoinedColumn(options.id_column, stated, NAMES))
        return options.id_column, free
    if stated or options.layout == "wide":
        return options.id_column, free
    identity = _find_id(free, sample, time, options, covariates)
    if identity and _numbers_rows(sample, identity, time):
        report.note("columns that only count the rows", "left out", identity)
        free = [column for column in free if column != identity]
        identity = _find_id(free, sample, time, options, covariates)
    if time:
        check_one_row_for_each_time(free, sample, time, identity, options)
    return identity, free


def _stated(options: SeriesOptions, table: Table) -> dict[str, tuple[str, ...]]:
    def columns(names: tuple[str, ...]) -> tuple[str, ...]:
        return () if names == NONE else names

    return {
        "time_column": _named(options.time_column, table),
        "id_column": _named(options.id_column, table),
        "targets": options.targets,
        "past_covariates": columns(options.past_covariates),
        "future_covariates": columns(options.future_covariates),
        "static_covariates": columns(options.static_covariates),
    }


def _check_categories(options: SeriesOptions, columns: tuple[str, ...], file: str) -> None:
    for column in options.categories:
        if column not in columns:
            raise DataError(
                "is stated as a category, but is not a covariate",
                file=file,
                column=column,
                advice="State it as a past, future or static covariate too.",
            )


def _named(option: str, table: Table) -> tuple[str, ...]:
    return named_columns(option, table.columns) if option else ()


def _check_stated(table: Table, stated: dict[str, tuple[str, ...]]) -> None:
    roles: dict[str, str] = {}
    for role, columns in stated.items():
        for column in columns:
            if column not in table.columns:
                raise DataError(
                    f"there is no column {column!r} (stated as {role})",
                    file=table.name,
                    advice=nearest_columns(column, table.columns),
                )
            if column in roles:
                raise DataError(
                    f"is stated as {roles[column]} and as {role}",
                    file=table.name,
                    column=column,
                    advice="A column has one role.",
                )
            roles[column] = role


def _sample(table: Table) -> Block:
    for block in table.blocks(table.columns):
        rows = {name: array[:SAMPLE_ROWS] for name, array in block.columns.items()}
        return Block(rows, block.file, block.row_number)
    raise DataError("there is a header but no row of data", file=table.name)


def _find_id(
    free: Sequence[str], sample: Block, time: str, options: SeriesOptions, covariates: bool
) -> str:
    for name in ID_NAMES:
        for column in free:
            if column.lower() == name:
                return column
    if options.targets:
        free = [column for column in free if column not in options.targets]
    texts = [
        column
        for column in free
        if is_words(sample.columns[column]) and _may_name(column, sample.columns[column])
    ]
    if len(texts) != 1 or not time:
        return ""
    times, names = sample.columns[time], sample.columns[texts[0]]
    repeats = len(times.unique()) < len(times)
    # A covariate may be constant; the series that a table is for are named by the data.
    single = len(names.unique()) == 1 and not covariates
    return texts[0] if repeats or single or options.layout == "long" else ""


def _may_name(column: str, array: pa.Array) -> bool:
    """Whether a text can name a series: not a part of the time, and not a number with a unit."""
    known = array.drop_null()
    first = str(known[0]) if len(known) else ""
    return not part_of_time(column, array) and not cause_of_text(first)


def _check_numbers(columns: Sequence[str], sample: Block, file: str) -> None:
    for column in columns:
        if is_words(sample.columns[column]):
            first = str(sample.columns[column].drop_null()[0])
            part = part_of_time(column, sample.columns[column])
            if part:
                raise DataError(
                    f"holds {part} ({first!r}), which is not a number and does not name a series",
                    file=file,
                    column=column,
                    advice="Write it into the column of times, or leave it out: state the targets.",
                )
            cause = cause_of_text(first)
            raise DataError(
                f"holds text ({first[:40]!r}), not numbers",
                file=file,
                column=column,
                advice=f"{cause} Or state the targets, so that the column is left out."
                if cause
                else "State id_column if it names the series, static_covariates if it describes "
                "them, or state the targets so that it is left out.",
            )


def _numbers_rows(sample: Block, column: str, time: str) -> bool:
    """Whether a so-called id is a different whole number in each row although times differ."""
    numbers = whole_numbers(sample.columns[column])
    if numbers is None or len(numbers) < 3 or not time:
        return False
    return len(np.unique(numbers)) == len(numbers) and len(sample.columns[time].unique()) > 1
