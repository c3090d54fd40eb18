"""Two text files, a sentence a line, of which line n of one is line n of the other translated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.text_files import open_text_files
from pipelines.translation.sentence_pairs import SentencePairs


def read_lines(path: str | Path, report: DataReport) -> list[str]:
    """The lines of a file in UTF-8, plain or gzipped; only \\n, \\r\\n and \\r end a line.

    Raises:
        DataError: the file is empty or not UTF-8; the message names the place.
    """
    text = open_text_files([path], str(path))
    lines = "".join(text.chunks()).split("\n")
    for finding in text.report.findings:
        for place in finding.places or [""]:
            report.note(finding.kind, finding.treatment, place, finding.count)
            break
    if lines and not lines[-1]:
        lines.pop()
    return lines


def read_aligned_files(source: str | Path, target: str | Path) -> SentencePairs:
    """The pairs of two files.

    Raises:
        DataError: they have not the same number of lines, so that no line is known to be another's
            translation; or one cannot be read.
    """
    name = f"{source}, {target}"
    report = DataReport(name)
    first, second = read_lines(source, report), read_lines(target, report)
    if len(first) != len(second):
        raise DataError(
            f"has {len(first)} lines, but {target} has {len(second)}: they do not align",
            file=source,
            advice=_first_suspicion(first, second),
        )
    report.rows = len(first)
    places = tuple(f"line {number}" for number in range(1, len(first) + 1))
    return SentencePairs(tuple(first), tuple(second), name, places, report)


def _first_suspicion(first: Sequence[str], second: Sequence[str]) -> str:
    """Where the files may have lost each other: where only one line is empty, or the end."""
    lines: Iterable[tuple[str, str]] = zip(first, second, strict=False)
    for number, (one, other) in enumerate(lines, start=1):
        if bool(one.strip()) != bool(other.strip()):
            return f"Look at line {number}, which is empty in one of them."
    return "Line n of one must be the translation of line n of the other."
