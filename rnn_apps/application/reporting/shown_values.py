"""Results as people read them, on the terminal and in reports: cells, columns, named values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

MISSING = "–"


def format_cell(value: object) -> str:
    """A value as text: four significant digits for floats, a dash for what is missing.

    Lists become their items with commas between them, and mappings their names with their values.
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    # numpy's floats are not instances of float, but all of them convert.
    if isinstance(value, float) or type(value).__name__.startswith("float"):
        number = float(value)  # type: ignore[arg-type]
        return MISSING if number != number else f"{number:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{spoken(key)} {format_cell(item)}" for key, item in value.items())
    if _is_list(value):
        return ", ".join(map(format_cell, value)) or "none"
    return str(value)


def is_numeric(column: Sequence[object]) -> bool:
    """Whether a column holds numbers only, apart from missing values, and so is right-aligned."""
    present = [value for value in column if value is not None]
    return bool(present) and all(map(_is_number, present))


def numeric_columns(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[bool]:
    """For each column of a table, whether it holds numbers only."""
    return [is_numeric([row[index] for row in rows]) for index in range(len(header))]


def named_values(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Nested results as pairs of a name and a value that is not nested.

    ``{"best": {"val_loss": 1.5}}`` gives ``("best validation loss", 1.5)``. A list that holds
    mappings gives the values of each of them with its number; any other list is one value.

    Args:
        content: results by name.
        above: name of what `content` is part of.
    """
    for key, value in content.items():
        name = f"{above} {spoken(key)}".strip()
        if isinstance(value, Mapping):
            yield from named_values(value, name)
        elif is_list_of_mappings(value):
            for number, item in enumerate(value, start=1):
                yield from named_values(item, f"{name} {number}")
        else:
            yield name, None if value == "" else value


def is_list_of_mappings(value: object) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    """Whether a value is a list with a mapping in each place, as a table's rows in JSON."""
    return _is_list(value) and bool(value) and all(isinstance(item, Mapping) for item in value)


def table_of_mappings(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[object]]]:
    """Header and rows of a table with a column for each name in any of the mappings."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [spoken(name) for name in names], [[row.get(name) for name in names] for row in rows]


def spoken(name: object) -> str:
    """The name of a figure in words: "val_loss" becomes "validation loss"."""
    words = str(name).replace("_", " ").strip()
    return f"validation {words.removeprefix('val ')}" if words.startswith("val ") else words


def _is_number(value: object) -> bool:
    kind = type(value).__name__
    return not isinstance(value, bool) and (
        isinstance(value, int | float) or kind.startswith(("float", "int", "uint"))
    )


def _is_list(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, list | tuple | set | frozenset)
