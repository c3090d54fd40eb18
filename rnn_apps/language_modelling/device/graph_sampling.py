"""Drawing the next tokens inside a TensorFlow graph, as `rnn_apps.edge.sampling` does in numpy."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from rnn_apps.edge.sampling import SamplingConfig

REPETITION_WINDOW = SamplingConfig.repetition_window


class GraphSampling(NamedTuple):
    """How tokens are drawn; scalar tensors, so that one graph serves all settings.

    Attributes:
        temperature: float32; 0 is greedy.
        top_k: int32; 0 for all.
        top_p: float32; 1 for all.
        repetition_penalty: float32; 1 is off.
        seed: int32.
    """

    temperature: tf.Tensor
    top_k: tf.Tensor
    top_p: tf.Tensor
    repetition_penalty: tf.Tensor
    seed: tf.Tensor


def range_checks(sampling: GraphSampling) -> list[tf.Operation]:
    """Operations that refuse settings which nothing can be drawn with, as `SamplingConfig` does."""
    temperature, top_k, top_p, penalty, _ = sampling
    allowed = {
        "temperature must be a finite number of at least 0": (
            tf.math.is_finite(temperature) & (temperature >= 0)
        ),
        "top_k must be at least 0": top_k >= 0,
        "top_p must be above 0 and at most 1": (top_p > 0) & (top_p <= 1),
        "repetition_penalty must be finite and above 0": tf.math.is_finite(penalty) & (penalty > 0),
    }
    return [
        tf.debugging.Assert(holds, [message], name=message.split()[0] + "_in_range")
        for message, holds in allowed.items()
    ]


def draw(
    logits: tf.Tensor,
    lately: tf.Tensor,
    step: tf.Tensor,
    sampling: GraphSampling,
    banned: int | None,
) -> tf.Tensor:
    """The next token of each text. A row's does not depend on the other rows.

    Args:
        logits: logits of the next token, float32 [batch, vocabulary].
        lately: latest tokens, int32 [batch, any], -1 where there is none.
        step: number of the draw, int32 scalar, a different one at each call with the same seed.
        banned: token that is never drawn.

    Returns:
        int32 [batch].
    """
    batch, vocabulary = tf.unstack(tf.shape(logits))
    if banned is not None:
        hidden = tf.one_hot(banned, vocabulary, on_value=-1e30, off_value=0.0)
        logits += hidden
    values = tf.nn.log_softmax(logits)
    # Tokens that were written lately, [batch, vocabulary]: -1 matches none.
    repeated = tf.reduce_any(tf.one_hot(lately, vocabulary, True, False), axis=1)
    values = tf.where(repeated, values * sampling.repetition_penalty, values)
    greedy = sampling.temperature <= 0.0
    values /= tf.where(greedy, 1.0, sampling.temperature)
    order = tf.argsort(values, direction="DESCENDING", stable=True)
    ordered = tf.gather(values, order, batch_dims=1)
    most = tf.where(sampling.top_k > 0, sampling.top_k, vocabulary)
    ordered = tf.where(tf.range(vocabulary) < most, ordered, -float("inf"))
    probabilities = tf.nn.softmax(ordered)
    before = tf.cumsum(probabilities, axis=-1, exclusive=True)
    ordered = tf.where(before < sampling.top_p, ordered, -float("inf"))
    # Gumbel's trick: the largest of values plus such noise is a draw from their softmax.
    uniform = tf.random.stateless_uniform(
        (batch, vocabulary), tf.stack([sampling.seed, step]), minval=1e-20
    )
    noise = tf.where(greedy, 0.0, -tf.math.log(-tf.math.log(uniform)))
    place = tf.argmax(ordered + noise, axis=-1, output_type=tf.int32)
    return tf.cast(tf.gather(order, place, batch_dims=1), tf.int32)
