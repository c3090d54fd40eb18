"""Cells with layer normalisation and zoneout, and initial weights, against their equations."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_apps.layers.cells import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
    ZoneoutCell,
)
from rnn_apps.layers.initializers import ChronoGRUBias, ChronoLSTMBias, OrthogonalGates

UNITS, FEATURES, ROWS, TIMESTEPS = 5, 3, 4, 6
GENERATOR = np.random.default_rng(0)
SEQUENCES = GENERATOR.normal(size=(ROWS, TIMESTEPS, FEATURES)).astype(np.float32)

Array = NDArray[np.float64]
CELLS = [LayerNormSimpleRNNCell, LayerNormLSTMCell, LayerNormGRUCell]


def normalise(values: Array, gain: Array) -> Array:
    centred = values - values.mean(-1, keepdims=True)
    return gain * centred / np.sqrt(values.var(-1, keepdims=True) + 1e-5)


def sigmoid(values: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-values))


def simple_step(w: dict[str, Array], x: Array, h: Array) -> Array:
    return np.tanh(normalise(x @ w["kernel"] + h @ w["recurrent_kernel"], w["gain"]) + w["bias"])


def gru_step(w: dict[str, Array], x: Array, h: Array) -> Array:
    read, recalled = np.split(x @ w["kernel"], 3, -1), np.split(h @ w["recurrent_kernel"], 3, -1)
    gates = normalise(np.concatenate(read[:2], -1), w["input_gate_gain"])
    gates = gates + normalise(np.concatenate(recalled[:2], -1), w["recurrent_gate_gain"])
    update, reset = np.split(sigmoid(gates + w["bias"][: 2 * UNITS]), 2, -1)
    candidate = normalise(read[2], w["input_gain"]) + w["bias"][2 * UNITS :]
    candidate = np.tanh(candidate + reset * normalise(recalled[2], w["recurrent_gain"]))
    return update * h + (1 - update) * candidate


def lstm_step(w: dict[str, Array], x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    gates = normalise(x @ w["kernel"], w["input_gain"]) + w["bias"]
    gates = gates + normalise(h @ w["recurrent_kernel"], w["recurrent_gain"])
    write, keep, candidate, give = np.split(gates, 4, -1)
    c = sigmoid(keep + 1.0) * c + sigmoid(write) * np.tanh(candidate)
    return sigmoid(give) * np.tanh(normalise(c, w["memory_gain"]) + w["memory_bias"]), c


@pytest.mark.parametrize("cell_type", CELLS)
def test_normalised_cells_compute_the_papers_equations(
    cell_type: type[keras.layers.Layer], tmp_path: Path
) -> None:
    layer = keras.layers.RNN(cell_type(UNITS), return_sequences=True)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer])
    model.set_weights([GENERATOR.normal(size=w.shape) for w in model.get_weights()])
    weights = {v.name: v.numpy().astype(np.float64) for v in layer.cell.trainable_variables}
    h = c = np.zeros((ROWS, UNITS))
    expected = []
    for timestep in range(TIMESTEPS):
        x = SEQUENCES[:, timestep].astype(np.float64)
        if cell_type is LayerNormLSTMCell:
            h, c = lstm_step(weights, x, h, c)
        else:
            step = gru_step if cell_type is LayerNormGRUCell else simple_step
            h = step(weights, x, h)
        expected.append(h)
    found = model(SEQUENCES).numpy()
    np.testing.assert_allclose(found, np.stack(expected, 1), rtol=1e-3, atol=2e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(SEQUENCES), found)


def test_zoneout_keeps_units_anew_in_every_timestep_and_takes_the_mean_in_inference() -> None:
    """With no input and no weights an RNN of biases goes from 0 to tanh(1) at once."""
    rate, units = 0.5, 400
    cell = ZoneoutCell(keras.layers.SimpleRNNCell(units, bias_initializer="ones"), [rate], seed=3)
    layer = keras.layers.RNN(cell, return_sequences=True)
    still = np.zeros((2, 5, 1), np.float32)
    layer(still)
    kernel, recurrent, bias = layer.get_weights()
    layer.set_weights([kernel, 0.0 * recurrent, bias])
    new = np.tanh(1.0)
    states = layer(still, training=True).numpy()
    moved = np.isclose(states, new)
    assert (moved | (states == 0.0)).all()
    # A unit that has moved stays where it is; the others move with probability 1 - rate.
    assert (moved[:, 1:] >= moved[:, :-1]).all()
    for timestep in range(5):
        expected = 1 - rate ** (timestep + 1)
        assert moved[:, timestep].mean() == pytest.approx(expected, abs=0.07)
    assert (layer(still, training=True).numpy() != states).any()
    means = layer(still, training=False).numpy()[0, :, 0]
    np.testing.assert_allclose(means, new * (1 - rate ** np.arange(1, 6)), rtol=1e-5)


def test_zoneout_of_an_lstm_has_a_rate_for_each_state() -> None:
    cell = ZoneoutCell(keras.layers.LSTMCell(UNITS), [0.0, 0.9], seed=1)
    layer = keras.layers.RNN(cell, return_state=True)
    plain = keras.layers.RNN(keras.layers.LSTMCell(UNITS), return_state=True)
    layer(SEQUENCES)
    plain(SEQUENCES)
    plain.set_weights(layer.get_weights())
    start = [np.full((ROWS, UNITS), 5.0, np.float32)] * 2
    output, h, c = layer(SEQUENCES[:, :1], initial_state=start, training=True)
    _, plain_h, plain_c = plain(SEQUENCES[:, :1], initial_state=start)
    np.testing.assert_array_equal(output, h)
    np.testing.assert_allclose(h, plain_h, rtol=1e-5)
    kept = np.isclose(c, 5.0)
    np.testing.assert_allclose(c[~kept], plain_c[~kept], rtol=1e-5)
    assert 0.6 < kept.mean() < 1.0


def test_a_zoneout_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 2 numbers"):
        ZoneoutCell(keras.layers.LSTMCell(3), [0.1])
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        ZoneoutCell(keras.layers.GRUCell(3), [1.0])
    with pytest.raises(ValueError, match="cannot have dropout"):
        ZoneoutCell(keras.layers.GRUCell(3, dropout=0.1), [0.1])


def test_the_gates_of_an_orthogonal_kernel_keep_norms() -> None:
    kernel = np.asarray(OrthogonalGates(seed=1)((8, 32)))
    blocks = np.split(kernel, 4, axis=1)
    for block in blocks:
        np.testing.assert_allclose(block.T @ block, np.eye(8), atol=1e-5)
    assert np.abs(blocks[0] - blocks[1]).max() > 0.1
    np.testing.assert_array_equal(kernel, OrthogonalGates(seed=1)((8, 32)))
    with pytest.raises(ValueError, match="gates"):
        OrthogonalGates()((8, 30))


def test_chrono_biases_spread_the_memories_over_the_timesteps() -> None:
    timesteps, units = 200, 3000
    write, keep, candidate, give = np.split(np.asarray(ChronoLSTMBias(timesteps)((4 * units,))), 4)
    np.testing.assert_array_equal(write, -keep)
    assert not candidate.any() and not give.any()
    spans = np.exp(keep)
    assert 1.0 <= spans.min() < 2.0 and timesteps - 3 < spans.max() <= timesteps - 1
    assert spans.mean() == pytest.approx(timesteps / 2, rel=0.05)
    for shape in [(3 * units,), (2, 3 * units)]:
        bias = np.atleast_2d(np.asarray(ChronoGRUBias(timesteps, seed=1)(shape)))
        assert bias.shape[0] == (2 if len(shape) == 2 else 1)
        assert np.exp(bias[0, :units]).mean() == pytest.approx(timesteps / 2, rel=0.05)
        assert not bias[0, units:].any() and not bias[1:].any()
    layer = keras.layers.LSTM(4, bias_initializer=ChronoLSTMBias(9), unit_forget_bias=False)
    layer.build((None, None, 2))
    assert (layer.cell.bias.numpy()[4:8] > 0).all()
    with pytest.raises(ValueError, match="at least 2"):
        ChronoLSTMBias(1)
