"""Tokens to vectors and back."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from rnn_apps.layers.token_embedding import TiedEmbedding, TokenEmbedding

TOKENS = np.array([[0, 3, 3], [7, 1, 0]], np.int32)


@pytest.mark.parametrize("initial_range", [0.1, 0.8])
def test_begins_uniform_in_its_range(initial_range: float) -> None:
    layer = TokenEmbedding(200, 32, initial_range=initial_range, seed=1)
    rows = np.abs(keras.ops.convert_to_numpy(layer(np.arange(200)[None])))
    assert rows.max() <= initial_range
    assert np.isclose(rows.mean(), initial_range / 2, rtol=0.05)


def test_is_built_again_from_its_config() -> None:
    layer = TiedEmbedding(9, 4, dropout=0.2, seed=3, initial_range=0.7, name="tokens")
    again = TiedEmbedding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert np.array_equal(layer(TOKENS), again(TOKENS))


def test_logits_are_products_with_the_rows() -> None:
    layer = TiedEmbedding(9, 4, seed=3)
    embedded = keras.ops.convert_to_numpy(layer(TOKENS))
    layer.bias.assign(np.arange(9, dtype=np.float32))
    rows = keras.ops.convert_to_numpy(layer.embeddings)
    expected = embedded @ rows.T + np.arange(9)
    assert np.allclose(layer(embedded, reverse=True), expected, atol=1e-6)


def test_dropout_leaves_out_whole_tokens_wherever_they_stand() -> None:
    layer = TokenEmbedding(50, 4, dropout=0.5, seed=0)
    tokens = np.tile(np.arange(50), (3, 1))
    plain = keras.ops.convert_to_numpy(layer(tokens))
    dropped = keras.ops.convert_to_numpy(layer(tokens, training=True))
    factors = dropped / plain
    assert set(np.unique(factors.round(4))) == {0.0, 2.0}
    assert np.array_equal(factors[0], factors[1]) and np.array_equal(factors[0], factors[2])
    assert np.all(factors == factors[..., :1])
