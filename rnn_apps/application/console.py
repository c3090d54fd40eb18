"""What a verb found out, on the terminal or as one JSON object."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from rnn_apps.application.report import format_cell

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


def announce(lines: Iterable[str]) -> None:
    """Tells the reader, on standard error, what a command understood before it goes on.

    Training calls it once, before its first step, with two or three whole sentences about the data:
    a wrong guess is seen there, not in the figures hours later.
    """
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def show_json(result: dict[str, Any], stream: IO[str]) -> None:
    """Writes one JSON object on one line; what is not a finite number becomes null."""
    json.dump(plain(result), stream, ensure_ascii=False, allow_nan=False)
    stream.write("\n")


def show(result: dict[str, Any]) -> None:
    """Prints a result for a person: its table if it has one, then its other entries.

    Any entry with a ``"header"`` and ``"rows"`` is shown as a table. An entry ``"details"`` is for
    programs: only ``--json`` shows it.
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
            continue
        if isinstance(value, dict | list):
            text = json.dumps(plain(value), ensure_ascii=False, indent=2)
        else:
            text = format_cell(value)
        console.print(f"{key}: {text}", markup=False, highlight=False)


def _show_table(table: dict[str, Any], console: Console) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    grid = Table(title=escape(table.get("title", "")) or None)
    for index, name in enumerate(table["header"]):
        text = index == 0 or all(isinstance(row[index], str) for row in table["rows"])
        grid.add_column(escape(str(name)), justify="left" if text else "right")
    for row in table["rows"]:
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
