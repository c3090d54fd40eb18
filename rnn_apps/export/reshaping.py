"""Reshape of features in a step: the number of timesteps that the model was built for is left free.

`Reshape((40, 2, 3))` on sequences of 40 timesteps gives each timestep another shape. A step has
fewer timesteps, and gives each of them the same.
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
