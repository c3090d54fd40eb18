"""What every search needs from the models: the next token's logits, and the allowed tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rnn_apps.edge.search import LEAST_COVERAGE
from rnn_apps.translation.network.model import (
    END,
    PADDING,
    START,
    UNKNOWN,
    Source,
    TranslationModel,
)
from rnn_apps.translation.search.search_options import SearchOptions

NEVER = -1e9


class Predicted(NamedTuple):
    """One step of all hypotheses; rows are [batch * width].

    Attributes:
        logits: logits of the next token, float32 [rows, vocabulary]; minus `normalizers` they are
            log probabilities.
        normalizers: logarithms of the sums of the exponentials, float32 [rows].
        states: new states of each model.
        weights: attention weights, float32 [rows, positions].
    """

    logits: Any
    normalizers: Any
    states: Any
    weights: Any


class Prediction:
    """A batch of source sentences, encoded by one model or by an ensemble.

    Args:
        models: models with the same vocabularies, whose mean probability counts.
        tokens: source tokens, int32 [batch, positions], each sentence ended by `END`.
        options: options of the search.
        width: number of hypotheses per sentence.

    Attributes:
        batch, positions: sizes of `tokens`.
        present: 1 where there is a token, float32 [batch, positions].
        limits: number of time steps that a translation may have, int32 [batch].
        longest: largest of `limits`.
        first_states: first states of each model, [batch * width, ...].
    """

    def __init__(
        self, models: Sequence[TranslationModel], tokens: Any, options: SearchOptions, width: int
    ) -> None:
        self._options = options
        self._width = width
        self.batch, self.positions = tf.shape(tokens)[0], tf.shape(tokens)[1]
        self.present = tf.cast(tf.not_equal(tokens, PADDING), tf.float32)
        lengths = tf.reduce_sum(self.present, axis=1) - 1.0
        self.limits = tf.cast(lengths * options.longest, tf.int32) + options.longest_extra
        self._least = tf.cast(lengths * options.shortest, tf.int32)
        self.longest = tf.reduce_max(self.limits)
        encoded = [model.encode(tokens) for model in models]
        self.first_states = [[self._repeat(state) for state in states] for _, states in encoded]
        self._models = [
            (model, Source(*(self._repeat(part) for part in source)))
            for model, (source, _) in zip(models, encoded, strict=True)
        ]

    def predict(self, before: Any, states: Any) -> Predicted:
        """One step from the tokens before, int32 [batch * width]."""
        logits, after, looked = [], [], []
        for (model, source), carried in zip(self._models, states, strict=True):
            given, new, weights = model.decode_step(before, source, carried)
            logits.append(given)
            after.append(new)
            looked.append(tf.cast(weights, tf.float32))
        if len(logits) == 1:
            return Predicted(logits[0], tf.reduce_logsumexp(logits[0], axis=-1), after, looked[0])
        together = tf.reduce_logsumexp(tf.stack([tf.nn.log_softmax(one) for one in logits]), axis=0)
        nothing = tf.fill([tf.shape(together)[0]], tf.math.log(float(len(logits))))
        return Predicted(together, nothing, after, tf.reduce_mean(tf.stack(looked), axis=0))

    def allowed(self, index: Any, tokens: Any, predicted: Predicted) -> Any:
        """The logits, with the repetition penalty, where the options allow the token, else -1e9.

        Args:
            index: number of the time step.
            tokens: tokens written so far, int32 [batch, width, timesteps].
            predicted: prediction of the next token.
        """
        logits = predicted.logits
        vocabulary = tf.shape(logits)[-1]
        never = [PADDING, START] if self._options.allow_unknown else [PADDING, START, UNKNOWN]
        forbidden = tf.reduce_sum(tf.one_hot(never, vocabulary), axis=0)[None]
        if self._options.shortest:
            early = tf.repeat(tf.cast(index < self._least, tf.float32), self._width)
            forbidden += early[:, None] * tf.one_hot(END, vocabulary)
        if self._options.no_repeat:
            forbidden += tf.reshape(self._repeating(index, tokens, vocabulary), (-1, vocabulary))
        if self._options.repetition_penalty != 1:
            there = tf.reduce_max(tf.one_hot(tokens, vocabulary), axis=2)
            changed = logits - predicted.normalizers[:, None]
            changed *= (self._options.repetition_penalty - 1.0) * tf.reshape(
                there, (-1, vocabulary)
            )
            logits += changed
        return logits + NEVER * forbidden

    def _repeating(self, index: Any, tokens: Any, vocabulary: Any) -> Any:
        """1 where a token would end an n-gram a second time, [batch, width, vocabulary]."""
        size = self._options.no_repeat
        places = tf.range(tf.shape(tokens)[2])
        same = (places >= size - 1) & (places < index)
        same = tf.broadcast_to(same, tf.shape(tokens))
        for back in range(1, size):
            shifted = tf.roll(tokens, back, axis=2)
            latest = tokens[:, :, tf.maximum(index - back, 0)]
            same &= shifted == latest[..., None]
        return tf.reduce_max(
            tf.one_hot(tokens, vocabulary) * tf.cast(same, tf.float32)[..., None], axis=2
        )

    def _repeat(self, value: Any) -> Any:
        return tf.repeat(value, self._width, axis=0) if self._width > 1 else value


def length_penalty(length: Any, options: SearchOptions) -> Any:
    """The divisor of a log probability (Wu et al. 2016, equation 14)."""
    return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** options.length_penalty


def coverage_penalty(attended: Any, present: Any, options: SearchOptions) -> Any:
    """The penalty that is added to a score, at most 0.

    Args:
        attended: sum of the attention that each source position got, [..., positions].
        present: 1 where there is a position, [..., positions].
    """
    covered = tf.math.log(tf.clip_by_value(attended, LEAST_COVERAGE, 1.0))
    return options.coverage_penalty * tf.reduce_sum(covered * present, axis=-1)


def written_at(index: Any, rows: Any, values: Any) -> Any:
    """Rows [..., timesteps] with `values` [...] at timestep `index`."""
    here = tf.range(tf.shape(rows)[-1]) == index
    return tf.where(here, values[..., None], rows)
