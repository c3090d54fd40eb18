"""What goes into a translation model and what comes out, as text; the same on server and device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import DataError
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import SPECIALS, one_line, sentence_ids, sentence_text
from rnn_apps.edge.translation.glossary import text_without_unknown, words_of_tokens
from rnn_apps.edge.translation.options import SearchOptions


@dataclass(frozen=True)
class Translation:
    """A translation of a sentence.

    Attributes:
        text: readable text, unknown tokens replaced.
        score: number that translations of a sentence are ranked by; see `SearchOptions`.
        log_probability: log probability in nats of all tokens and the end.
        tokens: tokens in printable form.
        alignment: number of the source token with the most attention, per token; the source's end
            counts as one.
    """

    text: str
    score: float
    log_probability: float
    tokens: tuple[str, ...]
    alignment: tuple[int, ...]


EMPTY = Translation("", 0.0, 0.0, (), ())


def encode_source(
    tokenizer: Tokenizer, sentence: str, row: int, options: SearchOptions
) -> NDArray[np.int32]:
    """A source sentence as ids with an end; none at all where it is empty.

    Raises:
        DataError: it is longer than `options.longest_source` tokens, or holds half a character.
    """
    text = one_line(sentence)
    # A piece of a vocabulary is shorter than this; a text that cannot fit is not even cut up.
    far_too_long = len(text) > 1000 * options.longest_source
    ids = np.zeros(0, np.int32) if not text or far_too_long else sentence_ids(tokenizer, text)
    if far_too_long or len(ids) - 1 > options.longest_source:
        tokens = "too many" if far_too_long else f"{len(ids) - 1:,}"
        raise DataError(
            f"the sentence has {len(text.split()):,} words, {tokens} tokens; at most "
            f"{options.longest_source:,} tokens are translated at once",
            file="source",
            row=row,
            advice="Split it into sentences. More are allowed by --longest-source, in Python by "
            "SearchOptions(longest_source=...).",
        )
    return ids if len(ids) > 1 else np.zeros(0, np.int32)


class TranslationReader:
    """Makes texts of what a search found.

    Args:
        source, target: tokenizers of the two languages.
        glossary: translations of source words that the model does not know.
    """

    def __init__(
        self, source: Tokenizer, target: Tokenizer, glossary: Mapping[str, str] | None = None
    ) -> None:
        self._source, self._target = source, target
        self._glossary = glossary or {}

    def read(
        self,
        sentence: str,
        ids: NDArray[np.integer],
        score: float,
        log_probability: float,
        looked_at: Sequence[int],
        options: SearchOptions,
    ) -> Translation:
        """The translation of ids without padding, start and end."""
        names = self._target.tokens
        text = sentence_text(self._target, ids)
        unknown = self._target.unknown_id
        if options.replace_unknown and unknown is not None and np.any(ids == unknown + SPECIALS):
            given = one_line(sentence)
            words = words_of_tokens(self._source, given)
            known = (self._source.encode(given) != self._source.unknown_id).tolist()
            text = text_without_unknown(self._target, ids, looked_at, words, known, self._glossary)
        return Translation(
            text,
            float(score),
            float(log_probability),
            tuple(names[number] for number in (np.asarray(ids) - SPECIALS).tolist()),
            tuple(int(place) for place in looked_at),
        )
