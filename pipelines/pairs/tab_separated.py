"""Sentence pairs in a file of tab-separated columns, one pair per line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.pairs.columns_of_pairs import (
    SAMPLE,
    Columns,
    columns_of_content,
    columns_of_header,
    columns_of_other_names,
    without_quotes,
)
from pipelines.pairs.languages import language_tag, languages_of_file
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.text.foreign_content import refuse_markup
from pipelines.text.lines import read_lines
from pipelines.text.surplus_cells import FURTHER_CELLS, SurplusCells, filled_width

_NEARLY_ALL = 0.9

Rows = list[tuple[int, list[str]]]
"""Line numbers, counted from 1, and the cells of these lines."""


def read_tab_separated(
    path: str | Path, source_language: str = "", target_language: str = ""
) -> SentencePairs:
    """The pairs of a file in which no sentence contains a tab or a line break.

    A header line tells which columns are source and target; without a header they are the first two
    columns of text, as opposed to numbers, links, languages or licences. Requested languages are
    looked up in the header, or else in the file's name, as in "en-fr.tsv". Cells that are quoted as
    in CSV are read without their quotation marks.

    Args:
        path: path of the file.
        source_language, target_language: the requested languages; "" for the order of the columns.

    Raises:
        DataError: the file is empty, is not text, has no line of two columns of text, or does not
            tell which column is in which of the requested languages.
    """
    report = DataReport(str(path))
    lines = read_lines(path, report)
    refuse_markup(lines, path)
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip()]
    report.note("blank lines", "left out", "", len(lines) - len(rows))
    if not any(len(cells) > 1 for _, cells in rows):
        raise DataError(
            "has no line with two columns separated by a tab",
            file=path,
            advice="Write SOURCE, a tab, TARGET on each line.",
        )
    head = rows[0][1]
    columns, below = _columns(rows, path, (source_language, target_language), report)
    report.rows = len(below)
    # Without a header, the usual number of columns is told from the lines themselves.
    named = len(head) if len(below) < len(rows) else 0
    kept = _whole_rows(below, columns, named, path, report)
    if not kept:
        raise DataError(
            f"has no line with text in columns {columns.source + 1} and {columns.target + 1}",
            file=path,
            advice="Write SOURCE, a tab, TARGET on each line.",
        )
    sides = [
        without_quotes([(number, cells[column]) for number, cells in kept], path, report)
        for column in (columns.source, columns.target)
    ]
    places = tuple(f"line {number}" for number, _ in kept)
    further = tuple(
        tuple(cells[n] for n in columns.further if n < len(cells) and cells[n].strip())
        for _, cells in kept
    )
    return SentencePairs(
        tuple(sides[0]), tuple(sides[1]), str(path), places, report, columns.languages,
        further if any(further) else (),
    )  # fmt: skip


def _columns(
    rows: Rows, path: str | Path, asked: tuple[str, str], report: DataReport
) -> tuple[Columns, Rows]:
    """The columns of the sentences, and the rows without a header."""
    number, _ = rows[0]
    sample = [cells for _, cells in rows[:SAMPLE]]
    columns = columns_of_header(sample, asked, path)
    if columns is None and not all(asked):
        columns = columns_of_other_names(sample, path)
    if columns is not None:
        report.note("header lines", "read as the columns' names", f"line {number}")
        others = [
            name.strip() or "without a name"
            for place, name in enumerate(rows[0][1])
            if place not in columns.all
        ]
        if others:
            report.note(f"further columns ({', '.join(others)})", "not read", "", len(others))
        return columns, rows[1:]
    columns = columns_of_content([cells for _, cells in rows], path, report)
    named = languages_of_file(path) or ("", "")
    if not all(asked):
        return Columns(columns.source, columns.target, named), rows
    wanted = [language_tag(language).split("-")[0] for language in asked]
    there = [language_tag(language).split("-")[0] for language in named]
    if wanted == there:
        return Columns(columns.source, columns.target, asked), rows
    if wanted == there[::-1]:
        report.note(f"columns in the order {named[0]}, {named[1]}",
                    f"read from {asked[0]} to {asked[1]}", str(path))  # fmt: skip
        return Columns(columns.target, columns.source, asked), rows
    known = f": its name says {named[0]} and {named[1]}" if all(named) else ""
    raise DataError(
        f"does not say which column is {asked[0]} and which is {asked[1]}{known}",
        file=path,
        advice="Write the two languages, with a tab between, as its first line; or leave out "
        "source_language and target_language: then the first column is translated into the second.",
    )


def _whole_rows(
    rows: Rows, columns: Columns, named: int, path: str | Path, report: DataReport
) -> Rows:
    """The rows that have both columns, which no tab can have moved; the others are reported.

    Args:
        rows: lines below the header, if there is one.
        columns: columns that are read.
        named: number of columns that the header names; 0 without a header.
        path: path of the file, for messages.
        report: report that receives notes on the rows that are left out.

    Raises:
        DataError: nearly all rows have more columns than the header names.
    """
    needed = max(columns.source, columns.target) + 1
    wider = [(number, len(cells)) for number, cells in rows if 0 < named < filled_width(cells)]
    if wider and len(wider) >= _NEARLY_ALL * len(rows):
        number, count = wider[0]
        raise DataError(
            f"has {count} cells, as nearly all lines, but the first line names {named} columns",
            file=path,
            row=number,
            advice="Name all columns in the first line, in their order.",
        )
    surplus = SurplusCells([cells for _, cells in rows], columns.all, named)
    kept: Rows = []
    for number, cells in rows:
        if len(cells) < needed:
            report.note("lines without a second column", "left out", f"line {number}")
        elif surplus.may_have_moved(cells):
            report.note("lines with a tab too many", "left out", f"line {number}")
        else:
            further = surplus.has(cells)
            report.note(FURTHER_CELLS, "read without them", f"line {number}", int(further))
            kept.append((number, cells))
    return kept


def looks_tab_separated(lines: Sequence[str]) -> bool:
    """Whether nearly all lines that are not blank have a tab."""
    filled = [line for line in lines if line.strip()]
    return bool(filled) and sum("\t" in line for line in filled) >= _NEARLY_ALL * len(filled)


def has_columns(lines: Sequence[str]) -> bool:
    """Whether nearly all lines that are not blank have the same number of columns, two or more.

    Tabs that indent lines, as in program code, differ in number from line to line.
    """
    counts = Counter(line.count("\t") for line in lines if line.strip())
    if not counts:
        return False
    tabs, times = counts.most_common(1)[0]
    return tabs > 0 and times >= _NEARLY_ALL * counts.total()
