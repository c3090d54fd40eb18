"""Records of text in tables: JSON lines, CSV, TSV and Parquet, plain or packed, row by row."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.base.archives import split_archive
from pipelines.base.errors import DataError
from pipelines.base.stated_columns import nearest_columns
from pipelines.data_report import DataReport
from pipelines.text.files import open_text_files
from pipelines.text.line_ends import row_lines
from pipelines.text.packing import inner_name
from pipelines.text.surplus_cells import FURTHER_CELLS, SurplusCells
from pipelines.tokenizers.tokenizer import utf8

JSON_ENDINGS = (".json", ".jsonl", ".jsonlines", ".ndjson", ".jl")
CSV_ENDINGS = (".csv",)
TSV_ENDINGS = (".tsv", ".tab")
PARQUET_ENDINGS = (".parquet",)

# Names under which one JSON object has a list of records, alongside a version or a licence.
_WRAPPERS = ("data", "records", "rows", "examples", "items", "entries", "pairs", "sentences")
_PARQUET_MARK = b"PAR1"
_DELIMITERS = ",;\t|"
# Documents are longer than the 131,072 characters that Python allows a cell at first.
_LONGEST_CELL = 2**27
NO_NAMES = "first lines that are not taken for names of columns"
"""The kind of a note on a first line that is read as a record."""

# Lines from whose cells the delimiter is told.
_DELIMITER_LINES = 50
# A name such as question, srcText or source_1, and not the first word of a sentence.
_PLAIN_NAME = re.compile(r"[a-z][A-Za-z0-9_.-]*|[A-Za-z]\w*_\w*", re.ASCII)

Cells = list[Any]
"""The values of a record, in the order of the columns; None where there is none."""


class Records:
    """The records of a file, which can be read repeatedly.

    Args:
        path: path of the file.
        kind: "json", "csv", "tsv" or "parquet".

    Attributes:
        path: path of the file.
        kind: kind of the file.
        unit: word for the place of a record: "line", or "row" where there are no lines.
        keyed: True if each record itself names its columns, as in JSON and Parquet.
    """

    def __init__(self, path: str | Path, kind: str) -> None:
        self.path = Path(path)
        self.kind = kind
        self.keyed = kind in ("json", "parquet")
        self.unit = "row" if kind == "parquet" else "line"

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields number and content of each record of a file whose records name their columns.

        Columns that hold columns, as {"translation": {"en": ...}} of Hugging Face, are laid out
        flat under the inner names.

        Raises:
            DataError: the file is damaged; the message names the row.
        """
        found = _json_objects(self.path) if self.kind == "json" else _parquet_rows(self.path)
        for number, one in found:
            yield number, _flat(one)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields line number and cells of each row of a CSV or TSV file; blank rows are left out.

        Raises:
            DataError: in a CSV file, a quotation mark is not closed, or a row has surplus cells;
                the message names the row. Those of TSV are a matter of `check_tabs`.
        """
        lines = row_lines(_lines(self.path, "\r"), quoted=self.kind == "csv")
        if self.kind == "tsv":
            yield from _tab_rows(lines)
            return
        delimiter, rows = _csv_rows(lines, self.path)
        width = 0
        for number, cells in rows:
            width = width or len(cells)
            if len(cells) > width:
                raise DataError(
                    f"has {len(cells)} cells, but the first row has {width}",
                    file=self.path,
                    row=number,
                    advice=f"Put a cell that contains {delimiter!r} in quotes.",
                )
            yield number, cells

    def check_tabs(
        self, cells: Sequence[str], number: int, surplus: SurplusCells, report: DataReport
    ) -> None:
        """Refuses a row of a TSV file in which a tab may have moved or cut a column that is read.

        Args:
            cells: cells of the row.
            number: line number of the row.
            surplus: judgement of the cells behind the usual ones.
            report: report that receives a note on other rows with such cells.

        Raises:
            DataError: a column that is read may have been moved.
        """
        if self.kind != "tsv" or not surplus.has(cells):
            return
        if surplus.may_have_moved(cells):
            raise DataError(
                f"has {len(cells)} cells, but {surplus.basis} {surplus.width}",
                file=self.path,
                row=number,
                advice="Write a space for a tab inside a cell, which moves all cells behind it; or "
                "name all columns in the first line, if the table has further ones.",
            )
        report.note(FURTHER_CELLS, "read without them", f"{self.unit} {number}")


def open_records(path: str | Path) -> Records | None:
    """The records of a JSON, CSV, TSV or Parquet file, by its ending; None for other files.

    The ending is that inside a compressed file. Parquet is recognised by its content.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        archive, _ = split_archive(path)
        with open(archive, "rb") as file:
            if file.read(len(_PARQUET_MARK)) == _PARQUET_MARK:
                return Records(path, "parquet")
        name = inner_name(path)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=path) from None
    kinds = {"json": JSON_ENDINGS, "csv": CSV_ENDINGS, "tsv": TSV_ENDINGS,
             "parquet": PARQUET_ENDINGS}  # fmt: skip
    kind = next((kind for kind, endings in kinds.items() if name.endswith(endings)), "")
    return Records(path, kind) if kind else None


