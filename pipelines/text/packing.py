"""Compressed files and ZIP archives, opened as if they were plain: gzip, bzip2, xz, ZIP."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from pipelines.base.archives import split_archive
from pipelines.base.errors import DataError
from pipelines.text.foreign_content import GZIP, ZIPPED_DOCUMENTS

ENDINGS = (".gz", ".bz2", ".xz", ".zip")
"""Endings of compressed files; their content tells what they are, not their ending."""

_MARKS = ((GZIP, "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PK\x03\x04", "ZIP"),
          (b"PK\x05\x06", "ZIP"))  # fmt: skip
# Files that are part of an e-book or OpenDocument text, and of an Office document.
_DOCUMENT_PARTS = ("mimetype", "[Content_Types].xml")
# What comes with a text and is not a part of it, in capital letters and without an ending.
_NOTES = ("AUTHORS", "COPYING", "COPYRIGHT", "LICENCE", "LICENSE", "NOTICE", "README")
_NOTE_ENDINGS = ("", ".txt", ".md", ".rst", ".html", ".pdf")
# What the unpackers raise for damaged data; bz2 raises an OSError without a number.
_DAMAGE = (
    EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError,
)  # fmt: skip


def packing_of(head: bytes, path: Path) -> str:
    """The compression of a file: "gzip", "bzip2", "xz", "ZIP", or "" for none of these.

    Args:
        head: first bytes of the file.
        path: path of the file; documents that are ZIP archives, such as EPUB, count as "".
    """
    packing = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    return "" if packing == "ZIP" and path.suffix.lower() in ZIPPED_DOCUMENTS else packing


def open_unpacked(path: Path, packing: str, member: str = "") -> BinaryIO:
    """Opens a file to read its uncompressed bytes.

    Args:
        path: path of the file.
        packing: compression of the file, as `packing_of` says.
        member: name of the file in a ZIP archive.
    """
    # The caller closes what is opened.
    stream: Any
    if packing == "gzip":
        stream = gzip.open(path)  # noqa: SIM115
    elif packing == "bzip2":
        stream = bz2.open(path)  # noqa: SIM115
    elif packing == "xz":
        stream = lzma.open(path)  # noqa: SIM115
    elif packing == "ZIP":
        stream = zipfile.ZipFile(path).open(member)  # noqa: SIM115
    else:
        stream = open(path, "rb")  # noqa: SIM115
    return cast(BinaryIO, stream)


def zip_members(path: Path) -> list[str]:
    """The names of the files in a ZIP archive, sorted, without hidden ones and notes.

    Notes are what other systems add, files whose names begin with an underscore, such as the
    `_about.txt` of ManyThings, and, alongside other files, README, LICENSE and the like.

    Raises:
        DataError: the archive is damaged, has no file, or is a document.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(one.filename for one in archive.infolist() if not one.is_dir())
    except zipfile.BadZipFile as error:
        raise DataError(f"the ZIP file is damaged: {error}", file=path) from None
    document = next((name for name in names if name in _DOCUMENT_PARTS), "")
    if document:
        raise DataError(
            f"is a document inside a ZIP archive, not text: it holds {document}",
            file=path,
            advice="Convert it to plain text first; unzip only gives its markup.",
        )
    kept = [
        name
        for name in names
        if not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)
    ]
    if not kept:
        raise DataError("the ZIP file holds no file", file=path)
    return [name for name in kept if not _is_note(name)] or kept


def _is_note(name: str) -> bool:
    path = PurePosixPath(name)
    return path.stem.upper() in _NOTES and path.suffix.lower() in _NOTE_ENDINGS


def inner_name(path: str | Path) -> str:
    """The name of what a file holds, in small letters: "pairs.tsv" for PAIRS.TSV.BZ2.

    For a ZIP archive with a single file it is that file's name; for a path that leads into an
    archive, its last part.

    Raises:
        DataError: a ZIP archive is damaged, or has no file.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    if split_archive(path)[1]:
        return path.name.lower()
    with open(path, "rb") as file:
        packing = packing_of(file.read(8), path)
    if packing == "ZIP":
        members = zip_members(path)
        if len(members) == 1:
            return PurePosixPath(members[0]).name.lower()
    name = path.name.lower()
    return name.rpartition(".")[0] if name.endswith(ENDINGS) else name


def damage_of(error: Exception, packing: str, path: Path) -> DataError | None:
    """The error to show if unpacking failed because the file is damaged; None for other errors."""
    unnumbered = isinstance(error, OSError) and error.errno is None
    if not (isinstance(error, _DAMAGE) or unnumbered) or not packing:
        return None
    locked = packing == "ZIP" and "password" in str(error)
    if locked:
        return DataError(
            "the ZIP file is locked by a password", file=path, advice="Unpack it first."
        )
    return DataError(f"the {packing} file is damaged: {error}", file=path)
