"""Folders in the layouts of well-known collections: LJSpeech, VCTK, Common Voice, Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.speech.audio.foreign_files import FOREIGN_EXTENSIONS
from pipelines.speech.audio.reading import EXTENSIONS, in_any_case
from pipelines.speech.recordings.folders import files_below, note_untold
from pipelines.speech.recordings.manifests import PATH_COLUMNS, read_manifest
from pipelines.speech.recordings.recording import Entry, parse_part
from pipelines.speech.recordings.utf8_lines import utf8_lines

_LJSPEECH_LIST, _LJSPEECH_SOUNDS = "metadata.csv", "wavs"
_VCTK_TEXTS = "txt"
_VCTK_SOUNDS = ("wav48_silence_trimmed", "wav48", "wav")
_VCTK_MICROPHONES = ("", "_mic1", "_mic2")
_COMMON_VOICE_SOUNDS = "clips"
_COMMON_VOICE_PARTS = ("train.tsv", "dev.tsv", "test.tsv")
_COMMON_VOICE_WHOLE = "validated.tsv"
_HUGGING_FACE_LISTS = ("metadata.csv", "metadata.jsonl")


def is_ljspeech(folder: Path) -> bool:
    """Whether the folder has wavs/ and a metadata.csv with | and without a header."""
    file = folder / _LJSPEECH_LIST
    if not (file.is_file() and (folder / _LJSPEECH_SOUNDS).is_dir()):
        return False
    with open(file, "rb") as content:
        fields = content.readline().decode("utf-8-sig", errors="replace").split("|")
    return len(fields) > 1 and fields[0].strip().lower() not in PATH_COLUMNS


def read_ljspeech(folder: Path, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of a folder in the layout of LJSpeech (Ito and Johnson 2017).

    A line of metadata.csv is NAME|text as printed|text with numbers and abbreviations spelled out;
    the last one is read, where there is one. Quotation marks belong to the text.

    Args:
        folder: folder with metadata.csv and wavs/.
        report: report that receives recordings without a transcript.

    Raises:
        DataError: the list is not UTF-8, a line has one field or more than three, or the third
            fields are something else than texts, such as speakers.
    """
    file, sounds = folder / _LJSPEECH_LIST, folder / _LJSPEECH_SOUNDS
    told: list[Path] = []
    lines = list(_ljspeech_lines(file))
    _refuse_other_thirds(file, lines)
    for row, fields in lines:
        words = fields[-1] or fields[1]
        place = f"{file.name} row {row}: {fields[0]}"
        told.append(_sound(sounds, fields[0]))
        yield Entry(told[-1], words, place=place)
    note_untold(sounds, told, report, folder)


def _ljspeech_lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the number and the two or three fields of each line that is not empty."""
    for row, line in utf8_lines(file):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("|")]
        if not 2 <= len(fields) <= 3 or not fields[0]:
            raise DataError(
                f"has {len(fields)} fields", file=file, row=row,
                advice="A line is NAME|text or NAME|text|normalised text, without a header.",
            )  # fmt: skip
        yield row, fields


def _refuse_other_thirds(file: Path, lines: Sequence[tuple[int, list[str]]]) -> None:
    """Refuses a list whose third fields are not the texts again, such as one with speakers.

    A text with its numbers spelled out shares words with the text as printed, or, where it is a
    number and nothing else, differs from one text to the next. What is neither is no text.

    Raises:
        DataError: most third fields share no word with the second, and they repeat while those
            differ.
    """
    three = [(row, fields) for row, fields in lines if len(fields) > 2 and fields[2]]
    foreign = [(row, one) for row, one in three if not _words(one[1]) & _words(one[2])]
    texts, thirds = ({fields[place] for _, fields in foreign} for place in (1, 2))
    if 2 * len(foreign) <= len(three) or 2 * len(thirds) > len(texts):
        return
    row, fields = foreign[0]
    raise DataError(
        f"has {fields[2]!r} as its third field, which shares no word with {fields[1]!r}; such "
        f"fields repeat ({len(foreign)} rows have {len(thirds)} of them), so they are no texts",
        file=file, row=row,
        advice="In the layout of LJSpeech the third field is the text with numbers spelled out. "
        "Write the columns path,transcript,speaker to a list manifest.csv beside it, and name that "
        "list; or leave the third field out.",
    )  # fmt: skip


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def is_vctk(folder: Path) -> bool:
    """Whether the folder has txt/ and a folder of sounds named as in VCTK."""
    return (folder / _VCTK_TEXTS).is_dir() and _vctk_sounds(folder) is not None


def read_vctk(folder: Path, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of a folder in the layout of VCTK (Yamagishi et al. 2019).

    txt/SPEAKER/NAME.txt is what is said in wav48/SPEAKER/NAME.wav, or in NAME_mic1.flac where two
    microphones recorded it.

    Args:
        folder: folder with txt/ and wav48/, wav48_silence_trimmed/ or wav/.
        report: report that receives recordings without a transcript.

    Raises:
        DataError: a transcript is not UTF-8.
    """
    sounds, texts = _vctk_sounds(folder), folder / _VCTK_TEXTS
    assert sounds is not None
    told: list[Path] = []
    for text in files_below(texts):
        if text.suffix != ".txt":
            continue
        below = text.relative_to(texts)
        beside = (sounds / below).parent
        candidates = [_sound(beside, text.stem + mark) for mark in _VCTK_MICROPHONES]
        told += candidates
        path = next((one for one in candidates if one.exists()), candidates[0])
        words = " ".join(line for _, line in utf8_lines(text))
        yield Entry(path, words, below.parts[0], "", f"{_VCTK_TEXTS}/{below.as_posix()}")
    note_untold(sounds, told, report, folder)


