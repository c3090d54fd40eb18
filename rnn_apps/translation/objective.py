"""The loss that training lowers: label-smoothed cross-entropy, in nats a target token."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.training.steps import Objective

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]


def make_objective(label_smoothing: float) -> Objective:
    """A function of (model, (inputs, targets, weights), training) that training calls.

    inputs has "source" and "target" as `TranslationModel` takes them; targets int32
    [batch, timesteps] are the tokens that follow; weights float32, 0 where a row is padded. In
    training, `label_smoothing` of the probability is spread evenly over the vocabulary (Szegedy et
    al. 2016, section 7); in validation the loss is the plain one, so that it can be compared.

    It returns the sum of the weighted losses and the sum of the weights, float32 scalars.
    """

    def objective(model: keras.Model, batch: Batch, training: bool) -> tuple[Any, Any]:
        inputs, targets, weights = batch
        source, states = model.encode(inputs["source"], training=training)
        readouts, _ = model.decode(inputs["target"], source, states, training=training)
        # What only pads is not multiplied with the output's matrix, the largest of all.
        real = weights > 0
        weights = tf.cast(tf.boolean_mask(weights, real), tf.float32)
        losses = model.token_losses(
            tf.boolean_mask(readouts, real),
            tf.boolean_mask(targets, real),
            label_smoothing if training else 0.0,
            training=training,
        )
        return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)

    return objective
