"""Embedding as one GATHER.

Keras lets an index count from the end where it is negative, which takes three operators more at
every step, one of them (SELECT) unknown to TFLite Micro. A token that the model is given is never
negative. One that it computes may be (`ids - 1`), and counts from the end by arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.token_embedding import TiedEmbedding, TokenEmbedding

# Operators whose result has the numbers of their inputs, and those of which no number is negative.
_MOVING = frozenset(
    ("Identity", "Cast", "Reshape", "ExpandDims", "Squeeze", "Transpose", "StridedSlice", "Slice",
     "Split", "Unpack", "Pack", "ConcatV2", "Tile", "BroadcastTo", "ReverseV2", "StopGradient")
)  # fmt: skip
_NEVER_NEGATIVE = frozenset(("Placeholder", "ArgMax", "ArgMin", "Const", "Range", "Shape"))


def gathered_call(layer: keras.layers.Layer) -> Callable[..., Any]:
    """A `call` for `layer` with its own outputs, for inputs of the model that are at least 0."""
    own_call = layer.call

    def call(inputs: tf.Tensor, *args: Any, **options: Any) -> Any:
        # A reversible layer's way back is a product, not a look-up.
        if args or any(options.values()):
            return own_call(inputs, *args, **options)
        tokens = inputs if inputs.dtype in (tf.int32, tf.int64) else tf.cast(inputs, "int32")
        table = tf.convert_to_tensor(layer.embeddings)
        if _may_be_negative(inputs):
            tokens = _counted_from_the_end(tf.cast(inputs, "int32"), table.shape[0])
        return tf.gather(table, tokens)

    return call


def _may_be_negative(tokens: tf.Tensor) -> bool:
    """Whether tokens are computed, and not by operators that only move what a model is given.

    Numbers that are there while a graph is traced, and ragged ones, are taken as given.
    """
    if not (isinstance(tokens, tf.Tensor) and tf.is_symbolic_tensor(tokens)):
        return False
    waiting, seen = [tokens.op], set()
    while waiting:
        op = waiting.pop()
        if op.name in seen:
            continue
        seen.add(op.name)
        if op.type in _MOVING:
            waiting.extend(tensor.op for tensor in op.inputs)
        elif op.type not in _NEVER_NEGATIVE:
            return True
    return False


def _counted_from_the_end(tokens: tf.Tensor, rows: int) -> tf.Tensor:
    """The rows of tokens, of which -1 is the last row."""
    negative = tf.maximum(tf.minimum(tokens, 0), -1)
    return tokens - rows * negative


def can_be_gathered(layer: keras.layers.Layer) -> bool:
    """Whether `layer` is an embedding of Keras' own, or of ours, with float weights."""
    kinds = (
        keras.layers.Embedding, keras.layers.ReversibleEmbedding, TokenEmbedding, TiedEmbedding,
    )  # fmt: skip
    return type(layer) in kinds and getattr(layer, "quantization_mode", None) is None
