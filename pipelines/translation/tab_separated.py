"""Sentence pairs in a file of tab-separated columns, a pair a line."""

from __future__ import annotations

from pathlib import Path

from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.translation.aligned_files import read_lines
from pipelines.translation.sentence_pairs import SentencePairs

SUFFIXES = (".tsv", ".tab", ".tsv.gz", ".tab.gz")


def read_tab_separated(
    path: str | Path, source_language: str = "", target_language: str = ""
) -> SentencePairs:
    """The pairs of a file, nothing quoted: a sentence has neither tab nor line break.

    The first two columns are source and target. Where languages are named and the first line has
    both of them as cells, that line is a header and the columns are those.

    Raises:
        DataError: the file is empty, no text, or has no line of two columns.
    """
    report = DataReport(str(path))
    lines = read_lines(path, report)
    first, second, start = 0, 1, 0
    header = [cell.strip().lower() for cell in lines[0].split("\t")]
    named = source_language.lower(), target_language.lower()
    if all(named) and all(name in header for name in named):
        first, second, start = header.index(named[0]), header.index(named[1]), 1
    source, target, places = [], [], []
    for number, line in enumerate(lines[start:], start=start + 1):
        if not line.strip():
            report.note("blank lines", "left out", f"line {number}")
            continue
        cells = line.split("\t")
        if len(cells) <= max(first, second):
            report.note("lines without a second column", "left out", f"line {number}")
            continue
        source.append(cells[first])
        target.append(cells[second])
        places.append(f"line {number}")
    if not source:
        raise DataError(
            "has no line with two columns separated by a tab",
            file=path,
            advice="Write SOURCE, a tab, TARGET on each line.",
        )
    report.rows = len(lines) - start
    return SentencePairs(tuple(source), tuple(target), str(path), tuple(places), report)
