from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from model_contract import check_model, check_saved_model, check_tflite

from pipelines.base.errors import ConfigurationError
from rnn_apps.models import RNN


def squared_error(model: keras.Model, batch: Any, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
    inputs, targets, weights = batch
    losses = tf.reduce_sum(tf.square(model(inputs, training=training) - targets), axis=-1)
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)


def a_batch() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(4, 6, 3)).astype("float32")
    targets = generator.normal(size=(4, 2)).astype("float32")
    return tf.constant(inputs), tf.constant(targets), tf.ones(4)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_the_plain_model_keeps_the_contract(cell: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    options: dict[str, Any] = {}
    if cell == "gru":
        options = {"bidirectional": True, "dropout": 0.2}
    model = check_model(
        lambda: RNN(3, 5, 2, cell=cell, **options), a_batch(), squared_error, tmp_path
    )
    check_saved_model(model, a_batch()[0], tmp_path / "saved_model")
    check_tflite(model, a_batch()[0], tmp_path / "model.tflite")


def test_an_elman_network_by_hand() -> None:
    """h_t = tanh(x_t W + h_(t-1) U + b), y = h_T V + c."""
    model = RNN(3, 4, 2, cell="simple")
    inputs = a_batch()[0].numpy()
    kernel, recurrent, bias, head, offset = model.get_weights()
    hidden = np.zeros((4, 4), "float32")
    for t in range(inputs.shape[1]):
        hidden = np.tanh(inputs[:, t] @ kernel + hidden @ recurrent + bias)
    np.testing.assert_allclose(model(inputs), hidden @ head + offset, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_masks_are_respected(bidirectional: bool) -> None:
    model = RNN(3, 4, 1, cell="lstm", layers=2, bidirectional=bidirectional)
    masked = keras.Sequential([keras.Input((None, 3)), keras.layers.Masking(), model])
    inputs = a_batch()[0].numpy()
    padded = np.concatenate([inputs, np.zeros((4, 5, 3), "float32")], axis=1)
    np.testing.assert_allclose(masked(padded), model(inputs), rtol=1e-4, atol=1e-6)
    assert not np.allclose(model(padded), model(inputs), rtol=1e-4)


def test_layers_start_apart() -> None:
    """One initializer given to all layers must not give them the same weights."""
    initializer = keras.initializers.Orthogonal()
    model = RNN(4, 4, 1, cell="simple", layers=3, recurrent_initializer=initializer)
    first, second, third = (layer.get_weights()[1] for layer in model.recurrent_layers)
    assert not np.allclose(second, third)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "rnn"}, "choose from simple, lstm, gru"),
        ({"hidden_size": 0}, "hidden_size = 0 must be at least 1"),
        ({"layers": 0}, "layers = 0 must be at least 1"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RNN(**{"input_size": 2, "hidden_size": 3, "output_size": 1, **arguments})
