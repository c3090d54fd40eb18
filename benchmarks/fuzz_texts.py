"""Originals of the fuzz campaign that are text: tables, lists of recordings, sentence pairs."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fuzz_reading import Meaning, Reading, digest
from pipelines.pairs.loading import load_all
from pipelines.series.loading import load_series
from pipelines.series.time_series import SeriesSet
from pipelines.speech.recordings.loading import load_recordings

if TYPE_CHECKING:
    import pandas as pd

PAIRS = tuple(
    (f"The {noun} is {adjective}.", f"{article} {german} ist {quality}.")
    for noun, article, german in (
        ("dog", "Der", "Hund"), ("cat", "Die", "Katze"), ("house", "Das", "Haus"),
        ("bridge", "Die", "Brücke"), ("sky", "Der", "Himmel"),
    )
    for adjective, quality in (("old", "alt"), ("new", "neu"), ("very large", "sehr groß"))
)  # fmt: skip
PARTS = ("train", "validation", "test")


def series_frame() -> pd.DataFrame:
    """Two series by the hour."""
    import pandas as pd

    hours = np.arange(72)
    noise = np.random.default_rng(0).normal(size=(2, len(hours)))
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-03-01", periods=len(hours), freq="h"),
            "north": (50 + 10 * np.sin(hours / 4) + noise[0]).round(2),
            "south": (3 + 0.1 * noise[1]).round(3),
        }
    )


def series_reading(loaded: SeriesSet, folder: Path) -> Reading:
    """Times and values of every series."""
    meaning = {}
    for one in loaded.series:
        target = np.where(one.observed, one.target, np.float32(np.nan))
        meaning[one.name] = _series(one.times, target)
    return Reading(meaning, _findings(loaded.report, folder))


def make_csv(folder: Path) -> None:
    """`table.csv`: a row per hour."""
    text = series_frame().to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S")
    (folder / "table.csv").write_text(text, encoding="utf-8")


def read_csv(folder: Path) -> Reading:
    """The toolkit's reading."""
    return series_reading(load_series(f"file:{folder / 'table.csv'}"), folder)


def plain_csv(folder: Path) -> Meaning | None:
    """Every cell as Python's own `float` and `datetime` read it; all rows one step apart."""
    rows = _csv_rows(folder / "table.csv")
    if rows is None:
        return None
    header, *cells = rows
    try:
        times = np.array([datetime.fromisoformat(row[0]) for row in cells], "datetime64[s]")
        values = np.array([[float(cell) for cell in row[1:]] for row in cells], np.float32)
    except ValueError:
        return None
    names = header[1:]
    if len(times) < 3 or len(set(np.diff(times))) != 1 or len(set(header)) != len(header):
        return None
    if not all(names) or not np.isfinite(values).all() or np.diff(times)[0] <= np.timedelta64(0):
        return None
    return {name: _series(times, values[:, number]) for number, name in enumerate(names)}


