"""The files of folders: text files, or files of chosen endings, such as those of source code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.text.packing import ENDINGS

SUFFIXES = (".txt", ".text", ".tokens")
"""Endings of the text files in a folder, before that of a compression; a file that the user names
may have any ending."""

_PARTS = re.compile(r"(?:^|[^a-z])(train|training|val|valid|validation|dev|test)(?:[^a-z]|$)")


def files_of(paths: Sequence[str | Path], endings: Sequence[str] = ()) -> list[Path]:
    """The files that are named, and those of each folder that is named, sorted by path.

    Args:
        paths: paths of files and folders.
        endings: endings of the files to read in a folder; empty for `SUFFIXES`.

    Raises:
        DataError: a folder has no such file, or has parts of a data set that must not be mixed.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        files += _files_of_folder(path, tuple(endings)) if path.is_dir() else [path]
    return files


def _files_of_folder(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
    wanted = tuple(one.lower() for one in endings) or SUFFIXES
    texts = [path for path in files if _without_packing(path).endswith(wanted)]
    if not texts:
        there = f"it has {', '.join(p.name for p in files[:3])}" if files else "it is empty"
        raise DataError(
            f"the folder holds no text ({', '.join(wanted)}): {there}",
            file=folder,
            advice=_endings_advice(files),
        )
    if not endings:
        # In a folder of source code, train.py and test.py are no parts of a data set.
        refuse_mixed_parts(folder, texts)
    return texts


def _without_packing(path: Path) -> str:
    name = path.name.lower()
    return name.rpartition(".")[0] if name.endswith(ENDINGS) else name


def _endings_advice(files: Sequence[Path]) -> str:
    """Advice for a folder without text: the ending that most of its files have."""
    counts = Counter(Path(_without_packing(path)).suffix for path in files)
    counts.pop("", None)
    if not counts:
        return "Name the files themselves if they are text: file:PATH,PATH."
    usual = counts.most_common(1)[0][0]
    return (
        f"Choose the endings of the files to read, such as --file-endings {usual}; or name the "
        "files themselves: file:PATH,PATH."
    )


def refuse_mixed_parts(folder: Path, texts: Sequence[Path]) -> None:
    """Refuses train.txt and test.txt side by side, which must not be read as one text.

    Args:
        folder: path of the folder or archive that holds them.
        texts: paths of the texts, below `folder`.

    Raises:
        DataError: there are texts for training and others.
    """
    parts: dict[str, Path] = {}
    for path in texts:
        match = _PARTS.search(str(path.relative_to(folder)).lower())
        if match:
            parts.setdefault(match.group(1)[:5].replace("dev", "val")[:3], path)
    if "tra" in parts and len(parts) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in parts.values())
        raise DataError(
            f"{'the folder' if folder.is_dir() else 'the ZIP file'} holds the parts of a data set, "
            f"which must not be mixed: {names}",
            file=folder,
            advice="Name them separately: the training files as data, the others as validation and "
            f"test, such as file:{parts['tra']}.",
        )
