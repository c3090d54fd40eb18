"""Folders of recordings: by a rule for the files' names, or as LibriSpeech lays them out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.data_report import DataReport
from pipelines.speech.audio.reading import EXTENSIONS
from pipelines.speech.recordings.recording import Entry, parse_part, stated_part

_FIELDS = ("transcript", "speaker", "index", "part")


def compile_rule(rule: str) -> re.Pattern[str]:
    """A rule for files' names as a regular expression.

    Args:
        rule: a pattern such as "{transcript}_{speaker}_{index}.wav", where each field takes as
            little as it can and no "/"; or a regular expression with the named groups
            "transcript" and maybe "speaker" and "part", such as
            r"(?P<speaker>[^/]+)/(?P<transcript>.+)_\\d+\\.flac". Either must match the whole path
            relative to the folder, with "/" between its parts.

    Raises:
        ConfigurationError: it is neither, or names no transcript.
    """
    if "(?P<" in rule:
        expression = rule
    else:
        pieces = re.split(r"(\{[^{}]*\})", rule)
        expression = "".join(_piece(piece, rule) for piece in pieces)
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ConfigurationError(
            f"naming rule {rule!r} is not a regular expression: {error}"
        ) from None
    if "transcript" not in compiled.groupindex:
        raise ConfigurationError(
            f"naming rule {rule!r} names no transcript: write it like "
            "'{transcript}_{speaker}_{index}.wav'"
        )
    return compiled


def _piece(piece: str, rule: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    name = piece[1:-1]
    if name not in _FIELDS:
        raise ConfigurationError(
            f"naming rule {rule!r} has the unknown field {piece}; there are "
            + ", ".join(f"{{{field}}}" for field in _FIELDS)
        )
    return f"(?P<{name}>[^/]+?)"


def read_named_folder(folder: str | Path, rule: str, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of a folder, whose files' names say what is said in them.

    Files that are no recordings by their name, and recordings whose names do not fit the rule, are
    reported and left out.

    Raises:
        ConfigurationError: see `compile_rule`.
        DataError: no file fits the rule, or a name says a part that there is not.
    """
    expression = compile_rule(rule)
    root = Path(folder)
    found = False
    first_unfit = ""
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        match = expression.fullmatch(name)
        if path.suffix.lower() not in EXTENSIONS and not match:
            report.note("wrong extension", "no recording by its name, left out", name)
            continue
        if not match:
            first_unfit = first_unfit or name
            report.note("name outside the rule", "dropped", name)
            continue
        found = True
        groups = match.groupdict()
        yield Entry(
            path, groups["transcript"] or "", groups.get("speaker") or "",
            stated_part(groups.get("part") or "", file=path), name,
        )  # fmt: skip
    if not found:
        example = f", such as {first_unfit!r}" if first_unfit else ""
        raise DataError(f"no file's name fits the rule {rule!r}{example}", file=root)


def is_librispeech(folder: str | Path) -> bool:
    """Whether the folder, or one in it, holds transcripts as LibriSpeech does."""
    return next(_transcript_files(Path(folder)), None) is not None


def read_librispeech(folder: str | Path) -> Iterator[Entry]:
    """Yields the recordings of LibriSpeech's layout (Panayotov et al. 2015).

    SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt holds lines of an utterance's name and its words; the
    recording is the FLAC (or other sound) file of that name beside it. A folder above that is
    called train..., dev... or test... says the part.
    """
    root = Path(folder)
    for transcripts in _transcript_files(root):
        # The nearest folder counts: the one above everything may be called anything.
        above = reversed(transcripts.relative_to(root.parent).parts[:-1])
        part = next((found for name in above if (found := parse_part(name))), "")
        speaker = transcripts.name.split("-")[0]
        try:
            lines = transcripts.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(
                f"is not UTF-8: {error}", file=transcripts, advice="Save it as UTF-8."
            ) from None
        for number, line in enumerate(lines, 1):
            name, _, words = line.strip().partition(" ")
            if name:
                place = f"{transcripts.relative_to(root).as_posix()} row {number}: {name}"
                yield Entry(_sound(transcripts.parent, name), words, speaker, part, place)


def _sound(folder: Path, name: str) -> Path:
    candidates = [folder / f"{name}{extension}" for extension in (".flac", *EXTENSIONS)]
    return next((path for path in candidates if path.exists()), candidates[0])


def _files(root: Path) -> Iterator[Path]:
    """All files below the folder in alphabetical order, but for hidden ones."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder) / name


def _transcript_files(root: Path) -> Iterator[Path]:
    return (path for path in _files(root) if path.name.endswith(".trans.txt"))
