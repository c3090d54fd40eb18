"""Sentence pairs as ids; unusable pairs are left out and reported by reason."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.errors import DataError
from pipelines.batches import random_numbers
from pipelines.data_report import DataReport
from pipelines.pairs.batching import Encode
from pipelines.pairs.sentence_pairs import SentencePairs
from pipelines.tokenizers import Tokenizer, train_tokenizer
from pipelines.tokenizers.sentence_ids import END, SPECIALS, one_line, sentence_ids
from pipelines.tokenizers.tokenizer import UNKNOWN, Ids, utf8
from pipelines.tokenizers.word_tokenizer import WHITE_SPACE

if TYPE_CHECKING:
    from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer

MOST_CHARACTERS = 20_000
"""A longer line is not a sentence, and is not even split into subwords."""

_SHORT = 5
_WORD = re.compile(rf"[^{WHITE_SPACE}]+")


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as ids.

    Attributes:
        pairs: the pairs that are used.
        source, target: ids of their sentences, with `END`.
        report: counts of the pairs that were left out, by reason.
    """

    pairs: SentencePairs
    source: list[Ids]
    target: list[Ids]
    report: DataReport


def without_empty(pairs: SentencePairs) -> SentencePairs:
    """The pairs with two non-empty sentences; the others are reported.

    Raises:
        DataError: no pair is left.
    """
    kept = []
    for number, (source, target) in enumerate(zip(pairs.source, pairs.target, strict=True)):
        empty = [name for name, s in (("source", source), ("target", target)) if not s.strip()]
        if empty:
            kind = "both sides empty" if len(empty) == 2 else f"{empty[0]} side empty"
            pairs.report.note(kind, "left out", pairs.place(number))
        else:
            kept.append(number)
    if not kept:
        raise DataError("has no pair whose two sentences both have words", file=pairs.name)
    return pairs if len(kept) == len(pairs) else pairs.take(kept)


def refuse_half_characters(pairs: SentencePairs) -> None:
    """Refuses pairs from memory that hold half of a surrogate pair; files never hold one.

    Raises:
        DataError: one does; the message names the pair.
    """
    for number, (source, references) in enumerate(zip(pairs.source, pairs.references, strict=True)):
        for text in (source, *references):
            if not text.isascii():
                utf8(text, pairs.place(number))


def without_too_long(
    pairs: SentencePairs, source_tokenizer: Tokenizer, target_tokenizer: Tokenizer, longest: int
) -> tuple[SentencePairs, tuple[str, ...]]:
    """The pairs whose sentences are both short enough to be translated at once.

    The others are reported with their places: such a line is a whole document, or has lost its
    line ends.

    Args:
        pairs: sentence pairs for an evaluation.
        source_tokenizer, target_tokenizer: tokenizers of the two languages.
        longest: largest number of tokens of a sentence.

    Returns:
        The pairs that are short enough, and the places of the others.

    Raises:
        DataError: no pair is left.
    """
    kept, places = [], []
    tokenizers = source_tokenizer, target_tokenizer
    for number, pair in enumerate(zip(pairs.source, pairs.target, strict=True)):
        if any(map(_too_long, pair, tokenizers, (longest, longest))):
            kind = f"judged sentences of more than {longest:,} tokens"
            places.append(pairs.place(number))
            pairs.report.note(kind, "left out", places[-1])
        else:
            kept.append(number)
    if not kept:
        raise DataError(
            f"has only sentences of more than {longest:,} tokens, too many to translate at once",
            file=pairs.name,
            advice="Write one sentence per line.",
        )
    return (pairs.take(kept) if places else pairs), tuple(places)


def _too_long(sentence: str, tokenizer: Tokenizer, longest: int) -> bool:
    # Each token has at least one byte; and a far longer text is not even tokenized.
    if len(sentence.encode("utf-8", "surrogatepass")) < longest:
        return False
    return len(sentence) > 1000 * longest or len(sentence_ids(tokenizer, sentence)) - 1 > longest


