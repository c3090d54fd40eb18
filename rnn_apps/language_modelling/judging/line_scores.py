"""How probable each line of a file is, each with a start of its own, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.tokenizers import Tokenizer
from rnn_apps.language_modelling.judging.figures import mean_perplexity
from rnn_apps.language_modelling.network.carried_model import CarriedModel, pieces

LINES, CHUNK = 64, 128

Batch = Sequence[np.ndarray]
"""The tokens of up to `LINES` lines, each int32 [tokens]."""

# Lengths are rounded up to a multiple of this, so that few shapes are compiled.
_ROUND = 16


@dataclass(frozen=True)
class LineScore:
    """The score of one line.

    Attributes:
        tokens: number of tokens that were predicted: all but the first.
        unknown: number of tokens that the vocabulary does not have, scored as the unknown token.
        log_probability: sum over the predicted tokens, in nats; None if there is none.
        known_tokens: number of predicted tokens that are not the unknown token.
        known_log_probability: sum over these, in nats; None if there is none.
        unknown_pieces: words or characters that the vocabulary does not have, in their order.
    """

    tokens: int
    unknown: int
    log_probability: float | None
    known_tokens: int = 0
    known_log_probability: float | None = None
    unknown_pieces: tuple[str, ...] = ()

    @property
    def nats_per_token(self) -> float | None:
        """Minus the mean log probability of the predicted tokens; None if there is none."""
        return _per(self.log_probability, self.tokens)

    @property
    def nats_per_known_token(self) -> float | None:
        """The same of the predicted tokens that are not the unknown token."""
        return _per(self.known_log_probability, self.known_tokens)

    def as_json(self) -> dict[str, Any]:
        """Numbers of tokens and perplexities, by name; None for the perplexity of no token."""
        means = self.nats_per_token, self.nats_per_known_token
        both, known = (None if nats is None else mean_perplexity([-nats]) for nats in means)
        return {
            "tokens": self.tokens,
            "perplexity": both,
            "unknown tokens": self.unknown,
            "perplexity of known tokens": known,
        }


def _per(log_probability: float | None, tokens: int) -> float | None:
    return None if log_probability is None else -log_probability / tokens


def total_score(scores: Sequence[LineScore]) -> LineScore:
    """The score of all lines together."""
    tokens, known = sum(one.tokens for one in scores), sum(one.known_tokens for one in scores)
    return LineScore(
        tokens,
        sum(one.unknown for one in scores),
        sum(one.log_probability or 0.0 for one in scores) if tokens else None,
        known,
        sum(one.known_log_probability or 0.0 for one in scores) if known else None,
        tuple(piece for one in scores for piece in one.unknown_pieces),
    )


def score_lines(
    tokenizer: Tokenizer,
    lines: Sequence[str],
    sums_of: Callable[[Sequence[Batch]], Iterable[np.ndarray]],
) -> list[LineScore]:
    """Scores lines that do not depend on each other, as `score_text` would score each alone.

    Lines of similar length share a batch, in which padding comes last and counts nothing.

    Args:
        tokenizer: vocabulary that the model was trained with.
        lines: lines to score; an empty one has no predicted token.
        sums_of: function that gives what `BatchSums` gives for each batch, in order.
    """
    encoded = [np.asarray(tokenizer.encode(line), np.int32) for line in lines]
    sums = np.zeros((len(lines), 2))
    unknown = _unknown(tokenizer)
    order = sorted(range(len(lines)), key=lambda number: len(encoded[number]))
    order = [number for number in order if len(encoded[number]) > 1]
    chosen = [order[piece] for piece in pieces(len(order), LINES)]
    batches = [[encoded[number] for number in numbers] for numbers in chosen]
    for numbers, found in zip(chosen, sums_of(batches), strict=True):
        sums[numbers] = found
    return [
        _line_score(tokenizer, line, ids, ids == unknown, total)
        for line, ids, total in zip(lines, encoded, sums, strict=True)
    ]


def _line_score(
    tokenizer: Tokenizer, line: str, ids: np.ndarray, outside: np.ndarray, sums: np.ndarray
) -> LineScore:
    predicted = max(len(ids) - 1, 0)
    known = predicted - int(outside[1:].sum())
    count = int(outside.sum())
    return LineScore(
        predicted,
        count,
        float(sums[0]) if predicted else None,
        known,
        float(sums[1]) if known else None,
        tuple(piece for _, piece in tokenizer.unknown_places(line, count)) if count else (),
    )


def _unknown(tokenizer: Tokenizer) -> int:
    return -1 if tokenizer.unknown_id is None else tokenizer.unknown_id


class BatchSums:
    """Sums the log probabilities of batches of lines.

    Args:
        model: trained model with explicit state.
        tokenizer: vocabulary that the model was trained with.
    """

    def __init__(self, model: CarriedModel, tokenizer: Tokenizer) -> None:
        self._model = model
        self._unknown = _unknown(tokenizer)

    def __call__(self, batch: Batch) -> np.ndarray:
        """Sums over each line's tokens but the first, all and known; float64 [lines, 2]."""
        return _sums(self._model, batch, self._unknown)


def _sums(model: CarriedModel, rows: Batch, unknown: int) -> np.ndarray:
    longest = max(map(len, rows)) - 1
    width = -(-longest // _ROUND) * _ROUND
    tokens = np.zeros((LINES, width + 1), np.int32)
    weights = np.zeros((LINES, width, 2), np.float32)
    for number, ids in enumerate(rows):
        tokens[number, : len(ids)] = ids
        weights[number, : len(ids) - 1, 0] = 1.0
        weights[number, : len(ids) - 1, 1] = ids[1:] != unknown
    states = model.start(LINES)
    sums = np.zeros((LINES, 2))
    for piece in pieces(width, CHUNK):
        logits, states = model.step(tokens[:, piece], states)
        following = tokens[:, piece.start + 1 : piece.stop + 1]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(following, logits).numpy()
        sums -= (losses[:, :, None] * weights[:, piece]).sum(axis=1, dtype=np.float64)
    return sums[: len(rows)]
