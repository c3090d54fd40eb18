"""Counts the frames of MP3 files before decoding, since nothing else tells their length.

A decoder trusts the tag in the first frame, or guesses from the sizes of the file and the first
frame. It then cuts short, or takes as truncated, files of variable bit rate without a tag, files
with a picture, and files that were joined. Only frame headers are read here (ISO/IEC 11172-3,
section 2.4.1.3).
"""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from pipelines.speech.audio.audio_error import AudioError
from pipelines.speech.audio.foreign_files import conversion, not_audio
from pipelines.speech.audio.pieced_file import Piece

_KILOBITS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAGS = (b"Xing", b"Info")
_NOT_ZERO = re.compile(rb"[^\0]")
_LYRICS_END = re.compile(rb"LYRICS200|LYRICSEND")
# Number of bytes after the last frame that may be anything, such as an unknown tag.
_MOST_TRAILING = 1024
# How far to search for the first frame, and how many frames in a row are not a coincidence.
_MOST_LEADING = 2**16
_FRAMES_IN_A_ROW = 4


@dataclass(frozen=True)
class _Frame:
    """The content of the four bytes at the beginning of a frame.

    Attributes:
        kind: version, layer, sample rate and whether it is mono: the same in all frames of a file.
        length: number of bytes of the frame, header included; 0 if the header does not say it.
        side: number of bytes between the header and the tag of a first frame.
    """

    kind: tuple[int, int, int, bool]
    length: int
    side: int


