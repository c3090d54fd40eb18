"""Files of text whose bytes are checked while they are read, packed by gzip or not."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from pipelines.base.errors import DataError

GZIP = b"\x1f\x8b"
"""The first bytes of a file that gzip packed."""

_CHUNK_BYTES = 1 << 20
MOST_LINE_BYTES = 1 << 26


def open_bytes(path: str | Path) -> BinaryIO:
    """Opens a file for reading; one that gzip packed is unpacked while it is read."""
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else open(path, "rb")


def read_bytes(file: BinaryIO, size: int, path: str | Path) -> bytes:
    """The next bytes of a file from `open_bytes`; fewer than `size` only at the end.

    Raises:
        DataError: the file cannot be read, or what gzip packed is cut off or damaged.
    """
    try:
        return file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"is packed by gzip and cannot be unpacked: {error}",
            file=path,
            advice="It may have been cut off: copy or download it again.",
        ) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None


def numbered_lines(path: str | Path, *, quotes: bool = True) -> Iterator[tuple[int, str]]:
    """The number, from 1, and the text of each line that is not blank, without its end.

    Args:
        path: path of the file.
        quotes: True if a quotation mark opens a field, which has to close on its line.

    Raises:
        DataError: as `CheckedFile`, or a line is longer than `MOST_LINE_BYTES`.
    """
    number = 0
    rest = b""
    with CheckedFile(str(path), quotes=quotes) as file:
        while chunk := file.read(_CHUNK_BYTES):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            if len(rest) > MOST_LINE_BYTES:
                raise DataError(
                    f"a line has over {MOST_LINE_BYTES} bytes", file=path, row=number + len(lines)
                )
            for line in lines:
                number += 1
                if text := line.strip(b"\r"):
                    yield number, text.decode("utf-8")
        if text := rest.strip(b"\r"):
            yield number + 1, text.decode("utf-8")


class CheckedFile(io.RawIOBase):
    """A file whose bytes are checked while it is read: UTF-8, no NUL, quotes closed on their line.

    A file that gzip packed is unpacked.

    It strips a byte order mark and remembers blank lines, because the parser skips them and counts
    only the others.
    """

    def __init__(self, path: str, *, quotes: bool = True) -> None:
        super().__init__()
        self._quotes = quotes
        self._path = path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._bytes = 0
        self._lines = 0
        self._rest = b""
        self._blank: list[int] = []
        try:
            self._file = open_bytes(path)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", file=path) from None
        start = read_bytes(self._file, 4, path)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError("is written in UTF-16", file=path, advice="Save it as UTF-8.")
        self._bytes = 3 if start.startswith(codecs.BOM_UTF8) else 0
        self._file.seek(self._bytes)

    def readable(self) -> bool:
        """True; see `io.RawIOBase`."""
        return True

    def close(self) -> None:
        """Closes the file; see `io.RawIOBase`."""
        self._file.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes, checked; fewer than `size` only at the end of the file."""
        chunk = read_bytes(self._file, size, self._path)
        self._check(chunk)
        return chunk

    def line_of(self, record: int, header_line: int) -> int:
        """The line, from 1, of data record `record`, from 0, if the header is on `header_line`."""
        line = header_line + 1 + record
        before = bisect_right(self._blank, header_line)
        seen = before
        while (blank := bisect_right(self._blank, line)) > seen:
            line, seen = header_line + 1 + record + blank - before, blank
        return line

    def _check(self, chunk: bytes) -> None:
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            # The decoder puts the bytes of an incomplete character before the chunk.
            start = error.start - (len(error.object) - len(chunk))
            place = self._bytes + start
            text = self._rest + chunk
            line = self._lines + text[: len(self._rest) + start].count(b"\n") + 1
            raise DataError(
                f"byte {place} (0x{error.object[error.start]:02x}) is not UTF-8",
                file=self._path,
                row=line,
                advice="Save the file as UTF-8 (iconv -f latin1 -t utf-8 often does).",
            ) from None
        nul = chunk.find(b"\0")
        if nul >= 0:
            raise DataError(
                f"byte {self._bytes + nul} is NUL: this is not text",
                file=self._path,
                row=self._lines + chunk[:nul].count(b"\n") + 1,
                advice="The file is damaged or binary: write it again as CSV in UTF-8.",
            )
        self._bytes += len(chunk)
        text = self._rest + chunk
        end = text.rfind(b"\n") + 1 if chunk else len(text)
        if end:
            self._check_lines(text[:end])
        self._rest = text[end:]

    def _check_lines(self, text: bytes) -> None:
        codes = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(codes == 10)
        if not text.endswith(b"\n"):
            ends = np.append(ends, len(text))
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts
        short = np.flatnonzero(lengths <= 1)
        for i in short:
            if not text[starts[i] : ends[i]].strip(b"\r"):
                self._blank.append(self._lines + int(i) + 1)
        if self._quotes and b'"' in text:
            quotes = np.searchsorted(ends, np.flatnonzero(codes == 34))
            odd = np.flatnonzero(np.bincount(quotes, minlength=len(ends)) % 2)
            if len(odd):
                raise DataError(
                    "a quotation mark opens a field that does not close on its line",
                    file=self._path,
                    row=self._lines + int(odd[0]) + 1,
                    advice='Write a quotation mark inside a field twice ("").',
                )
        self._lines += len(ends)
