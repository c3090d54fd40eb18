"""The loss that training lowers, in nats per token."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.training.steps import Objective

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]


def make_objective(config: LanguageModellingConfig) -> Objective:
    """A function of (model, (inputs, targets, weights), training) that training calls.

    inputs["tokens"] and targets are int32 [rows, timesteps], a target the token that follows;
    weights float32 [rows, timesteps]. It returns the sum of the weighted -log p(target) in nats
    and the sum of the weights, float32 scalars. Penalties are in `model.losses`, not in the sum.
    In training a sampled softmax gives an estimate of the loss, in validation its exact value.
    """

    def objective(model: keras.Model, batch: Batch, training: bool) -> tuple[Any, Any]:
        inputs, targets, weights = batch
        outputs = model(inputs["tokens"], training=training)
        if config.output == "softmax":
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs["logits"])
        else:
            # The logits of the whole vocabulary are not read, and so not computed.
            layer = model.get_layer("embedding" if config.tied else "output")
            losses = layer.token_losses(outputs["hidden"], targets, training)
        weights = tf.cast(weights, tf.float32)
        return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)

    return objective
