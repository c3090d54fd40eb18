"""Which columns of a table have the sentences of a pair: by its header, or by their content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.pairs.languages import COLUMN_WORDS, language_code, language_of_column, same_language
from pipelines.text.records import written_as_names

SOURCE_NAMES = (
    "source", "src", "source_text", "source_sentence", "sentence1", "input", "text1",
    "original", "text", "sentence",
)  # fmt: skip
TARGET_NAMES = (
    "target", "tgt", "trg", "target_text", "target_sentence", "sentence2", "output", "text2",
    "translation", "translated",
)  # fmt: skip
REFERENCE_NAMES = ("reference", "references", "ref", "refs", "targets", "translations")
"""Names of a target column where no column has one of `TARGET_NAMES`."""

SAMPLE = 1000
_FEWEST_LINES = 10
_NEARLY_ALL = 0.98
_FEW = 0.05
_MOSTLY = 0.9
_IDENTIFIERS = "identifiers"
_NO_TEXT = ("numbers", "links", "licences", _IDENTIFIERS)
_NUMBER = re.compile(r"#?[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_LINK = re.compile(r"(?:https?|ftp)://\S+")
# A name without spaces and with a digit, such as that of a recording, a document or a user.
_IDENTIFIER = re.compile(r"(?=\S*\d)[\w.:/#@+=-]+", re.ASCII)
_LICENCE = re.compile(r"(?:CC[ -]?BY|CC0|Attribution|Public Domain)\b.*", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:reference|ref)[ _-]?\d+")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True)
class Columns:
    """The columns of the sentences.

    Attributes:
        source, target: numbers of the two columns, from 0.
        languages: languages of the two columns; "" for an unknown one.
        further: numbers of columns with further references, from 0.
    """

    source: int
    target: int
    languages: tuple[str, str]
    further: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        """The numbers of all columns that are read."""
        return (self.source, self.target, *self.further)


def columns_of_header(
    rows: Sequence[Sequence[str]], asked: tuple[str, str], path: str | Path
) -> Columns | None:
    """The columns that a header line names; None if the first line is not a header.

    A line is a header if two of its cells are different languages, or if its cells are names such
    as "source" and "target", and the same text does not occur further down. A column of numbers
    named "id" or "No" is not a column of Indonesian or Norwegian.

    Args:
        rows: lines of the file as lists of cells.
        asked: the requested languages; "" if none were requested.
        path: path of the file, for messages.

    Raises:
        DataError: the header names other languages than the requested ones.
    """
    names = [cell.strip().strip('"').strip().lower() for cell in rows[0]]
    below = [[cells[n].strip() for cells in rows[1 : SAMPLE + 1] if len(cells) > n]
             for n in range(len(names))]  # fmt: skip
    named = [n for n in range(len(names)) if not _comes_again(rows[0][n], below[n])]
    texts = [n for n in named if not below[n] or _kind(below[n]) not in _NO_TEXT]
    # If there is no choice, sentences may be numbers.
    texts = texts if len(texts) > 1 else named
    stated = {n: language_of_column(names[n]) for n in texts if language_of_column(names[n])}
    if all(asked):
        places = [
            next((n for n in texts if names[n] and _is_of(asks, names[n], stated.get(n, ""))), None)
            for asks in asked
        ]
        if places[0] is not None and places[1] is not None and places[0] != places[1]:
            return Columns(places[0], places[1], asked)
    languages = list(stated)
    codes = {language_code(language) for language in stated.values()}
    if len(codes) > 1 and len(codes) == len(languages):
        if all(asked):
            raise DataError(
                f"has columns of {', '.join(stated.values())}, not of {asked[0]} and {asked[1]}",
                file=path,
                row=1,
                advice="Request two languages that it has.",
            )
        return Columns(languages[0], languages[1], (stated[languages[0]], stated[languages[1]]))
    several = _one_language_twice(stated) if len(codes) == 2 and not all(asked) else None
    if several is not None:
        return several
    sources = [n for n in texts if _named_as(names[n], SOURCE_NAMES)]
    targets = [n for n in texts if _named_as(names[n], TARGET_NAMES) and n not in sources]
    further: tuple[int, ...] = ()
    if not targets:
        targets = [n for n in texts if _named_as(names[n], REFERENCE_NAMES)]
        further = tuple(n for n in texts if _NUMBERED.fullmatch(names[n]))
    return Columns(sources[0], targets[0], asked, further) if sources and targets else None


def columns_of_other_names(rows: Sequence[Sequence[str]], path: str | Path) -> Columns | None:
    """The two columns of text under a header whose names say nothing of source and target.

    A first line is such a header if its cells are names as programs write them (question, srcText),
    and the columns of text have sentences below.

    Args:
        rows: lines of the file as lists of cells.
        path: path of the file, for messages.

    Returns:
        The columns in their order; None if the first line is a pair like the others.

    Raises:
        DataError: more than two columns have sentences, so that the names have to be stated.
    """
    texts = texts_below_names(rows)
    if len(texts) < 2:
        return None
    names = [cell.strip().strip('"').strip() for cell in rows[0]]
    if len(texts) > 2:
        listed = ", ".join(names[n] for n in texts)
        raise DataError(
            f"has {len(texts)} columns of text ({listed}), whose names do not say which are source "
            "and target",
            file=path,
            row=1,
            advice=f"State them: --column source={names[texts[0]]} "
            f"--column target={names[texts[1]]}.",
        )
    return Columns(texts[0], texts[1], ("", ""))


def texts_below_names(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns of sentences, from 0, under a first line of names as programs write them.

    Args:
        rows: lines of the file as lists of cells.

    Returns:
        The columns in their order; none if the first line is one like the others.
    """
    if len(rows) <= _FEWEST_LINES or not written_as_names(rows[0]):
        return []
    below = [[cells[n].strip() for cells in rows[1 : SAMPLE + 1] if len(cells) > n]
             for n in range(len(rows[0]))]  # fmt: skip
    texts = [n for n, name in enumerate(rows[0]) if name.strip() and not _kind(below[n])]
    spaced = all(sum(" " in c for c in below[n]) >= _MOSTLY * len(below[n]) for n in texts)
    return texts if spaced else []


