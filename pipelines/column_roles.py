"""Which column of a table is the time, the id, a target or a covariate."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.columns import is_number, is_text
from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.series_options import NONE, SeriesOptions
from pipelines.tables import Block, Table
from pipelines.time_columns import TimeReader

if TYPE_CHECKING:
    import pyarrow as pa

TIME_NAMES = (
    "time",
    "date",
    "datetime",
    "timestamp",
    "date_time",
    "ds",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "period",
    "date/time",
)
ID_NAMES = ("unique_id", "item_id", "series_id", "series", "id")
COUNTER_NAMES = ("column 1", "unnamed: 0", "rownames", "index")
SAMPLE_ROWS = 2000

_NAMELESS = re.compile(r"column \d+|Unnamed: \d+")
"""What columns without a name are called, here and by pandas."""


@dataclass(frozen=True)
class ColumnRoles:
    """The names of the columns by what they are; `id` is "" for a wide table."""

    time: str
    id: str
    targets: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns whose every value is a number that changes with time."""
        return self.targets + self.past + self.future

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is read."""
        return (self.time, *((self.id,) if self.id else ()), *self.numbers, *self.static)


def find_roles(table: Table, options: SeriesOptions, report: DataReport) -> ColumnRoles:
    """Settles the role of every column from the options, the names and the first rows.

    Time: the stated column, else the first whose name is in `TIME_NAMES` and that reads as times,
    else the first that does. Id (only if the layout is not wide): the stated column, else one whose
    name is in `ID_NAMES`, else the only column of text, if the times repeat or it is constant in
    the first rows. Targets: the stated columns, else all that are left.

    Raises:
        DataError: a stated column does not exist or has two roles, no column reads as times, a
            column of text has no role, or no target is left.
    """
    stated = _stated(options)
    _check_stated(table, stated)
    taken = {column for columns in stated.values() for column in columns}
    free = [column for column in table.columns if column not in taken]
    sample = _sample(table)
    time = options.time_column or _find_time(table, free, sample, options)
    free = [column for column in free if column != time]
    for column in [c for c in free if c.lower() in COUNTER_NAMES]:
        if _counts_rows(sample.columns[column]):
            report.note("columns that only count the rows", "left out", column)
            free.remove(column)
    for column in [c for c in free if _NAMELESS.fullmatch(c)]:
        if sample.columns[column].null_count == len(sample.columns[column]):
            report.note("columns without name and values", "left out", column)
            free.remove(column)
    identity = options.id_column
    if not identity and options.layout != "wide":
        identity = _find_id(free, sample, time, options)
    if options.layout == "long" and not identity:
        raise DataError("no column names the series", file=table.name, advice="State id_column.")
    targets = options.targets or tuple(column for column in free if column != identity)
    if not options.targets:
        _check_numbers(targets, sample, table.name)
    if not targets:
        raise DataError("no column is left to forecast", file=table.name, advice="State targets.")
    static = stated["static_covariates"]
    if static and not identity:
        raise DataError(
            f"static covariates ({', '.join(static)}) need a long table with an id column",
            file=table.name,
            advice="State id_column.",
        )
    return ColumnRoles(
        time, identity, targets, stated["past_covariates"], stated["future_covariates"], static
    )


def _stated(options: SeriesOptions) -> dict[str, tuple[str, ...]]:
    def columns(names: tuple[str, ...]) -> tuple[str, ...]:
        return () if names == NONE else names

    return {
        "time_column": (options.time_column,) if options.time_column else (),
        "id_column": (options.id_column,) if options.id_column else (),
        "targets": options.targets,
        "past_covariates": columns(options.past_covariates),
        "future_covariates": columns(options.future_covariates),
        "static_covariates": columns(options.static_covariates),
    }


def _check_stated(table: Table, stated: dict[str, tuple[str, ...]]) -> None:
    roles: dict[str, str] = {}
    for role, columns in stated.items():
        for column in columns:
            if column not in table.columns:
                near = difflib.get_close_matches(column, table.columns, 3)
                shown = near or list(table.columns[:10])
                raise DataError(
                    f"there is no column {column!r} (stated as {role})",
                    file=table.name,
                    advice=f"{'Did you mean' if near else 'The columns are'} {', '.join(shown)}"
                    + ("?" if near else "."),
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


def _find_time(table: Table, free: Sequence[str], sample: Block, options: SeriesOptions) -> str:
    named = [column for column in free if column.lower() in TIME_NAMES]
    others = [column for column in free if column not in named]
    for column in named:
        if _reads_as_times(column, sample, options):
            return column
    for column in others:
        kind = sample.columns[column].type
        numeric = is_number(kind) or (is_text(kind) and _parses_as_numbers(sample.columns[column]))
        if not numeric and _reads_as_times(column, sample, options):
            return column
    if named:
        # A column that should be the time tells, in its error, which row is wrong.
        return named[0]
    raise DataError(
        f"no column reads as times among {', '.join(table.columns[:10])}",
        file=table.name,
        advice="Add a column of time stamps, or state time_column (and time_format).",
    )


def _reads_as_times(column: str, sample: Block, options: SeriesOptions) -> bool:
    reader = TimeReader(column, time_format=options.time_format, time_zone=options.time_zone)
    head = Block({column: sample.columns[column][:1]}, sample.file, sample.row_number)
    try:
        reader.read(head)
    except DataError:
        return False
    return True


def _find_id(free: Sequence[str], sample: Block, time: str, options: SeriesOptions) -> str:
    for name in ID_NAMES:
        for column in free:
            if column.lower() == name:
                return column
    if options.targets:
        free = [column for column in free if column not in options.targets]
    texts = [column for column in free if _is_words(sample.columns[column])]
    if len(texts) != 1:
        return ""
    times, names = sample.columns[time], sample.columns[texts[0]]
    repeats = len(times.unique()) < len(times)
    return texts[0] if repeats or len(names.unique()) == 1 or options.layout == "long" else ""


def _check_numbers(columns: Sequence[str], sample: Block, file: str) -> None:
    for column in columns:
        if _is_words(sample.columns[column]):
            raise DataError(
                f"holds text ({str(sample.columns[column][0])[:40]!r}), not numbers",
                file=file,
                column=column,
                advice="State id_column if it names the series, static_covariates if it describes "
                "them, or state the targets so that it is left out.",
            )


def _is_words(array: pa.Array) -> bool:
    """Whether a column holds text and none of its values is a number or a truth value."""
    return is_text(array.type) and not _parses_as_numbers(array, some=True)


def _parses_as_numbers(array: pa.Array, some: bool = False) -> bool:
    values = array.drop_null().to_pylist()
    if not values:
        return True
    results = (_is_number(str(value)) for value in values)
    return any(results) if some else all(results)


def _is_number(text: str) -> bool:
    text = text.strip().lower().replace(",", ".", 1)
    if text in ("true", "false", ""):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _counts_rows(array: pa.Array) -> bool:
    values = [str(value) for value in array.to_pylist()[:100]]
    return any(values == [str(i + first) for i in range(len(values))] for first in (0, 1))
