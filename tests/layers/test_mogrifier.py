"""The Mogrifier LSTM: its equations, its special case, its sizes, and where it is refused."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers import LSTM, Mogrifier
from rnn_apps.layers.cells import MogrifierCell, find_cell
from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.recurrence.recurrent import describe_path

ROWS, TIMESTEPS, FEATURES, UNITS = 4, 20, 9, 7
GENERATOR = np.random.default_rng(0)
SEQUENCES = GENERATOR.normal(size=(ROWS, TIMESTEPS, FEATURES)).astype(np.float32)
MASK = GENERATOR.random((ROWS, TIMESTEPS)) > 0.3


def with_weights(layer: Any, scale: float = 0.5) -> Any:
    """The layer, built, with weights and biases that are far from zero."""
    layer.build(SEQUENCES.shape)
    generator = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(scale * generator.normal(size=weight.shape))
    return layer


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_the_step_is_that_of_the_paper(rounds: int) -> None:
    cell = with_weights(MogrifierCell(UNITS, rounds=rounds, rank=0))
    kernel, recurrent_kernel, bias, *matrices = cell.get_weights()
    inputs = SEQUENCES[:, 0]
    hidden, memory = np.random.default_rng(2).normal(size=(2, ROWS, UNITS)).astype(np.float32)
    output, states = cell(inputs, [hidden, memory])
    for number, matrix in enumerate(matrices, 1):
        if number % 2:
            inputs = 2 * sigmoid(hidden @ matrix) * inputs
        else:
            hidden = 2 * sigmoid(inputs @ matrix) * hidden
    assert len(matrices) == rounds
    i, f, g, o = np.split(inputs @ kernel + hidden @ recurrent_kernel + bias, 4, axis=-1)
    memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(states[1], memory, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(output, sigmoid(o) * np.tanh(memory), rtol=1e-5, atol=1e-6)


def results(layer: keras.layers.RNN, mask: Any, training: bool) -> list[np.ndarray]:
    """Outputs and states of a layer, and the gradients by its input and all of its weights."""
    inputs = tf.constant(SEQUENCES)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, mask=mask, training=training)
        loss = sum(tf.reduce_sum(tf.sin(3 * output)) for output in outputs)
    weights = [weight.value for weight in layer.trainable_weights]
    return [np.asarray(one) for one in (*outputs, *tape.gradient(loss, [inputs, *weights]))]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mask", [None, tf.constant(MASK)])
def test_without_a_round_it_is_the_lstm_to_the_bit(mask: Any, training: bool) -> None:
    options: dict[str, Any] = {"return_sequences": True, "return_state": True}
    mogrifier = with_weights(Mogrifier(UNITS, rounds=0, **options))
    lstm = with_weights(LSTM(UNITS, **options))
    assert [one.shape for one in mogrifier.weights] == [one.shape for one in lstm.weights]
    assert describe_path(mogrifier, training) == describe_path(lstm, training)
    for found, expected in zip(
        results(mogrifier, mask, training), results(lstm, mask, training), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("rounds", "rank"), [(1, 0), (4, 2)])
def test_its_gradient_is_that_of_tensorflow(rounds: int, rank: int) -> None:
    options: dict[str, Any] = {"return_sequences": True, "return_state": True}
    own = with_weights(Mogrifier(UNITS, rounds=rounds, rank=rank, use_bias=False, **options))
    cell = MogrifierCell(UNITS, rounds=rounds, rank=rank, use_bias=False)
    keras_loop = with_weights(keras.layers.RNN(cell, **options))
    assert describe_path(own).fast
    mask = tf.constant(MASK)
    for found, expected in zip(
        results(own, mask, True), results(keras_loop, mask, True), strict=True
    ):
        scale = np.max(np.abs(expected))
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5)


def test_layers_that_read_inputs_of_different_sizes_train_together() -> None:
    model = keras.Sequential(
        [Mogrifier(UNITS, rounds=2, rank=2, return_sequences=True) for _ in range(3)]
    )
    with_weights(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(SEQUENCES, training=True) ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert {one.shape[0] for one in gradients[::7]} == {FEATURES, UNITS}
    assert all(np.all(np.isfinite(one)) and np.any(one) for one in gradients)


def test_a_stateful_layer_goes_on_where_it_ended() -> None:
    layer = with_weights(Mogrifier(UNITS, rank=2, stateful=True, return_sequences=True))
    whole = np.asarray(layer(tf.tile(SEQUENCES, [1, 2, 1]), training=True))
    layer.reset_states()
    parts = [np.asarray(layer(SEQUENCES, training=True)) for _ in range(2)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-5, atol=1e-5)
    assert not np.allclose(*parts, atol=1e-2)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_in_half_precision_both_loops_give_half_precision(policy: str) -> None:
    layer = with_weights(Mogrifier(UNITS, rank=2, dtype=policy, return_sequences=True))
    trained, used = (layer(SEQUENCES, training=training) for training in (True, False))
    assert trained.dtype == used.dtype == layer.compute_dtype
    exact = with_weights(Mogrifier(UNITS, rank=2, return_sequences=True))(SEQUENCES)
    for outputs in (trained, used):
        np.testing.assert_allclose(tf.cast(outputs, tf.float32), exact, atol=0.1)


def test_dropped_inputs_and_weights_are_dropped_in_both_loops() -> None:
    own = with_weights(Mogrifier(UNITS, dropout=0.5, seed=3, return_state=True))
    keras_loop = with_weights(
        keras.layers.RNN(MogrifierCell(UNITS, dropout=0.5, seed=3), return_state=True)
    )
    for found, expected in zip(
        results(own, None, True), results(keras_loop, None, True), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    dropped = with_weights(Mogrifier(UNITS, recurrent_weight_dropout=0.5, return_state=True))
    gradient = results(dropped, None, True)[-1 - len(dropped.weights) :][2]
    assert gradient.shape == dropped.cell.recurrent_kernel.shape
    assert 0.2 < np.mean(gradient == 0) < 0.8


@pytest.mark.parametrize("rank", [0, 2])
def test_training_begins_with_the_lstm(rank: int) -> None:
    cell = MogrifierCell(UNITS, rank=rank)
    cell.build((None, FEATURES))
    lstm = keras.layers.LSTMCell(UNITS)
    lstm.build((None, FEATURES))
    lstm.set_weights(cell.get_weights()[:3])
    states = list(tf.constant(GENERATOR.normal(size=(2, ROWS, UNITS)), tf.float32))
    for found, expected in zip(
        cell(SEQUENCES[:, 0], states)[1], lstm(SEQUENCES[:, 0], states)[1], strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def shapes(features: int, units: int, **options: Any) -> dict[str, tuple[int, ...]]:
    cell = MogrifierCell(units, **options)
    cell.build((None, features))
    return {weight.name: weight.shape for weight in cell.weights[3:]}


def test_the_matrices_of_the_rounds_are_factorised_where_that_saves_weights() -> None:
    assert shapes(64, 256, rounds=2, rank=24) == {
        "round_1_left": (256, 24),
        "round_1_right": (24, 64),
        "round_2_left": (64, 24),
        "round_2_right": (24, 256),
    }
    assert shapes(64, 256, rounds=2, rank=0) == {"round_1": (256, 64), "round_2": (64, 256)}
    assert shapes(3, 256, rounds=2) == {"round_1": (256, 3), "round_2": (3, 256)}
    assert shapes(64, 256, rounds=2) == shapes(64, 256, rounds=2, rank=24)


@pytest.mark.parametrize(("features", "units"), [(64, 160), (64, 512), (160, 160), (320, 320)])
def test_the_rounds_add_about_a_tenth_to_the_weights(features: int, units: int) -> None:
    cell = MogrifierCell(units)
    cell.build((None, features))
    lstm = 4 * units * (features + units + 1)
    assert 0.08 < (cell.count_params() - lstm) / lstm < 0.14


def test_configurations_give_its_options_as_names_and_numbers() -> None:
    cell = find_cell("mogrifier")
    assert cell_options(cell, ("rounds=3", "rank = 0")) == {"rounds": 3, "rank": 0}
    assert cell_options(find_cell("gru"), ()) == {}


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("mogrifier", ("rounds",), "'rounds' is not NAME=NUMBER with a whole number"),
        ("mogrifier", ("rank=0.5",), "'rank=0.5' is not NAME=NUMBER with a whole number"),
        ("mogrifier", ("rounds=--5",), "'rounds=--5' is not NAME=NUMBER with a whole number"),
        ("mogrifier", ("size=5",), "has no option 'size'. Available: rounds, rank"),
        ("gru", ("rounds=3",), "cell = 'gru' has no option 'rounds'. Available: none"),
        ("mogrifier", ("rank=1", "rank=2"), "rank is given twice"),
        ("mogrifier", ("rounds=-1",), "rounds = -1 must be at least 0"),
    ],
)
def test_wrong_options_are_refused(name: str, settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigurationError, match="cell_options: .*" + re.escape(said)):
        cell_options(find_cell(name), settings)


@pytest.mark.parametrize("wrong", [{"rounds": -1}, {"rank": -2}])
def test_negative_sizes_are_refused(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} = {value} must be at least 0"):
        Mogrifier(UNITS, **wrong)


def test_it_is_refused_where_inputs_are_projected_beforehand() -> None:
    from rnn_apps.forecasting import ForecastingConfig
    from rnn_apps.forecasting.network.segment import Segment
    from rnn_apps.translation import TranslationConfig
    from rnn_apps.translation.network.capabilities import check_capabilities

    said = "cell = 'mogrifier' changes its input before .*, which {} computes beforehand"
    with pytest.raises(ConfigurationError, match=said.format("a translation's decoder")):
        check_capabilities(TranslationConfig(data="file:a.tsv", run="run", cell="mogrifier"))
    config = ForecastingConfig(data="file:a.csv", run="run", model="segment", cell="mogrifier")
    with pytest.raises(ConfigurationError, match=said.format("model = 'segment'")):
        Segment(config).check()
    with pytest.raises(ConfigurationError, match=said.format("a loop")):
        find_cell("mogrifier").plain_step("a loop")