def place_of(wanted: str, names: list[str], path: str | Path, argument: str) -> int:
    """The place of a column that the user names, by its name or by its number from 1.

    Args:
        wanted: name or number of the column.
        names: names of the columns; empty if there is no header.
        path: path of the file, for messages.
        argument: argument that named the column, for messages.

    Raises:
        DataError: there is no such column.
    """
    stripped = [name.strip() for name in names]
    folded = [name.lower() for name in stripped]
    if wanted in stripped:
        return stripped.index(wanted)
    if folded.count(wanted.lower()) == 1:
        return folded.index(wanted.lower())
    if wanted.isdigit() and int(wanted) >= 1:
        return int(wanted) - 1
    raise DataError(
        f"has no column {wanted!r}, which {argument} names",
        file=path,
        advice=nearest_columns(wanted, stripped)
        if names
        else "It has no header: give the column's number, counted from 1.",
    )


def written_as_names(cells: Sequence[str]) -> bool:
    """Whether all cells but blank ones are names as programs write them: question, srcText."""
    filled = [cell.strip().strip('"').strip() for cell in cells if cell.strip()]
    return bool(filled) and all(_PLAIN_NAME.fullmatch(name) for name in filled)


def text_of(value: Any, name: str, number: int, records: Records) -> str:
    """The text of a cell; "" for a missing one.

    Raises:
        DataError: the cell holds something else than text, or half of a character.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        kinds = {dict: "an object", list: "a list", bool: "true or false"}
        what = kinds.get(type(value), "a number")
        raise DataError(
            f"the column {name!r} holds {what} here, not a text",
            file=records.path,
            row=number,
            advice="Name a column of text, or write the value in quotation marks.",
        )
    if "\0" in value:
        raise DataError(
            f"the column {name!r} holds NUL, which text never contains",
            file=records.path,
            row=number,
        )
    if not value.isascii():
        # JSON can write half of a character, as "\\ud83d".
        utf8(value, records.path, number)
    return value


def _lines(path: Path, lone_return: str = "\n") -> Iterator[str]:
    """The lines of a file with their ends, checked as those of a text are."""
    text = open_text_files([path], str(path), lone_return, json=True)
    if len(text.segments) > 1:
        raise DataError(
            f"the ZIP file holds {len(text.segments)} files, of which one is to be read",
            file=path,
            advice=f"Unpack it first: unzip {path.name}.",
        )
    held = ""
    for chunk in text.chunks():
        *whole, held = (held + chunk).split("\n")
        for line in whole:
            yield line + "\n"
    if held:
        yield held


@contextlib.contextmanager
def _longer_cells() -> Iterator[None]:
    """Lets the csv module read long texts; its limit is one of the process, so it is put back."""
    usual = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _tab_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    numbered = enumerate(lines, 1)
    return ((n, line.rstrip("\n").split("\t")) for n, line in numbered if line.strip())


def _csv_rows(lines: Iterator[str], path: Path) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The delimiter of a CSV file, and the rows that are not blank, with their line numbers."""
    sample = list(itertools.islice(lines, _DELIMITER_LINES))
    delimiter = _delimiter(sample)
    reader = csv.reader(itertools.chain(sample, lines), delimiter=delimiter, strict=True)

    def rows() -> Iterator[tuple[int, list[str]]]:
        while True:
            begin = reader.line_num + 1
            try:
                with _longer_cells():
                    cells = next(reader, None)
            except csv.Error as error:
                raise DataError(
                    f"the quotation marks of this row do not fit: {error}",
                    file=path,
                    row=begin,
                    advice='Put the cell in quotes and write "" for a quotation mark inside.',
                ) from None
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield begin, cells

    return delimiter, rows()


