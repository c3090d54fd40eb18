"""Two text files, a sentence a line, of which line n of one is line n of the other translated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.pairs.languages import languages_of_files, same_language
from pipelines.pairs.plausibility import suspected_shift
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.pairs.tab_separated import has_columns
from pipelines.text.foreign_content import refuse_markup
from pipelines.text.lines import read_lines


def read_aligned_files(
    source: str | Path, target: str | Path, source_language: str = "", target_language: str = ""
) -> SentencePairs:
    """The pairs of two files.

    Languages that are asked for are compared with those that the files' names end in: files that
    are named in the other order are read in the order of the languages.

    Args:
        source, target: the files.
        source_language, target_language: languages asked for; "" for those of the files.

    Raises:
        DataError: they have not the same number of lines, so that no line is known to be another's
            translation; their lines fit their neighbours' translations; they are one file; their
            names are of other languages than those asked for; or one cannot be read.
    """
    if os.path.realpath(source) == os.path.realpath(target):
        raise DataError(
            "is named as source and as target",
            file=source,
            advice="Name two files: file:SOURCE,TARGET.",
        )
    asked = source_language, target_language
    turned = all(asked) and _other_way_round((source, target), asked)
    if turned:
        source, target = target, source
    name = f"{source}, {target}"
    report = DataReport(name)
    if turned:
        report.note(f"files named from {target_language} to {source_language}",
                    f"read from {source_language} to {target_language}", name)  # fmt: skip
    first, second = read_lines(source, report), read_lines(target, report)
    refuse_markup(first, source)
    refuse_markup(second, target)
    _refuse_tables(first, second, source, target)
    if len(first) != len(second):
        raise DataError(
            f"has {len(first)} lines, but {target} has {len(second)}: they do not align",
            file=source,
            advice=_first_suspicion(first, second),
        )
    _refuse_shifted(first, second, source, target)
    report.rows = len(first)
    places = tuple(f"line {number}" for number in range(1, len(first) + 1))
    stated = languages_of_files((source, target))
    languages = asked if all(asked) else (stated[0], stated[1])
    return SentencePairs(tuple(first), tuple(second), name, places, report, languages)


def _other_way_round(files: tuple[str | Path, str | Path], asked: tuple[str, str]) -> bool:
    """Whether the names state the languages asked for in the other order.

    Raises:
        DataError: a name states a language that is not the one asked for.
    """
    stated = languages_of_files(files)

    def fits(order: tuple[str, str]) -> bool:
        return all(
            not one or same_language(one, wanted) for one, wanted in zip(stated, order, strict=True)
        )

    if fits(asked):
        return False
    if fits((asked[1], asked[0])):
        return True
    number = next(n for n in (0, 1) if stated[n] and not same_language(stated[n], asked[n]))
    raise DataError(
        f"the file's name says {stated[number]}, but the languages asked for are {asked[0]} to "
        f"{asked[1]}",
        file=files[number],
        advice="Name the files of these languages, source first, or other languages.",
    )


def _refuse_tables(
    first: Sequence[str], second: Sequence[str], source: str | Path, target: str | Path
) -> None:
    """Refuses two files of pairs, whose lines would be taken for sentences with a tab inside."""
    if has_columns(first) and has_columns(second):
        raise DataError(
            f"has tabs on its lines, as {target} has: each holds pairs, not one side of them",
            file=source,
            advice="Name one file of pairs, and others as validation and test; or join them first: "
            "cat FILE FILE > NEW.tsv.",
        )


def _refuse_shifted(
    first: Sequence[str], second: Sequence[str], source: str | Path, target: str | Path
) -> None:
    suspected = suspected_shift(first, second)
    if suspected is None:
        return
    line, shift = suspected
    lines = (
        f"{abs(shift)} line{'s' if abs(shift) > 1 else ''} {'later' if shift > 0 else 'earlier'}"
    )
    raise DataError(
        f"from about line {line} on, the sentences fit those that stand {lines} in {target}: the "
        "files have lost each other",
        file=source,
        row=line,
        advice="Compare the files around that line: a sentence is missing, doubled or cut in two.",
    )


def _first_suspicion(first: Sequence[str], second: Sequence[str]) -> str:
    """Where the files may have lost each other: where only one line is empty, or the end."""
    lines: Iterable[tuple[str, str]] = zip(first, second, strict=False)
    for number, (one, other) in enumerate(lines, start=1):
        if bool(one.strip()) != bool(other.strip()):
            return f"Look at line {number}, which is empty in one of them."
    longer = max(first, second, key=len)
    if not any(line.strip() for line in longer[min(len(first), len(second)) :]):
        return "The longer one ends with empty lines: remove them."
    return "Line n of one must be the translation of line n of the other."
