"""Sentence pairs in records: JSON lines, CSV, Parquet, and TSV whose columns the user names."""

from __future__ import annotations

import itertools
from typing import Any

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.pairs.columns_of_pairs import (
    SAMPLE,
    Columns,
    columns_of_content,
    columns_of_header,
    columns_of_other_names,
    texts_below_names,
    without_quotes,
)
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.text.records import NO_NAMES, Records, place_of, text_of
from pipelines.text.surplus_cells import SurplusCells

_SHOWN = 40

Rows = list[tuple[int, list[Any]]]
"""Numbers of lines or rows, counted from 1, and their cells; None for a missing cell."""


def read_records_of_pairs(
    records: Records,
    languages: tuple[str, str] = ("", ""),
    columns: tuple[str, str] = ("", ""),
) -> SentencePairs:
    """The pairs of a file of records.

    The two columns are those that the user names; else those that names tell, as languages or as
    "source" and "target"; else, in a table without a header, the first two columns of text.

    Args:
        records: records of the file, as the text module reads them.
        languages: the requested languages of source and target; "" if none were requested.
        columns: names of the source and target columns, or their numbers from 1; "" to find them.
            Several target columns, separated by commas, are the target and further references.

    Raises:
        DataError: the file is damaged, it does not tell which columns are meant, or one of them
            has something else than text; the message names the row.
    """
    report = DataReport(str(records.path))
    names, rows = _keyed(records) if records.keyed else ([], list(records.rows()))
    if not rows:
        raise DataError("has no record", file=records.path)
    numbered = all(_is_number(one) for one in (columns[0], *columns[1].split(",")))
    if not records.keyed and any(columns) and (not numbered or _begins_with_names(rows)):
        names, rows = rows[0][1], rows[1:]
    if any(columns):
        chosen = _named(records, names, languages, columns)
    else:
        chosen, header = _recognised(records, names, rows, languages, report)
        if header:
            names, rows = rows[0][1], rows[1:]
    _note_columns(names, chosen, report)
    if not names and any(columns):
        first, cells = rows[0]
        shown = "; ".join(repr(str(cell)[:_SHOWN]) for cell in cells)
        report.note(NO_NAMES, "read as a pair", f"line {first}: {shown}")
    kept = _whole_rows(records, names, rows, chosen, report)
    report.rows = len(rows)
    source = _texts(records, names, kept, chosen.source, report)
    targets = _texts(records, names, kept, chosen.target, report, listed=True)
    others = [
        _texts(records, names, kept, column, report, listed=True) for column in chosen.further
    ]
    further = _further(targets, others, report)
    places = tuple(f"{records.unit} {number}" for number, _ in kept)
    return SentencePairs(
        tuple(text for [text] in source), tuple(first for first, *_ in targets),
        str(records.path), places, report, chosen.languages, further,
    )  # fmt: skip


def _texts(
    records: Records,
    names: list[str],
    rows: Rows,
    column: int,
    report: DataReport,
    *,
    listed: bool = False,
) -> list[list[str]]:
    """The texts of a column, at least one for each row; if `listed`, a cell may be a list."""
    name = names[column].strip() if names else f"column {column + 1}"
    cells = [(number, row[column] if column < len(row) else None) for number, row in rows]
    if records.kind == "tsv":
        plain = [(number, text_of(cell, name, number, records)) for number, cell in cells]
        return [[text] for text in without_quotes(plain, records.path, report)]
    found = []
    for number, cell in cells:
        several = (cell or [None]) if listed and isinstance(cell, list) else [cell]
        texts = [text_of(one, name, number, records) for one in several]
        # A line break inside a cell would make two sentences of one wherever lines are sentences.
        found.append([" ".join(text.splitlines()) for text in texts])
    return found


def _further(
    targets: list[list[str]], columns: list[list[list[str]]], report: DataReport
) -> tuple[tuple[str, ...], ...]:
    """The texts of each row beyond the first target; empty if no row has any."""
    further = tuple(
        tuple(text for text in itertools.chain(others, *cells) if text.strip())
        for (_, *others), *cells in zip(targets, *columns, strict=True)
    )
    count = sum(map(bool, further))
    report.note(
        "pairs with several translations",
        "the first is the target, the others are references of an evaluation",
        "",
        count,
    )
    return further if count else ()


def _is_number(column: str) -> bool:
    return column.strip().isdigit()


