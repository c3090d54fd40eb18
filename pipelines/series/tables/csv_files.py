"""CSV files, checked byte by byte and read block by block in bounded memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.errors import DataError
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.checked_file import CheckedFile
from pipelines.series.tables.grouped_thousands import proves_decimals
from pipelines.series.tables.tables import Block, check_column_names

DELIMITERS = (",", ";", "\t", "|")
BLOCK_BYTES = 1 << 20
"""Number of bytes parsed at a time, more if the header is long; no row may be longer. The parser
reads some dozens of blocks ahead, which decides how much memory it needs."""

BLOCK_HEADERS = 32
"""A block is at least this many times as long as the header: rows are of similar length."""

SAMPLE_BYTES = 4 << 20
"""Number of bytes in which the header, the delimiter and the decimal mark are looked for."""

SAMPLE_LINES = 50
MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "null", "NULL", "None"),
    *("-", "--", "?", ".", "..", ":"),
)
"""Texts that mean a missing value."""

WORDS = ("NA", "N/A", "n/a", "None")
"""Texts among `MISSING` that are also names: of no promotion, or of Namibia."""

_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_DECIMAL_COMMA = re.compile(r"^\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*$")
_DECIMAL_POINT = re.compile(r"^\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*$")

_TIME = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}\S*)?|\d{4}-\d{2}|\d{1,2}:\d{2}\S*"
)
"""What is a date, a month or a clock time in the first line of a file without a header."""


class CsvTable:
    """A CSV file with a header line; all values are read as text.

    Every record is one line, so that the row in a message is the line in an editor. Quoted fields
    may contain the delimiter, but no line break.

    Args:
        path: path of the file.
        options: delimiter and decimal mark, if the user stated them.

    Raises:
        DataError: the file is empty, is not UTF-8, has no header, or has no delimiter that can be
            detected.
    """

    def __init__(self, path: str | Path, options: SeriesOptions) -> None:
        self.name = str(path)
        lines, self._header_line, notes = self._first_lines()
        self.delimiter = find_delimiter(lines, options, self.name)
        header, *rows = _split(lines, self.delimiter, self.name)
        if _has_no_header(header, rows):
            notes.append("there is no header: the columns are numbered")
            header = [""] * len(header)
            lines = ["", *lines]
            self._header_line -= 1
        else:
            self._check_header(header, lines)
        self._block_bytes = max(
            BLOCK_BYTES, BLOCK_HEADERS * max(len(line.encode()) for line in lines[:2])
        )
        self._raw_columns = [name.strip() or f"column {i}" for i, name in enumerate(header, 1)]
        self.columns = tuple(self._raw_columns)
        check_column_names(self.columns, self.name)
        found, proven = self._find_decimal(lines[1:])
        self.decimal = options.decimal or found
        self.decimal_is_certain = bool(options.decimal) or proven
        if self.delimiter != ",":
            notes.append(f"fields are separated by {_NAMES.get(self.delimiter, self.delimiter)}")
        if self.decimal == ",":
            notes.append("numbers are written with a decimal comma")
        self.notes = tuple(notes)

    def blocks(self, columns: Sequence[str], names: Collection[str] = ()) -> Iterator[Block]:
        """See `Table.blocks`. A row's number is its line in the file, from 1.

        Args:
            columns: columns to read.
            names: columns among them whose values are names, so that `WORDS` are values too.
        """
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        invalid: list[Any] = []

        def remember(row: Any) -> str:
            invalid.append(row)
            return "error"

        with CheckedFile(self.name) as file:
            record = 0
            try:
                missing = MISSING[:1] if names else MISSING
                reader = arrow_csv.open_csv(file, *self._arrow_options(columns, missing, remember))
                for batch in reader:
                    arrays = dict(zip(columns, batch.columns, strict=True))
                    if names:
                        arrays = {name: _known(arrays[name], name in names) for name in columns}
                    yield Block(arrays, self.name, self._line_counter(file, record))
                    record += len(batch)
            except (pa.ArrowInvalid, pa.ArrowException) as error:
                raise self._explain(error, invalid, file, record) from None

    def _arrow_options(
        self, columns: Sequence[str], missing: Sequence[str], invalid_row: Callable[[Any], str]
    ) -> tuple[Any, Any, Any]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        read = arrow_csv.ReadOptions(
            use_threads=False,
            block_size=self._block_bytes,
            column_names=self._raw_columns,
            skip_rows=self._header_line,
        )
        parse = arrow_csv.ParseOptions(
            delimiter=self.delimiter, newlines_in_values=False, invalid_row_handler=invalid_row
        )
        convert = arrow_csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            null_values=list(missing),
        )
        return read, parse, convert

    def _line_counter(self, file: CheckedFile, record: int) -> Callable[[int], int]:
        return lambda i: file.line_of(record + i, self._header_line)

    def _explain(
        self, error: Exception, invalid: list[Any], file: CheckedFile, record: int
    ) -> DataError:
        if invalid and invalid[-1].number is not None:
            row = invalid[-1]
            line = file.line_of(row.number - self._header_line - 1, self._header_line)
            advice = "Put quotes around a field that contains the delimiter."
            if row.text is not None and row.text.rstrip("\r\n").endswith(self.delimiter):
                advice = "The row ends with a delimiter: remove it, or end the header with one too."
            elif row.text is not None and row.text.startswith("#"):
                advice = "Comments can only stand above the table: remove the line."
            elif self.delimiter == "," and row.actual_columns > row.expected_columns:
                advice += " Numbers with a decimal comma need another delimiter, such as ';'."
            return DataError(
                f"{row.actual_columns} fields where the header has {row.expected_columns}",
                file=self.name,
                row=line,
                advice=advice,
            )
        line = file.line_of(record, self._header_line)
        return DataError(
            f"cannot be read from here on: {str(error).splitlines()[0]}", file=self.name, row=line
        )

    def _first_lines(self) -> tuple[list[str], int, list[str]]:
        """The header and the lines after it, the number of the header's line, and notes."""
        with CheckedFile(self.name) as file:
            start = file.read(SAMPLE_BYTES)
        if not start.strip():
            raise DataError("the file is empty", file=self.name)
        # The sample may end inside a character; wrong characters are found by CheckedFile.
        text = start.decode("utf-8", errors="ignore").replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        if len(start) == SAMPLE_BYTES:
            # The last line is probably cut off, as is a single line that fills the sample.
            lines = lines[:-1]
            if not any(line.strip() for line in lines):
                raise DataError(f"a line has over {SAMPLE_BYTES} bytes", file=self.name, row=1)
        header = next(
            (i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None
        )
        comments = [line for line in lines[:header] if line.startswith("#")]
        if header is None:
            raise DataError("there are comments but no header", file=self.name)
        filled = [line for line in lines[header:] if line.strip()]
        notes = [f"comment lines above the table: {len(comments)}"] if comments else []
        return filled[:SAMPLE_LINES], header + 1, notes

    def _check_header(self, header: list[str], lines: list[str]) -> None:
        if lines[0].lower().startswith("sep="):
            raise DataError(
                f"the first line {lines[0]!r} is for spreadsheets and is not a header",
                file=self.name,
                row=self._header_line,
                advice="Remove it.",
            )
        if len(header) == 1 and not _only_numbers(lines):
            written = f"no {_NAMES.get(self.delimiter, repr(self.delimiter))} in it"
            raise DataError(
                f"only one column was found: the header {lines[0][:60]!r} has {written}",
                file=self.name,
                row=self._header_line,
                advice="State the delimiter.",
            )
        if all(_looks_like_number(name) for name in header if name.strip()):
            raise DataError(
                "the first line has numbers in place of the names of the columns",
                file=self.name,
                row=self._header_line,
                advice="Add a header line.",
            )
        if len(lines) == 1 and Path(self.name).stat().st_size <= SAMPLE_BYTES:
            raise DataError("there is a header but no row of data", file=self.name)

    def _find_decimal(self, lines: list[str]) -> tuple[str, bool]:
        """The decimal mark of the first lines, and whether a number there proves it."""
        fields = [
            field.strip() for row in _split(lines, self.delimiter, self.name) for field in row
        ]
        commas = any(_DECIMAL_COMMA.match(field) for field in fields)
        points = any(_DECIMAL_POINT.match(field) for field in fields)
        mark = "," if commas and not points and self.delimiter != "," else "."
        # Beside decimal commas a point may be that of a clock time (12.30) or a month (05.2024).
        both = commas and points and self.delimiter != ","
        return mark, not both and proves_decimals(fields, mark)


def _known(array: Any, holds_names: bool) -> Any:
    """The texts with null for those that mean a missing value."""
    import pyarrow as pa
    import pyarrow.compute as compute

    missing = [text for text in MISSING if not (holds_names and text in WORDS)]
    # PyArrow's CSV reader knows one list of such texts for all columns.
    found = compute.is_in(array, pa.array(missing, pa.string()))
    return compute.if_else(found, pa.scalar(None, pa.string()), array)


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _has_no_header(header: list[str], rows: list[list[str]]) -> bool:
    """Whether the first line is plainly a row of data: times and numbers, like the rows below it.

    Numbers that rise evenly (0, 1, 2 or 1960, 1970, 1980) may be the names of columns.
    """
    filled = [field.strip() for field in header if field.strip() not in MISSING]
    numbers = [float(field) for field in filled if _looks_like_number(field)]
    if len(filled) < 2 or not numbers or not rows:
        return False
    if not all(_looks_like_number(field) or _TIME.fullmatch(field) for field in filled):
        return False
    if len(numbers) == len(header):
        steps = np.diff(numbers)
        whole = all(number == int(number) for number in numbers if np.isfinite(number))
        if whole and (np.all(steps == steps[0]) if len(steps) > 1 else steps[0] == 1):
            return False
    return [_kind(field) for field in header] == [_kind(field) for field in rows[0]]


def _kind(field: str) -> str:
    text = field.strip()
    return "time" if _TIME.fullmatch(text) else "number" if _looks_like_number(text) else "text"


def _only_numbers(lines: list[str]) -> bool:
    """Whether there are lines below the header and each is one number: a single column."""
    values = [line.strip() for line in lines[1:]]
    return bool(values) and all(_looks_like_number(text) or text in MISSING for text in values)


def _split(lines: list[str], delimiter: str, file: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"the first lines are not CSV: {error}", file=file) from None


def find_delimiter(lines: list[str], options: SeriesOptions, file: str) -> str:
    """The stated delimiter, or the one that the first lines have.

    Raises:
        DataError: it is not one character, or no usual delimiter is in the first line.
    """
    delimiter = options.delimiter.replace("\\t", "\t") or _sniff(lines, file)
    if len(delimiter) != 1:
        raise DataError(f"delimiter {options.delimiter!r} is not one character")
    return delimiter


def _sniff(lines: list[str], file: str) -> str:
    """The delimiter that splits the header and most other lines into the same number of fields."""
    scores = {}
    for delimiter in DELIMITERS:
        widths = [len(row) for row in _split(lines, delimiter, file)]
        if widths and widths[0] > 1:
            same = sum(width == widths[0] for width in widths) / len(widths)
            scores[delimiter] = (same, widths[0])
    if not scores and _only_numbers(lines):
        return DELIMITERS[0]
    if scores:
        return max(scores, key=lambda delimiter: scores[delimiter])
    raise DataError(
        f"no delimiter (comma, semicolon, tab, bar) is in the header {lines[0][:60]!r}",
        file=file,
        row=1,
        advice="A table needs a column of times and one of values. Remove lines above the names of "
        "the columns; state an unusual delimiter.",
    )
