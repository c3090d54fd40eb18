"""`load_recordings`: from the name of a source to recordings that can be read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.sources import Source, parse_source
from pipelines.speech.audio import AudioError, AudioHeader, read_header
from pipelines.speech.recordings import Entry, Recording, Recordings, paths_once

_MANIFEST_NAMES = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "metadata.csv")
_THREADS = 8


def load_recordings(
    source: str | Source | Recordings,
    *,
    data_dir: str = "",
    naming_rule: str = "",
    shortest_seconds: float = 0.1,
    longest_seconds: float = 60.0,
    cache_dir: str = "",
) -> Recordings:
    """Lists the recordings of a source and looks at every file's header.

    Sources: "file:" with a manifest (CSV, TSV, JSON Lines: see `manifests.read_manifest`) or a
    folder: one in LibriSpeech's layout, one with a file manifest.csv (.tsv, .jsonl), or any folder
    with a naming rule; "tfds:NAME"; "builtin:NAME".

    What cannot be used is dropped and stands in the result's report, once each and counted by
    reason: a missing file, one that is no sound file, without samples, truncated, too short or too
    long, without a transcript. Files that only look peculiar (wrong extension, several channels,
    another sample rate) are kept and reported where that changes them.

    Args:
        source: its name; recordings are returned as they are.
        data_dir: the folder of prepared TensorFlow datasets.
        naming_rule: see `folders.compile_rule`.
        shortest_seconds: shorter recordings are dropped.
        longest_seconds: longer recordings are dropped; they are never decoded.
        cache_dir: where recordings that come without files are kept; "": see `cache.cache_folder`.

    Raises:
        DataError: the source cannot be read, or none of its recordings can be used.
    """
    if isinstance(source, Recordings):
        return source
    named = source if isinstance(source, Source) else parse_source(str(source), folders=True)
    report = DataReport(str(named))
    entries = _entries(named, report, data_dir, naming_rule, cache_dir)
    listed = list(paths_once(entries, report))
    report.rows = len(listed)
    items = tuple(_checked(listed, report, shortest_seconds, longest_seconds))
    if not items:
        raise DataError(
            f"none of its {len(listed)} recordings can be used:\n{report}", file=str(named)
        )
    return Recordings(items, report)


def _entries(
    named: Source, report: DataReport, data_dir: str, naming_rule: str, cache_dir: str
) -> Iterator[Entry]:
    if named.kind == "file":
        for path in named.paths:
            yield from _file_entries(Path(path), report, naming_rule)
    elif named.kind == "tfds":
        from pipelines.speech.dataset_recordings import dataset_entries

        yield from dataset_entries(named, data_dir or None, cache_dir)
    else:
        from pipelines.builtin import builtin_data

        yield from builtin_data(named.name, "speech").load()(cache_dir)


def _file_entries(path: Path, report: DataReport, naming_rule: str) -> Iterable[Entry]:
    from pipelines.speech import folders, manifests

    if not path.is_dir():
        if path.suffix.lower() not in manifests.EXTENSIONS:
            raise DataError(
                f"is no list of recordings: its name ends in {path.suffix or 'nothing'!r}",
                file=path,
                advice=f"Name a list ({', '.join(manifests.EXTENSIONS)}) or a folder.",
            )
        return manifests.read_manifest(path, report)
    if naming_rule:
        return folders.read_named_folder(path, naming_rule, report)
    for name in _MANIFEST_NAMES:
        if (path / name).is_file():
            return manifests.read_manifest(path / name, report)
    if folders.is_librispeech(path):
        return folders.read_librispeech(path)
    raise DataError(
        "does not say what is said in its recordings",
        file=path,
        advice=f"Put a list into it ({_MANIFEST_NAMES[0]}: path,transcript), or give a rule for "
        "its files' names: naming_rule = '{transcript}_{speaker}_{index}.wav'.",
    )


def _checked(
    entries: list[Entry], report: DataReport, shortest: float, longest: float
) -> Iterator[Recording]:
    with ThreadPoolExecutor(min(_THREADS, (os.cpu_count() or 1) * 2)) as pool:
        headers = pool.map(_header_or_error, (entry.path for entry in entries), chunksize=64)
        for entry, header in zip(entries, headers, strict=True):
            place = entry.place or str(entry.path)
            if isinstance(header, AudioError):
                report.note(header.kind, "dropped", f"{place} {header.problem}")
                continue
            kind = _unusable(entry, header, shortest, longest)
            if kind:
                report.note(kind, "dropped", f"{place} ({header.seconds:.2f} s)")
                continue
            _note_peculiarities(entry, header, place, report)
            yield Recording(
                entry.path, entry.transcript.strip(), entry.speaker, header.seconds,
                header.sample_rate, entry.part,
            )  # fmt: skip


def _header_or_error(path: Path) -> AudioHeader | AudioError:
    try:
        return read_header(path)
    except AudioError as error:
        return error


def _unusable(entry: Entry, header: AudioHeader, shortest: float, longest: float) -> str:
    if not entry.transcript.strip():
        return "empty transcript"
    if header.seconds < shortest:
        return "too short"
    if header.seconds > longest:
        return "too long"
    return ""


def _note_peculiarities(entry: Entry, header: AudioHeader, place: str, report: DataReport) -> None:
    if not header.fits_extension(entry.path):
        report.note("wrong extension", f"read as the {header.format} file it is", place)
    if header.channels > 1:
        report.note("several channels", "averaged to one", f"{place} ({header.channels})")
