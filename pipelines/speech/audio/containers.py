"""Checks of Ogg, FLAC, AIFF and AU files before decoding: is their announced content all there?

A decoder silently reads the rest of a truncated file, or only the first of two files that were
joined.
"""

from __future__ import annotations

import math
import mmap
import shlex
import struct
import zlib
from pathlib import Path

from pipelines.speech.audio.audio_error import AudioError
from pipelines.speech.audio.pieced_file import Piece

_LONGEST_FLAC = 2**36 - 1
_COPY = "Copy it again."
# Number of bytes after the end that may be anything, such as a tag.
_MOST_TRAILING = 1024
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_ogg(path: str | Path) -> bool:
    """Whether the last page is marked as the last; an interrupted recorder writes no such page.

    Raises:
        AudioError: the file is cut inside a page, damaged, or several recordings in a row.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at, flags, begun = 0, 0, False
        while at < len(data):
            head = data[at : at + 27]
            if head[:4] != b"OggS" or len(head) < 27:
                # Some programs put a tag after the last page.
                ended = flags & 4 and len(data) - at <= _MOST_TRAILING
                if not any(data[at:]) or (ended and b"OggS" not in data[at:]):
                    break
                kind = "truncated" if b"OggS".startswith(head[:4]) else "damaged"
                raise AudioError(kind, f"has no whole page at byte {at}", path, _COPY)
            flags = head[5]
            if flags & 2 and begun:
                raise AudioError(
                    "joined", f"has a second recording from byte {at} on", path,
                    "Split the files, or join their sound: sox first.ogg second.ogg both.ogg",
                )  # fmt: skip
            begun = not flags & 2
            sizes = data[at + 27 : at + 27 + head[26]]
            end = at + 27 + head[26] + sum(sizes)
            if end > len(data):
                raise AudioError("truncated", "ends inside a page", path, _COPY)
            # A decoder skips a page with a wrong checksum.
            if _ogg_checksum(data[at:end]) != head[22:26]:
                raise AudioError("damaged", f"has a damaged page at byte {at}", path, _COPY)
            at = end
        return bool(flags & 4)


def _ogg_checksum(page: bytes) -> bytes:
    """The checksum of a page in the form that the page stores (RFC 3533, section 6).

    It is the usual CRC-32 with all bits reversed, beginning with zero.
    """
    reversed_bits = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    value = zlib.crc32(reversed_bits, 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return struct.pack(">I", value).translate(_REVERSED)


def flac_pieces(path: str | Path) -> list[Piece] | None:
    """The file with the largest possible length in its header if it states none; else None.

    Raises:
        AudioError: the file is two files that were joined.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        again = data.find(b"fLaC\0\0\0\x22", 4)
        if again < 0:
            again = data.find(b"fLaC\x80\0\0\x22", 4)
        if again >= 0:
            raise AudioError(
                "joined", f"has a second recording from byte {again} on", path,
                "Split the files, or join their sound: sox first.flac second.flac both.flac",
            )  # fmt: skip
        # The first block is STREAMINFO; the 36 bits before its checksum count the samples.
        if len(data) < 42 or data[4] & 0x7F or data[21] & 0x0F or any(data[22:26]):
            return None
        count = _LONGEST_FLAC.to_bytes(5, "big")
        head = data[:21] + bytes([data[21] | count[0]]) + count[1:]
        return [head, (26, len(data) - 26)]


def check_aiff(path: str | Path) -> None:
    """Refuses an AIFF file that is truncated or not made of chunks up to its end.

    Raises:
        AudioError: the file ends inside its samples, does not state its length, or is damaged.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        at = 12
        while at < size:
            file.seek(at)
            name, length = struct.unpack(">4sI", file.read(8).ljust(8, b"\0"))
            end = at + 8 + length
            if name == b"SSND" and end > size:
                raise _truncated(path, length, size - at - 8)
            if name == b"SSND" and not length and size > end:
                raise AudioError(
                    "absurd header", "does not say how many samples it has, as from a pipe", path,
                    f"Write it to a new file: sox {shlex.quote(Path(path).name)} new.wav",
                )  # fmt: skip
            if not (name.isascii() and name.decode("ascii").isprintable()) or end > size:
                raise AudioError("damaged", f"has no whole chunk at byte {at}", path, _COPY)
            at = end + length % 2


def check_au(path: str | Path) -> None:
    """Refuses an AU file that is truncated, or has more than it announces.

    Raises:
        AudioError: the number of bytes is not the announced one.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        start, length = struct.unpack(">4xII", file.read(12).ljust(12, b"\0"))
    # All ones mean an unknown length: the samples go to the end of the file.
    if length == 0xFFFF_FFFF:
        return
    there = size - start
    if length > there:
        raise _truncated(path, length, there)
    if length < there:
        raise AudioError(
            "absurd header",
            f"has {there - length} bytes after the samples that its header announces", path,
            "It may be several files that were joined: split them.",
        )  # fmt: skip


def check_sphere(path: str | Path) -> None:
    """Refuses a NIST SPHERE file that is truncated.

    Raises:
        AudioError: the file has fewer bytes than announced.
    """
    with open(path, "rb") as file:
        head = file.read(4096)
    lines = head.decode("latin-1").split("end_head")[0].splitlines()
    fields = {cells[0]: cells[2] for line in lines[2:] if len(cells := line.split(None, 2)) == 3}
    coding = fields.get("sample_coding", "pcm").strip()
    names = ("sample_count", "channel_count", "sample_n_bytes")
    values = [fields.get(name, "").strip() for name in names]
    if coding not in ("pcm", "ulaw", "alaw") or not all(value.isdigit() for value in values):
        return
    start = lines[1].strip() if len(lines) > 1 else ""
    there = Path(path).stat().st_size - (int(start) if start.isdigit() else 1024)
    length = math.prod(int(value) for value in values)
    if length > there:
        raise _truncated(path, length, there)


def check_wave64(path: str | Path) -> None:
    """Refuses a Wave64 file that is truncated.

    Raises:
        AudioError: the file has fewer bytes than announced.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        at = 40
        while at + 24 <= size:
            file.seek(at)
            name, length = struct.unpack("<16sQ", file.read(24))
            if name[:4] == b"data" and at + length > size:
                raise _truncated(path, length - 24, size - at - 24)
            if length < 24:
                return
            at += -(-length // 8) * 8


def _truncated(path: str | Path, announced: int, there: int) -> AudioError:
    problem = f"announces {announced} bytes of samples but has {max(there, 0)}"
    return AudioError("truncated", problem, path, _COPY)
