"""What belongs to a run: its parts with their checksums in run.json, exchanged as one.

run.json is the mark by which a folder is known as a run. It has the SHA-256 of each file that
training wrote and that a later step relies on, in two groups: "begun_with", which stays for the
life of the run (configuration, vocabularies, what is known of the data), and "result" (the trained
model and what is computed from it). A run of an earlier version has neither group.

Files are exchanged in three steps, so that a kill at any moment is noticed and nothing is mixed:
the new files are written into a folder next to them, run.json says which are about to be
"replacing" the old ones, they are renamed into place, and run.json says that they are there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json, writing
from pipelines.base.checksums import sha256
from pipelines.base.errors import UserError
from rnn_apps import __version__

BEGUN_WITH = "begun_with"
RESULT = "result"
GROUPS = (BEGUN_WITH, RESULT)
MARK = "run.json"
_PREFIX, _SUFFIX = ".parts.", ".partial"
_TRIES = 5


@dataclass(frozen=True)
class Mark:
    """The content of a run's run.json.

    Args:
        application: name of the application, as it is typed on the command line.
        version: version of the toolkit that wrote the run.
        parts: SHA-256 of the files of each group, by path relative to the folder; None for a run
            of an earlier version, which has no checksums.
        replacing: group and checksums of an exchange that is under way or was interrupted; None
            for none.
    """

    application: str
    version: str = __version__
    parts: Mapping[str, Mapping[str, str]] | None = field(
        default_factory=lambda: {group: {} for group in GROUPS}
    )
    replacing: tuple[str, Mapping[str, str]] | None = None

    def write(self, folder: Path) -> None:
        """Writes run.json, atomically."""
        content: dict[str, Any] = {"application": self.application, "rnn_apps": self.version}
        if self.parts is not None:
            content |= {group: dict(self.parts[group]) for group in GROUPS}
        if self.replacing is not None:
            content["replacing"] = {self.replacing[0]: dict(self.replacing[1])}
        write_json(folder / MARK, content)


def read_mark(folder: Path) -> Mark | None:
    """The content of run.json; None where there is no run.

    Raises:
        UserError: the file is damaged, or was written by a later version.
    """
    path = folder / MARK
    if not path.exists():
        return None
    content = read_json(path)
    known = {"application", "rnn_apps", "replacing", *GROUPS}
    groups = [content[group] for group in GROUPS if group in content]
    replacing = content.get("replacing")
    if (
        not set(content) <= known
        or "application" not in content
        or len(groups) not in (0, len(GROUPS))
        or not all(_are_checksums(group) for group in groups)
        or not (replacing is None or _is_replacing(replacing))
    ):
        raise UserError(
            f"{path} is damaged, or was written by a later version of the toolkit than "
            f"{__version__}. Put back the original, or train the run again in another folder"
        )
    return Mark(
        str(content["application"]),
        str(content.get("rnn_apps", "")),
        dict(zip(GROUPS, groups, strict=True)) if groups else None,
        None if replacing is None else next(iter(replacing.items())),
    )


def _are_checksums(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _is_replacing(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and set(value) <= set(GROUPS)
        and all(_are_checksums(v) for v in value.values())
    )


@contextlib.contextmanager
def replaced_parts(folder: Path, group: str, *, whole: bool = True) -> Iterator[Path]:
    """Yields a folder for new files of a group, and puts them into the run if the block succeeds.

    Args:
        folder: folder of the run, with its run.json.
        group: name of the group that the files belong to.
        whole: True if the new files are the whole group: old ones without a successor are removed.
    """
    with writing(folder / MARK), _staged(folder) as beside:
        yield beside
        new = checksums(beside)
        mark = read_mark(folder)
        assert mark is not None, "a run is marked before its parts are written"
        if mark.parts is None:
            _move(beside, folder, new)
            return
        old = _settled(folder, mark, group)
        if not whole:
            new = {**old, **new}
        if new != old:
            Mark(mark.application, __version__, mark.parts, (group, new)).write(folder)
        _move(beside, folder, checksums(beside))
        for name in sorted(set(old) - set(new)):
            (folder / name).unlink(missing_ok=True)
        if new != mark.parts[group] or mark.replacing is not None:
            Mark(mark.application, __version__, {**mark.parts, group: new}).write(folder)


@contextlib.contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    beside = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder))
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Removes a killed process's partial files; only for the holder of the run's lock."""
    for leftover in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        shutil.rmtree(leftover, ignore_errors=True)


