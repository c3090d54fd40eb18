"""Folders of recordings: with a rule for the names of the files, or as LibriSpeech."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.data_report import DataReport
from pipelines.speech.audio.foreign_files import FOREIGN_EXTENSIONS
from pipelines.speech.audio.reading import EXTENSIONS, in_any_case, is_recording
from pipelines.speech.recordings.recording import Entry, parse_part, stated_part
from pipelines.speech.recordings.utf8_lines import utf8_lines

_FIELDS = ("transcript", "speaker", "index", "part")


def compile_rule(rule: str) -> re.Pattern[str]:
    """Turns a rule for files' names into a regular expression.

    Args:
        rule: a pattern such as "{transcript}_{speaker}_{index}.wav", where each field matches as
            little as possible and no "/"; or a regular expression with the named groups
            "transcript" and optionally "speaker" and "part", such as
            r"(?P<speaker>[^/]+)/(?P<transcript>.+)_\\d+\\.flac". Either must match the whole path
            relative to the folder, with "/" between its parts.

    Raises:
        ConfigurationError: the rule is neither, or names no transcript.
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
            f"naming rule {rule!r} has the unknown field {piece}. Available: "
            + ", ".join(f"{{{field}}}" for field in _FIELDS)
        )
    return f"(?P<{name}>[^/]+?)"


def read_named_folder(folder: str | Path, rule: str, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of a folder whose files' names contain the transcripts.

    Files whose ending is not that of a recording, and recordings whose names do not match the rule,
    are reported and left out.

    Args:
        folder: folder of the recordings, with its subfolders.
        rule: rule for the files' names; see `compile_rule`.
        report: report that receives what is left out.

    Raises:
        ConfigurationError: see `compile_rule`.
        DataError: no file matches the rule, or a name states a part that does not exist.
    """
    expression = compile_rule(rule)
    root = Path(folder)
    empty = True
    first_unfit = ""
    for path in files_below(root):
        name = path.relative_to(root).as_posix()
        match = expression.fullmatch(name)
        if path.suffix.lower() not in EXTENSIONS and not match:
            report.note("wrong extension", "not a recording by its name, left out", name)
            continue
        if not match:
            first_unfit = first_unfit or name
            report.note("name outside the rule", "dropped", name)
            continue
        empty = False
        groups = match.groupdict()
        yield Entry(
            path, groups["transcript"] or "", groups.get("speaker") or "",
            stated_part(groups.get("part") or "", file=path), name,
        )  # fmt: skip
    if empty:
        example = f", such as {first_unfit!r}" if first_unfit else ""
        raise DataError(f"no file's name matches the rule {rule!r}{example}", file=root)


def is_librispeech(folder: str | Path) -> bool:
    """Whether the folder or one of its subfolders has transcripts in the format of LibriSpeech."""
    return next(_transcript_files(Path(folder)), None) is not None


def read_librispeech(folder: str | Path, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of a folder in the layout of LibriSpeech (Panayotov et al. 2015).

    Each line of SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt has the name of an utterance and its
    words; the recording is the FLAC (or other sound) file of that name in the same folder. If a
    folder above is called train..., dev... or test..., it states the part.

    Args:
        folder: folder of the recordings, with its subfolders.
        report: report that receives recordings without a transcript.
    """
    root = Path(folder)
    told: list[Path] = []
    for transcripts in _transcript_files(root):
        # The nearest folder counts, since the topmost folder may have any name.
        above = reversed(transcripts.relative_to(root.parent).parts[:-1])
        part = next(filter(None, map(parse_part, above)), "")
        speaker = transcripts.name.split("-")[0]
        for number, line in utf8_lines(transcripts):
            name, _, words = line.strip().partition(" ")
            if name:
                place = f"{transcripts.relative_to(root).as_posix()} row {number}: {name}"
                told.append(_sound(transcripts.parent, name))
                yield Entry(told[-1], words, speaker, part, place)
    note_untold(root, told, report)


def _sound(folder: Path, name: str) -> Path:
    endings = in_any_case((".flac", *EXTENSIONS, *FOREIGN_EXTENSIONS))
    candidates = [folder / f"{name}{ending}" for ending in endings]
    return next((path for path in candidates if path.exists()), candidates[0])


def files_below(root: Path) -> Iterator[Path]:
    """All files of the folder and its subfolders in alphabetical order, without hidden ones."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder) / name


def note_untold(
    folder: Path, told: Iterable[Path], report: DataReport, root: Path | None = None
) -> None:
    """Reports the recordings of a folder that have no transcript.

    Args:
        folder: folder of the recordings, with its subfolders.
        told: paths of the recordings with a transcript; the same recording in another format beside
            one of them has the transcript, too.
        report: report that receives the others.
        root: folder that places are named from; None for `folder`.
    """
    known = {os.path.abspath(path.with_suffix("")) for path in told}  # noqa: PTH100
    for path in files_below(folder):
        if is_recording(path) and os.path.abspath(path.with_suffix("")) not in known:  # noqa: PTH100
            place = path.relative_to(root or folder).as_posix()
            report.note("no transcript", "dropped", place)


def _transcript_files(root: Path) -> Iterator[Path]:
    return (path for path in files_below(root) if path.name.endswith(".trans.txt"))
