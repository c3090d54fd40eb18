"""Several columns that are read as one: a date and its clock time, parts of a date, an id."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.base.stated_columns import split_names
from pipelines.series.tables.columns import is_text
from pipelines.series.tables.tables import Block

if TYPE_CHECKING:
    import pyarrow as pa

CLOCK, PARTS, NAMES = "clock", "parts", "names"

PART_NAMES = {
    "year": ("year", "yr"),
    "quarter": ("quarter", "qtr"),
    "month": ("month", "mnth", "mo"),
    "day": ("day", "dom", "mday"),
    "hour": ("hour", "hr"),
    "minute": ("minute",),
}
"""Names of columns with a part of a date, by part."""

PART_RANGES = {
    "year": (1500, 2299),
    "quarter": (1, 4),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
}


MONTH_NAMES = {
    name.casefold(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, name in enumerate(names)
    if name
}
WEEKDAY_NAMES = {
    name.casefold(): number
    for names in (calendar.day_name, calendar.day_abbr)
    for number, name in enumerate(names)
}


@dataclass(frozen=True)
class JoinedColumn:
    """A column that is made of several columns.

    Attributes:
        name: names of these columns with commas between them.
        columns: names of the columns that it is made of.
        kind: `CLOCK` for a date and a clock time or an hour; `PARTS` for year, month and so on,
            named as in `PART_NAMES`; `NAMES` for texts that are joined by "/" to one name.
    """

    name: str
    columns: tuple[str, ...]
    kind: str

    def join(self, block: Block) -> pa.Array:
        """The values of the column in `block`; null where one of its columns is null.

        Raises:
            DataError: a part of a date is out of range, or two series would have the same name;
                the message names the row.
        """
        if self.kind == PARTS:
            return _from_parts(block, self.columns)
        if self.kind == CLOCK:
            return _with_clock(block, *self.columns)
        return _names(block, self.columns)


def named_columns(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The column that an option names, or several columns with commas between them."""
    if name in columns or "," not in name:
        return (name,)
    return split_names(name)


def part_of(column: str) -> str:
    """The part of a date that the name of a column says; "" for other names."""
    for part, names in PART_NAMES.items():
        if column.lower() in names:
            return part
    return ""


def as_text(array: pa.Array) -> pa.Array:
    """Any plain column as trimmed text; whole numbers of type float without ".0".

    Of times the local date is written; see `as_name` for all of them.
    """
    import pyarrow as pa
    import pyarrow.compute as compute

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        return _numbers_as_text(array)
    if has_dates(array.type):
        days = wall_clock(array).cast(pa.timestamp("s"), safe=False)
        return compute.strftime(days, format="%Y-%m-%d")
    text = compute.utf8_trim_whitespace(array.cast(pa.string()))
    return _without_zeros(text) if pa.types.is_time(array.type) else text


def as_name(array: pa.Array) -> pa.Array:
    """Any plain column as text that tells all its values apart, in any block of the table.

    Times have their clock time, unless it is midnight, and the offset if they have a zone.
    """
    import pyarrow as pa
    import pyarrow.compute as compute

    if not has_dates(array.type):
        return as_text(array)
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    zone = "%z" if array.type.tz else ""
    text = _without_zeros(compute.strftime(array, format=f"%Y-%m-%d %H:%M:%S{zone}"))
    return compute.replace_substring_regex(text, r" 00:00:00([+-]\d{4})?$", "")


def has_dates(kind: pa.DataType) -> bool:
    """Whether Arrow values of this type are times or dates."""
    import pyarrow as pa

    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def wall_clock(array: pa.Array) -> pa.Array:
    """Times without a zone; those with one as the clock shows them there."""
    import pyarrow.compute as compute

    return compute.local_timestamp(array) if getattr(array.type, "tz", None) else array


