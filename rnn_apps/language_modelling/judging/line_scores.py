"""How probable each line of a file is, each with a start of its own, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.tokenizers import Tokenizer
from rnn_apps.language_modelling.network.carried_model import CarriedModel, pieces

LINES, CHUNK = 64, 128
# Lengths are rounded up to a multiple of this, so that few shapes are compiled.
_ROUND = 16


@dataclass(frozen=True)
class LineScore:
    """The score of one line.

    Attributes:
        tokens: number of tokens that were predicted: all but the first.
        unknown: number of tokens that the vocabulary does not have, scored as the unknown token.
        log_probability: sum over the predicted tokens, in nats; None if there is none.
    """

    tokens: int
    unknown: int
    log_probability: float | None


def score_lines(model: CarriedModel, tokenizer: Tokenizer, lines: Sequence[str]) -> list[LineScore]:
    """Scores lines that do not depend on each other, as `score_text` would score each alone.

    Lines of similar length share a batch, in which padding comes last and counts nothing.

    Args:
        model: trained model with explicit state.
        tokenizer: vocabulary that the model was trained with.
        lines: lines to score; an empty one has no predicted token.
    """
    encoded = [np.asarray(tokenizer.encode(line), np.int32) for line in lines]
    sums = np.zeros(len(lines))
    order = sorted(range(len(lines)), key=lambda number: len(encoded[number]))
    order = [number for number in order if len(encoded[number]) > 1]
    for piece in pieces(len(order), LINES):
        chosen = order[piece]
        sums[chosen] = _sums(model, [encoded[number] for number in chosen])
    unknown = tokenizer.unknown_id
    return [
        LineScore(
            max(len(ids) - 1, 0),
            0 if unknown is None else int((ids == unknown).sum()),
            float(total) if len(ids) > 1 else None,
        )
        for ids, total in zip(encoded, sums, strict=True)
    ]


def _sums(model: CarriedModel, rows: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of the log probabilities of each row's tokens but the first; float64 [rows]."""
    longest = max(map(len, rows)) - 1
    width = -(-longest // _ROUND) * _ROUND
    tokens = np.zeros((LINES, width + 1), np.int32)
    weights = np.zeros((LINES, width), np.float32)
    for number, ids in enumerate(rows):
        tokens[number, : len(ids)] = ids
        weights[number, : len(ids) - 1] = 1.0
    states = model.start(LINES)
    sums = np.zeros(LINES)
    for piece in pieces(width, CHUNK):
        logits, states = model.step(tokens[:, piece], states)
        following = tokens[:, piece.start + 1 : piece.stop + 1]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(following, logits).numpy()
        sums -= (losses * weights[:, piece]).sum(axis=1, dtype=np.float64)
    return sums[: len(rows)]
