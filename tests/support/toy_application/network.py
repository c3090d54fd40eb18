"""The network and its loss."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.cells.registry import find_cell
from toy_application.config import ToyConfig
from toy_application.data import LOOKBACK


def build_model(config: ToyConfig) -> keras.Model:
    """{"numbers": float32 [batch, LOOKBACK, 1]} -> {"next": float32 [batch, 1]}."""
    inputs = keras.Input((LOOKBACK, 1), name="numbers")
    states = find_cell(config.cell).layer(config.units, name="cell")(inputs)
    output = keras.layers.Dense(1, dtype="float32", name="next")(states)
    return keras.Model({"numbers": inputs}, {"next": output})


def squared_error(model: keras.Model, batch: Any, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """The sum of the squared errors and the number of rows; see `rnn_apps.training.fit`."""
    inputs, truth, weights = batch
    errors = tf.square(model(inputs, training=training)["next"] - truth)[:, 0]
    return tf.reduce_sum(errors * weights), tf.reduce_sum(weights)
