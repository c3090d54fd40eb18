"""Loads training, validation and test text from any source."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipelines import roles
from pipelines.base.errors import DataError, UserError
from pipelines.base.stated_columns import Stated, agreed_columns
from pipelines.shares import DEFAULT_SHARES, parse_shares
from pipelines.sources import Source, parse_source
from pipelines.text.corpus import TextCorpus, TextParts


def load_text(
    source: str | Source | TextCorpus,
    *,
    data_dir: str = "",
    split: str = DEFAULT_SHARES,
    validation: str | Source | TextCorpus = "",
    test: str | Source | TextCorpus = "",
    text_feature: str = "",
    text_column: str = "",
    file_endings: Sequence[str] = (),
    columns: Stated = (),
) -> TextParts:
    """The text of a source, cut into parts; only what is needed to cut it is read now.

    The first of these rules that applies decides about the validation and the test text:
      1. If `validation` names a source, nothing is held out from `source`, and there is a test
         part only if `test` names one or `source` has one.
      2. If the source has its own parts (a TensorFlow dataset, a built-in text), these are used. A
         source with parts that is named as validation or test gives the part of that name.
      3. Otherwise `split` cuts the text into three consecutive shares, at line ends. If there is
         already a test part, only the second share is held out, at the end of the text.

    Args:
        source: name of the text: "file:PATH[,PATH]" (files, folders or patterns; plain text, or
            records in JSON lines, CSV, TSV or Parquet, whose files end so),
            "tfds:NAME[/CONFIG][@SPLIT]" or "builtin:NAME"; or a corpus.
        data_dir: folder of prepared TensorFlow datasets; "" for the default of tfds.
        split: the shares of training, validation and test; 0 for a part that is not wanted.
        validation, test: sources of the validation and test text, in the notation of `source`;
            "" for none.
        text_feature: name of the feature of a TensorFlow dataset that has the text; "" to find it.
        text_column: column of records that has the text, by name or by number from 1; "" to find
            it.
        file_endings: endings of the files to read in folders, such as (".py", ".md"); empty for
            those of text.
        columns: column of records that has the text, by its role: {"text": NAME} or "text=NAME".

    Raises:
        ConfigurationError: `columns` and `text_column` name different columns.
        DataError: the source cannot be used, or is too short for the split.
    """
    first, second, third = parse_shares(split)
    (text_column,) = agreed_columns(columns, roles.TEXT, text_column=text_column)

    def opened(named: str | Source | TextCorpus, column: str) -> TextParts:
        return _open(named, data_dir, text_feature, column, file_endings)

    def opened_beside(named: str | Source | TextCorpus) -> TextParts:
        return opened(named, column_for(named, text_column, file_endings))

    parts = opened(source, text_column)
    test_text = _own(opened_beside(test), "test") if test else parts.test
    if validation:
        own = _own(opened_beside(validation), "validation")
        return TextParts(parts.train, own, test_text)
    if parts.validation is not None:
        return TextParts(parts.train, parts.validation, test_text)
    if test_text is not None:
        return TextParts(
            parts.train.part(0.0, 1 - second), _share(parts.train, 1 - second, 1.0), test_text
        )
    borders = round(first, 9), round(first + second, 9), round(first + second + third, 9)
    return TextParts(
        parts.train.part(0.0, borders[0]),
        _share(parts.train, borders[0], borders[1]),
        _share(parts.train, borders[1], borders[2]),
    )


def column_for(
    source: str | Source | TextCorpus, text_column: str, file_endings: Sequence[str] = ()
) -> str:
    """The text's column in the training data as it holds for other data: plain text has none.

    Args:
        source: the other text.
        text_column: column of the training data; "" if none was named.
        file_endings: endings of the files to read in folders.

    Raises:
        DataError: the source cannot be used.
    """
    if not text_column or not isinstance(source, str | Source):
        return text_column
    named = source if isinstance(source, Source) else _named(source)
    if named.kind != "file":
        return text_column
    from pipelines.text.folders import files_of
    from pipelines.text.records import open_records

    files = files_of(named.paths, file_endings)
    return text_column if any(open_records(path) for path in files) else ""


def _named(source: str) -> Source:
    return parse_source(source, folders=True, archives=True)


def _share(text: TextCorpus, start: float, stop: float) -> TextCorpus | None:
    return text.part(start, stop) if stop > start else None


def _own(parts: TextParts, part: str) -> TextCorpus:
    """The text of a source that is named as `part`: its part of that name, else all of it."""
    if parts.validation is None and parts.test is None:
        return parts.train
    chosen: TextCorpus | None = getattr(parts, part)
    if chosen is None:
        raise DataError(f"there is no {part} part", file=parts.train.name)
    return chosen


def _open(
    source: str | Source | TextCorpus,
    data_dir: str,
    text_feature: str,
    text_column: str,
    file_endings: Sequence[str],
) -> TextParts:
    """The source in its own parts; a source without parts is all training part."""
    if isinstance(source, TextCorpus):
        return TextParts(source, None, None)
    if not isinstance(source, str | os.PathLike | Source):
        raise UserError(
            f"text of type {type(source).__name__} cannot be read: give the name of a source, "
            "such as 'file:PATH', or a TextCorpus"
        )
    named = source if isinstance(source, Source) else _named(str(source))
    if named.kind == "file":
        return TextParts(_file_text(named, text_column, file_endings), None, None)
    if named.kind == "builtin":
        from pipelines.builtin import builtin_data

        parts: TextParts = builtin_data(named.name, "language modelling").load()
        return parts
    from pipelines.text.tfds import dataset_parts

    # The column of a dataset is its feature.
    return dataset_parts(named, data_dir or None, text_feature or text_column)


def _file_text(named: Source, text_column: str, file_endings: Sequence[str]) -> TextCorpus:
    """The text of files: plain text, or a column of records."""
    from pipelines.text.files import open_text_files
    from pipelines.text.folders import files_of
    from pipelines.text.record_text import RecordText
    from pipelines.text.records import open_records

    files = files_of(named.paths, file_endings)
    opened = [open_records(path) for path in files]
    records = [one for one in opened if one is not None]
    if not records:
        if text_column:
            raise DataError(
                f"is plain text and has no column {text_column!r}, which text_column names",
                file=files[0],
                advice="Leave out text_column, or name files that end in .jsonl, .csv, .tsv or "
                ".parquet.",
            )
        return open_text_files(named.paths, str(named), endings=file_endings)
    if len(records) < len(files):
        plain = next(path for path, one in zip(files, opened, strict=True) if one is None)
        raise DataError(
            f"is plain text, but {records[0].path} has records: they are read in different ways",
            file=plain,
            advice="Name text and records separately, such as one as data and one as test.",
        )
    return RecordText(records, str(named), text_column)
