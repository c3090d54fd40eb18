"""Reads the needed columns of one or several tables in bounded memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.covariates.categories import sorted_codes
from pipelines.series.options import SeriesOptions
from pipelines.series.reading.column_roles import ColumnRoles
from pipelines.series.static_covariates import are_numbers
from pipelines.series.tables.columns import CategoryReader, NumberReader
from pipelines.series.tables.csv_files import WORDS, CsvTable
from pipelines.series.tables.grouped_thousands import GroupedThousands
from pipelines.series.tables.joined_columns import NAMES
from pipelines.series.tables.tables import Block, Table
from pipelines.series.times.numeric_times import STEPS
from pipelines.series.times.time_columns import TimeReader

Floats = npt.NDArray[np.float32]

MOST_RARE_CATEGORIES = 20
"""With more categories than this, of which most occur once, the text is probably not a category."""


@dataclass(eq=False)
class Places:
    """The origin of every row: its file and its number in the file.

    Attributes:
        firsts: number of the first row of each block, counted over all files.
        blocks: file of each block, and the function that numbers the rows of the block.
    """

    firsts: list[int]
    blocks: list[tuple[str, Callable[[int], int]]]

    def file(self, row: int) -> str:
        """The file of row `row`, counted from 0 over all files."""
        return self.blocks[bisect_right(self.firsts, row) - 1][0]

    def number(self, row: int) -> int:
        """The number in its file, from 1, of row `row`, counted from 0 over all files."""
        block = bisect_right(self.firsts, row) - 1
        return self.blocks[block][1](row - self.firsts[block])


@dataclass(eq=False)
class Columns:
    """The columns of all tables, one table below the other.

    Attributes:
        times: times of the rows, datetime64[s] [rows]; UTC if `aware`.
        fractions: microseconds beyond `times`, int32 [rows]; None if all times are whole seconds.
        time_format: format of the time column, stated or detected; "" for ISO 8601.
        aware: True if the time stamps have an offset from UTC.
        zone: zone of the local wall clock; "" if unknown.
        ids: index of each row's series in `id_names`, int32 [rows]; zeros for a wide table.
        id_names: names of the series.
        numbers: values of each column, float32 [rows], with NaN for missing ones; callers may pop
            entries to free memory.
        categories: names of the categories of each column among `numbers` whose values are codes,
            places in this list.
        static: code of each row's value, int32 [rows], and all values, by column.
        places: origin of every row.
        decimal: decimal mark of numbers of text, as stated, proven or read; "" if no number tells
            it or the files differ.
    """

    times: npt.NDArray[np.datetime64]
    fractions: npt.NDArray[np.int32] | None
    time_format: str
    aware: bool
    zone: str
    ids: npt.NDArray[np.int32]
    id_names: list[str]
    numbers: dict[str, Floats]
    categories: dict[str, tuple[str, ...]]
    static: dict[str, tuple[npt.NDArray[np.int32], list[str]]]
    places: Places
    decimal: str = ""


def read_columns(
    tables: Sequence[Table], roles: ColumnRoles, options: SeriesOptions, report: DataReport
) -> Columns:
    """Reads the columns that have a role.

    Raises:
        DataError: a value cannot be used; the message names its file, row and column.
    """
    times = TimeReader(
        roles.time, time_format=options.time_format, time_zone=options.time_zone, report=report
    )
    numbers = {
        column: NumberReader(
            column,
            infinities=options.infinities,
            report=report,
            markers=options.missing_markers,
        )
        for column in roles.numbers
        if column not in roles.categories
    }
    categories = {column: CategoryReader(column) for column in (roles.id, *roles.static) if column}
    categories |= {column: CategoryReader(column, gaps=True) for column in roles.categories}
    whole = {column: _GrowingArray(np.float32) for column in numbers}
    whole |= {column: _GrowingArray(np.int32) for column in categories}
    moments, fractions = _GrowingArray("datetime64[s]"), _GrowingArray(np.int32)
    places = Places([], [])
    thousands = GroupedThousands(numbers, options.missing_markers)
    rows = 0
    for block, table in _blocks(tables, roles, report):
        size = _length(block)
        if roles.time:
            moments.add(times.read(block))
            if times.fractions is not None:
                # The blocks before this one had no fractions.
                fractions.grow_to(rows)
                fractions.add(times.fractions)
        codes = {column: category.read(block) for column, category in categories.items()}
        for column, values in codes.items():
            whole[column].add(values)
        thousands.add(block, table)
        decimal = getattr(table, "decimal", ".")
        for column, number in numbers.items():
            whole[column].add(number.read(block, decimal, codes.get(roles.id)))
        places.firsts.append(rows)
        places.blocks.append((block.file, block.row_number))
        rows += size
    if not rows:
        raise DataError("there is a header but no row of data", file=tables[0].name)
    thousands.refuse_doubtful(report)
    report.rows = rows
    for category in categories.values():
        category.note_likeness(report)
        _note_words(category, report)
    results = {column: whole[column].result() for column in numbers}
    lists: dict[str, tuple[str, ...]] = {}
    for column in roles.categories:
        codes_there, names = whole[column].result(), categories[column].names
        filled = int(np.count_nonzero(codes_there >= 0))
        if len(names) > MOST_RARE_CATEGORIES and 2 * len(names) > filled:
            place = f"column {column!r}: {len(names)} categories in {filled} rows"
            report.note("categories that hardly repeat", "kept, though little is learnt", place)
        results[column], lists[column] = sorted_codes(codes_there, names)
    static = {column: (whole[column].result(), categories[column].names) for column in roles.static}
    if any(isinstance(table, CsvTable) for table in tables):
        for column in {*roles.static} - {*options.categories}:
            _check_words(column, *static[column], places)
    ids = whole[roles.id].result() if roles.id else np.broadcast_to(np.int32(0), rows)
    return Columns(
        moments.result() if roles.time else _counted(ids),
        fractions.grow_to(rows) if fractions.size else None,
        times.format if roles.time else STEPS,
        times.aware,
        times.zone if roles.time else "",
        ids,
        categories[roles.id].names if roles.id else [""],
        results,
        lists,
        static,
        places,
        thousands.decimal,
    )


def _note_words(category: CategoryReader, report: DataReport) -> None:
    """Reports names that files also write where a value is missing."""
    words = [name for name in category.names if name in WORDS]
    if words:
        report.note(
            "words that may also mean a missing value",
            "kept as names: leave cells empty where nothing is known",
            f"column {category.column!r}: {', '.join(map(repr, words))}",
            len(words),
        )


def _check_words(
    column: str, codes: npt.NDArray[np.int32], names: list[str], places: Places
) -> None:
    """Refuses a word for a missing value among the numbers of a static covariate."""
    words = [code for code, name in enumerate(names) if name in WORDS]
    numbers = [name for name in names if name not in WORDS]
    if not words or not numbers or not are_numbers(numbers):
        return
    row = int(np.argmax(np.isin(codes, words)))
    raise DataError(
        f"{names[codes[row]]!r} means a missing value among numbers",
        file=places.file(row),
        row=places.number(row),
        column=column,
        advice="Every row needs a value here; if the numbers are names, name it in categories.",
    )


def _counted(ids: npt.NDArray[np.int32]) -> npt.NDArray[np.datetime64]:
    """The rows of each id, counted from 0, as minutes since 1970, datetime64[s] [rows]."""
    order = np.argsort(ids, kind="stable")
    ascending = ids[order]
    starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    lengths = np.diff(np.append(starts, len(ids)))
    numbers = np.empty(len(ids), np.int64)
    numbers[order] = np.arange(len(ids)) - np.repeat(starts, lengths)
    return numbers.astype("datetime64[m]").astype("datetime64[s]")


def _length(block: Block) -> int:
    return len(next(iter(block.columns.values())))


class _GrowingArray:
    """Values that are gathered block by block in one array.

    It grows in place, since joining a list of blocks at the end would need twice the memory.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._values: npt.NDArray[Any] = np.empty(0, dtype)
        self._size = 0

    def add(self, block: npt.NDArray[Any]) -> None:
        """Appends the values of a block."""
        size = self._size + len(block)
        if size > len(self._values):
            self._values.resize(max(size, size + self._size // 8), refcheck=False)
        self._values[self._size : size] = block
        self._size = size

    @property
    def size(self) -> int:
        """The number of values added so far."""
        return self._size

    def grow_to(self, size: int) -> npt.NDArray[Any]:
        """Appends zeros until there are `size` values, and returns all of them."""
        if size > self._size:
            self.add(np.zeros(size - self._size, self._values.dtype))
        return self._values[: self._size]

    def result(self) -> npt.NDArray[Any]:
        """All values; nothing may be added afterwards."""
        self._values.resize(self._size, refcheck=False)
        return self._values


def _blocks(
    tables: Sequence[Table], roles: ColumnRoles, report: DataReport
) -> Iterator[tuple[Block, Table]]:
    """The blocks of all tables without their empty rows, and the tables that they are of."""
    for table in tables:
        there = set(table.columns)
        for column in roles.read:
            if column not in there:
                raise DataError(
                    f"there is no column {column!r}, which {tables[0].name} has",
                    file=table.name,
                    advice="Files that are read together need the same columns.",
                )
        parts = (part for one in roles.joined if one.kind == NAMES for part in one.columns)
        names = {roles.id, *roles.static, *roles.categories, *parts} & {*roles.read}
        blocks = (
            table.blocks(roles.read, names)
            if isinstance(table, CsvTable)
            else table.blocks(roles.read)
        )
        # Where rows are counted, an empty row above another one is a step without values.
        counted = not roles.time and not roles.id
        cleared = _without_last_empty_rows if counted else _without_empty_rows
        for block in cleared(blocks, roles, report):
            for joined in roles.joined:
                block.columns[joined.name] = joined.join(block)
            yield block, table


def _without_empty_rows(
    blocks: Iterable[Block], roles: ColumnRoles, report: DataReport
) -> Iterator[Block]:
    for block in blocks:
        filled = _filled_rows(block, roles)
        if filled is not None:
            _note_empty(_length(block) - len(filled), block, report)
            block = _take(block, filled)
        if _length(block):
            yield block


def _without_last_empty_rows(
    blocks: Iterable[Block], roles: ColumnRoles, report: DataReport
) -> Iterator[Block]:
    held: list[Block] = []
    for block in blocks:
        size = _length(block)
        filled = _filled_rows(block, roles)
        stop = size if filled is None else int(filled[-1]) + 1 if len(filled) else 0
        if stop:
            yield from held
            held = []
            yield block if stop == size else _take(block, np.arange(stop))
        if stop < size:
            held.append(_take(block, np.arange(stop, size)))
    for block in held:
        _note_empty(_length(block), block, report)


def _note_empty(count: int, block: Block, report: DataReport) -> None:
    report.note("empty rows", "left out", f"{block.file}", count)


def _filled_rows(block: Block, roles: ColumnRoles) -> npt.NDArray[np.intp] | None:
    """The rows that are not completely empty, or None if no row is."""
    # A row with a value here is not empty; looking here first usually spares the other columns.
    first = block.columns[roles.read[0]]
    if not first.null_count:
        return None
    empty = np.ones(len(first), bool)
    for array in block.columns.values():
        empty &= array.is_null().to_numpy(zero_copy_only=False)
    return np.flatnonzero(~empty) if empty.any() else None


def _take(block: Block, rows: npt.NDArray[np.intp]) -> Block:
    import pyarrow as pa

    kept = pa.array(rows)
    columns = {column: array.take(kept) for column, array in block.columns.items()}
    number = block.row_number
    return Block(columns, block.file, lambda i: number(int(rows[i])))
