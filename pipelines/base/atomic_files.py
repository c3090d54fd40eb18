"""Files and folders that appear whole or not at all: written next to their place, then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.base.errors import FileError

# Advice for each reason for which the system may refuse to write.
ADVICE = {
    errno.ENOSPC: "Free some space, or write to another disk",
    errno.EDQUOT: "Free some space, or write to another disk",
    errno.EACCES: "Name a place in which you may write",
    errno.EPERM: "Name a place in which you may write",
    errno.EROFS: "Name a place in which you may write",
    errno.ENOTDIR: "A part of the path is a file, not a folder: name another path",
    errno.EEXIST: "A part of the path is a file, not a folder: name another path",
    errno.EISDIR: "There is a folder of this name: name another file",
}


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Explains why the system refuses what the block writes to `path` or next to it.

    Raises:
        FileError: the message has the path, the reason and, if known, what to do about it.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        if error.filename and not _concerns(Path(str(error.filename)), Path(path)):
            # The error is about another file, which the block reads.
            raise
        # NumPy and HDF5 set no error number when the disk is full.
        reason = error.strerror or str(error)
        advice = ADVICE.get(error.errno or 0)
        text = f"{path}: cannot be written: {reason}"
        raise FileError(f"{text}. {advice}" if advice else text) from error
    except Exception as error:
        # TensorFlow has its own errors for files; they name the file.
        if type(error).__module__.startswith("tensorflow") and f".{Path(path).name}." in str(error):
            reason = str(error).splitlines()[0]
            raise FileError(f"{path}: cannot be written: {reason}") from error
        raise


def _concerns(named: Path, path: Path) -> bool:
    """Whether an error about `named` concerns writing `path`: a folder above it, or a neighbour."""
    named, path = named.absolute(), path.absolute()
    return named in path.parents or path.parent in named.parents


def check_writable(folder: str | Path) -> None:
    """Refuses a folder that cannot be written to, or cannot be made; creates nothing.

    For work that takes long before it writes. Only writing itself can tell for certain.

    Raises:
        FileError: the folder cannot be written to; the message names it.
    """
    folder = Path(folder)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with writing(folder):
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a path next to `path` to write to, and renames it to `path` if the block succeeds.

    The new file is flushed to the disk before the rename, so that a crash of the machine leaves
    either the old content or the new. If the block raises, nothing is left behind.

    Raises:
        FileError: the system refuses to write: the disk is full, permission is missing, ...
    """
    with writing(path), _written_beside(Path(path)) as beside:
        yield beside


@contextlib.contextmanager
def _written_beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        _flush(beside)
        # mkstemp makes files that only their owner can read; published files get the usual mode.
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Like `atomic_path`, for a whole folder; an existing folder at `path` is replaced.

    Raises:
        FileError: see `atomic_path`; or `path` is a file.
    """
    with writing(path), _filled_beside(Path(path)) as beside:
        yield beside


@contextlib.contextmanager
def _filled_beside(target: Path) -> Iterator[Path]:
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield beside
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o777 & ~mask)
        if target.exists():
            # Renaming onto a folder with files in it is refused: the old folder is moved first.
            old = Path(
                tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent)
            )
            os.replace(target, old / "content")
            os.replace(beside, target)
            shutil.rmtree(old)
        else:
            os.replace(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 `text` atomically."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` atomically as indented JSON; NaN and infinity raise a ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
