"""Two text files with one sentence per line, of which the lines of equal number are pairs."""

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
    """The sentence pairs of two files.

    Requested languages are compared with the languages that the files' names end in. If the files
    are named in the opposite order, they are read in the order of the languages.

    Args:
        source, target: paths of the two files.
        source_language, target_language: the requested languages; "" for those of the files.

    Raises:
        DataError: the files differ in their number of lines, so that it is not known which lines
            belong together; their lines fit the translations of neighbouring lines; both are the
            same file; their names state other languages than the requested ones; or a file cannot
            be read.
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
            advice=first_suspicion(first, second),
        )
    refuse_shifted(first, second, source, target)
    report.rows = len(first)
    places = tuple(f"line {number}" for number in range(1, len(first) + 1))
    stated = languages_of_files((source, target))
    languages = asked if all(asked) else (stated[0], stated[1])
    return SentencePairs(tuple(first), tuple(second), name, places, report, languages)


def _other_way_round(files: tuple[str | Path, str | Path], asked: tuple[str, str]) -> bool:
    """Whether the files' names state the requested languages in the opposite order.

    Raises:
        DataError: a name states a language that was not requested.
    """
    stated = languages_of_files(files)

    def fits(order: tuple[str, str]) -> bool:
        return all(
            not language or same_language(language, wanted)
            for language, wanted in zip(stated, order, strict=True)
        )

    if fits(asked):
        return False
    if fits((asked[1], asked[0])):
        return True
    number = next(n for n in (0, 1) if stated[n] and not same_language(stated[n], asked[n]))
    raise DataError(
        f"the file's name says {stated[number]}, but the requested languages are {asked[0]} to "
        f"{asked[1]}",
        file=files[number],
        advice="Name the files of these languages, source first, or request other languages.",
    )


def _refuse_tables(
    first: Sequence[str], second: Sequence[str], source: str | Path, target: str | Path
) -> None:
    """Refuses two files of pairs, whose lines would be read as sentences with a tab inside."""
    if has_columns(first) and has_columns(second):
        raise DataError(
            f"has tabs on its lines, as {target} has: each file has pairs, not one side of them",
            file=source,
            advice="Name one file of pairs, and others as validation and test; or join them first: "
            "cat FILE FILE > NEW.tsv.",
        )


def refuse_shifted(
    first: Sequence[str], second: Sequence[str], source: str | Path, target: str | Path
) -> None:
    """Refuses files whose lines fit the translations of lines before or after them.

    Args:
        first, second: lines of the two files, equally many.
        source, target: paths of the two files, for the message.

    Raises:
        DataError: the lines are shifted; the message names the line where this begins.
    """
    suspected = suspected_shift(first, second)
    if suspected is None:
        return
    line, shift = suspected
    lines = (
        f"{abs(shift)} line{'s' if abs(shift) > 1 else ''} {'later' if shift > 0 else 'earlier'}"
    )
    raise DataError(
        f"from about line {line} on, the sentences fit those {lines} in {target}: the files are "
        "no longer aligned",
        file=source,
        row=line,
        advice="Compare the files around that line: a sentence is missing, doubled or cut in two.",
    )


def first_suspicion(first: Sequence[str], second: Sequence[str]) -> str:
    """Advice on where the alignment may be lost: where only one line is empty, or at the end."""
    lines: Iterable[tuple[str, str]] = zip(first, second, strict=False)
    for number, (source, target) in enumerate(lines, start=1):
        if bool(source.strip()) != bool(target.strip()):
            return f"Look at line {number}, which is empty in one of the files."
    longer = max(first, second, key=len)
    if not any(line.strip() for line in longer[min(len(first), len(second)) :]):
        return "The longer file ends with empty lines: remove them."
    return "Line n of one file must be the translation of line n of the other."
