"""A file that is read with some bytes replaced: a corrected header, tags left out."""

from __future__ import annotations

import bisect
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

# Literal bytes, or (first byte, number of bytes) of the underlying file.
Piece = bytes | tuple[int, int]


class PiecedFile(io.RawIOBase):
    """A readable file made of pieces of another file and of bytes between them.

    Args:
        path: path of the underlying file.
        pieces: content of the file, in order.
    """

    def __init__(self, path: str | Path, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        self._pieces = list(pieces)
        lengths = [len(piece) if isinstance(piece, bytes) else piece[1] for piece in self._pieces]
        self._starts = [0, *itertools.accumulate(lengths)]
        self._at = 0

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """See `io.RawIOBase`; fills the buffer until the file ends."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._at < self._starts[-1]:
            content = self._next(len(view) - filled)
            if not content:
                break
            view[filled : filled + len(content)] = content
            filled += len(content)
            self._at += len(content)
        return filled

    def _next(self, most: int) -> bytes:
        """The next bytes of the piece at the current position."""
        number = bisect.bisect_right(self._starts, self._at) - 1
        piece = self._pieces[number]
        inside = self._at - self._starts[number]
        most = min(most, self._starts[number + 1] - self._at)
        if isinstance(piece, bytes):
            return piece[inside : inside + most]
        self._file.seek(piece[0] + inside)
        return self._file.read(most)

    def close(self) -> None:
        """Closes this file and the underlying file."""
        if not self.closed:
            self._file.close()
        super().close()
