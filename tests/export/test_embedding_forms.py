"""An Embedding in an exported graph reads the rows that Keras reads."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers

from rnn_apps.export.forms.replacement import with_forms


def traced(model: keras.Model, dtype: str) -> tf.types.experimental.ConcreteFunction:
    with with_forms(model, {}):
        function = tf.function(lambda tokens: model(tokens))
        return function.get_concrete_function(tf.TensorSpec((2, 4), dtype))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_a_computed_index_counts_from_the_end(dtype: str) -> None:
    """LiteRT fails at a negative index, and TFLite Micro has no operator for Keras' choice."""
    ids = Input((4,), dtype=dtype)
    model = Model(ids, layers.Embedding(9, 3, embeddings_initializer="normal")(ids - 3))
    tokens = np.array([[0, 1, 2, 3], [11, 4, 0, 2]], dtype)

    function = traced(model, dtype)

    operators = [op.type for op in function.graph.get_operations()]
    assert "GatherV2" in operators and "SelectV2" not in operators
    np.testing.assert_array_equal(function(tf.constant(tokens)), model(tokens))


def test_an_index_that_is_given_is_read_at_once() -> None:
    ids = Input((2, 4), dtype="int32")
    embedding = layers.Embedding(9, 3)
    model = Model(ids, [embedding(ids[:, 0]), embedding(keras.ops.argmax(ids, axis=-1))])
    with with_forms(model, {}):
        graph = tf.function(lambda x: model(x)).get_concrete_function(
            tf.TensorSpec((1, 2, 4), "int32")
        )

    assert not any(op.type in ("Maximum", "SelectV2") for op in graph.graph.get_operations())
