"""The rows of a CSV list of recordings, where no quotation mark may swallow the rows below it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.base.errors import DataError


def csv_rows(
    lines: Iterable[str], file: Path, delimiter: str, *, quoted: bool
) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of the line on which each row begins, from 1, and the cells of the row.

    Args:
        lines: lines of the file with their ends.
        file: path of the file, for messages.
        delimiter: character between the cells.
        quoted: True if cells may stand in quotation marks; False if these belong to the text.

    Raises:
        DataError: a quotation mark is not closed, or is closed on another line and more text
            follows; the message names the line on which the row begins.
    """
    last = ""

    def remembered() -> Iterator[str]:
        nonlocal last
        for line in lines:
            last = line
            yield line

    reader = csv.reader(
        remembered(),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        begin = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # In `"Yes," he said` on one line the marks are text that somebody did not quote, and
            # in `"Yes" ,` a blank is too much; no other row can get lost by that.
            alone = quoted and reader.line_num == begin and last.count('"') % 2 == 0
            cells = _one_line(last, delimiter) if alone else None
            if cells is None:
                raise DataError(
                    f"the quotation marks of this row do not fit: {error}",
                    file=file,
                    row=begin,
                    advice='Look for a quotation mark that is opened and not closed, or write "" '
                    "for one inside a cell in quotation marks.",
                ) from None
        if cells is None:
            return
        yield begin, cells


def _one_line(line: str, delimiter: str) -> list[str] | None:
    """The cells of a row whose quotation marks do not fit; None if it cannot be read."""
    try:
        return next(csv.reader([line], delimiter=delimiter), None)
    except csv.Error:
        return None
