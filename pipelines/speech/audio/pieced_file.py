"""A file that is read as if some of its bytes were others: a header set right, tags left out."""

from __future__ import annotations

import bisect
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

# Bytes that stand for themselves, or (first byte, number of bytes) of the file underneath.
Piece = bytes | tuple[int, int]


class PiecedFile(io.RawIOBase):
    """A file made of pieces of another one and of bytes between them, to be read.

    Args:
        path: the file underneath.
        pieces: what it consists of, in order.
    """

    def __init__(self, path: str | Path, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        self._pieces = list(pieces)
        lengths = [len(one) if isinstance(one, bytes) else one[1] for one in self._pieces]
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
        """See `io.RawIOBase`; fills the buffer as far as there are bytes."""
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
        """The next bytes of the piece that the position lies in."""
        number = bisect.bisect_right(self._starts, self._at) - 1
        piece = self._pieces[number]
        inside = self._at - self._starts[number]
        most = min(most, self._starts[number + 1] - self._at)
        if isinstance(piece, bytes):
            return piece[inside : inside + most]
        self._file.seek(piece[0] + inside)
        return self._file.read(most)

    def close(self) -> None:
        """Closes the file underneath, too."""
        if not self.closed:
            self._file.close()
        super().close()
