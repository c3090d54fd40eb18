"""Which columns of a table hold the sentences of a pair: by its header, or by what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.languages import language_code, same_language

SOURCE_NAMES = ("source", "src", "source_text", "source_sentence", "sentence1", "input", "text1")
TARGET_NAMES = (
    "target", "tgt", "trg", "target_text", "target_sentence", "sentence2", "output", "text2",
    "translation",
)  # fmt: skip

SAMPLE = 1000
_FEWEST_LINES = 10
_NEARLY_ALL = 0.98
_NUMBER = re.compile(r"#?[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_LINK = re.compile(r"(?:https?|ftp)://\S+")
_LICENCE = re.compile(r"(?:CC[ -]?BY|CC0|Attribution|Public Domain)\b.*", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True)
class Columns:
    """Where the sentences are.

    Attributes:
        source, target: number of the column, from 0.
        languages: their languages; "" where that is not known.
    """

    source: int
    target: int
    languages: tuple[str, str]


def columns_of_header(
    cells: Sequence[str], asked: tuple[str, str], path: str | Path
) -> Columns | None:
    """The columns that a header line names; None if the line is not a header.

    A line is a header if two of its cells are different languages, or if its cells are names such
    as "source" and "target".

    Args:
        cells: of the file's first line.
        asked: languages asked for; "" where none are.
        path: of the file, for messages.

    Raises:
        DataError: the header names other languages than those asked for.
    """
    names = [cell.strip().strip('"').strip().lower() for cell in cells]
    if all(asked):
        places = [
            next((n for n, name in enumerate(names) if name and same_language(name, one)), None)
            for one in asked
        ]
        if places[0] is not None and places[1] is not None and places[0] != places[1]:
            return Columns(places[0], places[1], asked)
    languages = [n for n, name in enumerate(names) if language_code(name)]
    codes = {language_code(names[n]) for n in languages}
    if len(codes) > 1 and len(codes) == len(languages):
        if all(asked):
            raise DataError(
                f"has columns of {', '.join(names[n] for n in languages)}, not of {asked[0]} and "
                f"{asked[1]}",
                file=path,
                row=1,
                advice="Ask for two languages that it has.",
            )
        return Columns(languages[0], languages[1], (names[languages[0]], names[languages[1]]))
    sources = [n for n, name in enumerate(names) if name in SOURCE_NAMES]
    targets = [n for n, name in enumerate(names) if name in TARGET_NAMES]
    return Columns(sources[0], targets[0], asked) if sources and targets else None


def columns_of_content(
    rows: Sequence[Sequence[str]], path: str | Path, report: DataReport
) -> Columns:
    """The first two columns of text. What the other columns hold is reported.

    Raises:
        DataError: there are fewer than two.
    """
    usual = Counter(len(cells) for cells in rows if len(cells) > 1).most_common(1)[0][0]
    sample = [cells for cells in rows if len(cells) == usual][:SAMPLE]
    if usual == 2:
        return Columns(0, 1, ("", ""))
    texts: list[int] = []
    for number in range(usual):
        kind = _kind([cells[number].strip() for cells in sample])
        if not kind and len(texts) < 2:
            texts.append(number)
        else:
            what = kind or "more text"
            report.note(f"column {number + 1}, which holds {what}", "not read", str(path))
    if len(texts) < 2:
        raise DataError(
            f"has {usual} columns, but only {len(texts)} of them with text",
            file=path,
            advice="Write SOURCE, a tab, TARGET on each line.",
        )
    return Columns(texts[0], texts[1], ("", ""))


def _kind(cells: Sequence[str]) -> str:
    """What a column holds instead of sentences; "" for sentences."""
    filled = [cell for cell in cells if cell]
    if not filled:
        return "nothing"
    for kind, pattern in (("numbers", _NUMBER), ("links", _LINK), ("licences", _LICENCE)):
        if sum(bool(pattern.fullmatch(cell)) for cell in filled) >= _NEARLY_ALL * len(filled):
            return kind
    if len(filled) < _FEWEST_LINES:
        return ""
    if len(set(filled)) == 1:
        return f"{filled[0]!r} on every line"
    known = sum(bool(language_code(cell)) for cell in filled)
    return "names of languages" if known >= _NEARLY_ALL * len(filled) else ""


def without_quotes(
    cells: Sequence[tuple[int, str]], path: str | Path, report: DataReport
) -> list[str]:
    """Cells without the quotes of CSV, where a column has such.

    In CSV a cell that holds quotes stands in quotes itself, and those inside are doubled. Where no
    quote is doubled, quotes are taken for the sentence's own.

    Args:
        cells: lines and cells of one column.
        path: of the file, for messages.
        report: takes how many there were.

    Raises:
        DataError: nearly all quoted cells are quoted as in CSV, but one is not closed.
    """
    texts = [text for _, text in cells]
    quoted = [(number, text) for number, text in cells if text.startswith('"')]
    broken = [number for number, text in quoted if not _QUOTED.fullmatch(text)]
    doubled = any('""' in text[1:-1] for _, text in quoted if _QUOTED.fullmatch(text))
    if not doubled or len(broken) > len(quoted) // 10:
        return texts
    if broken:
        raise DataError(
            "cells stand in the quotes of CSV, but the one on this line is not closed",
            file=path,
            row=broken[0],
            advice="Write each sentence on one line, or the file without quotes around cells.",
        )
    report.note("cells in the quotes of CSV", "read without them",
                f"line {quoted[0][0]}", len(quoted))  # fmt: skip
    return [text[1:-1].replace('""', '"') if text.startswith('"') else text for text in texts]