def _begins_with_names(rows: Rows) -> bool:
    """Whether the first row of a table has names of columns, though the user gives numbers."""
    sample = [cells for _, cells in rows[:SAMPLE]]
    named = columns_of_header(sample, ("", ""), "") is not None
    return named or len(texts_below_names(sample)) > 1


def _keyed(records: Records) -> tuple[list[str], Rows]:
    """The names of all columns in the order in which they come, and the rows."""
    names: dict[str, int] = {}
    objects = list(records.objects())
    for _, one in objects:
        for name in one:
            names.setdefault(name, len(names))
    return list(names), [(number, [one.get(name) for name in names]) for number, one in objects]


def _named(
    records: Records, names: list[str], languages: tuple[str, str], columns: tuple[str, str]
) -> Columns:
    if not all(columns):
        raise DataError(
            "source_column and target_column go together: name both or neither", file=records.path
        )
    targets = [columns[1]] if columns[1] in [name.strip() for name in names] else None
    targets = targets or [one.strip() for one in columns[1].split(",") if one.strip()]
    if not targets:
        raise DataError("target_column names no column", file=records.path)
    wanted = [(columns[0], "source_column"), *((target, "target_column") for target in targets)]
    places = [place_of(one, names, records.path, argument) for one, argument in wanted]
    for place, (one, _) in zip(places, wanted, strict=True):
        if names and place >= len(names):
            raise DataError(
                f"has {len(names)} columns, so there is no column {one}",
                file=records.path,
                advice=f"Its columns: {', '.join(names)}.",
            )
    for number, place in enumerate(places):
        if place in places[:number]:
            both = "source and as target" if place == places[0] else "target twice"
            raise DataError(
                f"the column {wanted[number][0]!r} is named as {both}", file=records.path
            )
    return Columns(places[0], places[1], languages, tuple(places[2:]))


def _recognised(
    records: Records,
    names: list[str],
    rows: Rows,
    languages: tuple[str, str],
    report: DataReport,
) -> tuple[Columns, bool]:
    """The columns that names or content tell, and whether the first row is a header."""
    texts = [["" if cell is None else str(cell) for cell in cells] for _, cells in rows[:SAMPLE]]
    head = [names, *texts] if names else texts
    chosen = columns_of_header(head, languages, records.path)
    if chosen is not None:
        return chosen, not names
    if names or all(languages):
        raise DataError(
            "does not say which columns are source and target. "
            + (f"Its columns: {', '.join(names)}" if names else "It has no header of languages"),
            file=records.path,
            advice="Name them: --source-column NAME --target-column NAME.",
        )
    chosen = columns_of_other_names(texts, records.path)
    if chosen is not None:
        return chosen, True
    if not any(len(cells) > 1 for cells in texts):
        raise DataError("has one column only, not a source and a target", file=records.path)
    return columns_of_content(texts, records.path, report), False


def _note_columns(names: list[str], chosen: Columns, report: DataReport) -> None:
    if not names:
        return
    stripped = [name.strip() for name in names]
    report.note(
        f"the columns {stripped[chosen.source]!r} and {stripped[chosen.target]!r}",
        "read as source and target",
    )
    if chosen.further:
        listed = ", ".join(repr(stripped[place]) for place in chosen.further)
        report.note(f"the columns {listed}", "read as further references", "", len(chosen.further))
    others = [name for place, name in enumerate(stripped) if place not in chosen.all]
    if others:
        report.note(f"further columns ({', '.join(others)})", "not read", "", len(others))


def _whole_rows(
    records: Records, names: list[str], rows: Rows, chosen: Columns, report: DataReport
) -> Rows:
    """The rows that have both columns; the others are reported.

    Raises:
        DataError: no row has both; or a tab may have moved or cut a column in one of them.
    """
    needed = max(chosen.source, chosen.target) + 1
    surplus = SurplusCells([cells for _, cells in rows], chosen.all, len(names))
    kept: Rows = []
    for number, cells in rows:
        records.check_tabs(cells, number, surplus, report)
        if len(cells) < needed:
            report.note("rows without a second column", "left out", f"{records.unit} {number}")
        else:
            kept.append((number, cells))
    if not kept:
        raise DataError(
            f"has no row with text in columns {chosen.source + 1} and {chosen.target + 1}",
            file=records.path,
        )
    return kept