def mp3_pieces(path: str | Path) -> list[Piece] | None:
    """The frames of an MP3 file, preceded by a tag with their number.

    Returns:
        The pieces; None if the file's own tag has the right number. In that case the decoder also
        leaves out what the encoder added before and after the sound.

    Raises:
        AudioError: the file has no frame, is truncated or damaged, or changes its sample rate.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _Scan(data, path).pieces()


class _Scan:
    """The places of all frames of a file."""

    def __init__(self, data: mmap.mmap, path: str | Path) -> None:
        self._data = data
        self._path = path
        self._first: tuple[int, _Frame] | None = None
        # Whether something other than frames and tags precedes the frames.
        self._odd_start = False
        # Whether something other than frames and tags follows the frames.
        self._odd_end = False
        self._stretches: list[tuple[int, int]] = []
        self._frames = 0
        # Numbers of frames that tags announce, None for a tag without a number; and their places.
        self._announced: list[int | None] = []
        self._tag_frame: list[tuple[int, int]] = []
        self._read()

    def pieces(self) -> list[Piece] | None:
        if self._first is None:
            raise not_audio(self._path, "it has no MP3 frame")
        if len(self._announced) == 1 and self._announced[0] is not None:
            announced = self._announced[0]
            if announced == self._frames:
                return [*self._tag_frame, *self._stretches] if self._odd_start else None
            # Some encoders also count the frame with the tag.
            if announced > self._frames + (not self._odd_end):
                raise AudioError(
                    "truncated", f"announces {announced} frames but has {self._frames}",
                    self._path, "Copy it again.",
                )  # fmt: skip
        return [self._tag(), *self._stretches]

    def _read(self) -> None:
        data, at = self._data, 0
        while at < len(data):
            skipped = _tag_length(data, at)
            if skipped:
                if data[at] == 0 and self._frames and _MOST_TRAILING < skipped < len(data) - at:
                    raise self._damaged(at)
                at += skipped
                continue
            frame = _frame(data[at : at + 4])
            if frame is None:
                if self._frames and self._nothing_follows(at):
                    self._odd_end = True
                    break
                at = self._begin(at)
                continue
            if frame.kind[1] != 3:
                raise AudioError(
                    "not audio", f"is MPEG sound of layer {frame.kind[1]}, which is not supported",
                    self._path, f"Convert it: {conversion(self._path)}",
                )  # fmt: skip
            if not frame.length:
                raise AudioError(
                    "not audio", "is an MP3 file of a free bit rate, which is not supported",
                    self._path, f"Convert it: {conversion(self._path)}",
                )  # fmt: skip
            if at + frame.length > len(data):
                raise AudioError(
                    "truncated", f"ends inside a frame, after {self._frames} whole ones",
                    self._path,
                    f"Copy it again. If no complete copy exists: {conversion(self._path)}",
                )  # fmt: skip
            self._take(at, frame)
            at += frame.length

    def _take(self, at: int, frame: _Frame) -> None:
        place = at + 4 + frame.side
        tag = self._data[place : place + 12]
        if tag[:4] in _TAGS or self._data[at + 36 : at + 40] == b"VBRI":
            flags, count = struct.unpack(">II", tag[4:12].ljust(8, b"\0"))
            known = tag[:4] in _TAGS and flags & 1
            self._announced.append(count if known else None)
            self._tag_frame = [(at, frame.length)]
            return
        if self._first is None:
            self._first = at, frame
        elif frame.kind != self._first[1].kind:
            raise AudioError(
                "changes inside", f"changes its rate or channels after {self._frames} frames",
                self._path,
                f"It may be several files that were joined. Convert it: {conversion(self._path)}",
            )  # fmt: skip
        self._frames += 1
        if self._stretches and sum(self._stretches[-1]) == at:
            start, length = self._stretches.pop()
            self._stretches.append((start, length + frame.length))
        else:
            self._stretches.append((at, frame.length))

    def _begin(self, at: int) -> int:
        """The place of the next frame after something that is not a frame.

        A recording of a broadcast begins in the middle of a frame.

        Raises:
            AudioError: no frame is near, or there were frames before.
        """
        if self._frames:
            raise self._damaged(at)
        place = at
        while (
            not self._announced
            and (place := self._data.find(b"\xff", place + 1, at + _MOST_LEADING)) >= 0
        ):
            if self._are_frames(place):
                self._odd_start = True
                return place
        raise not_audio(self._path, "it has no MP3 frame")

    def _are_frames(self, at: int) -> bool:
        """Whether several consecutive frames of the same kind begin here."""
        kinds = set()
        for _ in range(_FRAMES_IN_A_ROW):
            frame = _frame(self._data[at : at + 4])
            if frame is None or not frame.length:
                return False
            kinds.add(frame.kind)
            at += frame.length
        return len(kinds) == 1

    def _nothing_follows(self, at: int) -> bool:
        """Whether the rest is short and without a frame, such as an unknown tag or stray bytes."""
        if len(self._data) - at > _MOST_TRAILING:
            return False
        place = at
        while (place := self._data.find(b"\xff", place)) >= 0:
            frame = _frame(self._data[place : place + 4])
            if frame is not None and self._first and frame.kind == self._first[1].kind:
                return False
            place += 1
        return True

    def _damaged(self, at: int) -> AudioError:
        return AudioError(
            "damaged", f"has bytes from {at} on that are neither MP3 frames nor tags", self._path,
            f"Copy it again, or let FFmpeg skip the damaged part: {conversion(self._path)}",
        )  # fmt: skip

    def _tag(self) -> bytes:
        """A first frame without sound, with a tag that has the number of frames that follow."""
        assert self._first is not None
        at, frame = self._first
        header = bytearray(self._data[at : at + 4])
        # No checksum, no padding.
        header[1] |= 0x01
        padded = bool(header[2] & 0x02)
        header[2] &= ~0x02 & 0xFF
        length = frame.length - (4 if frame.kind[1] == 1 else 1) * padded
        body = bytes(frame.side) + b"Xing" + struct.pack(">II", 1, self._frames)
        return (bytes(header) + body).ljust(length, b"\0")


def _frame(header: bytes) -> _Frame | None:
    """Reads the header of a frame; None for other bytes."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate == 15 or rate == 3:
        return None
    generation = 1 if version == 3 else 2
    sample_rate, padding = _RATES[version][rate], header[2] >> 1 & 1
    bits = 1000 * _KILOBITS[generation, layer][bit_rate]
    if layer == 1:
        length = (12 * bits // sample_rate + padding) * 4
    else:
        per_frame = 72 if layer == 3 and generation == 2 else 144
        length = per_frame * bits // sample_rate + padding
    mono = header[3] >> 6 == 3
    side = (17 if mono else 32) if generation == 1 else (9 if mono else 17)
    return _Frame((version, layer, sample_rate, mono), length if bits else 0, side)


def behind_tags(path: str | Path, count: int) -> bytes:
    """The first bytes of a file after the tags at its beginning.

    Args:
        path: path of a file that is not empty.
        count: number of bytes to return.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        while data[at : at + 3] == b"ID3" and (skipped := _tag_length(data, at)):
            at += skipped
        return data[at : at + count]


def _tag_length(data: mmap.mmap, at: int) -> int:
    """The number of bytes of the tag, or of the zeros, that begin here; 0 if neither does."""
    begin = data[at : at + 32]
    if begin[:3] == b"ID3" and len(begin) >= 10:
        size = 0
        for byte in begin[6:10]:
            size = size << 7 | byte & 0x7F
        return size + (20 if begin[5] & 0x10 else 10)
    if begin[:3] == b"TAG":
        return 128
    if begin[:8] == b"APETAGEX" and len(begin) == 32:
        is_header = begin[23] & 0x20
        size = int(struct.unpack("<I", begin[12:16])[0])
        return size + 32 if is_header else 32
    if begin[:11] == b"LYRICSBEGIN":
        end = _LYRICS_END.search(data, at)
        return end.end() - at if end else 0
    if begin[:1] == b"\0":
        sound = _NOT_ZERO.search(data, at)
        return (sound.start() if sound else len(data)) - at
    return 0
