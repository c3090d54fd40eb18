"""Lists of recordings: CSV, TSV and JSON Lines with a path, a transcript and maybe a speaker."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.speech.recordings import Entry, parse_part

EXTENSIONS = (".csv", ".tsv", ".jsonl", ".json", ".ndjson")

# The first name of each is ours; the others are those of Common Voice, NeMo and others.
_COLUMNS = {
    "path": ("path", "audio_filepath", "audio", "file", "filename", "wav"),
    "transcript": ("transcript", "text", "sentence", "transcription", "normalized_text"),
    "speaker": ("speaker", "speaker_id", "client_id", "user"),
    "part": ("part", "split"),
}


def read_manifest(path: str | Path, report: DataReport) -> Iterator[Entry]:
    """Yields the entries of a list of recordings.

    Columns (keys, in JSON Lines): path, transcript, and optionally speaker and part ("train",
    "validation", "test"); other columns are ignored. Paths are relative to the list's folder, or
    to a folder `clips` in it (as Common Voice has them).

    Raises:
        DataError: the list cannot be read: not UTF-8, no header, a needed column missing.
    """
    file = Path(path)
    rows = _json_rows(file) if file.suffix.lower() not in (".csv", ".tsv") else _rows(file)
    folder, clips = file.parent, file.parent / "clips"
    found = False
    for number, row in rows:
        found = True
        sound = str(row.get("path") or "").strip()
        place = f"{file.name} row {number}"
        if not sound:
            report.note("no path", "dropped", place)
            continue
        where = folder / sound
        if not where.exists() and (clips / sound).exists():
            where = clips / sound
        yield Entry(
            path=where,
            transcript=str(row.get("transcript") or ""),
            speaker=str(row.get("speaker") or "").strip(),
            part=parse_part(str(row.get("part") or "")),
            place=f"{place}: {sound}",
        )
    if not found:
        raise DataError("the list holds no recording", file=file)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    # Common Voice's TSV files hold quotation marks that open and close nothing.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)
            header = [name.strip() for name in next(reader, [])]
            columns = _columns(header, file)
            for cells in reader:
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"has {len(cells)} fields, the header {len(header)}",
                        file=file, row=reader.line_num,
                        advice="Put texts that hold the delimiter in quotation marks.",
                    )  # fmt: skip
                yield reader.line_num, {ours: cells[at] for ours, at in columns.items()}
    except UnicodeDecodeError as error:
        raise DataError(f"cannot be read: {error}", file=file, advice="Save it as UTF-8.") from None
    except csv.Error as error:
        advice = "Look for a quotation mark that opens and does not close."
        raise DataError(f"is no CSV: {error}", file=file, advice=advice) from None


def _columns(header: list[str], file: Path) -> dict[str, int]:
    """Where our columns are."""
    lowered = [name.lower() for name in header]
    places = {
        ours: next(lowered.index(name) for name in names if name in lowered)
        for ours, names in _COLUMNS.items()
        if any(name in lowered for name in names)
    }
    for needed in ("path", "transcript"):
        if needed not in places:
            raise DataError(
                f"has no column {needed!r} among {', '.join(header) or 'none'}",
                file=file,
                advice="The first line names the columns: path, transcript and maybe speaker.",
            )
    return places


def _json_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with open(file, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (json.JSONDecodeError, RecursionError) as error:
                    raise DataError(f"is no JSON: {error}", file=file, row=number) from None
                if not isinstance(row, Mapping):
                    raise DataError("is no JSON object", file=file, row=number)
                yield number, _ours(row, file, number)
    except UnicodeDecodeError as error:
        raise DataError(f"cannot be read: {error}", file=file, advice="Save it as UTF-8.") from None


def _ours(row: Mapping[str, Any], file: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for ours, names in _COLUMNS.items():
        for name in names:
            if name in row:
                found[ours] = row[name]
                break
    for needed in ("path", "transcript"):
        if needed not in found:
            raise DataError(
                f"has no key {needed!r} among {', '.join(row) or 'none'}", file=file, row=number
            )
    return found
