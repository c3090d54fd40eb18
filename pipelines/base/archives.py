"""Paths of files inside ZIP archives, written as ARCHIVE.zip/INNER/NAME."""

from __future__ import annotations

from pathlib import Path


def split_archive(path: str | Path) -> tuple[Path, str]:
    """The archive and the name inside it of a path that leads into a file.

    Args:
        path: path of a file, such as "texts.txt", or of one in an archive, as "texts.zip/a/b.txt".

    Returns:
        The path of the archive and the name inside; the path itself and "" if no folder of the path
        is a file.
    """
    path = Path(path)
    if not path.exists():
        for parent in path.parents:
            if parent.is_file():
                return parent, path.relative_to(parent).as_posix()
    return path, ""
