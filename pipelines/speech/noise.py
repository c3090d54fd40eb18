"""Recordings of noise that are mixed into speech."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from pipelines.errors import DataError
from pipelines.sources import parse_source
from pipelines.speech.audio import EXTENSIONS, Samples, read_audio, read_header

_KEPT_IN_MEMORY = 64


def noise_files(source: str) -> tuple[str, ...]:
    """All sound files in the folders that a source such as "file:FOLDER" names, by name.

    Raises:
        DataError: there is none, or one of them cannot be read.
    """
    named = parse_source(source, folders=True)
    found: list[Path] = []
    for path in map(Path, named.paths if named.kind == "file" else ()):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [file for file in files if file.suffix.lower() in EXTENSIONS]
    if not found:
        raise DataError(
            "holds no recording of noise", file=source,
            advice=f"Name a folder with sound files ({', '.join(EXTENSIONS)}): file:FOLDER.",
        )  # fmt: skip
    for file in found:
        read_header(file)
    return tuple(map(str, found))


def noise_section(
    files: tuple[str, ...], length: int, sample_rate: int, generator: np.random.Generator
) -> Samples:
    """A section of one of the recordings, drawn at random, float32 [length].

    A recording that is shorter is repeated.
    """
    recording = _recording(files[int(generator.integers(len(files)))], sample_rate)
    start = int(generator.integers(max(len(recording) - length, 0) + 1))
    section: Samples = np.resize(recording[start : start + length], length)
    return section


@functools.lru_cache(_KEPT_IN_MEMORY)
def _recording(path: str, sample_rate: int) -> Samples:
    return read_audio(path, sample_rate)
