"""Loads a list of usable recordings from any source."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines import roles
from pipelines.base.errors import DataError
from pipelines.base.stated_columns import Stated, stated_columns
from pipelines.data_report import DataReport
from pipelines.sources import Source, parse_source
from pipelines.speech.audio.reading import AudioError, AudioHeader, no_channel, read_header
from pipelines.speech.recordings.recording import Entry, Recording, Recordings, Segment, paths_once

_log = logging.getLogger(__name__)

_THREADS = 8
_CLOSE_SECONDS = 0.05
_ENCODER_SECONDS = 0.2


def load_recordings(
    source: str | Source | Recordings,
    *,
    data_dir: str = "",
    naming_rule: str = "",
    shortest_seconds: float = 0.1,
    longest_seconds: float = 60.0,
    cache_dir: str = "",
    channel: int = 0,
    columns: Stated = (),
) -> Recordings:
    """Lists the recordings of a source and checks the header of every file.

    Sources are "file:" with a manifest (CSV, TSV, JSON Lines: see `manifests.read_manifest`) or a
    folder (with a file manifest.csv, .tsv or .jsonl, in one of the layouts of `layouts.LAYOUTS`, or
    any folder with a naming rule), "tfds:NAME" and "builtin:NAME".

    Unusable recordings are dropped and counted by reason in the report of the result: files that
    are missing, not sound files, without samples or truncated, recordings that are too short or
    too long or have no transcript, and segments outside of their files. Files that are only unusual
    (wrong extension, several channels) are kept and reported. Other sample rates are reported when
    features, which have a fixed sample rate, are extracted.

    Args:
        source: name of the source; recordings are returned unchanged.
        data_dir: folder of prepared TensorFlow datasets; "" for the default of tfds.
        naming_rule: rule for the names of the files in a folder; see `folders.compile_rule`.
        shortest_seconds: length in seconds below which recordings are dropped.
        longest_seconds: length in seconds above which recordings are dropped without decoding.
        cache_dir: folder that keeps recordings of sources without files; "" for the default, see
            `cache.cache_folder`.
        channel: number of the channel to read, counted from 1; 0 for the mean of all. Recordings
            without it are dropped.
        columns: columns of a list of recordings by their roles (audio, text, speaker, part, offset,
            duration, end), where their names do not tell: {"text": NAME} or ["text=NAME"].

    Raises:
        ConfigurationError: `columns` has a role that does not exist.
        DataError: the source cannot be read, or none of its recordings can be used.
    """
    if isinstance(source, Recordings):
        return source
    named = source if isinstance(source, Source) else parse_source(str(source), folders=True)
    report = DataReport(str(named))
    names = {role: one[0] for role, one in stated_columns(columns, roles.RECORDINGS).items()}
    if names and named.kind != "file":
        raise _no_columns(str(named), "data that is prepared already")
    entries = _entries(named, report, data_dir, naming_rule, cache_dir, names)
    listed = list(paths_once(entries, report))
    report.rows = len(listed)
    items = tuple(_checked(listed, report, shortest_seconds, longest_seconds, channel))
    if not items:
        raise DataError(
            f"none of its {len(listed)} recordings can be used:\n{report}", file=str(named)
        )
    return Recordings(items, report)


def _entries(
    named: Source,
    report: DataReport,
    data_dir: str,
    naming_rule: str,
    cache_dir: str,
    columns: Mapping[str, str],
) -> Iterator[Entry]:
    if named.kind == "file":
        for path in named.paths:
            yield from _file_entries(Path(path), report, naming_rule, columns)
    elif named.kind == "tfds":
        from pipelines.speech.recordings.tfds import dataset_entries

        yield from dataset_entries(named, data_dir or None, cache_dir, report)
    else:
        from pipelines.builtin import builtin_data

        yield from builtin_data(named.name, "speech").load()(cache_dir)


def has_columns(source: str | Source | Recordings) -> bool:
    """Whether a source is lists of recordings, whose columns can be stated by role."""
    from pipelines.speech.recordings import layouts

    if isinstance(source, Recordings):
        return False
    named = source if isinstance(source, Source) else parse_source(str(source), folders=True)
    if named.kind != "file":
        return False
    for path in map(Path, named.paths):
        layout = layouts.layout_of(path) if path.is_dir() else None
        if path.is_dir() and (layout is None or layout.read is not layouts.read_listed_folder):
            return False
    return True


def _no_columns(file: str | Path, what: str) -> DataError:
    return DataError(
        f"is {what}, which has no columns to name",
        file=file,
        advice="Leave out column, or name a list of recordings.",
    )


def _file_entries(
    path: Path, report: DataReport, naming_rule: str, columns: Mapping[str, str]
) -> Iterable[Entry]:
    from pipelines.speech.recordings import folders, layouts, manifests

    if not path.is_dir():
        if path.suffix.lower() not in manifests.EXTENSIONS:
            raise DataError(
                f"has a name that ends in {path.suffix or 'nothing'!r}, which is not the ending of "
                "a list of recordings",
                file=path,
                advice=f"Name a list ({', '.join(manifests.EXTENSIONS)}) or a folder.",
            )
        return manifests.read_manifest(path, report, columns)
    if naming_rule and columns:
        raise _no_columns(path, "a folder whose files' names say what they are")
    if naming_rule:
        return folders.read_named_folder(path, naming_rule, report)
    layout = layouts.layout_of(path)
    if layout is not None:
        _log.info("%s is read as %s.", path, layout.name)
        if columns and layout.read is not layouts.read_listed_folder:
            raise _no_columns(path, layout.name)
        if columns:
            return layouts.read_listed_folder(path, report, columns)
        return layout.read(path, report)
    raise DataError(
        "has no transcripts of its recordings",
        file=path,
        advice=f"Put a list into it ({layouts.MANIFEST_NAMES[0]}: path,transcript) or a file x.txt "
        "for each x.wav, or state a rule for its files' names: naming_rule = "
        "'{transcript}_{speaker}_{index}.wav'.",
    )


def _checked(
    entries: list[Entry], report: DataReport, shortest: float, longest: float, channel: int
) -> Iterator[Recording]:
    # A file may have many segments, but its header is read only once.
    paths = list(dict.fromkeys(entry.path for entry in entries))
    with ThreadPoolExecutor(min(_THREADS, (os.cpu_count() or 1) * 2)) as pool:
        headers = dict(zip(paths, pool.map(_header_or_error, paths, chunksize=64), strict=True))
    described: set[Path] = set()
    for entry in entries:
        header, place = headers[entry.path], entry.place or str(entry.path)
        if isinstance(header, AudioError):
            report.note(header.kind, "dropped", f"{place} {header.explanation}")
            continue
        if channel > header.channels:
            error = no_channel(channel, header.channels, entry.path)
            report.note(error.kind, "dropped", f"{place} {error.explanation}")
            continue
        segment, trouble = _segment(entry, header)
        seconds = header.seconds if segment is None else segment.seconds
        if trouble is None:
            trouble = _unusable(entry, seconds, shortest, longest)
        if trouble is not None:
            kind, problem = trouble
            report.note(kind, "dropped", f"{place} ({problem})")
            continue
        if entry.path not in described:
            described.add(entry.path)
            _note_peculiarities(entry, header, place, report, channel)
        yield Recording(
            entry.path, entry.transcript.strip(), entry.speaker, seconds, header.sample_rate,
            entry.part, segment, channel,
        )  # fmt: skip


def _header_or_error(path: Path) -> AudioHeader | AudioError:
    try:
        return read_header(path)
    except AudioError as error:
        return error


def _segment(entry: Entry, header: AudioHeader) -> tuple[Segment | None, tuple[str, str] | None]:
    """The part of the file in a list, None for the whole file; or kind and problem."""
    if entry.offset is None:
        # A length without an offset must be that of the file; otherwise it is another file.
        if entry.seconds is not None and abs(entry.seconds - header.seconds) > _close(header):
            problem = f"{entry.seconds:g} s by the list, {header.seconds:.2f} s by the file"
            if entry.seconds < header.seconds:
                problem += "; a segment also needs an offset"
            return None, ("length contradicts the list", problem)
        return None, None
    left = header.seconds - entry.offset
    seconds = left if entry.seconds is None else entry.seconds
    if left <= 0 or seconds - left > _close(header):
        problem = (
            f"from {entry.offset:g} s on for {seconds:g} s, the file lasts {header.seconds:.2f} s"
        )
        return None, ("segment outside the recording", problem)
    seconds = min(seconds, left)
    if entry.offset == 0 and seconds == header.seconds:
        return None, None
    return Segment(entry.offset, seconds), None


def _close(header: AudioHeader) -> float:
    """Tolerance for lengths in a list, in seconds: rounding, and what MP3 encoders add."""
    return max(_ENCODER_SECONDS if header.format in ("MP3", "MPEG") else 0.0, _CLOSE_SECONDS)


def _unusable(
    entry: Entry, seconds: float, shortest: float, longest: float
) -> tuple[str, str] | None:
    if not entry.transcript.strip():
        return "empty transcript", f"{seconds:.2f} s"
    if seconds < shortest:
        return "too short", f"{seconds:.2f} s, less than shortest_seconds = {shortest:g}"
    if seconds > longest:
        return "too long", f"{seconds:.2f} s, more than longest_seconds = {longest:g}"
    return None


def _note_peculiarities(
    entry: Entry, header: AudioHeader, place: str, report: DataReport, channel: int
) -> None:
    if not header.fits_extension(entry.path):
        report.note("wrong extension", f"read as the {header.format} file it is", place)
    if header.channels > 1:
        treatment = f"channel {channel} is read" if channel else "averaged to one"
        report.note("several channels", treatment, f"{place} ({header.channels})")
    if not header.marked_end:
        report.note("no end mark", "kept, although it may have been cut", place)