def make_manifest_csv(folder: Path) -> None:
    """`list.csv` and its recordings."""
    with open(folder / "list.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "transcript", "speaker", "part"])
        writer.writerows([*row.values()] for row in _recordings(folder))


def read_manifest_csv(folder: Path) -> Reading:
    """The toolkit's reading."""
    return _manifest_reading(folder, "list.csv")


def plain_manifest_csv(folder: Path) -> Meaning | None:
    """Each row by the names of the header."""
    rows = _csv_rows(folder / "list.csv")
    if rows is None or not {"path", "transcript"} <= set(rows[0]):
        return None
    return _manifest(folder, [dict(zip(rows[0], row, strict=True)) for row in rows[1:]])


def make_manifest_jsonl(folder: Path) -> None:
    """`list.jsonl` and its recordings."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in _recordings(folder)]
    (folder / "list.jsonl").write_text("".join(lines), encoding="utf-8")


def read_manifest_jsonl(folder: Path) -> Reading:
    """The toolkit's reading."""
    return _manifest_reading(folder, "list.jsonl")


def plain_manifest_jsonl(folder: Path) -> Meaning | None:
    """Each line as `json` reads it."""
    text = _text(folder / "list.jsonl")
    if text is None:
        return None
    try:
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (json.JSONDecodeError, RecursionError):
        return None
    if not all(isinstance(row, dict) and {"path", "transcript"} <= set(row) for row in rows):
        return None
    return _manifest(folder, rows)


def make_aligned(folder: Path) -> None:
    """`pairs.en` and `pairs.de`: a sentence per line."""
    for side, name in enumerate(("pairs.en", "pairs.de")):
        lines = "".join(f"{pair[side]}\n" for pair in PAIRS)
        (folder / name).write_text(lines, encoding="utf-8")


def read_aligned(folder: Path) -> Reading:
    """The toolkit's reading."""
    return _pairs_reading(folder, f"{folder / 'pairs.en'},{folder / 'pairs.de'}")


def plain_aligned(folder: Path) -> Meaning | None:
    """Line n with line n; broken if one file has more lines."""
    sides = [_lines(folder / name) for name in ("pairs.en", "pairs.de")]
    if sides[0] is None or sides[1] is None or len(sides[0]) != len(sides[1]):
        return None
    return _pairs([*zip(*sides, strict=True)])


def make_tsv(folder: Path) -> None:
    """`pairs.tsv`: two columns."""
    lines = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
    (folder / "pairs.tsv").write_text(lines, encoding="utf-8")


def read_tsv(folder: Path) -> Reading:
    """The toolkit's reading."""
    return _pairs_reading(folder, str(folder / "pairs.tsv"))


def plain_tsv(folder: Path) -> Meaning | None:
    """Two cells per line; broken if a line has more or fewer."""
    lines = _lines(folder / "pairs.tsv")
    if lines is None:
        return None
    rows = [line.split("\t") for line in lines if line.strip()]
    if any(len(row) != 2 for row in rows):
        return None
    return _pairs([(row[0], row[1]) for row in rows])


def make_tmx(folder: Path) -> None:
    """`pairs.tmx`: a translation memory."""
    units = "".join(
        f'<tu><tuv xml:lang="en"><seg>{source}</seg></tuv>'
        f'<tuv xml:lang="de"><seg>{target}</seg></tuv></tu>\n'
        for source, target in PAIRS
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">'
        f'<header srclang="en" datatype="plaintext"/><body>\n{units}</body></tmx>\n'
    )
    (folder / "pairs.tmx").write_text(text, encoding="utf-8")


def read_tmx(folder: Path) -> Reading:
    """The toolkit's reading."""
    return _pairs_reading(folder, str(folder / "pairs.tmx"))


def plain_tmx(folder: Path) -> Meaning | None:
    """The segments as `xml.etree` reads them; broken unless each unit has one per language."""
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    try:
        root = ElementTree.parse(folder / "pairs.tmx").getroot()
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    pairs = []
    for unit in root.iter("tu"):
        texts = {one.get(language): one.find("seg") for one in unit.findall("tuv")}
        if set(texts) != {"en", "de"} or None in texts.values():
            return None
        # A line break in a segment is a space, as everywhere in XML of this kind.
        source, target = (
            " ".join("".join(segment.itertext()).split())
            for segment in (texts["en"], texts["de"])
            if segment is not None
        )
        pairs.append((source, target))
    return _pairs(pairs)


def _series(times: Any, values: Any) -> str:
    return f"{len(times)} {digest(np.asarray(times, 'datetime64[s]'))} {digest(values)}"


def _recordings(folder: Path) -> list[dict[str, str]]:
    import soundfile

    rows = []
    for number, (transcript, _) in enumerate(PAIRS[:9]):
        time = np.arange(8000) / 16_000
        sound = (0.1 * np.sin(2 * np.pi * (200 + 20 * number) * time)).astype(np.float32)
        soundfile.write(folder / f"{number}.wav", sound, 16_000)
        part = PARTS[number % 3]
        row = {"path": f"{number}.wav", "transcript": transcript, "speaker": f"s{number % 2}"}
        rows.append({**row, "part": part})
    return rows


def _manifest_reading(folder: Path, name: str) -> Reading:
    found = load_recordings(f"file:{folder / name}")
    rows = [(one.path.name, one.transcript, one.speaker, one.part) for one in found]
    return Reading(_numbered(rows), _findings(found.report, folder))


def _manifest(folder: Path, rows: list[Mapping[str, Any]]) -> Meaning | None:
    """The meaning of the rows of a list; None if one names no recording, or no part there is."""
    found = []
    for row in rows:
        values = [row.get(key, "") for key in ("path", "transcript", "speaker", "part")]
        if not all(isinstance(value, str) for value in values):
            return None
        path, transcript, speaker, part = values
        if not path.strip() or "\0" in path or not (folder / path.strip()).is_file():
            return None
        if part and part not in PARTS:
            return None
        found.append((Path(path.strip()).name, transcript, speaker.strip(), part))
    return _numbered(found)


def _pairs_reading(folder: Path, source: str) -> Reading:
    found = load_all(f"file:{source}")
    return Reading(_pairs([*zip(found.source, found.target, strict=True)]),
                   _findings(found.report, folder))  # fmt: skip


def _pairs(pairs: list[tuple[str, str]]) -> Meaning:
    return _numbered([(source.strip(), target.strip()) for source, target in pairs])


def _numbered(rows: list[Any]) -> Meaning:
    return {str(number): repr(row) for number, row in enumerate(rows)}


def _findings(report: Any, folder: Path) -> str:
    return str(report).replace(str(folder), "")


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _lines(path: Path) -> list[str] | None:
    text = _text(path)
    if text is None:
        return None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _csv_rows(path: Path) -> list[list[str]] | None:
    """Header and rows; None if they are not CSV, or not all of one length."""
    text = _text(path)
    if text is None or "\0" in text:
        return None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(row)]
    except csv.Error:
        return None
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return None
    return rows
