"""Activations whose derivative can be computed from their value alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True)
class DifferentiableActivation:
    """An elementwise function and its derivative.

    Args:
        function: function that gives y for x.
        derivative: function that gives dy/dx for y, so that x need not be kept for the gradient.
    """

    function: Callable[[tf.Tensor], tf.Tensor]
    derivative: Callable[[tf.Tensor], tf.Tensor]


def _of_sign(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values > 0, values.dtype)


def _of_hard_sigmoid(values: tf.Tensor) -> tf.Tensor:
    inside = tf.logical_and(values > 0, values < 1)
    return tf.cast(inside, values.dtype) / 6


_KNOWN: dict[Any, DifferentiableActivation] = {
    keras.activations.tanh: DifferentiableActivation(tf.tanh, lambda y: 1 - y * y),
    keras.activations.sigmoid: DifferentiableActivation(tf.sigmoid, lambda y: y * (1 - y)),
    keras.activations.relu: DifferentiableActivation(tf.nn.relu, _of_sign),
    keras.activations.linear: DifferentiableActivation(tf.identity, tf.ones_like),
    keras.activations.hard_sigmoid: DifferentiableActivation(
        keras.activations.hard_sigmoid, _of_hard_sigmoid
    ),
}


def is_known(function: Any) -> bool:
    """Whether `activation` knows one of Keras' activations."""
    return function in _KNOWN


def activation(function: Any) -> DifferentiableActivation:
    """One of Keras' activations with its derivative.

    Raises:
        KeyError: its derivative cannot be computed from its value.
    """
    return _KNOWN[function]
