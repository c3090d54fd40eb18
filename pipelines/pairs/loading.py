"""Loads training, validation and test pairs from any source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines import roles
from pipelines.base.archives import split_archive
from pipelines.base.errors import ConfigurationError, DataError
from pipelines.base.stated_columns import Stated, agreed_columns
from pipelines.batches import random_numbers
from pipelines.data_report import DataReport
from pipelines.pairs.aligned_files import read_aligned_files
from pipelines.pairs.encoding import refuse_half_characters, without_empty
from pipelines.pairs.further_references import with_reference_files
from pipelines.pairs.languages import language_tag, same_language
from pipelines.pairs.records_of_pairs import read_records_of_pairs
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from pipelines.pairs.tab_separated import looks_tab_separated, read_tab_separated
from pipelines.pairs.translation_memories import SUFFIXES as TMX_SUFFIXES
from pipelines.pairs.translation_memories import read_translation_memory
from pipelines.pairs.zipped_sides import zipped_sides
from pipelines.shares import DEFAULT_SHARES, parse_shares
from pipelines.sources import Source, parse_source
from pipelines.text.foreign_content import look_at_head, refuse_foreign
from pipelines.text.lines import read_lines
from pipelines.text.packing import inner_name
from pipelines.text.records import Records, open_records

_TEXT_SUFFIXES = (".txt",)


def load_pairs(
    source: str | Source | SentencePairs,
    *,
    data_dir: str = "",
    split: str = DEFAULT_SHARES,
    validation: str | Source | SentencePairs = "",
    test: str | Source | SentencePairs = "",
    source_language: str = "",
    target_language: str = "",
    source_column: str = "",
    target_column: str = "",
    columns: Stated = (),
    seed: int = 0,
) -> PairParts:
    """The pairs of a source, cut into parts. Pairs with an empty side are left out and reported.

    The validation and test pairs are those of `validation` and `test`, if they are named; else the
    source's own parts, if it has any; else shares of the pairs, drawn at random by `split` and
    `seed`, where all pairs of a source sentence go to the same part.

    Args:
        source: name of the pairs: "file:SOURCE,TARGET" (two aligned files), "file:PAIRS.tsv" (or a
            .txt with tabs, .csv, .jsonl, .parquet, .tmx), "tfds:NAME[/CONFIG][@SPLIT]" or
            "builtin:NAME"; or the pairs themselves.
        data_dir: folder of prepared TensorFlow datasets; "" for the default of tfds.
        split: the shares of training, validation and test; 0 for a part that is not wanted.
        validation, test: sources of the validation and test pairs, in the notation of `source`;
            "" for none.
        source_language, target_language: the requested languages, both or neither; files of other
            languages are refused, and files in the opposite order are swapped.
        source_column, target_column: columns of the sentences in a table, by name or by number
            from 1, both or neither; "" to find them. Several target columns, separated by commas,
            are the target and further references.
        columns: the same columns by their roles: {"source": NAME, "target": NAME}, or
            ["source=NAME", "target=NAME"].
        seed: seed of the random split.

    Raises:
        ConfigurationError: `columns` and the other arguments name different columns.
        DataError: the source cannot be used.
    """
    languages = source_language, target_language
    sides = _columns(columns, source_column, target_column)
    parts = _open(source, data_dir, languages, sides)
    own_test = _open(test, data_dir, languages, columns_for(test, sides)) if test else None
    test_pairs = (own_test.test or own_test.train) if own_test else parts.test
    if test_pairs is not None:
        require_direction(test_pairs, parts.train.languages)
    if validation:
        own = _open(validation, data_dir, languages, columns_for(validation, sides))
        held_out = own.validation or own.train
        require_direction(held_out, parts.train.languages)
        return PairParts(parts.train, held_out, test_pairs)
    if parts.validation is not None:
        return PairParts(parts.train, parts.validation, test_pairs)
    return _split(parts.train, split, test_pairs, seed)


def columns_for(source: str | Source | SentencePairs, columns: tuple[str, str]) -> tuple[str, str]:
    """The columns of the training data as they hold for other data: aligned files have none.

    Args:
        source: the other pairs.
        columns: columns of source and target in the training data; "" if none were named.
    """
    if isinstance(source, SentencePairs) or not any(columns):
        return columns
    named = source if isinstance(source, Source) else parse_source(source, archives=True)
    return ("", "") if len(named.paths) == 2 else columns


def require_direction(pairs: SentencePairs, trained: tuple[str, str]) -> None:
    """Refuses pairs that state other languages than those of the training.

    Args:
        pairs: sentence pairs for an evaluation.
        trained: source and target language of the training; "" for an unknown language.

    Raises:
        DataError: a known language differs from that of the training.
    """
    for stated, wanted in zip(pairs.languages, trained, strict=True):
        if stated and wanted and not same_language(stated, wanted):
            raise DataError(
                f"is from {pairs.languages[0]} to {pairs.languages[1]}, but the training was from "
                f"{trained[0]} to {trained[1]}",
                file=pairs.name,
                advice="Name source and target in the order of the training.",
            )


def load_all(
    source: str | Source | SentencePairs,
    *,
    data_dir: str = "",
    source_language: str = "",
    target_language: str = "",
    source_column: str = "",
    target_column: str = "",
    references: Sequence[str | Path] = (),
    columns: Stated = (),
) -> SentencePairs:
    """All pairs of a source for an evaluation; if the source has parts, the test part.

    The other arguments are those of `load_pairs`.

    Args:
        references: files with further references, whose line n belongs to the source's pair n.

    Raises:
        DataError: the source or a file of references cannot be used.
    """
    languages = source_language, target_language
    sides = _columns(columns, source_column, target_column)
    parts = _open(source, data_dir, languages, sides, references)
    return parts.test or parts.validation or parts.train


def _columns(stated: Stated, source: str, target: str) -> tuple[str, str]:
    columns = agreed_columns(stated, roles.PAIRS, source_column=source, target_column=target)
    return columns[0], columns[1]


def _split(pairs: SentencePairs, split: str, test: SentencePairs | None, seed: int) -> PairParts:
    _, second, third = parse_shares(split)
    if test is not None:
        third = 0.0
    # All translations of a sentence go to the same part: no model is tested on a sentence that it
    # was trained on, be it with another translation.
    groups = sorted(set(pairs.source))
    random_numbers(seed).shuffle(groups)
    first_border, second_border = round(second * len(groups)), round((second + third) * len(groups))
    side = {
        sentence: 1 if place < first_border else 2 if place < second_border else 0
        for place, sentence in enumerate(groups)
    }
    parts: list[list[int]] = [[], [], []]
    for number, sentence in enumerate(pairs.source):
        parts[side[sentence]].append(number)
    if not parts[0] or (second and not parts[1]) or (third and not parts[2]):
        raise DataError(
            f"has {len(groups)} different source sentences, too few for the split {split}",
            file=pairs.name,
            advice="Give more pairs, another split, or separate data for validation and test.",
        )
    names = ("", f"{pairs.name}, validation part", f"{pairs.name}, test part")
    train, held_out, tested = (
        pairs.take(part, name) if part else None for part, name in zip(parts, names, strict=True)
    )
    assert train is not None
    return PairParts(train, held_out, test or tested)


def _open(
    source: str | Source | SentencePairs,
    data_dir: str,
    languages: tuple[str, str],
    columns: tuple[str, str],
    references: Sequence[str | Path] = (),
) -> PairParts:
    if isinstance(source, SentencePairs):
        refuse_half_characters(source)
        return PairParts(without_empty(with_reference_files(source, references)), None, None)
    named = source if isinstance(source, Source) else parse_source(str(source), archives=True)
    if references and named.kind != "file":
        raise DataError(
            "has no lines that files of references could belong to",
            file=str(source),
            advice="Name files of pairs: file:SOURCE,TARGET.",
        )
    if named.kind == "builtin":
        from pipelines.builtin import builtin_data

        phrases = builtin_data(named.name, "translation").load()
        parts: PairParts = phrases(*languages)
        return parts
    if bool(languages[0]) != bool(languages[1]):
        raise ConfigurationError(
            f"source_language = {languages[0]!r} and target_language = {languages[1]!r} go "
            "together: name both or neither"
        )
    if all(languages) and language_tag(languages[0]) == language_tag(languages[1]):
        raise ConfigurationError(
            f"source_language = {languages[0]!r} and target_language = {languages[1]!r} are the "
            "same language: name two"
        )
    if named.kind == "tfds":
        from pipelines.pairs.tfds import dataset_pairs

        return dataset_pairs(named, data_dir or None, *languages)
    pairs = with_reference_files(_read_files(named.paths, languages, columns), references)
    return PairParts(without_empty(pairs), None, None)


def _read_files(
    paths: tuple[str, ...], languages: tuple[str, str], columns: tuple[str, str]
) -> SentencePairs:
    if len(paths) == 2:
        if any(columns):
            raise DataError(
                "is one of two aligned files, which have no columns",
                file=paths[0],
                advice="Leave out source_column and target_column.",
            )
        return read_aligned_files(*paths, *languages)
    if len(paths) == 1:
        pairs = _read_file(paths[0], languages, columns)
        if pairs is not None:
            return pairs
    for path in paths:
        # Archives and binary tables are refused with their own names.
        if not split_archive(path)[1]:
            refuse_foreign(look_at_head(path), Path(path))
    raise DataError(
        "is not a file of sentence pairs"
        if len(paths) == 1
        else f"{len(paths)} files are not sentence pairs",
        file=Path(paths[0]),
        advice=_advice(paths),
    )


def _read_file(
    path: str, languages: tuple[str, str], columns: tuple[str, str]
) -> SentencePairs | None:
    """The pairs of one file; None if it is not a file of pairs."""
    sides = zipped_sides(path, languages)
    if sides is not None:
        if any(columns):
            raise DataError(
                "holds aligned files, which have no columns",
                file=path,
                advice="Leave out source_column and target_column.",
            )
        return read_aligned_files(*sides, *languages)
    name = inner_name(path)
    if name.endswith(TMX_SUFFIXES):
        return read_translation_memory(path, *languages)
    records = open_records(path)
    if records is not None and (records.kind != "tsv" or any(columns)):
        return read_records_of_pairs(records, languages, columns)
    tabs = records is not None or (
        name.endswith(_TEXT_SUFFIXES) and looks_tab_separated(read_lines(path, DataReport(path)))
    )
    if tabs and any(columns):
        return read_records_of_pairs(Records(path, "tsv"), languages, columns)
    return read_tab_separated(path, *languages) if tabs else None


def _advice(paths: tuple[str, ...]) -> str:
    if len(paths) > 2:
        return "Name two aligned files, file:SOURCE,TARGET; join the files of each side by cat."
    return (
        "Name two aligned files, file:SOURCE,TARGET, or one file that ends in .tsv, .csv, .jsonl, "
        ".parquet or .tmx."
    )