def is_common_voice(folder: Path) -> bool:
    """Whether the folder has clips/ and lists named as in Common Voice."""
    lists = (*_COMMON_VOICE_PARTS, _COMMON_VOICE_WHOLE)
    return (folder / _COMMON_VOICE_SOUNDS).is_dir() and any(
        (folder / name).is_file() for name in lists
    )


def read_common_voice(folder: Path, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of a folder in the layout of Common Voice (Ardila et al. 2020).

    train.tsv, dev.tsv and test.tsv are the parts; where none of them is there, validated.tsv is
    read. Lists of recordings that were not validated are not read.

    Args:
        folder: folder of one language, with clips/ and the lists.
        report: report that receives what is dropped.

    Raises:
        DataError: see `manifests.read_manifest`.
    """
    lists = [name for name in _COMMON_VOICE_PARTS if (folder / name).is_file()]
    for name in lists or [_COMMON_VOICE_WHOLE]:
        for entry in read_manifest(folder / name, report):
            yield replace(entry, part=entry.part or parse_part(Path(name).stem))


def is_hugging_face(folder: Path) -> bool:
    """Whether subfolders named as parts, or data/ with such, have lists as of an audio folder."""
    return bool(_hugging_face_lists(folder))


def read_hugging_face(folder: Path, report: DataReport) -> Iterator[Entry]:
    """Yields the recordings of an audio folder of Hugging Face that has a folder per part.

    Each has metadata.csv or metadata.jsonl with `file_name` and `transcription` (or `text`).

    Args:
        folder: folder above those of the parts.
        report: report that receives what is dropped, and recordings without a transcript.

    Raises:
        DataError: see `manifests.read_manifest`.
    """
    told: dict[Path, list[Path]] = {}
    for file in _hugging_face_lists(folder):
        for entry in read_manifest(file, report):
            told.setdefault(file.parent, []).append(entry.path)
            place = f"{file.parent.name}/{entry.place}"
            yield replace(entry, part=entry.part or parse_part(file.parent.name), place=place)
    for part, paths in told.items():
        note_untold(part, paths, report, folder)


def _hugging_face_lists(folder: Path) -> list[Path]:
    return [
        file
        for above in (folder, folder / "data")
        if above.is_dir()
        for part in sorted(above.iterdir())
        if part.is_dir() and parse_part(part.name)
        for file in (part / name for name in _HUGGING_FACE_LISTS)
        if file.is_file()
    ]


def _vctk_sounds(folder: Path) -> Path | None:
    return next((folder / name for name in _VCTK_SOUNDS if (folder / name).is_dir()), None)


def _sound(folder: Path, name: str) -> Path:
    """The sound file of a name, which may have its ending already."""
    endings = in_any_case((*EXTENSIONS, *FOREIGN_EXTENSIONS))
    candidates = [folder / name, *(folder / f"{name}{ending}" for ending in endings)]
    return next((path for path in candidates if path.is_file()), candidates[1])