def encode_pairs(
    pairs: SentencePairs,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    *,
    longest: int = 0,
    length_ratio: float = 0.0,
) -> EncodedPairs:
    """Encodes pairs, and leaves out those that are unsuitable for training.

    Args:
        pairs: sentence pairs without empty sentences; see `without_empty`.
        source_tokenizer, target_tokenizer: tokenizers of the two languages.
        longest: largest number of tokens of a sentence; 0 for no limit.
        length_ratio: largest number of tokens of the longer sentence per token of the shorter one,
            if the longer one has more than five; 0 for no limit.

    Raises:
        DataError: no pair is left.
    """
    kept, sources, targets = [], [], []
    report = pairs.report
    for number, (source, target) in enumerate(zip(pairs.source, pairs.target, strict=True)):
        if longest and max(len(source), len(target)) > MOST_CHARACTERS:
            place = pairs.place(number)
            report.note(f"more than {MOST_CHARACTERS} characters", "left out", place)
            continue
        ids = sentence_ids(source_tokenizer, source), sentence_ids(target_tokenizer, target)
        lengths = sorted(len(side) - 1 for side in ids)
        if not lengths[0]:
            report.note("nothing left after normalisation", "left out", pairs.place(number))
            continue
        if longest and lengths[1] > longest:
            report.note(f"longer than {longest} tokens", "left out", pairs.place(number))
            continue
        if length_ratio and lengths[1] > max(length_ratio * lengths[0], _SHORT):
            kind = f"more than {length_ratio:g} times as long as the other side"
            report.note(kind, "left out", pairs.place(number))
            continue
        kept.append(number)
        sources.append(ids[0])
        targets.append(ids[1])
    if not kept:
        raise DataError(f"no sentence pair can be used:\n{report}", file=pairs.name)
    chosen = pairs if len(kept) == len(pairs) else pairs.take(kept)
    return EncodedPairs(chosen, sources, targets, report)


@dataclass(frozen=True)
class TokenizerOptions:
    """How sentences become tokens.

    Args:
        kind: kind of the tokens: "subwords", "characters" or "words".
        vocabulary_size: largest number of tokens; 0 for all words or characters, or 8,000
            subwords.
        joint: True for a common vocabulary of both languages.
        model_type: algorithm for subwords, "bpe" or "unigram".
        normalization: rule of sentencepiece that normalises the text of subwords.
        minimum_count: number of times that a word or character must occur; 0 to choose it so that
            the unknown word is learnt, see `WordTokenizer.train`.
    """

    kind: str = "subwords"
    vocabulary_size: int = 0
    joint: bool = True
    model_type: str = "bpe"
    normalization: str = "nmt_nfkc"
    minimum_count: int = 0


def train_tokenizers(
    pairs: SentencePairs, options: TokenizerOptions, seed: int = 0
) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of source and target; a single one, twice, if they are joint."""
    if options.joint:
        sentences: Sequence[str] = [*pairs.source, *pairs.target]
        if options.kind == "words" and not options.minimum_count:
            sentences = _rare_as_unknown(pairs.source, pairs.target)
        joint = _train(sentences, options, seed)
        return joint, joint
    return _train(pairs.source, options, seed), _train(pairs.target, options, seed)


def _rare_as_unknown(*sides: Sequence[str]) -> list[str]:
    """The sentences of all sides, with <unk> for words that occur at most once on each side.

    A name that is copied occurs once on each side. Counted together it would not be rare, and the
    unknown word would never be learnt from it.
    """
    words = [[_WORD.findall(one_line(sentence)) for sentence in side] for side in sides]
    counts = [Counter(itertools.chain.from_iterable(side)) for side in words]
    common = {word for side in counts for word, count in side.items() if count > 1}
    if not common or any(UNKNOWN in side for side in counts):
        return [sentence for side in sides for sentence in side]
    return [
        " ".join(word if word in common else UNKNOWN for word in sentence)
        for side in words
        for sentence in side
    ]


def _train(sentences: Sequence[str], options: TokenizerOptions, seed: int) -> Tokenizer:
    settings = (
        {
            "model_type": options.model_type,
            "normalization": options.normalization,
            "begin_with_space": True,
            "split_digits": True,
        }
        if options.kind == "subwords"
        else {}
    )
    return train_tokenizer(
        options.kind,
        (f"{one_line(sentence)}\n" for sentence in sentences),
        vocabulary_size=options.vocabulary_size,
        seed=seed,
        minimum_count=max(options.minimum_count, 1),
        learn_unknown=not options.minimum_count,
        **settings,
    )


def sampled_encoding(
    encoded: EncodedPairs,
    source_tokenizer: SubwordTokenizer,
    target_tokenizer: SubwordTokenizer,
    strength: float,
) -> Encode:
    """Encodings for `PairBatches` that differ in every epoch; see `SubwordTokenizer.sample`."""
    pairs = encoded.pairs

    def encode(numbers: Sequence[int], key: tuple[int, ...]) -> list[tuple[Ids, Ids]]:
        seeds = random_numbers(*key).integers(2**31, size=2).tolist()
        sides = [
            tokenizer.sample([one_line(texts[n]) for n in numbers], seed=seed, strength=strength)
            for tokenizer, texts, seed in (
                (source_tokenizer, pairs.source, seeds[0]),
                (target_tokenizer, pairs.target, seeds[1]),
            )
        ]
        return [(with_end(a), with_end(b)) for a, b in zip(*sides, strict=True)]

    return encode


def with_end(ids: Ids) -> Ids:
    """The model's ids for a tokenizer's ids, with `END`, as in `sentence_ids`."""
    return np.append(ids + SPECIALS, END).astype(np.int32)
