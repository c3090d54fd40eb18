"""Sentences in, translations out: batches by length, whose make-up changes no translation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import DataError, UserError
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import (
    PADDING,
    SPECIALS,
    padded,
    sentence_ids,
    sentence_text,
    vocabulary_size,
)
from rnn_apps.translation.beam_search import Translations, translate
from rnn_apps.translation.model import TranslationModel
from rnn_apps.translation.search_options import SearchOptions

# Rows of a batch, hypotheses counted: so many source positions at most, and so many sentences.
MOST_POSITIONS = 16_384
MOST_SENTENCES = 64
# What the search gives for a hypothesis that it did not find.
_FOUND = -1e8


@dataclass(frozen=True)
class Translation:
    """A translation of a sentence.

    Attributes:
        text: as it can be read, unknown tokens replaced.
        score: what translations of a sentence are ranked by; see `SearchOptions`.
        log_probability: in nats, of all tokens and the end.
        tokens: as they can be printed.
        alignment: for each token the number of the source token that it looked at most.
    """

    text: str
    score: float
    log_probability: float
    tokens: tuple[str, ...]
    alignment: tuple[int, ...]


EMPTY = Translation("", 0.0, 0.0, (), ())


class Translator:
    """Translates with one model, or with several that vote by the mean of their probabilities.

    Args:
        models: trained models of the same two vocabularies.
        source_tokenizer, target_tokenizer: those vocabularies.

    Raises:
        UserError: a model has another vocabulary.
    """

    def __init__(
        self,
        models: Sequence[TranslationModel],
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
    ) -> None:
        require_vocabularies(models, source_tokenizer, target_tokenizer)
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self._models = list(models)
        self._searches: dict[SearchOptions, Callable[[tf.Tensor], Translations]] = {}

    def translate(
        self, sentences: Sequence[str], options: SearchOptions | None = None
    ) -> list[list[Translation]]:
        """The best translations of each sentence, best first, in the order given.

        A sentence's translations do not depend on the others. An empty one has one translation,
        which is empty.

        Raises:
            DataError: a sentence is too long, or holds half a character.
        """
        options = options or SearchOptions()
        encoded = [
            encode_source(self.source_tokenizer, sentence, row, options)
            for row, sentence in enumerate(sentences, 1)
        ]
        found = [[EMPTY] for _ in encoded]
        for rows in batches_by_length([len(ids) for ids in encoded], options.beam_width):
            tokens = padded([encoded[row] for row in rows])
            result = self._search(options)(tf.constant(tokens))
            parts = [np.asarray(part) for part in result]
            for place, row in enumerate(rows):
                found[row] = self._read(*(part[place] for part in parts))
        return found

    def _search(self, options: SearchOptions) -> Callable[[tf.Tensor], Translations]:
        if options not in self._searches:
            self._searches[options] = tf.function(
                lambda tokens: translate(self._models, tokens, options),
                input_signature=[tf.TensorSpec([None, None], tf.int32)],
                autograph=False,
            )
        return self._searches[options]

    def _read(
        self, tokens: Any, scores: Any, log_probabilities: Any, looked_at: Any
    ) -> list[Translation]:
        names = self.target_tokenizer.tokens
        read = []
        for ids, score, log_probability, looked in zip(
            tokens, scores, log_probabilities, looked_at, strict=True
        ):
            if score < _FOUND:
                continue
            kept = ids != PADDING
            read.append(
                Translation(
                    sentence_text(self.target_tokenizer, ids[kept]),
                    float(score),
                    float(log_probability),
                    tuple(names[number - SPECIALS] for number in ids[kept].tolist()),
                    tuple(looked[kept].tolist()),
                )
            )
        return read


def encode_source(
    tokenizer: Tokenizer, sentence: str, row: int, options: SearchOptions
) -> NDArray[np.int32]:
    """A source sentence as ids with an end; without any where it is empty.

    Line breaks and other control characters are read as spaces.

    Raises:
        DataError: it is longer than `options.longest_source` tokens.
    """
    text = one_line(sentence)
    if not text:
        return np.zeros(0, np.int32)
    ids = sentence_ids(tokenizer, text)
    if len(ids) - 1 > options.longest_source:
        raise DataError(
            f"the sentence has {len(text.split()):,} words, {len(ids) - 1:,} tokens; at most "
            f"{options.longest_source:,} tokens are translated at once",
            file="source",
            row=row,
            advice="Split it into sentences, or raise longest_source.",
        )
    return ids


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(sentence: str) -> str:
    """The text with control characters and line breaks as spaces, none at its ends."""
    return _CONTROL.sub(" ", sentence).strip()


def batches_by_length(lengths: Sequence[int], rows_each: int = 1) -> Iterator[list[int]]:
    """Yields the numbers of sentences that are translated together, those of 0 tokens left out.

    Args:
        lengths: in tokens.
        rows_each: rows that a sentence takes in a batch.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if not lengths[row]:
            continue
        # The lengths go up: the new one is the longest.
        positions = (len(batch) + 1) * lengths[row] * rows_each
        if batch and (positions > MOST_POSITIONS or len(batch) == MOST_SENTENCES):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def require_vocabularies(
    models: Sequence[TranslationModel], source: Tokenizer, target: Tokenizer
) -> None:
    """Refuses models that were trained with other vocabularies.

    Raises:
        UserError: no models, or sizes that differ.
    """
    if not models:
        raise UserError("no model to translate with")
    for number, model in enumerate(models, 1):
        for side, tokenizer, size in (
            ("source", source, model.network.source_vocabulary),
            ("target", target, model.network.target_vocabulary),
        ):
            if vocabulary_size(tokenizer) != size:
                raise UserError(
                    f"model {number} has {size} {side} tokens, the {side} vocabulary "
                    f"{vocabulary_size(tokenizer)}: it is another model's. Use the tokenizer that "
                    "lies in the folder of the model"
                )
