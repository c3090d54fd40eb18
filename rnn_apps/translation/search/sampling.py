"""Translations written token by token, inside the graph: greedily, or drawn.

Sources: Fan et al. (2018), section 5, for the most probable k; Holtzman et al. (2020) for the
nucleus (top_p); Nguyen et al. (2024) for min_p; Meister et al. (2023) for typical_p; the largest of
log probabilities plus Gumbel noise is a draw from them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from rnn_apps.translation.network.model import END, PADDING, START
from rnn_apps.translation.prediction import (
    NEVER,
    Prediction,
    coverage_penalty,
    length_penalty,
    written_at,
)
from rnn_apps.translation.search.search_options import SearchOptions


class Written(NamedTuple):
    """Translations, [batch, width, ...]; see `beam_search.Translations`."""

    tokens: Any
    scores: Any
    log_probabilities: Any
    looked_at: Any


class _Carried(NamedTuple):
    tokens: Any
    looked_at: Any
    log_probabilities: Any
    attended: Any
    lengths: Any
    done: Any
    before: Any
    states: Any


def write(prediction: Prediction, options: SearchOptions, width: int) -> Written:
    """Writes `width` translations of each sentence: the greedy one, or as many draws.

    What is drawn for a sentence depends on the seed and the sentence alone. Draws come with the
    best score first.
    """
    steps = _Steps(prediction, options, width)
    _, carried = tf.while_loop(
        lambda index, carried: (index < prediction.longest) & ~tf.reduce_all(carried.done),
        steps.go,
        (0, steps.start()),
    )
    scores = carried.log_probabilities / length_penalty(carried.lengths, options)
    if options.coverage_penalty:
        scores += coverage_penalty(carried.attended, prediction.present[:, None], options)
    written = Written(carried.tokens, scores, carried.log_probabilities, carried.looked_at)
    if width == 1:
        return written
    order = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
    return Written(*(tf.gather(part, order, batch_dims=1) for part in written))


class _Steps:
    def __init__(self, prediction: Prediction, options: SearchOptions, width: int) -> None:
        self._prediction = prediction
        self._options = options
        self._width = width
        self._limits = prediction.limits[:, None]

    def start(self) -> _Carried:
        prediction, rows = self._prediction, (self._prediction.batch, self._width)
        shape = (*rows, prediction.longest)
        return _Carried(
            tf.fill(shape, PADDING),
            tf.zeros(shape, tf.int32),
            tf.zeros(rows),
            tf.zeros((*rows, prediction.positions)),
            tf.zeros(rows, tf.int32),
            tf.broadcast_to(self._limits < 1, rows),
            tf.fill(rows, START),
            prediction.first_states,
        )

    def go(self, index: Any, now: _Carried) -> tuple[Any, _Carried]:
        """Writes token `index` of all that have not ended."""
        rows = (self._prediction.batch, self._width)
        predicted = self._prediction.predict(tf.reshape(now.before, (-1,)), now.states)
        logits = self._prediction.allowed(index, now.tokens, predicted)
        taken = self._taken(index, logits)
        gained = tf.gather(predicted.logits, taken, batch_dims=1) - predicted.normalizers
        weights = tf.reshape(predicted.weights, (*rows, -1))
        most_attended = tf.argmax(weights, axis=-1, output_type=tf.int32)
        taken, gained = tf.reshape(taken, rows), tf.reshape(gained, rows)
        going = ~now.done
        kept = tf.where(going & (taken != END), taken, PADDING)
        return index + 1, _Carried(
            written_at(index, now.tokens, kept),
            written_at(index, now.looked_at, most_attended),
            now.log_probabilities + tf.where(going, gained, 0.0),
            now.attended + tf.where(going[..., None], weights, 0.0),
            now.lengths + tf.cast(going, tf.int32),
            now.done | (taken == END) | (index + 1 >= self._limits),
            taken,
            predicted.states,
        )

    def _taken(self, index: Any, logits: Any) -> Any:
        """The tokens that are written, int32 [batch * width]."""
        options = self._options
        if not options.samples:
            return tf.argmax(logits, axis=-1, output_type=tf.int32)
        vocabulary = tf.shape(logits)[-1]
        values = narrowed(logits / options.temperature, options)
        # The same noise for every sentence, so that none depends on its place in the batch.
        uniform = tf.random.stateless_uniform(
            (self._width, vocabulary), tf.stack([options.seed, index]), minval=1e-20
        )
        noise = tf.tile(-tf.math.log(-tf.math.log(uniform)), (self._prediction.batch, 1))
        return tf.argmax(values + noise, axis=-1, output_type=tf.int32)


def narrowed(values: Any, options: SearchOptions) -> Any:
    """The values of the tokens that can be drawn, about -1e9 for the others.

    The rules and their order are those of `rnn_apps.edge.sampling_rules`.

    Args:
        values: unnormalised log probabilities, float32 [rows, vocabulary].
        options: options of the search.
    """
    if options.top_k:
        least = tf.math.top_k(values, tf.minimum(options.top_k, tf.shape(values)[-1])).values[
            :, -1:
        ]
        values = tf.where(values < least, NEVER, values)
    if options.top_p < 1:
        values = _smallest_set(values, -tf.nn.softmax(values), options.top_p)
    if options.min_p:
        probabilities = tf.nn.softmax(values)
        least = options.min_p * tf.reduce_max(probabilities, axis=-1, keepdims=True)
        values = tf.where(probabilities < least, NEVER, values)
    if options.typical_p < 1:
        surprise = -tf.nn.log_softmax(values)
        expected = tf.reduce_sum(tf.nn.softmax(values) * surprise, axis=-1, keepdims=True)
        values = _smallest_set(values, tf.abs(surprise - expected), options.typical_p)
    return values


def _smallest_set(values: Any, costs: Any, mass: float) -> Any:
    """The values of the tokens of lowest cost whose probabilities reach `mass`, else `NEVER`.

    Args:
        values: unnormalised log probabilities, float32 [rows, vocabulary].
        costs: numbers by which tokens are preferred, lowest first, float32 [rows, vocabulary].
        mass: sum of probabilities to reach, above 0.
    """
    order = tf.argsort(costs, axis=-1, stable=True)
    ordered = tf.gather(tf.nn.softmax(values), order, batch_dims=1)
    before = tf.cumsum(ordered, axis=-1, exclusive=True)
    count = tf.reduce_sum(tf.cast(before < mass, tf.int32), axis=-1)
    last = tf.gather(order, count - 1, batch_dims=1)
    most = tf.gather(costs, last, batch_dims=1)[:, None]
    return tf.where(costs > most, NEVER, values)
