"""Layers that name the number of timesteps which a model was built for, in a step that has fewer.

`Reshape((40, 2, 3))` on sequences of 40 timesteps gives each timestep another shape, and
`RepeatVector(40)` gives a row of static features to each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def reshaped_call(layer: keras.layers.Reshape) -> Callable[..., Any]:
    """A `call` for `layer` that takes any number of timesteps where its own names one."""
    own_call = layer.call

    def call(inputs: tf.Tensor) -> Any:
        target = tuple(layer.target_shape)
        known = None not in inputs.shape[1:] and -1 not in target
        if not known or math.prod(inputs.shape[1:]) == math.prod(target):
            return own_call(inputs)
        batch = inputs.shape[0] or tf.shape(inputs)[0]
        if inputs.shape[1] == 0 or math.prod(inputs.shape[1:]) % max(1, math.prod(target[1:])):
            return own_call(inputs)
        return tf.reshape(inputs, [batch, -1, *target[1:]])

    return call


def repeats_vector(layer: keras.layers.Layer, times: int) -> bool:
    """Whether `layer` repeats a row this many times."""
    return type(layer) is keras.layers.RepeatVector and layer.n == times


def repeated_call(layer: keras.layers.RepeatVector, timesteps: int) -> Callable[..., Any]:
    """A `call` for `layer` that repeats its input as many times as a step has timesteps."""

    def call(inputs: tf.Tensor) -> tf.Tensor:
        return tf.repeat(inputs[:, None], timesteps, axis=1)

    return call