def check_parts(folder: Path, groups: tuple[str, ...] = GROUPS) -> frozenset[str] | None:
    """Refuses a run of which a file is missing or is not the one that was written.

    Returns:
        The files of the groups, by path relative to the folder; None if there is no run, or one of
        an earlier version, which has no checksums.

    Raises:
        UserError: names the file and what can be done.
    """
    mark = read_mark(folder)
    for attempt in range(_TRIES):
        if mark is None or mark.parts is None:
            return None
        try:
            return frozenset(
                name for group in groups for name in _checked_group(folder, mark, group)
            )
        except UserError:
            # Another process may have exchanged the files while they were read.
            now = read_mark(folder)
            if now == mark or attempt == _TRIES - 1:
                raise
            mark = now
    return None


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by its path relative to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def record_parts(folder: Path) -> None:
    """Takes the files of a run as they are now for the right ones.

    For who has changed them on purpose, such as the data's address in a copied run's config.toml.
    """
    mark = read_mark(folder)
    if mark is None:
        raise UserError(f"{folder}: no run here")
    if mark.parts is None:
        # From a version that kept no checksums.
        return
    parts = {g: {n: sha256(folder / n) for n in mark.parts[g]} for g in GROUPS}
    Mark(mark.application, mark.version, parts).write(folder)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read as JSON: {reason}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object")
    return content


def _move(source: Path, folder: Path, names: Mapping[str, str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(source / name, folder / name)


def _settled(folder: Path, mark: Mark, group: str) -> Mapping[str, str]:
    """The checksums of a group, those of an interrupted exchange if it came to its end."""
    assert mark.parts is not None
    new = _exchanged(mark, group)
    if all(_checksum(folder / name) == checksum for name, checksum in new.items()):
        return new
    # All of it is replaced or removed, so that all of it has to be known.
    return {**mark.parts[group], **new}


def _exchanged(mark: Mark, group: str) -> Mapping[str, str]:
    """What an exchange of the group leads to; without one, what there is."""
    assert mark.parts is not None
    if mark.replacing is not None and mark.replacing[0] == group:
        return mark.replacing[1]
    return mark.parts[group]


def _checked_group(folder: Path, mark: Mark, group: str) -> Mapping[str, str]:
    """The checksums of a group, whose files all have them; see `check_parts`."""
    assert mark.parts is not None
    old, new = mark.parts[group], _exchanged(mark, group)
    actual = {name: _checksum(folder / name) for name in {**old, **new}}
    for complete in (new, old):
        if all(actual[name] == checksum for name, checksum in complete.items()):
            return complete
    if old and all(actual[name] in (old.get(name, ""), new.get(name)) for name in actual):
        raise UserError(
            f"{folder}: a training was stopped while it replaced the run's files: some are new, "
            f"some are old. Finish it with: rnn-apps {mark.application} train --run {folder} "
            "--resume"
        )
    name = next(name for name, checksum in old.items() if actual[name] != checksum)
    what = "is missing" if not actual[name] else (
        "is not the file that training wrote (its SHA-256 differs): it is damaged, or another one"
    )  # fmt: skip
    raise UserError(
        f"{folder / name} {what}. Put back the original from a copy of the run, or train again in "
        "another folder"
    )


def _checksum(path: Path) -> str:
    """As `sha256`; empty if there is no such file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return sha256(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
