"""Embedding as one GATHER.

Keras lets an index count from the end where it is negative, which takes three operators more at
every step, one of them (SELECT) unknown to TFLite Micro. A token is never negative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.token_embedding import TiedEmbedding, TokenEmbedding


def gathered_call(layer: keras.layers.Layer) -> Callable[..., Any]:
    """A `call` for `layer` with the same outputs as its own for indices of at least 0."""
    own_call = layer.call

    def call(inputs: tf.Tensor, *args: Any, **options: Any) -> Any:
        # A reversible layer's way back is a product, not a look-up.
        if args or any(options.values()):
            return own_call(inputs, *args, **options)
        tokens = inputs if inputs.dtype in (tf.int32, tf.int64) else tf.cast(inputs, "int32")
        return tf.gather(tf.convert_to_tensor(layer.embeddings), tokens)

    return call


def can_be_gathered(layer: keras.layers.Layer) -> bool:
    """Whether `layer` is an embedding of Keras' own, or of ours, with float weights."""
    kinds = (
        keras.layers.Embedding, keras.layers.ReversibleEmbedding, TokenEmbedding, TiedEmbedding,
    )  # fmt: skip
    return type(layer) in kinds and getattr(layer, "quantization_mode", None) is None