def _delimiter(lines: Sequence[str]) -> str:
    """The mark between the cells, told from the first lines of a file.

    It gives all rows one width. Among several such marks it is the one that has a space behind it
    least often, as the comma of a sentence has; then, or if there is none, the one that the first
    line has most.
    """
    plain = [_outside_quotes(line) for line in lines]
    first = plain[0] if plain else ""

    def fitness(mark: str) -> tuple[bool, float, int]:
        if mark not in first or not _even(lines, mark):
            return False, 0.0, first.count(mark)
        spaced = sum(line.count(f"{mark} ") for line in plain)
        return True, -spaced / sum(line.count(mark) for line in plain), first.count(mark)

    return max(_DELIMITERS, key=fitness)


def _even(lines: Sequence[str], delimiter: str) -> bool:
    """Whether all whole rows of these lines have the same number of cells."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    widths: set[int] = set()
    try:
        with _longer_cells():
            widths.update(len(cells) for cells in reader if any(cell.strip() for cell in cells))
    except csv.Error:
        # The last row may go on behind these lines; before it, the quotes do not fit the mark.
        return len(widths) == 1 and reader.line_num == len(lines)
    return len(widths) == 1


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _json_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of JSON lines, of one array, or of an array in an object, with their numbers.

    The numbers are those of lines, or places in the array.
    """
    lines = _lines(path)
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("["):
        whole = _parsed(first + "".join(lines), 0, path)
        for number, one in enumerate(whole, 1):
            yield number, _object(one, number, path)
        return
    if inner_name(path).endswith(".json"):
        wrapped = _wrapped_objects(first + "".join(lines))
        if wrapped:
            yield from enumerate(wrapped, 1)
            return
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            yield number, _object(_parsed(line, number, path), number, path)


def _wrapped_objects(text: str) -> list[dict[str, Any]]:
    """The objects of one outer object such as {"data": [{...}, {...}]}; none of anything else."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return []
    inside = [whole.get(name) for name in _WRAPPERS] if isinstance(whole, dict) else []
    lists = [one for one in inside if isinstance(one, list) and one]
    objects = lists[0] if len(lists) == 1 else []
    return objects if all(isinstance(one, dict) for one in objects) else []


def _parsed(text: str, number: int, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        row = number or getattr(error, "lineno", 1)
        raise DataError(
            f"is not JSON: {getattr(error, 'msg', error)}",
            file=path,
            row=row,
            advice="Write one JSON object on each line, or one array of objects.",
        ) from None


def _object(value: Any, number: int, path: Path) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise DataError(
        f"is JSON, but not an object with named columns: {str(value)[:40]!r}",
        file=path,
        row=number,
        advice='Write objects, such as {"text": "..."}.',
    )


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        problem = str(error).splitlines()[0]
        raise DataError(f"is not a whole Parquet file: {problem}", file=path) from None


def _flat(one: Mapping[str, Any]) -> dict[str, Any]:
    if not any(isinstance(value, Mapping) for value in one.values()):
        return dict(one)
    flat: dict[str, Any] = {}
    for name, value in one.items():
        inner = _flat(value) if isinstance(value, Mapping) else {name: value}
        for key, cell in inner.items():
            flat[f"{name}.{key}" if key in flat else key] = cell
    return flat
