"""The lines of a text file in UTF-8, with an error that names the row that is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.base.errors import DataError


def utf8_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yields (row, counted from 1, and the line without its end); a byte order mark is left out.

    Raises:
        DataError: a line is not UTF-8.
    """
    with open(file, "rb") as content:
        for row, line in enumerate(content, 1):
            try:
                text = line.decode("utf-8-sig" if row == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"is not UTF-8: {error.reason} at byte {error.start} of the row", file=file,
                    row=row, advice="Save it as UTF-8.",
                ) from None  # fmt: skip
            yield row, text.rstrip("\r\n")
