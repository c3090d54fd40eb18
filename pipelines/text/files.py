"""Text files and folders of them: UTF-8, plain or packed, read piece by piece and checked."""

from __future__ import annotations

import codecs
import difflib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pipelines.base.archives import split_archive
from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.sources import require_regular
from pipelines.text.corpus import LINE_SEARCH, TextCorpus, part_name, too_short
from pipelines.text.folders import SUFFIXES, files_of, refuse_mixed_parts
from pipelines.text.foreign_content import HEAD, refuse_foreign, refuse_json
from pipelines.text.line_ends import LineEnds
from pipelines.text.packing import damage_of, open_unpacked, packing_of, zip_members

BLOCK = 2**20
# Longest first: the mark of UTF-32 begins like that of UTF-16.
_FOREIGN_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"),
)  # fmt: skip
_CONTROLS = bytes({*range(1, 32), 127} - set(b"\t\n\r\f"))
_NEAR_BYTES, _FEWEST_HIGH = 60, 5


@dataclass(frozen=True)
class TextFile:
    """A file as it was when it was first examined.

    Attributes:
        path: path of the file.
        state: stored size, time of change in ns and inode, by which a change is noticed.
        size: number of bytes of its text, uncompressed.
        packing: compression of the file, "gzip", "bzip2", "xz" or "ZIP"; "" for none.
        member: name of the file in a ZIP archive; "" for another file.
    """

    path: Path
    state: tuple[int, int, int]
    size: int
    packing: str = ""
    member: str = ""

    @property
    def shown(self) -> Path:
        """The path for messages, with the name inside a ZIP archive."""
        return self.path / self.member if self.member else self.path

    def open(self) -> BinaryIO:
        """Opens the file to read its uncompressed bytes."""
        return open_unpacked(self.path, self.packing, self.member)

    def require_unchanged(self) -> None:
        """Raises a DataError if the file has changed since it was first examined."""
        try:
            state = _state(self.path)
        except OSError:
            state = (-1, -1, -1)
        if state != self.state:
            raise DataError(
                "the file has changed while it was read",
                file=self.shown,
                advice="Wait until nothing writes to it and start again.",
            )


@dataclass(frozen=True)
class Segment:
    """Bytes [start, stop) of a file's uncompressed content."""

    file: TextFile
    start: int
    stop: int


class FileText(TextCorpus):
    """The text of several files in sequence; each file begins on a new line.

    Byte order marks are left out, also inside files that were joined, and \\r\\n is read as \\n.

    Args:
        segments: parts of files to read, in order.
        name: name of the source, for messages.
        lone_return: replacement for a \\r without \\n after it; see `LineEnds`.
    """

    def __init__(self, segments: Sequence[Segment], name: str, lone_return: str = "\n") -> None:
        stamps = [
            (str(s.file.path.resolve()), s.file.state, s.start, s.stop)
            + ((s.file.member,) if s.file.member else ())
            for s in segments
        ]
        super().__init__(name, f"files {stamps}")
        self.segments = tuple(segments)
        self._lone_return = lone_return
        self.bytes = sum(segment.stop - segment.start for segment in segments)

    def _pieces(self, report: DataReport) -> Iterator[str]:
        last = "\n"
        for segment in self.segments:
            fresh = True
            for piece in _read(segment, report, self._lone_return):
                if fresh and last != "\n":
                    yield "\n"
                fresh, last = False, piece[-1]
                yield piece

    def part(self, start: float, stop: float) -> FileText:
        """See `TextCorpus.part`; in a line without an end a border moves to a character's end."""
        first, last = self._border(start), self._border(stop)
        if first >= last:
            raise too_short(self.name, f"{self.bytes} bytes", start, stop)
        chosen, before = [], 0
        for segment in self.segments:
            size = segment.stop - segment.start
            begin, end = max(first - before, 0), min(last - before, size)
            if begin < end:
                chosen.append(Segment(segment.file, segment.start + begin, segment.start + end))
            before += size
        return FileText(chosen, part_name(self.name, start, stop), self._lone_return)

    def _border(self, share: float) -> int:
        place = before = round(share * self.bytes)
        for segment in self.segments:
            size = segment.stop - segment.start
            if 0 < before < size:
                moved = _line_start(segment.file, segment.start + before)
                return place - before + min(moved - segment.start, size)
            before -= size
        return place


