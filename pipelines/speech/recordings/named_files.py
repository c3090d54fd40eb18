"""The recordings that a command line names: files, folders, patterns, and lists of files."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipelines.base.errors import UserError
from pipelines.speech.audio.reading import EXTENSIONS, is_recording

STANDARD_INPUT = "-"


def named_recordings(names: Sequence[str], standard_input: Iterable[str] = ()) -> list[str]:
    """The paths of sound files, in the order in which they are named, each once.

    Args:
        names: names of sound files; of folders, whose sound files are taken with those of their
            subfolders, also in formats that are refused, so that they are reported; patterns such
            as "calls/*.wav" or "calls/**/*.wav"; or "-" for the names in `standard_input`. A file
            that does not exist is kept, so that it is reported with its name.
        standard_input: lines with one such name each.

    Raises:
        UserError: a folder has no sound files, or no file fits a pattern.
    """
    found: list[str] = []
    for name in names:
        if name == STANDARD_INPUT:
            lines = (line.rstrip("\r\n") for line in standard_input)
            found += [path for line in lines if line.strip() for path in _paths(line)]
        else:
            found += _paths(name)
    if not found:
        raise UserError("standard input names no sound files: write one per line")
    return list(dict.fromkeys(found))


def _paths(name: str) -> list[str]:
    path = Path(name)
    if path.is_dir():
        if files := list(_sounds(path)):
            return files
        raise UserError(f"{name}: the folder has no sound files ({', '.join(EXTENSIONS)})")
    if path.exists() or not glob.has_magic(name):
        return [name]
    # Patterns may be absolute, which `Path.glob` refuses.
    fitting = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
    files = [one for one in fitting if Path(one).is_file()]
    if not files:
        raise UserError(f"{name}: no file fits this pattern")
    return files


def _sounds(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if is_recording(path) and path.is_file() and not hidden:
            yield str(path)
