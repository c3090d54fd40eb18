"""Tokenizers by kind: how to train a tokenizer, and how to load it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.tokenizers.byte_tokenizer import ByteTokenizer
from pipelines.tokenizers.character_tokenizer import CharacterTokenizer
from pipelines.tokenizers.tokenizer import FILE_NAME, FORMAT, Tokenizer
from pipelines.tokenizers.word_tokenizer import WordTokenizer

TOKENIZER_KINDS = ("bytes", "characters", "words", "subwords")
LARGEST_FILE = 256 * 2**20


def train_tokenizer(
    kind: str,
    texts: Iterable[str],
    *,
    vocabulary_size: int = 0,
    seed: int = 0,
    minimum_count: int = 1,
    learn_unknown: bool = False,
    **settings: Any,
) -> Tokenizer:
    """Trains a tokenizer on the training text, which is read once.

    Args:
        kind: kind of the tokenizer: "bytes", "characters", "words" or "subwords".
        texts: consecutive pieces of the text, such as `TextCorpus.chunks()`.
        vocabulary_size: largest number of ids, special ones included; 0 for no limit (8,000 for
            subwords).
        seed: seed of the sample of the text that subwords are trained on.
        minimum_count: number of times that a character or a word must occur to get an id.
        learn_unknown: setting of words only: True to make sure that the text has unknown words; see
            `WordTokenizer.train`.
        settings: further arguments of `SubwordTokenizer.train`.

    Raises:
        ConfigurationError: the kind does not exist, or the size or a setting is impossible.
        DataError: the text is empty, or too short for subwords.
    """
    if kind not in TOKENIZER_KINDS:
        raise ConfigurationError(
            f"there is no tokenizer {kind!r}: choose from {', '.join(TOKENIZER_KINDS)}"
        )
    if settings and kind != "subwords":
        raise ConfigurationError(f"{', '.join(settings)}: a setting of subwords, not of {kind}")
    if kind == "bytes":
        return ByteTokenizer()
    if kind == "characters":
        return CharacterTokenizer.train(
            texts, vocabulary_size=vocabulary_size, minimum_count=minimum_count
        )
    if kind == "words":
        return WordTokenizer.train(
            texts,
            vocabulary_size=vocabulary_size,
            minimum_count=minimum_count,
            learn_unknown=learn_unknown,
        )
    from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer

    return SubwordTokenizer.train(texts, vocabulary_size=vocabulary_size, seed=seed, **settings)


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """Loads a tokenizer that `Tokenizer.save` wrote.

    Raises:
        DataError: the folder has no tokenizer, or its file is damaged.
    """
    folder = Path(folder)
    file = folder / FILE_NAME
    if not file.is_file():
        raise DataError("there is no tokenizer: the file does not exist", file=file)
    if file.stat().st_size > LARGEST_FILE:
        raise DataError(f"has more than {LARGEST_FILE:,} bytes, too many for tokens", file=file)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"is not JSON: {error}",
            file=file,
            advice="Put back the original from a copy of the model's folder.",
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"is not a tokenizer of format {FORMAT}", file=file)
    kind = content.get("kind")
    if kind == "bytes":
        return ByteTokenizer.from_json(content, folder)
    if kind == "characters":
        return CharacterTokenizer.from_json(content, folder)
    if kind == "words":
        return WordTokenizer.from_json(content, folder)
    if kind == "subwords":
        from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer

        return SubwordTokenizer.from_json(content, folder)
    raise DataError(f"has a tokenizer of the unknown kind {kind!r}", file=file)