def open_text_files(
    paths: Sequence[str | Path],
    name: str,
    lone_return: str = "\n",
    *,
    endings: Sequence[str] = (),
    json: bool = False,
) -> FileText:
    """The text of files and folders, in this order; the files of a folder are sorted by path.

    Args:
        paths: paths of files and folders.
        name: name of the source, for messages.
        lone_return: replacement for a \\r without \\n after it; see `LineEnds`.
        endings: endings of the files to read in a folder, such as ".py"; empty for
            `folders.SUFFIXES`.
        json: True if JSON is wanted, whose lines the caller reads.

    Raises:
        DataError: a folder has no text, or has parts of a data set that must not be mixed; or a
            file is a table or JSON instead of text, or is packed in a way that is not known.
    """
    files = [one for path in files_of(paths, endings) for one in look_at(path, json=json)]
    segments = [Segment(file, 0, file.size) for file in files if file.size]
    if not segments:
        raise DataError("the text is empty", file=name)
    return FileText(segments, name, lone_return)


def look_at(path: Path, *, json: bool = False) -> list[TextFile]:
    """Examines a file without reading it; only a compressed file is read, to count its size.

    Args:
        path: path of the file, which may lead into a ZIP archive.
        json: True if JSON is wanted, whose lines the caller reads.

    Returns:
        The file; of a ZIP archive each file in it.
    """
    path, wanted = split_archive(path)
    try:
        require_regular(path)
        state = _state(path)
        with open(path, "rb") as file:
            head = file.read(HEAD)
        packing = packing_of(head, path)
        if wanted and packing != "ZIP":
            raise DataError(
                f"is a file and not a ZIP archive, so it holds no file {wanted!r}", file=path
            )
        if not packing:
            _refuse_other_kinds(head, path, json)
            return [TextFile(path, state, state[0])]
        members = _members(path, wanted) if packing == "ZIP" else [""]
        return [_look_inside(TextFile(path, state, 0, packing, one), json) for one in members]
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=path) from None


def _members(path: Path, wanted: str) -> list[str]:
    """The names of the files to read in an archive: the one that is wanted, or all."""
    members = zip_members(path)
    if not wanted:
        # As in a folder: train.py and test.py are no parts of a data set.
        texts = [path / member for member in members if member.lower().endswith(SUFFIXES)]
        refuse_mixed_parts(path, texts)
        return members
    if wanted not in members:
        near = difflib.get_close_matches(wanted, members, 3, 0.0)
        raise DataError(
            f"the ZIP file holds no file {wanted!r}",
            file=path,
            advice=f"It holds {', '.join(near)}{', ...' if len(members) > len(near) else ''}.",
        )
    return [wanted]


def _look_inside(file: TextFile, json: bool) -> TextFile:
    """The compressed file with the size of its content."""
    size, head = 0, b""
    for block in _blocks(file, 0, None):
        head = head if size else block[:HEAD]
        size += len(block)
    _refuse_other_kinds(head, file.shown, json)
    return replace(file, size=size)


def _refuse_other_kinds(head: bytes, path: Path, json: bool) -> None:
    refuse_foreign(head, path)
    if not json:
        refuse_json(head, path)


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _blocks(file: TextFile, start: int, stop: int | None) -> Iterator[bytes]:
    """The uncompressed bytes [start, stop) of a file in blocks; `stop` None for all that follow."""
    try:
        with file.open() as stream:
            stream.seek(start)
            left = stop - start if stop is not None else None
            while left is None or left > 0:
                block = stream.read(BLOCK if left is None else min(BLOCK, left))
                if not block:
                    break
                left = None if left is None else left - len(block)
                yield block
    except Exception as error:
        damage = damage_of(error, file.packing, file.shown)
        if damage is not None:
            raise damage from None
        if isinstance(error, OSError):
            raise DataError(f"cannot be read: {error.strerror or error}", file=file.shown) from None
        raise


def _line_start(file: TextFile, place: int) -> int:
    """The first line start at or after byte `place`; if none is near, the start of a character."""
    near = next(_blocks(file, place - 1, place - 1 + LINE_SEARCH), b"")
    line_end = near.find(b"\n")
    if line_end >= 0:
        return place + line_end
    # Up to three bytes 10xxxxxx continue a character.
    continuing = itertools.takewhile(lambda byte: byte & 0xC0 == 0x80, near[1:4])
    return place + len(list(continuing))


