"""Result tables as files that other programs read: CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_text
from pipelines.base.errors import UserError

ENDINGS = (".csv", ".tsv", ".jsonl")
"""Endings of the files that can be written."""


def require_table_name(path: str | Path) -> None:
    """Refuses a name that does not tell which kind of table is wanted, before work begins.

    Raises:
        UserError: the name has another ending, or its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path}: a table is written as {', '.join(ENDINGS)}: choose one as ending")
    if not path.resolve().parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist: make it first")


def write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table, in the form that the ending of its name says.

    In TSV a tab or a line break inside a cell becomes a space, so that a line is a row.

    Args:
        path: path of the file; a file of this name is replaced once the new one is whole.
        header: names of the columns.
        rows: rows of cells; None for a missing value.

    Raises:
        UserError: see `require_table_name`.
    """
    require_table_name(path)
    ending = Path(path).suffix.lower()
    if ending == ".jsonl":
        objects = (dict(zip(header, row, strict=True)) for row in rows)
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    elif ending == ".tsv":
        lines = ["\t".join(map(_one_line, row)) for row in (header, *rows)]
        text = "\n".join(lines) + "\n"
    else:
        held = io.StringIO()
        writer = csv.writer(held, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        text = held.getvalue()
    write_text(Path(path), text)


def _one_line(cell: Any) -> str:
    return "" if cell is None else " ".join(str(cell).replace("\t", " ").splitlines())
