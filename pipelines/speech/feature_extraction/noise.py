"""Recordings of noise that are mixed into speech."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np

from pipelines.base.checksums import sha256
from pipelines.base.errors import DataError
from pipelines.sources import parse_source
from pipelines.speech.audio.levels import LevelMeter
from pipelines.speech.audio.reading import (
    EXTENSIONS,
    MOST_SECONDS,
    AudioError,
    AudioHeader,
    Samples,
    read_audio,
    read_header,
    stream_audio,
)

_KEPT_IN_MEMORY = 64
_HEADERS_KEPT = 100_000
_MARGIN_SECONDS = 0.1


def noise_files(source: str) -> tuple[str, ...]:
    """All sound files in the folders that a source such as "file:FOLDER" names, sorted by name.

    Each file is decoded once, so that none fails in the middle of training.

    Raises:
        DataError: there is no sound file, or one cannot be read to its end or is silent.
    """
    sounds = _sounds(source)
    for file in sounds:
        _check(file)
    return tuple(map(str, sounds))


def noise_digest(source: str) -> str:
    """SHA-256, in hexadecimal, of the names and contents of the files of `noise_files`, in order.

    Nothing is decoded; which folder they are in does not count.

    Raises:
        DataError: there is no sound file, or one cannot be read.
    """
    digest = hashlib.sha256()
    for path in _sounds(source):
        try:
            content = sha256(path)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", file=path) from None
        digest.update(f"{path.name}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _sounds(source: str) -> list[Path]:
    """The sound files that a source names, sorted by name.

    Raises:
        DataError: there is none.
    """
    named = parse_source(source, folders=True)
    sounds: list[Path] = []
    for path in map(Path, named.paths if named.kind == "file" else ()):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        sounds += [file for file in files if file.suffix.lower() in EXTENSIONS]
    if not sounds:
        raise DataError(
            "has no recording of noise", file=source,
            advice=f"Name a folder with sound files ({', '.join(EXTENSIONS)}): file:FOLDER.",
        )  # fmt: skip
    return sounds


def _check(path: Path) -> None:
    """Decodes a recording of noise to check it.

    Raises:
        AudioError: the recording cannot be read, is silent, or is a long MP3 file, whose parts
            cannot be read without everything before them.
    """
    header = read_header(path)
    if header.format in ("MP3", "MPEG") and header.seconds > MOST_SECONDS:
        raise AudioError(
            "too long", f"is an MP3 file of {header.seconds:.0f} s, whose parts cannot be read "
            "quickly", path, f"Convert it: ffmpeg -i {path.name} {path.stem}.wav",
        )  # fmt: skip
    meter = LevelMeter()
    for _ in stream_audio(path, header.sample_rate, observe=meter):
        pass
    if problem := meter.unusable:
        raise AudioError(*problem, path, "Leave it out.")


def noise_section(
    files: tuple[str, ...], length: int, sample_rate: int, generator: np.random.Generator
) -> Samples:
    """A random section of a random recording, float32 [length].

    A shorter recording is repeated. Only the section is read from a long recording.
    """
    path = files[int(generator.integers(len(files)))]
    header = _header(path)
    if header.seconds > MOST_SECONDS:
        wanted = min(length / sample_rate + _MARGIN_SECONDS, header.seconds)
        offset = float(generator.uniform(0.0, header.seconds - wanted))
        # Rounding must not lead beyond the last sample.
        offset = min(offset, header.seconds - wanted - 2 / header.sample_rate)
        offset = max(offset, 0.0)
        recording = read_audio(
            path, sample_rate, most_seconds=float("inf"), offset=offset, seconds=wanted
        )
        start = 0
    else:
        recording = _recording(path, sample_rate)
        start = int(generator.integers(max(len(recording) - length, 0) + 1))
    section: Samples = np.resize(recording[start : start + length], length)
    return section


@functools.lru_cache(_KEPT_IN_MEMORY)
def _recording(path: str, sample_rate: int) -> Samples:
    return read_audio(path, sample_rate)


@functools.lru_cache(_HEADERS_KEPT)
def _header(path: str) -> AudioHeader:
    return read_header(path)
