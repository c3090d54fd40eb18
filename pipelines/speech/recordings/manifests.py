"""Lists of recordings: CSV, TSV and JSON with path, transcript and optional columns."""

from __future__ import annotations

import json
import logging
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipelines.base.errors import DataError
from pipelines.base.stated_columns import nearest_columns
from pipelines.data_report import DataReport
from pipelines.speech.recordings.csv_rows import csv_rows
from pipelines.speech.recordings.json_records import json_records
from pipelines.speech.recordings.recording import Entry, stated_part
from pipelines.tokenizers.tokenizer import utf8

_log = logging.getLogger(__name__)

EXTENSIONS = (".csv", ".tsv", ".jsonl", ".json", ".ndjson")

# The first name of each column is ours; the others are from Common Voice, NeMo, DeepSpeech,
# SpeechBrain, ...
_COLUMNS = {
    "path": ("path", "audio_filepath", "audio", "file", "filename", "file_name", "wav_filename",
             "wav"),
    "transcript": ("transcript", "text", "sentence", "transcription", "normalized_text",
                   "wrd", "words"),
    "speaker": ("speaker", "speaker_id", "client_id", "user", "spk_id"),
    "part": ("part", "split"),
    "offset": ("offset", "start", "start_time", "begin"),
    "duration": ("duration", "duration_seconds"),
    "end": ("end", "end_time", "stop"),
}  # fmt: skip
PATH_COLUMNS = _COLUMNS["path"]
_NEEDED = ("path", "transcript")
_ROLES = {"audio": "path", "text": "transcript"}
"""The names of our columns by role, where they differ."""

NO_COLUMNS: Mapping[str, str] = MappingProxyType({})
"""No column is stated: the names tell what they hold."""
# Columns that seem to state a place in a file in a way that is not supported.
_PLACE_IN_FILE = re.compile(
    r"(audio[_ ])?(start|begin|end|stop|offset|onset)([_ .-]?(ms|msecs?|millis(econds)?|s|secs?|"
    r"seconds|samples?|frames?|time|times?_?ms))?"
)
_DATA_ROOT = re.compile(r"^(\$\{?|\{)(data_root|data_folder|root)\}?/")
_DELIMITERS = (",", "\t", ";", "|")
_CLOSE_SECONDS = 0.05


def read_manifest(
    path: str | Path, report: DataReport, columns: Mapping[str, str] = NO_COLUMNS
) -> Iterator[Entry]:
    """Yields the entries of a list of recordings.

    The columns (in JSON, keys) are path and transcript, and optionally speaker, part
    ("train", "validation", "test"), and for a segment of a file offset, duration or end, in
    seconds. Other columns are ignored. Paths are relative to the folder of the list, or to a folder
    `clips` in it (as in Common Voice).

    Args:
        path: path of the list.
        report: report that receives what is dropped.
        columns: columns of the list by their roles (audio, text, speaker, ...), for names that are
            not recognised.

    Raises:
        DataError: the list is not UTF-8, has no header, lacks a needed or stated column or has two
            columns of the same name; a quotation mark is not closed; or a cell does not fit its
            column or holds half of a character.
    """
    file = Path(path)
    stated = {_ROLES.get(role, role): name for role, name in columns.items()}
    rows = _json_rows(file, report, stated)
    if file.suffix.lower() in (".csv", ".tsv"):
        rows = _rows(file, report, stated)
    empty = True
    for number, row in rows:
        empty = False
        sound = _text(row, "path", file, number).strip()
        place = f"{file.name} row {number}"
        if not sound:
            report.note("no path", "dropped", place)
            continue
        transcript = _text(row, "transcript", file, number)
        offset, seconds = _segment(row, file, number)
        yield Entry(
            path=_sound_file(file.parent, sound, transcript),
            transcript=transcript,
            speaker=_text(row, "speaker", file, number).strip(),
            part=stated_part(
                _text(row, "part", file, number), file=file, row=number, column="part"
            ),
            place=f"{place}: {sound}",
            offset=offset,
            seconds=seconds,
        )
    if empty:
        raise DataError("the list has no recording", file=file)


