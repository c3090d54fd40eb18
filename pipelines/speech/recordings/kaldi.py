"""Data folders of Kaldi: wav.scp and text, with segments and utt2spk if there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.speech.recordings.recording import Entry
from pipelines.speech.recordings.utf8_lines import utf8_lines

RECORDINGS, TRANSCRIPTS, SEGMENTS, SPEAKERS = "wav.scp", "text", "segments", "utt2spk"


def is_kaldi(folder: Path) -> bool:
    """Whether the folder is a data folder of Kaldi."""
    return (folder / RECORDINGS).is_file()


def read_kaldi(folder: Path, report: DataReport) -> Iterator[Entry]:
    """Yields the utterances of a data folder of Kaldi, in the order of the file `text`.

    Paths in wav.scp are relative to the folder or, as in Kaldi, to the working directory. Where
    there are segments, the file `text` is about them. Transcripts of other utterances than those
    with a recording are reported and left out, and so are recordings without a transcript.

    Args:
        folder: folder with wav.scp and text, and optionally segments and utt2spk.
        report: report that receives what is left out.

    Raises:
        DataError: a file is missing or not UTF-8, a line does not have its fields, a name occurs
            twice, a segment is of an unknown recording, or wav.scp has a command or an archive in
            place of a file: commands are not run.
    """
    places = {name: _sound(folder, value, row) for name, value, row in _lines(folder, RECORDINGS)}
    segments = None
    if (folder / SEGMENTS).is_file():
        segments = {
            name: _segment(folder, value, row, places)
            for name, value, row in _lines(folder, SEGMENTS)
        }
    speakers = {}
    if (folder / SPEAKERS).is_file():
        speakers = {name: value for name, value, _ in _lines(folder, SPEAKERS)}
    if not (folder / TRANSCRIPTS).is_file():
        raise DataError(
            f"has {RECORDINGS} and no file {TRANSCRIPTS!r}", file=folder,
            advice="Write a line per utterance: its name, and what is said.",
        )  # fmt: skip
    untold = set(places if segments is None else segments)
    for name, words, row in _lines(folder, TRANSCRIPTS, may_be_empty=True):
        place = f"{TRANSCRIPTS} row {row}: {name}"
        if name not in untold:
            report.note("no recording", "dropped", place)
            continue
        untold.remove(name)
        recording, start, seconds = (name, None, None) if segments is None else segments[name]
        yield Entry(
            places[recording], words, speakers.get(name, ""), "", place, start, seconds
        )  # fmt: skip
    for name in sorted(untold):
        report.note("no transcript", "dropped", name)


def _lines(
    folder: Path, file: str, *, may_be_empty: bool = False
) -> Iterator[tuple[str, str, int]]:
    """Yields (name, rest of the line, row) of a file whose lines begin with names."""
    rows: dict[str, int] = {}
    for row, line in utf8_lines(folder / file):
        name, _, rest = line.strip().replace("\t", " ", 1).partition(" ")
        if not name:
            continue
        if name in rows:
            raise DataError(
                f"{name!r} is in row {rows[name]}, too", file=folder / file, row=row,
                advice="Keep one of the lines.",
            )  # fmt: skip
        rows[name] = row
        if not rest.strip() and not may_be_empty:
            raise DataError(f"has nothing after the name {name!r}", file=folder / file, row=row)
        yield name, rest.strip(), row


def _sound(folder: Path, value: str, row: int) -> Path:
    if value.endswith("|") or value.startswith("|"):
        raise DataError(
            "has a command in place of a file, which is not run", file=folder / RECORDINGS,
            row=row, advice="Convert the recordings to files, such as WAV, and name these.",
        )  # fmt: skip
    if not Path(value).suffix or ".ark:" in value:
        raise DataError(
            f"{value!r} is not a sound file", file=folder / RECORDINGS, row=row,
            advice="Archives are not read: write the recordings to sound files, and name these.",
        )  # fmt: skip
    beside = folder / value
    return beside if beside.exists() or not Path(value).exists() else Path(value)


def _segment(
    folder: Path, value: str, row: int, places: dict[str, Path]
) -> tuple[str, float, float | None]:
    """Recording, offset and length in seconds; None for everything up to the recording's end."""
    file = folder / SEGMENTS
    fields = value.split()
    if len(fields) != 3:
        raise DataError(
            f"has {len(fields) + 1} fields", file=file, row=row,
            advice="A line has four: utterance, recording, start and end in seconds.",
        )  # fmt: skip
    recording = fields[0]
    if recording not in places:
        raise DataError(f"{recording!r} is not in {RECORDINGS}", file=file, row=row)
    try:
        start, end = map(float, fields[1:])
    except ValueError:
        start = end = math.nan
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0:
        raise DataError(
            f"{fields[1]} to {fields[2]} are not seconds", file=file, row=row,
            advice="Write seconds with a decimal point, such as 12.5.",
        )  # fmt: skip
    # Kaldi writes -1 for the end of the recording.
    if end == -1:
        return recording, start, None
    if end <= start:
        raise DataError(f"ends at {end:g} s, and begins at {start:g} s", file=file, row=row)
    return recording, start, end - start
