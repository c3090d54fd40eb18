"""Sentences in, translations out, in batches by length; batching changes no translation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.base.errors import UserError
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import PADDING, padded, vocabulary_size
from rnn_apps.edge.translation.sentences import EMPTY, Translation, TranslationReader, encode_source
from rnn_apps.translation.network.model import TranslationModel
from rnn_apps.translation.search.beam_search import Translations, translate
from rnn_apps.translation.search.search_options import SearchOptions

# Largest numbers of source positions and of sentences in a batch, counting hypotheses as rows.
MOST_POSITIONS = 16_384
MOST_SENTENCES = 64
# Lower scores are those of hypotheses that the search did not find.
_FOUND = -1e8


class Translator:
    """Translates with one model, or with an ensemble by the mean of the models' probabilities.

    Args:
        models: trained models with the same two vocabularies.
        source_tokenizer, target_tokenizer: vocabularies of the models.
        glossary: translations of source words, for tokens that stand for unknown words.

    Raises:
        UserError: a model has another vocabulary.
    """

    def __init__(
        self,
        models: Sequence[TranslationModel],
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        glossary: Mapping[str, str] | None = None,
    ) -> None:
        require_vocabularies(models, source_tokenizer, target_tokenizer)
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self._models = list(models)
        self._attends = all(model.step.attention is not None for model in models)
        self._reader = TranslationReader(source_tokenizer, target_tokenizer, glossary)
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
        if not self._attends:
            # Nobody knows what an unknown token was written for.
            options = dataclasses.replace(options, replace_unknown=False)
        encoded = [
            encode_source(self.source_tokenizer, sentence, row, options)
            for row, sentence in enumerate(sentences, 1)
        ]
        found = [[EMPTY] for _ in encoded]
        width = options.n_best if options.samples else options.beam_width
        for rows in batches_by_length([len(ids) for ids in encoded], width):
            tokens = padded([encoded[row] for row in rows])
            result = self._search(options)(tf.constant(tokens))
            parts = [np.asarray(part) for part in result]
            for place, row in enumerate(rows):
                found[row] = self._read(sentences[row], [part[place] for part in parts], options)
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
        self, sentence: str, parts: Sequence[Any], options: SearchOptions
    ) -> list[Translation]:
        read = []
        for ids, score, log_probability, looked in zip(*parts, strict=True):
            if score < _FOUND:
                continue
            kept = ids != PADDING
            read.append(
                self._reader.read(
                    sentence, ids[kept], score, log_probability, looked[kept].tolist(), options
                )
            )
        return read


def batches_by_length(lengths: Sequence[int], rows_each: int = 1) -> Iterator[list[int]]:
    """Yields the numbers of sentences that are translated together, those of 0 tokens left out.

    Args:
        lengths: number of tokens of each sentence.
        rows_each: number of rows that a sentence takes in a batch.
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
