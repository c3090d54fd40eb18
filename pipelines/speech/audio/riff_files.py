"""Checks of WAV files before decoding: where the samples are, and whether they are complete.

A decoder reads what the header announces, or what exists, and is silent about the difference: a
program that writes to a pipe announces nothing or too much, and a truncated file still announces
the lost part. Only the standard library is needed, since devices read WAV files with this too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipelines.speech.audio.audio_error import AudioError
from pipelines.speech.audio.foreign_files import conversion
from pipelines.speech.audio.pieced_file import Piece

PCM = 1
_LEAST_OPEN_ENDED = 0x7FFF_0000
"""Programs that do not know the length write at least this: FFmpeg, SoX, arecord, ..."""

_MOST_BYTES = 0xFFFF_FFFF - 4096
# Number of bytes after the samples that may be anything, such as a tag.
_MOST_TRAILING = 1024


@dataclass(frozen=True)
class WaveLayout:
    """The place and the format of the samples of a WAV file.

    Attributes:
        code: coding of the samples; 1 for plain integers.
        channels: number of channels.
        sample_rate: sample rate of each channel, in Hz.
        bits: number of bits per sample.
        block: number of bytes of one sample of all channels.
        start: place of the first byte of the samples.
        length: number of bytes of samples in the file.
        open_ended: True if the header does not say how many bytes there are.
    """

    code: int
    channels: int
    sample_rate: int
    bits: int
    block: int
    start: int
    length: int
    open_ended: bool

    def pieces(self, path: str | Path) -> list[Piece]:
        """The file with the right number of bytes in its header."""
        with open(path, "rb") as file:
            head = bytearray(file.read(self.start))
        head[self.start - 4 : self.start] = struct.pack("<I", self.length)
        head[4:8] = struct.pack("<I", self.start - 8 + self.length)
        return [bytes(head), (self.start, self.length)]


def wave_layout(path: str | Path) -> WaveLayout | None:
    """The layout of a WAV file; None for a file of another format.

    Raises:
        AudioError: the file has no samples, is truncated, or has sound that its header does not
            announce.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return None
        format_: tuple[int, ...] | None = None
        long_length = 0
        while len(chunk := file.read(8)) == 8:
            name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
            start = file.tell()
            if name == b"fmt " and length >= 16:
                format_ = struct.unpack("<HHIIHH", file.read(16).ljust(16, b"\0"))
            elif name == b"ds64":
                long_length = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
            elif name == b"data":
                if length == 0xFFFF_FFFF and head[:4] != b"RIFF" and long_length:
                    length = long_length
                return _layout(file, path, format_, start, length, size)
            file.seek(start + length + length % 2)
            if file.tell() >= size:
                break
    raise AudioError(
        "no samples", "has a header and no samples: it ends before they begin", path,
        "Copy it again, or record it again.",
    )  # fmt: skip


def _layout(
    file: BinaryIO,
    path: str | Path,
    format_: tuple[int, ...] | None,
    start: int,
    announced: int,
    size: int,
) -> WaveLayout:
    if format_ is None or not format_[4]:
        raise AudioError("absurd header", "does not say how its samples are coded", path)
    code, channels, rate, _, block, bits = format_
    there = size - start
    if not there:
        raise AudioError("no samples", "has a header and no samples", path)
    open_ended = announced >= _LEAST_OPEN_ENDED and announced > there
    if not announced and not _only_chunks(file, start, size):
        open_ended = True
    if open_ended:
        if there > _MOST_BYTES:
            raise AudioError(
                "absurd header", "does not say its length and is longer than 4 GiB", path,
                "Convert it to FLAC.",
            )  # fmt: skip
        length = there // block * block
        return WaveLayout(code, channels, rate, bits, block, start, length, True)
    if not announced:
        raise AudioError("no samples", "has a header and no samples", path)
    if announced > there:
        raise AudioError(
            "truncated", f"announces {announced} bytes of samples but has {there}", path,
            "Copy it again. If no complete copy exists, write the existing part to a new file: "
            f"{conversion(path)}",
        )  # fmt: skip
    _check_rest(file, path, start + announced, size)
    return WaveLayout(code, channels, rate, bits, block, start, announced, False)


def _check_rest(file: BinaryIO, path: str | Path, at: int, size: int) -> None:
    """Refuses sound after the samples that the header announces."""
    rest = size - at
    if rest <= _MOST_TRAILING or _only_chunks(file, at, size) or _only_zeros(file, at):
        return
    file.seek(at)
    if b"RIFF" in file.read(12):
        raise AudioError(
            "joined", f"has a second WAV file after its first {at} bytes", path,
            "Split the files, or join their sound: sox first.wav second.wav both.wav",
        )  # fmt: skip
    raise AudioError(
        "absurd header",
        f"has {rest} bytes after the samples that its header announces, which may be sound",
        path,
        f"Write all of it to a new file: {conversion(path, '-ignore_length 1')}",
    )


def _only_chunks(file: BinaryIO, at: int, size: int) -> bool:
    """Whether the rest of the file is whole chunks, such as tags, padded to even places or not."""
    return any(_chunks_end(file, start, size) for start in (at + at % 2, at))


def _chunks_end(file: BinaryIO, at: int, size: int) -> bool:
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if not (name.isascii() and name.decode("ascii").isprintable()) or name == b"RIFF":
            return False
        at += 8 + length + length % 2
    return at in (size, size + 1)


def _only_zeros(file: BinaryIO, at: int) -> bool:
    file.seek(at)
    return all(not any(piece) for piece in iter(lambda: file.read(2**16), b""))
