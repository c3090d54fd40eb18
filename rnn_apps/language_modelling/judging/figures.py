"""The cost of a text: perplexity, nats and bits per token, per character and per byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextSize:
    """The amount of text that is predicted: all tokens of a text but the first.

    Attributes:
        tokens: how many are predicted.
        characters: number of code points in their text.
        bytes: the same in UTF-8.
        unknown: number of tokens whose text is not in the vocabulary.
    """

    tokens: int
    characters: int
    bytes: int
    unknown: int

    @property
    def unknown_rate(self) -> float:
        """The share of predicted tokens that are unknown."""
        return self.unknown / self.tokens


def predicted_size(
    tokenizer: Tokenizer, tokens: NDArray[np.integer], characters: int, byte_count: int
) -> TextSize:
    """The size of a text without its first token.

    Args:
        tokens: tokens of the text, integers [tokens], at least two.
        characters, byte_count: size of the whole text as it was read. Text that a tokenizer leaves
            out, as a word tokenizer does with runs of spaces, counts as predicted.
    """
    first = tokenizer.token_bytes[int(tokens[0])]
    unknown = 0
    if tokenizer.unknown_id is not None:
        unknown = int(np.sum(np.asarray(tokens[1:]) == tokenizer.unknown_id))
    began = sum(1 for byte in first if byte & 0xC0 != 0x80)
    return TextSize(len(tokens) - 1, characters - began, byte_count - len(first), unknown)


@dataclass(frozen=True)
class TextFigures:
    """How well a text was predicted.

    Attributes:
        nats: mean of -ln p over the predicted tokens.
        size: of the text.
        top_1, top_5: share of the tokens that were the most probable, or among the five most
            probable; None where ranks are not known.
    """

    nats: float
    size: TextSize
    top_1: float | None = None
    top_5: float | None = None

    @property
    def perplexity(self) -> float:
        """exp(nats)."""
        return math.exp(min(self.nats, 700.0))

    @property
    def bits_per_token(self) -> float:
        """Nats over ln 2."""
        return self.nats / math.log(2)

    @property
    def bits_per_character(self) -> float | None:
        """None where tokens are unknown: which one it was is not in the cost, so that the figure
        cannot be compared with another vocabulary's.
        """
        return self._per(self.size.characters)

    @property
    def bits_per_byte(self) -> float | None:
        """As `bits_per_character`."""
        return self._per(self.size.bytes)

    def _per(self, count: int) -> float | None:
        if self.size.unknown or not count:
            return None
        return self.bits_per_token * self.size.tokens / count

    def row(self) -> list[float | None]:
        """The cells that `HEADER` names."""
        return [
            self.nats, self.perplexity, self.bits_per_token, self.bits_per_character,
            self.bits_per_byte, self.top_1, self.top_5,
        ]  # fmt: skip

    def as_json(self) -> dict[str, float | None]:
        """The figures by name."""
        return dict(zip(KEYS, self.row(), strict=True))


def mean_perplexity(log_probabilities: Sequence[float] | NDArray[np.floating]) -> float | None:
    """exp(-mean) of log probabilities in nats; None if there is none."""
    if not len(log_probabilities):
        return None
    return math.exp(min(-float(np.mean(log_probabilities, dtype=np.float64)), 700.0))


KEYS = (
    "nats", "perplexity", "bits_per_token", "bits_per_character", "bits_per_byte", "top_1", "top_5",
)  # fmt: skip
HEADER = (
    "nats per token", "perplexity", "bits per token", "bits per character", "bits per byte",
    "first", "in first 5",
)  # fmt: skip


def figures(
    log_probabilities: NDArray[np.floating],
    size: TextSize,
    ranks: NDArray[np.integer] | None = None,
) -> TextFigures:
    """The figures of scored tokens, summed in float64.

    Args:
        log_probabilities: log probability of each token but the first, [tokens - 1], in nats.
        ranks: number of tokens that the model held to be more probable, [tokens - 1].
    """
    nats = -float(np.mean(log_probabilities, dtype=np.float64))
    if ranks is None:
        return TextFigures(nats, size)
    return TextFigures(nats, size, float(np.mean(ranks < 1)), float(np.mean(ranks < 5)))
