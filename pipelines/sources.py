"""One way to name data for all applications: file:PATH, tfds:NAME, builtin:NAME."""

from __future__ import annotations

import difflib
import glob
import stat
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.archives import split_archive
from pipelines.base.errors import DataError

KINDS = {
    "file": "file:PATH[,PATH]",
    "tfds": "tfds:NAME[/CONFIG][@SPLIT]",
    "builtin": "builtin:NAME",
}


@dataclass(frozen=True)
class Source:
    """The name of a data set, read.

    Attributes:
        kind: "file", "tfds" or "builtin".
        paths: paths of the files, in the order in which they were named.
        name: name of the built-in data, or of the TensorFlow dataset with its config and version.
        split: split of the TensorFlow dataset, such as "train" or "train[:80%]"; "" if none was
            named.
    """

    kind: str
    paths: tuple[str, ...] = ()
    name: str = ""
    split: str = ""

    def __str__(self) -> str:
        if self.kind == "file":
            return f"file:{','.join(self.paths)}"
        return f"{self.kind}:{self.name}" + (f"@{self.split}" if self.split else "")


def parse_source(text: str, *, folders: bool = False, archives: bool = False) -> Source:
    """Reads the name of a source and checks that the files it names are there.

    Whether built-in data of this name exists, or a TensorFlow dataset is prepared, is known to the
    functions that load them: they refuse a name that they do not know.

    Args:
        text: name of the source: "file:PATH[,PATH]", "tfds:NAME[/CONFIG][@SPLIT]" or
            "builtin:NAME". A comma separates paths unless a file of exactly that name exists; a
            path may be a pattern, such as "data/*.txt" or "data/**/*.py".
        folders: True to allow paths of folders as well as of files.
        archives: True to allow paths of files inside ZIP archives, as "texts.zip/train.txt".

    Raises:
        DataError: the text has none of these forms, or a file does not exist, is a folder, cannot
            be read or is empty.
    """
    kind, colon, rest = text.strip().partition(":")
    if not text.strip():
        raise DataError("no data is named", advice=_advice())
    if not colon or kind not in KINDS:
        raise _unknown_kind(text.strip(), kind if colon else "")
    if not rest.strip():
        raise DataError(f"{text.strip()!r} names no data", advice=f"Write {KINDS[kind]}.")
    if kind == "file":
        return Source("file", paths=_paths(rest, folders, archives))
    if kind == "tfds":
        name, _, split = rest.partition("@")
        return Source("tfds", name=name, split=split)
    return Source("builtin", name=rest)


def _advice() -> str:
    return f"Write {', '.join(KINDS.values())}."


def _unknown_kind(text: str, kind: str) -> DataError:
    if Path(text).exists() or Path(text).suffix:
        return DataError(f"{text!r} does not say what it is", advice=f"Write file:{text}.")
    near = difflib.get_close_matches(kind, KINDS, 1)
    if near:
        return DataError(
            f"{kind!r} is not a kind of data", advice=f"Did you mean {KINDS[near[0]]}?"
        )
    return DataError(f"{text!r} names no data", advice=_advice())


def _paths(rest: str, folders: bool, archives: bool) -> tuple[str, ...]:
    if Path(rest).exists():
        paths = [rest]
    else:
        parts = [part.strip() for part in rest.split(",") if part.strip()]
        # A shell expands ~ only at the beginning of a word.
        paths = [path for part in parts for path in _expanded(str(Path(part).expanduser()))]
    for path in paths:
        if not (folders and Path(path).is_dir()):
            # Whether an archive holds a file of this name is known to the functions that open it.
            _check_file(str(split_archive(path)[0]) if archives else path)
    for number, path in enumerate(paths):
        if any(_same_file(path, other) for other in paths[:number]):
            raise DataError("is named twice", file=path, advice="Name each file once.")
    return tuple(paths)


def _same_file(first: str, second: str) -> bool:
    # Files inside archives are none of the file system's.
    inside = not (Path(first).exists() and Path(second).exists())
    return first == second if inside else Path(first).samefile(second)


def _expanded(path: str) -> list[str]:
    """The files that a pattern such as "data/*.txt" or "data/**/*.py" matches, sorted by path."""
    if not any(character in path for character in "*?[") or Path(path).exists():
        return [path]
    found = glob.iglob(path, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
    matching = sorted(one for one in found if Path(one).is_file())
    if not matching:
        raise DataError(
            "no file matches this pattern",
            file=path,
            advice="In a pattern * stands for any part of a name, and ** for any folders.",
        )
    return matching


def _check_file(path: str) -> None:
    try:
        if Path(path).is_dir():
            raise DataError("is a folder, not a file", file=path, advice="Name the file in it.")
        if not Path(path).exists():
            raise DataError("the file does not exist", file=path, advice=_near_files(path))
        require_regular(path)
        if Path(path).stat().st_size == 0:
            raise DataError("the file is empty", file=path)
        with open(path, "rb"):
            pass
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None


def require_regular(path: str | Path) -> None:
    """Refuses what can be read only once, such as a pipe: data are read several times.

    Raises:
        DataError: the path names a pipe, a device or a socket.
        OSError: the path names nothing.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode) and not Path(path).is_dir():
        raise DataError(
            "is a pipe or a device, which can be read only once",
            file=path,
            advice="Write its content to a file first.",
        )


def _near_files(path: str) -> str | None:
    folder = Path(path).parent
    if not folder.is_dir():
        return f"The folder {folder} does not exist either."
    near = difflib.get_close_matches(Path(path).name, [p.name for p in folder.iterdir()], 3)
    return f"Did you mean {', '.join(near)}?" if near else None
