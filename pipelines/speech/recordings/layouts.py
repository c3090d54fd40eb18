"""The layouts of folders of recordings that are recognised by the files that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.data_report import DataReport
from pipelines.speech.recordings.corpora import (
    is_common_voice,
    is_hugging_face,
    is_ljspeech,
    is_vctk,
    read_common_voice,
    read_hugging_face,
    read_ljspeech,
    read_vctk,
)
from pipelines.speech.recordings.folders import is_librispeech, read_librispeech
from pipelines.speech.recordings.kaldi import is_kaldi, read_kaldi
from pipelines.speech.recordings.manifests import NO_COLUMNS, read_manifest
from pipelines.speech.recordings.recording import Entry
from pipelines.speech.recordings.text_files import has_text_files, read_text_files

MANIFEST_NAMES = (
    "manifest.csv", "manifest.tsv", "manifest.jsonl", "metadata.csv", "metadata.jsonl",
)  # fmt: skip
"""Lists of recordings that are read if the folder of the recordings is named."""


@dataclass(frozen=True)
class Layout:
    """A way in which a folder holds recordings and transcripts.

    Attributes:
        name: name of the layout, for messages.
        fits: function that says whether a folder has this layout, by the names of its files.
        read: function that yields the recordings of such a folder, and reports what it leaves out.
    """

    name: str
    fits: Callable[[Path], bool]
    read: Callable[[Path, DataReport], Iterator[Entry]]


def _has_manifest(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MANIFEST_NAMES)


def read_listed_folder(
    folder: Path, report: DataReport, columns: Mapping[str, str] = NO_COLUMNS
) -> Iterator[Entry]:
    """Yields the recordings of the list in a folder; see `manifests.read_manifest`."""
    name = next(name for name in MANIFEST_NAMES if (folder / name).is_file())
    return read_manifest(folder / name, report, columns)


# The first that fits counts: those that are told by more files come first.
LAYOUTS = (
    Layout("a data folder of Kaldi", is_kaldi, read_kaldi),
    Layout("a folder in the layout of LJSpeech", is_ljspeech, read_ljspeech),
    Layout("a folder with a list of its recordings", _has_manifest, read_listed_folder),
    Layout("a folder in the layout of Common Voice", is_common_voice, read_common_voice),
    Layout("a folder in the layout of VCTK", is_vctk, read_vctk),
    Layout("an audio folder of Hugging Face", is_hugging_face, read_hugging_face),
    Layout("a folder in the layout of LibriSpeech", is_librispeech, read_librispeech),
    Layout("a folder with a text file per recording", has_text_files, read_text_files),
)


def layout_of(folder: Path) -> Layout | None:
    """The layout of a folder; None if it has none of those known here."""
    return next((layout for layout in LAYOUTS if layout.fits(folder)), None)