def _read(segment: Segment, report: DataReport, lone_return: str) -> Iterator[str]:
    """The checked text of a segment in non-empty pieces."""
    file = segment.file
    file.require_unchanged()
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = LineEnds(lone_return)
    offset, only_ascii = segment.start, True
    for block in _blocks(file, segment.start, segment.stop):
        report.note("files", "read", str(file.shown), int(offset == segment.start))
        content = _without_mark(block, file, report) if offset == 0 else block
        _check_bytes(content, offset + len(block) - len(content), file, report)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(content)
        except UnicodeDecodeError as error:
            bad_offset = offset + len(block) - len(content) - pending + error.start
            only_ascii = only_ascii and error.object[: error.start].isascii()
            raise _not_utf8(file, bad_offset, error, only_ascii) from None
        offset += len(block)
        only_ascii = only_ascii and text.isascii()
        text = lines.read(_without_inner_marks(text, file, report))
        if text:
            yield text
    if offset != segment.stop:
        file.require_unchanged()
    pending = len(decoder.getstate()[0])
    try:
        rest = decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(file, offset - pending, error, only_ascii) from None
    rest = lines.read(rest, final=True)
    if rest:
        yield rest
    file.require_unchanged()
    _note_line_ends(lines, segment, report, lone_return)


def _note_line_ends(
    lines: LineEnds, segment: Segment, report: DataReport, lone_return: str
) -> None:
    path = str(segment.file.shown)
    report.note("Windows line ends", "read as line ends", path, lines.windows)
    treatment = "read as line ends" if lone_return == "\n" else "read as spaces"
    known = lines.lone_lines if not segment.start else []
    for line in known:
        report.note("lone carriage returns", treatment, f"{path}, line {line}")
    report.note("lone carriage returns", treatment, path, lines.lone - len(known))


def _without_inner_marks(text: str, file: TextFile, report: DataReport) -> str:
    """The text without the byte order marks that joining files leaves in the middle."""
    marks = text.count("\ufeff")
    if not marks:
        return text
    report.note("byte order marks", "left out", str(file.shown), marks)
    return text.replace("\ufeff", "")


def _without_mark(block: bytes, file: TextFile, report: DataReport) -> bytes:
    for mark, encoding in _FOREIGN_MARKS:
        if block.startswith(mark):
            raise DataError(
                f"the file is {encoding}, not UTF-8",
                file=file.shown,
                advice=f"Convert it: iconv -f {encoding} -t UTF-8.",
            )
    if block.startswith(codecs.BOM_UTF8):
        report.note("byte order marks", "left out", str(file.shown))
        return block[len(codecs.BOM_UTF8) :]
    return block


def _check_bytes(block: bytes, offset: int, file: TextFile, report: DataReport) -> None:
    null = block.find(b"\0")
    if null >= 0:
        raise DataError(
            f"the byte at offset {offset + null} is NUL, which text never contains",
            file=file.shown,
            advice="Is it a binary file, or UTF-16? Convert UTF-16: iconv -f UTF-16 -t UTF-8.",
        )
    controls = len(block) - len(block.translate(None, _CONTROLS))
    if controls:
        first = next(i for i, byte in enumerate(block) if byte in _CONTROLS)
        report.note("control characters", "kept", f"{file.shown}, byte {offset + first}", controls)


def _not_utf8(
    file: TextFile, offset: int, error: UnicodeDecodeError, only_ascii: bool
) -> DataError:
    shown = error.object[error.start : error.start + 4].hex(" ")
    near = error.object[error.start : error.start + _NEAR_BYTES]
    if only_ascii and sum(byte >= 0x80 for byte in near) > max(len(near) // 3, _FEWEST_HIGH):
        # Most letters are not ASCII, so a Western European encoding would make no sense.
        advice = (
            "If the file is in another encoding, such as GB18030, SHIFT_JIS or WINDOWS-1251, "
            "find out which and convert it: iconv -f ENCODING -t UTF-8."
        )
    elif only_ascii:
        advice = "If the file is in another encoding, convert it: iconv -f WINDOWS-1252 -t UTF-8."
    else:
        # Text in another encoding would have failed earlier.
        advice = "The text before it is UTF-8: these bytes are damaged. Correct or remove them."
    return DataError(
        f"the bytes {shown} at offset {offset} are not UTF-8 ({error.reason})",
        file=file.shown,
        advice=advice,
    )
