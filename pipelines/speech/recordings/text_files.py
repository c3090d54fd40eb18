"""Folders in which x.txt is what is said in x.wav, also with times as in Audacity and TIMIT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.speech.audio.audio_error import AudioError
from pipelines.speech.audio.reading import is_recording, read_header
from pipelines.speech.recordings.folders import files_below
from pipelines.speech.recordings.recording import Entry, parse_part
from pipelines.speech.recordings.utf8_lines import utf8_lines

# Audacity lets a label begin before the sound, and writes a small number with an exponent.
_SECONDS = r"(-?\d+(?:[.,]\d+)?(?:[eE]-?\d+)?)"
_LABEL = re.compile(rf"{_SECONDS}\t{_SECONDS}(?:\t(.*))?")
# Two numbers with a fraction before the words: a label track whose tabs became spaces.
_SPACED = re.compile(r"-?\d+[.,]\d+ +\d+[.,]\d+ .*\D.*")
# A line that begins so states the frequencies of the label before it.
_FREQUENCIES = "\\"
_TIMIT_RATE = 16000
_SAMPLES = re.compile(r"(\d+) (\d+) (.+)")

_TEXTS = (".txt", ".TXT")

Lines = Sequence[tuple[int, str]]


def has_text_files(folder: Path) -> bool:
    """Whether a sound file of the folder or of its subfolders has a text file of its name."""
    return any(is_recording(path) and _text_of(path) is not None for path in files_below(folder))


def read_text_files(folder: Path, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of a folder in which x.txt is what is said in x.wav.

    A text file may be a label track of Audacity, where each line has the beginning and the end of a
    segment in seconds; each is a recording. Where it is a line of TIMIT, the numbers of the first
    and the last sample before the words are left out, also if the sound has another sample rate
    since. If a folder above is called train..., dev...
    or test..., it states the part.

    Args:
        folder: folder of the recordings, with its subfolders.
        report: report that receives recordings without a text file, and text files without a
            recording.

    Raises:
        DataError: a text file is not UTF-8, or has times in some of its lines.
    """
    files = list(files_below(folder))
    sounds = [path for path in files if is_recording(path)]
    _note_silent_texts(folder, files, sounds, report)
    for path in sounds:
        place, text = path.relative_to(folder).as_posix(), _text_of(path)
        if text is None:
            report.note("no transcript", "dropped", place)
            continue
        above = reversed(path.relative_to(folder).parts[:-1])
        part = next(filter(None, map(parse_part, above)), "")
        lines = [(row, line) for row, line in utf8_lines(text) if line.strip()]
        entry = Entry(path, " ".join(line for _, line in lines), "", part, place)
        if any(_LABEL.fullmatch(line) for _, line in lines):
            yield from _segments(entry, lines, text, report)
        elif len(lines) == 1 and _is_timit(lines[0][1], path):
            report.note("numbers of samples before the words", "left out", place)
            yield replace(entry, transcript=lines[0][1].split(" ", 2)[2])
        elif lines and all(_SPACED.match(line) for _, line in lines):
            raise DataError(
                "begins with two times, as a label track does, but without tabs between them",
                file=text, row=lines[0][0],
                advice="A label track has BEGINNING, a tab, END, a tab, WORDS on each line; a "
                "transcript has no times.",
            )  # fmt: skip
        else:
            yield entry


def _note_silent_texts(
    folder: Path, files: Sequence[Path], sounds: Sequence[Path], report: DataReport
) -> None:
    """Reports the text files that belong to no recording."""
    heard = {path.with_suffix("") for path in sounds}
    for path in files:
        if path.suffix in _TEXTS and path.with_suffix("") not in heard:
            report.note("no recording", "dropped", path.relative_to(folder).as_posix())


def _text_of(path: Path) -> Path | None:
    """The text file of a recording; None if there is none."""
    candidates = (path.with_suffix(ending) for ending in _TEXTS)
    return next((one for one in candidates if one.is_file()), None)


def _segments(entry: Entry, lines: Lines, text: Path, report: DataReport) -> Iterator[Entry]:
    """The recordings that the labels of a track of Audacity tell apart."""
    for row, line in lines:
        if line.startswith(_FREQUENCIES):
            continue
        label = _LABEL.fullmatch(line)
        if label is None:
            raise DataError(
                "has no times, unlike other lines", file=text, row=row,
                advice="A label track has BEGINNING, a tab, END, a tab, WORDS on each line; a "
                "transcript has no times.",
            )  # fmt: skip
        begin, end = (max(0.0, float(label[n].replace(",", "."))) for n in (1, 2))
        place = f"{entry.place}, {text.name} row {row}"
        if end <= begin:
            report.note("label without a length", "dropped", place)
            continue
        yield replace(
            entry, transcript=label[3] or "", place=place, offset=begin, seconds=end - begin
        )


def _is_timit(line: str, path: Path) -> bool:
    """Whether the numbers before the words are those of the recording's first and last sample."""
    found = _SAMPLES.fullmatch(line)
    if found is None or found[1] != "0":
        return False
    try:
        sound = read_header(path)
    except AudioError:
        return False
    ends = sound.samples, sound.samples / sound.sample_rate * _TIMIT_RATE
    return any(abs(int(found[2]) - samples) <= 0.02 * samples for samples in ends)