def _sound_file(folder: Path, sound: str, transcript: str) -> Path:
    """The file that a list names.

    Raises:
        DataError: the transcript is the name of a file, and the path is not.
    """
    # SpeechBrain's lists begin paths with a variable for the folder of the data.
    sound = _DATA_ROOT.sub("", sound)
    spellings = [sound, sound.replace("\\", "/")]
    # macOS writes accents in file names as separate characters, other systems do not.
    for form in ("NFC", "NFD"):
        spellings += [unicodedata.normalize(form, name) for name in spellings[:2]]
    for name in dict.fromkeys(spellings):
        for where in (folder / name, folder / "clips" / name):
            if where.exists():
                return where
    said = transcript.strip()
    if said and len(said) < 255 and "\0" not in said and (folder / said).is_file():
        raise DataError(
            f"the transcript {said!r} is a file, and the path {sound!r} is not",
            file=folder / said,
            advice="Path and transcript are swapped: correct the first line of the list.",
        )
    return folder / sound


def _text(row: Mapping[str, Any], ours: str, file: Path, number: int) -> str:
    value = row.get(ours)
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value)
        if not text.isascii():
            # JSON can write half of a character, as "\\ud83d".
            utf8(text, file, number)
        return text
    raise DataError(
        f"has {json.dumps(value, ensure_ascii=False, default=str)[:60]}, which is not a text",
        file=file, row=number, column=ours,
    )  # fmt: skip


def _segment(row: Mapping[str, Any], file: Path, number: int) -> tuple[float | None, float | None]:
    """Offset and length of the recording in seconds; None for what the list does not state."""
    offset, seconds, end = (
        _seconds(row.get(name), name, file, number) for name in ("offset", "duration", "end")
    )
    if end is not None:
        lasts = end - (offset or 0.0)
        if seconds is not None and abs(lasts - seconds) > _CLOSE_SECONDS:
            raise DataError(
                f"ends at {end:g} s and lasts {seconds:g} s from {offset or 0:g} s on: they "
                "contradict each other", file=file, row=number,
                advice="Offset and end are in seconds from the beginning of the file.",
            )  # fmt: skip
        offset, seconds = offset or 0.0, lasts if seconds is None else seconds
    if seconds is not None and seconds <= 0:
        raise DataError(f"lasts {seconds:g} s", file=file, row=number)
    return offset, seconds


def _seconds(value: Any, name: str, file: Path, number: int) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        seconds = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise DataError(
            f"{value!r} is not a number of seconds", file=file, row=number, column=name,
            advice="Write seconds with a decimal point, such as 12.5.",
        )  # fmt: skip
    return seconds


def _rows(
    file: Path, report: DataReport, stated: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            delimiter = _delimiter(first, file, stated)
            lines.seek(0)
            # The TSV files of Common Voice have quotation marks that are part of the text.
            table = csv_rows(lines, file, delimiter, quoted=delimiter != "\t")
            _, names = next(table, (1, []))
            header = [name.strip() for name in names]
            columns = _columns(header, file, report, stated)
            for number, cells in table:
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"has {len(cells)} fields, but the header has {len(header)}",
                        file=file, row=number,
                        advice="Put texts that contain the delimiter in quotation marks.",
                    )  # fmt: skip
                yield number, {ours: cells[at] for ours, at in columns.items()}
    except UnicodeDecodeError as error:
        raise _encoding(file, error) from None


def _delimiter(header: str, file: Path, stated: Mapping[str, str]) -> str:
    """The delimiter: by the ending of the file's name, unless the header fits another one."""
    usual = "\t" if file.suffix.lower() == ".tsv" else ","
    names = {name for names in _COLUMNS.values() for name in names}
    names |= {name.lower() for name in stated.values()}

    def known(delimiter: str) -> int:
        return len({name.strip().strip('"').lower() for name in header.split(delimiter)} & names)

    return max((usual, *_DELIMITERS), key=lambda mark: (known(mark), mark == usual))


def _encoding(file: Path, error: UnicodeDecodeError) -> DataError:
    with open(file, "rb") as content:
        head = content.read(2)
    encoding = "UTF-16" if head in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
    return DataError(
        f"is not UTF-8 but {encoding}: {error.reason} at byte {error.start}", file=file,
        advice="Save it as UTF-8 (in Excel: CSV UTF-8).",
    )  # fmt: skip


