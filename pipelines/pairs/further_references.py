"""Further references of sentence pairs: files whose line n also translates source sentence n."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from pipelines.base.archives import split_archive
from pipelines.base.errors import DataError
from pipelines.pairs.aligned_files import first_suspicion, refuse_shifted
from pipelines.pairs.languages import language_of_file, same_language
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.pairs.tab_separated import has_columns
from pipelines.text.foreign_content import refuse_markup
from pipelines.text.lines import read_lines


def with_reference_files(pairs: SentencePairs, paths: Sequence[str | Path]) -> SentencePairs:
    """The pairs with the lines of further files as further references.

    An empty line says that the file has no reference for this sentence.

    Args:
        pairs: sentence pairs as they were read, those with an empty side among them.
        paths: paths of the files, each with a line for every pair.

    Raises:
        DataError: a file is named twice, has another number of lines than there are pairs, fits the
            sentences some lines earlier or later, holds columns or markup, or cannot be read.
    """
    if not paths:
        return pairs
    _require_different(pairs, paths)
    streams = [_lines(pairs, path) for path in paths]
    known = pairs.further or ((),) * len(pairs)
    further = tuple(
        (*others, *(line for line in lines if line.strip()))
        for others, *lines in zip(known, *streams, strict=True)
    )
    for path, lines in zip(paths, streams, strict=True):
        empty = [number for number, line in enumerate(lines, 1) if not line.strip()]
        for number in empty:
            pairs.report.note(
                "lines without a further reference", "left out", f"{path}, line {number}"
            )
        if len(empty) == len(lines):
            raise DataError("has no line with a reference", file=path)
    return dataclasses.replace(pairs, further=further)


def _require_different(pairs: SentencePairs, paths: Sequence[str | Path]) -> None:
    """Refuses a file that is already one of the pairs' files, or is named twice."""
    seen = {os.path.realpath(name) for name in pairs.name.split(", ")}
    for path in paths:
        if os.path.realpath(path) in seen:
            raise DataError(
                "is named twice",
                file=path,
                advice="Name the first reference in the data and the others as references.",
            )
        seen.add(os.path.realpath(path))


def _lines(pairs: SentencePairs, path: str | Path) -> list[str]:
    if not split_archive(path)[0].exists():
        raise DataError("the file does not exist", file=path)
    lines = read_lines(path, pairs.report)
    refuse_markup(lines, path)
    stated, wanted = language_of_file(path), pairs.languages[1]
    if stated and wanted and not same_language(stated, wanted):
        raise DataError(
            f"the file's name says {stated}, but the references are in {wanted}", file=path
        )
    if has_columns(lines):
        raise DataError(
            "has tabs on its lines; a file of references has one sentence per line",
            file=path,
            advice="Name the columns of a table as --target-column FIRST,SECOND instead.",
        )
    if len(lines) != len(pairs):
        raise DataError(
            f"has {len(lines)} lines, but {pairs.name} has {len(pairs)} pairs: they do not align",
            file=path,
            advice=first_suspicion(pairs.target, lines),
        )
    refuse_shifted(lines, pairs.source, path, pairs.name)
    return lines