def _one_language_twice(stated: Mapping[int, str]) -> Columns | None:
    """The columns of a header such as "de, en, en": one source, and several references.

    Args:
        stated: languages of two kinds, by column.
    """
    source, *others = stated
    if any(same_language(stated[source], stated[other]) for other in others):
        return None
    languages = stated[source], stated[others[0]]
    return Columns(source, others[0], languages, tuple(others[1:]))


def _comes_again(head: str, below: Sequence[str]) -> bool:
    """Whether the first cell of a column is one of its values instead of its name."""
    return below.count(head.strip()) > _FEW * len(below)


def _is_of(language: str, name: str, stated: str) -> bool:
    return same_language(language, name) or (bool(stated) and same_language(language, stated))


def _named_as(name: str, names: Sequence[str]) -> bool:
    """Whether a column has one of these names, alone or together with words for a sentence."""
    if name in names:
        return True
    first, *rest = re.split(r"[^a-z0-9]+", name)
    return first in names and bool(rest) and all(part in COLUMN_WORDS for part in rest)


def columns_of_content(
    rows: Sequence[Sequence[str]], path: str | Path, report: DataReport
) -> Columns:
    """The first two columns of text. The content of the other columns is reported.

    Args:
        rows: lines of the file as lists of cells.
        path: path of the file, for messages.
        report: report that receives notes on columns that are not read.

    Raises:
        DataError: there are fewer than two columns of text.
    """
    usual = Counter(len(cells) for cells in rows if len(cells) > 1).most_common(1)[0][0]
    sample = [cells for cells in rows if len(cells) == usual][:SAMPLE]
    if usual == 2:
        return Columns(0, 1, ("", ""))
    texts: list[int] = []
    kinds = [_kind([cells[number].strip() for cells in sample]) for number in range(usual)]
    if kinds.count("") < 2:
        # If there is no choice, the texts that look like identifiers are what is translated.
        kinds = ["" if kind == _IDENTIFIERS else kind for kind in kinds]
    for number, kind in enumerate(kinds):
        if not kind and len(texts) < 2:
            texts.append(number)
        else:
            what = kind or "more text"
            report.note(f"columns that hold {what}", "not read", f"column {number + 1}")
    if len(texts) < 2:
        raise DataError(
            f"has {usual} columns, but only {len(texts)} of them with text",
            file=path,
            advice="Write SOURCE, a tab, TARGET on each line.",
        )
    return Columns(texts[0], texts[1], ("", ""))


def _kind(cells: Sequence[str]) -> str:
    """The kind of content that a column has instead of sentences; "" for sentences."""
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
    if known >= _NEARLY_ALL * len(filled):
        return "names of languages"
    named = sum(bool(_IDENTIFIER.fullmatch(cell)) for cell in filled)
    return _IDENTIFIERS if named >= _NEARLY_ALL * len(filled) else ""


def without_quotes(
    cells: Sequence[tuple[int, str]], path: str | Path, report: DataReport
) -> list[str]:
    """The cells of a column without the quotation marks of CSV, if the column has them.

    In CSV a cell that contains quotation marks is quoted itself, and the inner marks are doubled.
    If no mark is doubled, the marks are taken as part of the sentences, unless nearly every cell
    of the column is quoted.

    Args:
        cells: line numbers and cells of one column.
        path: path of the file, for messages.
        report: report that receives the number of quoted cells.

    Raises:
        DataError: nearly all quoted cells are quoted as in CSV, but one is not closed.
    """
    texts = [text for _, text in cells]
    quoted = [(number, text) for number, text in cells if text.startswith('"')]
    broken = [number for number, text in quoted if not _QUOTED.fullmatch(text)]
    doubled = any('""' in text[1:-1] for _, text in quoted if _QUOTED.fullmatch(text))
    all_quoted = len(cells) >= _FEWEST_LINES and len(quoted) >= _NEARLY_ALL * len(cells)
    if not (doubled or all_quoted) or len(broken) > len(quoted) // 10:
        return texts
    if broken and not doubled:
        return texts
    if broken:
        raise DataError(
            "cells are quoted as in CSV, but the quotation mark on this line is not closed",
            file=path,
            row=broken[0],
            advice="Write each sentence on one line, or the file without quotes around cells.",
        )
    report.note("cells in the quotes of CSV", "read without them",
                f"line {quoted[0][0]}", len(quoted))  # fmt: skip
    return [text[1:-1].replace('""', '"') if text.startswith('"') else text for text in texts]
