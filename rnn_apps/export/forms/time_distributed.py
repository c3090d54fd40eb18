"""TimeDistributed without a loop: all timesteps are one large batch for the inner layer.

Keras maps the inner layer over time with `vectorized_map`, whose TensorLists the converter refuses
where batch or time are free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def flattened_call(layer: keras.layers.TimeDistributed) -> Callable[..., Any]:
    """A `call` for `layer` with the same outputs as its own.

    An inner layer that takes a mask is given each timestep's own: of a mask of timesteps, one truth
    value a row.
    """

    def call(inputs: tf.Tensor, training: bool = False, mask: tf.Tensor | None = None) -> Any:
        shape = [
            tf.shape(inputs)[axis] if size is None else size
            for axis, size in enumerate(inputs.shape)
        ]
        flat = tf.reshape(inputs, [-1, *shape[2:]])
        takes_mask = mask is not None and layer.layer._call_has_mask_arg
        options = {"mask": _flat_mask(mask)} if takes_mask else {}
        outputs = layer.layer(flat, **options)
        return keras.tree.map_structure(lambda value: _unflattened(value, shape), outputs)

    return call


def _flat_mask(mask: tf.Tensor) -> tf.Tensor:
    return tf.reshape(mask, [-1, *tf.unstack(tf.shape(mask))[2:]])


def _unflattened(value: tf.Tensor, shape: list[Any]) -> tf.Tensor:
    inner = [
        tf.shape(value)[axis] if size is None else size for axis, size in enumerate(value.shape)
    ]
    # One -1 instead of two computed sizes keeps the reshape's own shape as static as it can be.
    batch = shape[0] if isinstance(shape[0], int) else -1
    return tf.reshape(value, [batch, shape[1], *inner[1:]])
