"""What a verb found out, on the terminal or as one JSON object."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from rnn_apps.application.reporting.shown_values import (
    format_cell,
    is_list_of_mappings,
    named_values,
    numeric_columns,
    spoken,
    table_of_mappings,
)

if TYPE_CHECKING:
    from rich.console import Console


@contextlib.contextmanager
def results_only(json_wanted: bool) -> Iterator[IO[str]]:
    """Yields the stream for a verb's result.

    With `json_wanted`, everything else that the process writes to standard output, also from C++
    code, goes to standard error, so that standard output holds the JSON object and nothing more.
    """
    if not json_wanted:
        yield sys.stdout
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with (
            os.fdopen(os.dup(kept), "w", encoding="utf-8") as stream,
            # Python's own stream need not be file descriptor 1, as in a notebook.
            contextlib.redirect_stdout(sys.stderr),
        ):
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def show_json(result: dict[str, Any], stream: IO[str]) -> None:
    """Writes one JSON object on one line; what is not a finite number becomes null."""
    json.dump(plain(result), stream, ensure_ascii=False, allow_nan=False)
    stream.write("\n")


def show(result: dict[str, Any]) -> None:
    """Prints a result for a person: its table if it has one, then its other entries.

    Any entry with a ``"header"`` and ``"rows"`` is shown as a table, as is a list of mappings.
    Other mappings are shown as indented lines, one per figure, and lists as one line per item. An
    entry ``"details"`` is for programs: only ``--json`` shows it.
    """
    from rich.console import Console

    console = Console(soft_wrap=True)
    entries = dict(result)
    entries.pop("details", None)
    table = entries.pop("table", None)
    if table is not None:
        _show_table(table, console)
    for key, value in entries.items():
        if isinstance(value, dict) and {"header", "rows"} <= set(value):
            _show_table(value, console)
        elif is_list_of_mappings(value):
            header, rows = table_of_mappings(value)
            _show_table({"title": spoken(key), "header": header, "rows": rows}, console)
        else:
            for line in _lines(spoken(key), value):
                console.print(line, markup=False, highlight=False, emoji=False)


def _lines(name: str, value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        figures = list(named_values(value))
        width = max(len(figure) for figure, _ in figures) if figures else 0
        shown = [f"  {figure:<{width}}  {format_cell(item)}" for figure, item in figures]
        return [f"{name}:", *shown]
    if isinstance(value, list | tuple) and any(isinstance(item, str) for item in value):
        return [f"{name}:", *(f"  {format_cell(item)}" for item in value)]
    return [f"{name}: {format_cell(value) or 'none'}"]


def _show_table(table: dict[str, Any], console: Console) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    title, header, rows = table.get("title", ""), table["header"], table["rows"]
    grid = Table(title=escape(title) or None, title_justify="left")
    for name, numeric in zip(header, numeric_columns(header, rows), strict=True):
        grid.add_column(escape(str(name)), justify="right" if numeric else "left")
    for row in rows:
        grid.add_row(*(escape(format_cell(cell)) for cell in row))
    # A table is never cut to the width of a pipe.
    Console(width=None if console.is_terminal else 200).print(grid)


def plain(value: Any) -> Any:
    """`value` with numpy scalars, arrays, paths and tuples turned into what JSON has."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
