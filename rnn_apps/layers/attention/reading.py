"""From energies to what an attention reads: the softmax over the positions, and the mean by it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_FLOOR = -1e9


def attention_weights(energies: Any, present: Any, dtype: Any) -> Any:
    """The softmax of energies over the positions that a source has, computed in float32.

    Args:
        energies: [..., positions].
        present: 1 where there is an annotation, 0 where a row is padded; broadcasts with the
            energies.
        dtype: type of the result.

    Returns:
        Weights [..., positions] that sum to 1 over the positions.
    """
    present = tf.cast(present, tf.float32)
    energies = tf.cast(energies, tf.float32) * present + _FLOOR * (1.0 - present)
    return tf.cast(tf.nn.softmax(energies, axis=-1), dtype)


def inner_products(query: Any, keys: Any) -> Any:
    """The inner products of one query per row with keys.

    Args:
        query: [batch, n].
        keys: [batch, positions, n], or [1, positions, n] where one source serves all queries.

    Returns:
        [batch, positions].
    """
    if keys.shape[0] == 1:
        return keras.ops.matmul(query, keras.ops.transpose(keras.ops.squeeze(keys, axis=0)))
    return keras.ops.squeeze(keras.ops.matmul(keys, keras.ops.expand_dims(query, axis=-1)), axis=-1)


def weighted_mean(weights: Any, annotations: Any) -> Any:
    """The context that attention weights read.

    Args:
        weights: [batch, positions].
        annotations: [batch, positions, size], or [1, positions, size] where one source serves all
            rows.

    Returns:
        [batch, size].
    """
    if annotations.shape[0] == 1:
        return keras.ops.matmul(weights, keras.ops.squeeze(annotations, axis=0))
    return keras.ops.squeeze(
        keras.ops.matmul(keras.ops.expand_dims(weights, axis=1), annotations), axis=1
    )
