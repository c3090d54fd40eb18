"""Files that are not plain text although they may contain text: known by their first bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pipelines.base.errors import DataError

HEAD = 4096
"""Number of bytes at the beginning of a file that suffice to recognise its format."""

GZIP = b"\x1f\x8b"
"""The first bytes of a gzip file."""

# The first bytes, what the file is, and how to get at its text.
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"BZh", "a bzip2 file", "Unpack it first: bunzip2 --keep {name}."),
    (b"\xfd7zXZ\0", "an xz file", "Unpack it first: unxz --keep {name}."),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", "Unpack it first: unzstd {name}."),
    (b"\x04\x22\x4d\x18", "an LZ4 file", "Unpack it first: unlz4 {name}."),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it first: unzip {name}."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it first: 7z x {name}."),
    (b"Rar!\x1a\x07", "a RAR archive", "Unpack it first: unrar x {name}."),
    (b"PAR1", "a Parquet file", "Write its text column to a text file first."),
    (b"ARROW1", "an Arrow file", "Write its text column to a text file first."),
    (b"\xff\xff\xff\xff", "an Arrow stream", "Write its text column to a text file first."),
    (b"SQLite format 3\0", "an SQLite database", "Write its text to a text file first."),
    (b"\x89HDF", "an HDF5 file", "Write its text to a text file first."),
    (b"%PDF-", "a PDF", "Extract its text first: pdftotext {name}."),
    (b"{\\rtf", "an RTF document", "Save it as plain text in UTF-8."),
    (b"\xd0\xcf\x11\xe0", "an Office document", "Save it as plain text in UTF-8."),
    (b"\x80\x04\x95", "a Python pickle", "Write its text to a text file first."),
    (b"\x93NUMPY", "a NumPy array", "Write its text to a text file first."),
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer: the file itself has not been fetched",
        "Fetch the file: git lfs pull.",
    ),
)
ZIPPED_DOCUMENTS = {
    ".epub": ("an e-book (EPUB)", "Convert it to plain text, as by: pandoc -t plain {name}."),
    ".docx": ("a Word document", "Save it as plain text in UTF-8."),
    ".odt": ("an OpenDocument text", "Save it as plain text in UTF-8."),
    ".xlsx": ("an Excel table", "Save it as text with tabs between the columns, in UTF-8."),
    ".ods": ("an OpenDocument table", "Save it as text with tabs between the columns, in UTF-8."),
    ".npz": ("a NumPy archive", "Write its text to a text file first."),
}
"""Documents that are ZIP archives, by ending: unpacking them gives markup, not text."""

_TAR_MARK, _TAR_PLACE = b"ustar", 257
_JSON_SUFFIXES = (".json", ".jsonl", ".jsonlines", ".ndjson", ".jl")
# The beginning of a line or an array of objects that may be longer than the bytes examined.
_JSON_BEGINS = re.compile(rb'\s*(?:\[\s*)?\{\s*"(?:[^"\\\n]|\\.)*"\s*:\s*["\[{\d\-tfn]')
_MARKUP = re.compile(
    rb"\s*<(?:\?xml|!doctype|html|tmx|xliff|(?:src|ref|tst)set|mteval|dataset)\b", re.IGNORECASE
)


def refuse_foreign(head: bytes, path: Path) -> None:
    """Refuses a file whose first bytes (unpacked, if it was gzipped) are not those of a text.

    Args:
        head: bytes from the beginning of the file, at least `HEAD` of them or the whole file.
        path: path of the file, for the message.

    Raises:
        DataError: the file is of another kind; the message says which and how to get its text.
    """
    for mark, kind, advice in _KINDS:
        if head.startswith(mark):
            if mark.startswith(b"PK"):
                kind, advice = ZIPPED_DOCUMENTS.get(path.suffix.lower(), (kind, advice))
            raise DataError(f"is {kind}, not text", file=path, advice=advice.format(name=path.name))
    if head[_TAR_PLACE : _TAR_PLACE + len(_TAR_MARK)] == _TAR_MARK:
        raise DataError(
            "is a tar archive, not text",
            file=path,
            advice=f"Unpack it first: tar -xf {path.name}.",
        )


def look_at_head(path: str | Path) -> bytes:
    """The first `HEAD` bytes of a file, as they are stored."""
    with open(path, "rb") as file:
        return file.read(HEAD)


def refuse_json(head: bytes, path: Path) -> None:
    """Refuses JSON, whose keys and escapes would be read as if they were text.

    A file with a name in .txt may contain JSON: then the JSON is the text.

    Args:
        head: bytes from the beginning of the file, at least `HEAD` of them or the whole file.
        path: path of the file, for its ending and for the message.

    Raises:
        DataError: the file's name ends like that of a JSON file, or its first lines are JSON
            objects.
    """
    name = path.name.lower()
    name = name.rpartition(".")[0] if name.endswith((".gz", ".bz2", ".xz")) else name
    if name.endswith(".txt") or not (name.endswith(_JSON_SUFFIXES) or _json_objects(head)):
        return
    raise DataError(
        "is JSON, not plain text",
        file=path,
        advice=f"Write its text to a file first, such as: jq -r .text {path.name} > text.txt. If "
        "you mean the JSON itself, name the file .txt.",
    )


def refuse_markup(lines: Sequence[str], path: str | Path) -> None:
    """Refuses XML, SGML and HTML where lines are sentences: tags would be taken for sentences.

    Args:
        lines: lines of the file, at least the first one that is not blank.
        path: path of the file, for the message.

    Raises:
        DataError: the first line that is not blank begins a document of markup.
    """
    first = next((line for line in lines if line.strip()), "")
    # A line that closes what it opens is a piece of markup to be translated, as in software.
    whole = first.rstrip().lower().endswith("</html>")
    if not whole and _MARKUP.match(first.encode("utf-8", "surrogatepass")):
        raise DataError(
            f"is markup, not sentences: it begins {first.strip()[:40]!r}",
            file=path,
            advice="Write only the sentences to a text file, one per line. If the file should be "
            "something else, look at it: a download may have failed.",
        )


def _json_objects(head: bytes) -> bool:
    if len(head) >= HEAD and _JSON_BEGINS.match(head) and b"\n" not in head.strip():
        return True
    if head.lstrip().startswith(b"[") and _JSON_BEGINS.match(head):
        return True
    lines = [line for line in head.split(b"\n") if line.strip()][:2]
    for line in lines:
        try:
            if not isinstance(json.loads(line), dict):
                return False
        except ValueError:
            return False
    return len(lines) == 2
