"""The probabilities that a model gives to translations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import (
    PADDING,
    SPECIALS,
    START,
    padded,
    sentence_ids,
    unknown_id,
)
from rnn_apps.edge.translation.sentences import one_line
from rnn_apps.translation.network.model import TranslationModel
from rnn_apps.translation.translating import batches_by_length, require_vocabularies


@dataclass(frozen=True)
class ScoredPair:
    """The probability that a model gives to a translation.

    Attributes:
        log_probability: log probability of all tokens and the end, in nats.
        tokens: target tokens as they can be printed; "<end>" is the last.
        token_log_probabilities: log probability of each token, float32 [tokens], in nats.
        attention: weights while each token was written, float32 [tokens, source tokens]; the
            source's end is its last column. Without attention, ones.
        unknown: flags per target token: whether it stands for text that the vocabulary does not
            have.
        unknown_source: number of source tokens that do.
    """

    log_probability: float
    tokens: tuple[str, ...]
    token_log_probabilities: NDArray[np.float32]
    attention: NDArray[np.float32]
    unknown: tuple[bool, ...] = ()
    unknown_source: int = 0

    @property
    def perplexity(self) -> float:
        """exp(-log probability / tokens), the end counted."""
        return float(np.exp(-self.log_probability / len(self.tokens)))

    @property
    def known_log_probabilities(self) -> NDArray[np.float32]:
        """Log probabilities of the target tokens that the vocabulary has, and of the end."""
        known = [not one for one in self.unknown or [False] * len(self.tokens)]
        return self.token_log_probabilities[np.array(known, bool)]


def score_pairs(
    model: TranslationModel,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
) -> list[ScoredPair]:
    """Scores (source, target) pairs, in the order given; a pair's score depends on no other.

    Raises:
        UserError: the model has another vocabulary.
        DataError: a text holds half a character.
    """
    require_vocabularies([model], source_tokenizer, target_tokenizer)
    sources = [sentence_ids(source_tokenizer, one_line(source)) for source, _ in pairs]
    targets = [sentence_ids(target_tokenizer, one_line(target)) for _, target in pairs]

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32)] * 2,
        autograph=False,
    )
    def scored(source: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return target_scores(model, source, target)

    unknown_source, unknown_target = (
        -1 if (number := unknown_id(tokenizer)) is None else number
        for tokenizer in (source_tokenizer, target_tokenizer)
    )
    found: list[Any] = [None] * len(pairs)
    names = (*target_tokenizer.tokens, "<end>")
    lengths = [len(s) + len(t) for s, t in zip(sources, targets, strict=True)]
    for rows in batches_by_length(lengths):
        source, target = (padded([side[row] for row in rows]) for side in (sources, targets))
        values, weights = (np.asarray(part) for part in scored(source, target))
        for place, row in enumerate(rows):
            ids, read = targets[row], len(sources[row])
            scores = values[place, : len(ids)]
            found[row] = ScoredPair(
                float(scores.sum(dtype=np.float64)),
                tuple(names[number] for number in [*(ids[:-1] - SPECIALS), -1]),
                scores,
                weights[place, : len(ids), :read],
                tuple(bool(one == unknown_target) for one in ids),
                int((sources[row] == unknown_source).sum()),
            )
    return found


def target_scores(
    model: TranslationModel, source: tf.Tensor, target: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Log probabilities of target tokens, and the attention; inside a graph.

    Args:
        source: source tokens, int32 [batch, positions], each sentence with its end.
        target: target tokens, int32 [batch, timesteps], likewise.

    Returns:
        float32 [batch, timesteps], 0 where a target is padded, and [batch, timesteps, positions].
    """
    starts = tf.fill([tf.shape(target)[0], 1], START)
    before = tf.concat([starts, target[:, :-1]], axis=1)
    encoded, states = model.encode(source)
    readouts, weights = model.decode(before, encoded, states)
    log_probabilities = tf.nn.log_softmax(model.logits(readouts))
    found = tf.gather(log_probabilities, target, batch_dims=2)
    return tf.where(target == PADDING, 0.0, found), tf.cast(weights, tf.float32)
