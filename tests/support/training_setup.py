"""A small training that several test files and their child processes share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.batches import IndexedBatches


class ArrayBatches(IndexedBatches):
    """Examples held in arrays: inputs [examples, timesteps, features], targets [examples, 1]."""

    def __init__(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        super().__init__(len(inputs), batch_size=batch_size, shuffle=shuffle, seed=seed)
        self.inputs = tf.constant(inputs, tf.float32)
        self.targets = tf.constant(targets, tf.float32)

    def gather(self, numbers: tf.Tensor, real: tf.Tensor) -> tuple[Any, Any, Any]:
        inputs = {"sequence": tf.gather(self.inputs, numbers), "number": numbers}
        return inputs, tf.gather(self.targets, numbers), real


def make_batches(
    examples: int = 50, batch_size: int = 8, *, timesteps: int = 12, seed: int = 0
) -> ArrayBatches:
    """Sequences of noise whose target is the mean of their first feature, times 3."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(examples, timesteps, 2)).astype("float32")
    targets = 3.0 * inputs[:, :, 0].mean(axis=1, keepdims=True)
    return ArrayBatches(inputs, targets, batch_size=batch_size, seed=seed)


def build_lstm(units: int = 8, dropout: float = 0.25) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((None, 2)),
            keras.layers.LSTM(units, dropout=dropout),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )


def squared_error(model: keras.Model, batch: Any, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
    inputs, targets, weights = batch
    outputs = model(inputs["sequence"], training=training)
    losses = tf.square(outputs[:, 0] - targets[:, 0])
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)
