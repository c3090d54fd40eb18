"""From any source to training, validation and test text."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.sources import Source, parse_source
from pipelines.text.corpus import TextCorpus

DEFAULT_SPLIT = "0.9,0.05,0.05"


@dataclass(frozen=True)
class TextParts:
    """The parts of a text; None for a part that there is not."""

    train: TextCorpus
    validation: TextCorpus | None
    test: TextCorpus | None


def load_text(
    source: str | Source | TextCorpus,
    *,
    data_dir: str = "",
    split: str = DEFAULT_SPLIT,
    validation: str | Source | TextCorpus = "",
    test: str | Source | TextCorpus = "",
    text_feature: str = "",
) -> TextParts:
    """The text of a source, cut into parts; nothing is read yet but what is needed to cut.

    Which text is validated and tested on is settled by the first of these that applies:
      1. `validation` names a source of its own: nothing is held out from `source`, and there is a
         test part only if `test` names one, or `source` has one of its own.
      2. The source has parts of its own (a TensorFlow dataset, a built-in text): those. A
         source with parts that is named as validation or test gives that part.
      3. `split`: three shares of the text, one after the other, cut at line ends. If there is a
         test part already, only the second share is held out, at the text's end.

    Args:
        source: "file:PATH[,PATH]" (files or folders), "tfds:NAME[/CONFIG][@SPLIT]",
            "builtin:NAME", or a corpus.
        data_dir: where prepared TensorFlow datasets lie.
        split: the shares of training, validation and test; 0 for a part that is not wanted.
        validation, test: as `source`.
        text_feature: which feature of a TensorFlow dataset holds the text; "": found out.

    Raises:
        DataError: the source cannot be used, or is too short for the split.
    """
    first, second, third = parse_shares(split)
    found = _open(source, data_dir, text_feature)
    test_text = _own(_open(test, data_dir, text_feature), "test") if test else found.test
    if validation:
        own = _own(_open(validation, data_dir, text_feature), "validation")
        return TextParts(found.train, own, test_text)
    if found.validation is not None:
        return TextParts(found.train, found.validation, test_text)
    if test_text is not None:
        return TextParts(
            found.train.part(0.0, 1 - second), _share(found.train, 1 - second, 1.0), test_text
        )
    borders = round(first, 9), round(first + second, 9), round(first + second + third, 9)
    return TextParts(
        found.train.part(0.0, borders[0]),
        _share(found.train, borders[0], borders[1]),
        _share(found.train, borders[1], borders[2]),
    )


def parse_shares(split: str) -> tuple[float, float, float]:
    """Reads a split of text: three shares that are 1 at most together.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        shares = [float(share) for share in split.split(",")]
    except ValueError:
        shares = []
    if len(shares) != 3 or not all(0 <= share <= 1 for share in shares):
        raise ConfigurationError(
            f"split {split!r} cannot be read: write three shares of the text, such as "
            f"{DEFAULT_SPLIT}"
        )
    if not shares[0] or sum(shares) > 1 + 1e-9:
        raise ConfigurationError(
            f"split {split!r}: the training share must be above 0 and all 1 at most together"
        )
    return shares[0], shares[1], shares[2]


def _share(text: TextCorpus, start: float, stop: float) -> TextCorpus | None:
    return text.part(start, stop) if stop > start else None


def _own(parts: TextParts, part: str) -> TextCorpus:
    """What a source gives that is named as `part`: its part of that name, else all of it."""
    if parts.validation is None and parts.test is None:
        return parts.train
    chosen: TextCorpus | None = getattr(parts, part)
    if chosen is None:
        raise DataError(f"there is no {part} part", file=parts.train.name)
    return chosen


def _open(source: str | Source | TextCorpus, data_dir: str, text_feature: str) -> TextParts:
    """The source in the parts it comes in; one that comes whole as the training part."""
    if isinstance(source, TextCorpus):
        return TextParts(source, None, None)
    if not isinstance(source, str | os.PathLike | Source):
        raise UserError(
            f"text of type {type(source).__name__} cannot be read: give the name of a source, "
            "such as 'file:PATH', or a TextCorpus"
        )
    named = source if isinstance(source, Source) else parse_source(str(source), folders=True)
    if named.kind == "file":
        from pipelines.text.files import open_text_files

        return TextParts(open_text_files(named.paths, str(named)), None, None)
    if named.kind == "builtin":
        from pipelines.builtin import builtin_data

        parts: TextParts = builtin_data(named.name, "language modelling").load()
        return parts
    from pipelines.text.tfds import dataset_parts

    return dataset_parts(named, data_dir or None, text_feature)