def _numbers_as_text(array: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as compute

    values = array.to_numpy(zero_copy_only=False)
    whole = (values == np.round(values)) & (np.abs(values) < 2.0**63)
    # Each by itself, so that a number has the same text in all blocks.
    numbers = pa.array(np.where(whole, values, 0).astype(np.int64)).cast(pa.string())
    return compute.if_else(pa.array(whole), numbers, array.cast(pa.string()))


def _without_zeros(times: pa.Array) -> pa.Array:
    """Texts of times without the zeros at the end of the fractions of their seconds."""
    import pyarrow.compute as compute

    times = compute.replace_substring_regex(times, r"\.0+([+-]|$)", r"\1")
    return compute.replace_substring_regex(times, r"(\.\d*[1-9])0+([+-]|$)", r"\1\2")


def whole_numbers(array: pa.Array) -> npt.NDArray[np.int64] | None:
    """A column without nulls as whole numbers, or None if it has other values."""
    import pyarrow as pa

    if array.null_count or not len(array):
        return None
    try:
        # Arrow does not read the text "3.0" as int64, so it is read as a float first.
        numbers = as_text(array).cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if not np.all(np.abs(numbers) < 2**62) or np.any(numbers != np.round(numbers)):
        return None
    whole: npt.NDArray[np.int64] = numbers.astype(np.int64)
    return whole


def part_numbers(array: pa.Array, part: str) -> npt.NDArray[np.int64] | None:
    """A part of a date as whole numbers, also from English month names; None for other values."""
    if part == "month" and not array.null_count and is_text(array.type):
        numbers = [MONTH_NAMES.get(text.casefold()) for text in as_text(array).to_pylist()]
        if numbers and all(numbers):
            return np.array(numbers, np.int64)
    return whole_numbers(array)


def _names(block: Block, columns: tuple[str, ...]) -> pa.Array:
    """The texts of several columns as one name with "/" between them."""
    import pyarrow as pa
    import pyarrow.compute as compute

    texts = [as_name(block.columns[column]) for column in columns]
    names = _joined(texts, "/")
    if not any(compute.any(compute.match_substring(text, "/")).as_py() for text in texts):
        return names
    # "a/b" with "c" has the name of "a" with "b/c".
    keys = ["name", *(f"part {number}" for number in range(len(texts)))]
    whole = pa.table([names, *texts, pa.array(range(len(names)))], [*keys, "row"])
    series = whole.group_by(keys).aggregate([("row", "min")])
    rows: dict[str | None, int] = {}
    for name, row in zip(series["name"].to_pylist(), series["row_min"].to_pylist(), strict=True):
        if name is not None and rows.setdefault(name, row) != row:
            first, second = sorted((rows[name], row))
            raise block.error(
                f"the series {name!r} has the name of another one, in row "
                f"{block.row_number(first)}, as '/' stands between the columns and in them",
                second,
                ",".join(columns),
                "Write another sign than / in these columns.",
            )
    return names


def _joined(texts: Sequence[pa.Array], separator: str) -> pa.Array:
    import pyarrow.compute as compute

    return compute.binary_join_element_wise(*texts, separator)


def _with_clock(block: Block, date: str, clock: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as compute

    text = as_text(block.columns[clock])
    hours = compute.match_substring_regex(text, r"^\d{1,2}$")
    if compute.any(hours).as_py():
        text = compute.if_else(hours, compute.binary_join_element_wise(text, "00", ":"), text)
    dotted = compute.match_substring_regex(text, r"^\d{1,2}\.\d{2}(\.\d{2})?$")
    text = compute.if_else(dotted, compute.replace_substring(text, ".", ":"), text)
    # Arrow reads "09:05" as ISO 8601, but not "9:05".
    short = compute.match_substring_regex(text, r"^\d:")
    text = compute.if_else(short, compute.binary_join_element_wise(pa.scalar("0"), text, ""), text)
    return _joined([as_text(block.columns[date]), text], " ")


def _from_parts(block: Block, columns: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    values = {part_of(column): _part(block, column) for column in columns}
    rows = len(values["year"])
    month = values.get("month", values.get("quarter", np.ones(rows, np.int64)) * 3 - 2)
    if "month" not in values and "quarter" not in values:
        month = np.ones(rows, np.int64)
    months = ((values["year"] - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (values.get("day", np.ones(rows, np.int64)) - 1)
    wrong = np.flatnonzero(days.astype("datetime64[M]") != months)
    if len(wrong):
        first = int(wrong[0])
        column = next(c for c in columns if part_of(c) == "day")
        raise block.error(f"{months[first]} has no day {values['day'][first]}", first, column)
    minutes = values.get("hour", 0) * 60 + values.get("minute", 0)
    moments = days.astype("datetime64[m]") + minutes
    return pa.array(moments.astype("datetime64[us]"))


def _part(block: Block, column: str) -> npt.NDArray[np.int64]:
    numbers = part_numbers(block.columns[column], part_of(column))
    low, high = PART_RANGES[part_of(column)]
    if numbers is None:
        raise DataError(
            f"does not have a whole number from {low} to {high} in every row",
            file=block.file,
            column=column,
            advice="It is read as a part of the time.",
        )
    wrong = np.flatnonzero((numbers < low) | (numbers > high))
    if len(wrong):
        first = int(wrong[0])
        raise block.error(
            f"{numbers[first]} is not a {part_of(column)} from {low} to {high}",
            first,
            column,
            "It is read as a part of the time.",
        )
    return numbers
