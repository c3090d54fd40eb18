"""The training loss, computed in scaled space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.network.inputs import model_part
from rnn_apps.forecasting.network.outputs import head_of
from rnn_apps.forecasting.network.transforms import transformed

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]
Objective = Callable[[keras.Model, Batch, bool], tuple[tf.Tensor, tf.Tensor]]


def make_objective(config: ForecastingConfig) -> Objective:
    """The function of (model, (inputs, targets, weights), training) that training calls.

    It returns the sum of the head's losses over the observed steps and the sum of their weights,
    both float32 scalars over one replica's part of the batch. Targets are raw [batch, horizon]; a
    missing target has weight 0 and any value.
    """
    head = head_of(config)

    def objective(model: keras.Model, batch: Batch, training: bool) -> tuple[Any, Any]:
        inputs, targets, weights = batch
        weights = tf.cast(weights, tf.float32)
        # A loss of weight 0 still has a gradient, and the gradient of NaN is NaN.
        targets = tf.cast(targets, tf.float32)
        targets = tf.where(tf.math.is_finite(targets), targets, 0.0)
        inputs = model_part({**inputs, "future_target": targets}, model)
        outputs = model(inputs, training=training)
        loss = head.loss(
            outputs["parameters"],
            transformed(targets, config.transform),
            outputs["location"],
            outputs["scale"],
        )
        return tf.reduce_sum(loss * weights), tf.reduce_sum(weights)

    return objective