def _columns(
    header: Sequence[str], file: Path, report: DataReport, stated: Mapping[str, str]
) -> dict[str, int]:
    """The numbers of our columns."""
    lowered = [name.lower() for name in header]
    wanted = {ours: _as_written(name, header).lower() for ours, name in stated.items()}
    names = _names(lowered, file, report, wanted)
    for needed in _NEEDED:
        if needed not in names:
            raise DataError(
                f"has no column {needed!r} among {', '.join(header) or 'none'}",
                file=file,
                advice="The first line names the columns: path, transcript and optionally speaker."
                + _advice_on_layout(header, file),
            )
    for ours, name in names.items():
        if lowered.count(name) > 1:
            raise DataError(
                f"has {lowered.count(name)} columns {name!r}", file=file, column=ours,
                advice="Keep only one of them.",
            )  # fmt: skip
    return {ours: lowered.index(name) for ours, name in names.items()}


def _advice_on_layout(header: Sequence[str], file: Path) -> str:
    """What to name instead if the list is one of a folder that is recognised as a whole."""
    if "|" not in "".join(header) or not (file.parent / "wavs").is_dir():
        return ""
    return f" A folder in the layout of LJSpeech is named itself: file:{file.parent}."


def _as_written(name: str, columns: Sequence[str]) -> str:
    """The column that a name means: capital letters count only where they tell columns apart."""
    same = [column for column in columns if column.lower() == name.lower()]
    return same[0] if name not in columns and len(same) == 1 else name


def _names(
    columns: Sequence[str],
    file: Path,
    report: DataReport | None,
    stated: Mapping[str, str],
    row: int | None = None,
) -> dict[str, str]:
    """The name that each of our columns has in the list.

    Raises:
        DataError: a stated column is missing, or a name seems to state a place in a file in a way
            that is not supported.
    """
    for ours, name in stated.items():
        if name not in columns:
            role = next((role for role, column in _ROLES.items() if column == ours), ours)
            raise DataError(
                f"has no column {name!r}, which column {role} names",
                file=file,
                row=row,
                advice=nearest_columns(name, columns),
            )
    known = {name for names in _COLUMNS.values() for name in names} | set(stated.values())
    for name in columns:
        if _PLACE_IN_FILE.fullmatch(name) and name not in known:
            raise DataError(
                f"has the column {name!r}, which seems to be a place in the recording", file=file,
                advice="Segments have the columns offset and duration, or offset and end, in "
                "seconds. Convert and rename the column, or remove it.",
            )  # fmt: skip
    chosen = dict(stated)
    taken = set(stated.values())
    for ours, names in _COLUMNS.items():
        candidates = [name for name in names if name in columns and name not in taken]
        if not candidates or ours in stated:
            continue
        chosen[ours] = candidates[0]
        if len(candidates) > 1 and report is not None:
            kind = f"several columns that could be the {ours}"
            report.note(kind, f"{candidates[0]!r} is read", ", ".join(candidates[1:]))
    if report is not None and any(name != ours for ours, name in chosen.items()):
        told = ", ".join(f"{name!r} as the {ours}" for ours, name in chosen.items())
        _log.info("%s: the columns are read as follows: %s.", file, told)
    return chosen


def _json_rows(
    file: Path, report: DataReport, stated: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    keys: dict[tuple[str, ...], dict[str, str]] = {}
    try:
        for number, row in json_records(file):
            present = tuple(row)
            if present not in keys:
                keys[present] = _keys(present, file, number, None if keys else report, stated)
            yield number, {ours: row[name] for ours, name in keys[present].items()}
    except UnicodeDecodeError as error:
        raise _encoding(file, error) from None


def _keys(
    present: tuple[str, ...],
    file: Path,
    number: int,
    report: DataReport | None,
    stated: Mapping[str, str],
) -> dict[str, str]:
    wanted = {ours: _as_written(name, present) for ours, name in stated.items()}
    # Any record may lack what is optional, but the first one shows what there is.
    there = {k: v for k, v in wanted.items() if k in _NEEDED or report is not None or v in present}
    names = _names(present, file, report, there, number)
    for needed in _NEEDED:
        if needed not in names:
            raise DataError(
                f"has no key {needed!r} among {', '.join(present) or 'none'}", file=file, row=number
            )
    return names
