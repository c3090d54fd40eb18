from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_setup import build_lstm, make_batches, squared_error

from pipelines.base.errors import UserError
from rnn_apps.training import TrainingConfig, fit, gradient_flow, plot_gradient_flow
from rnn_apps.training.gradients.hidden_gradients import NoRecurrentLayerError, read_flows

TIMESTEPS = 200


def mean_squared(targets: Any, outputs: Any) -> tf.Tensor:
    return tf.reduce_mean(tf.square(targets - tf.cast(outputs, tf.float32)))


def noise(batch: int, timesteps: int, features: int = 2, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(batch, timesteps, features)).astype("float32")


def linear_network(recurrent: np.ndarray) -> keras.Model:
    units = len(recurrent)
    model = keras.Sequential(
        [
            keras.Input((None, 2)),
            keras.layers.SimpleRNN(units, activation="linear", name="linear"),
            keras.layers.Dense(1, use_bias=False),
        ]
    )
    kernel, _, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel, recurrent, bias])
    return model


def test_a_linear_network_has_the_powers_of_its_matrix() -> None:
    """dLoss/dh_t = dLoss/dy v' (W')^(T-t), for h_t = W' h_(t-1) + ..., y = v h_T."""
    keras.utils.set_random_seed(0)
    recurrent = noise(1, 3, 3)[0] * 0.7
    model = linear_network(recurrent)
    inputs, targets = noise(5, 20), noise(5, 1, 1)[:, 0]
    flow = gradient_flow(model, inputs, targets, mean_squared)["linear"]
    vector = model.layers[1].get_weights()[0][:, 0]
    error = np.abs(2.0 * (model(inputs).numpy() - targets))[:, 0].mean()
    expected = []
    for t in range(20):
        power = np.linalg.matrix_power(recurrent.astype("float64"), 19 - t)
        expected.append(error * np.linalg.norm(power @ vector))
    np.testing.assert_allclose(flow, expected, rtol=1e-4)


def numeric_flow(model: keras.Model, cell: Any, inputs: np.ndarray, targets: np.ndarray) -> Any:
    """The same by hand: the cell in a loop of our own, one state after the other watched."""
    states = [tf.zeros((len(inputs), cell.units)) for _ in tf.nest.flatten(cell.state_size)]
    with tf.GradientTape() as tape:
        hidden = []
        for t in range(inputs.shape[1]):
            _, states = cell(inputs[:, t], states)
            states = list(states)
            tape.watch(states[0])
            hidden.append(states[0])
        loss = mean_squared(targets, model.layers[-1](hidden[-1]))
    gradients = tape.gradient(loss, hidden)
    return [np.linalg.norm(g.numpy() * len(inputs), axis=-1).mean() for g in gradients]


@pytest.mark.parametrize("layer", ["SimpleRNN", "LSTM", "GRU"])
def test_it_is_what_a_loop_by_hand_gives(layer: str) -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((None, 2)), getattr(keras.layers, layer)(5), keras.layers.Dense(1)]
    )
    inputs, targets = noise(3, 8), noise(3, 1, 1)[:, 0]
    flow = gradient_flow(model, inputs, targets, mean_squared)
    expected = numeric_flow(model, model.layers[0].cell, inputs, targets)
    np.testing.assert_allclose(flow[model.layers[0].name], expected, rtol=1e-4)


def test_masked_steps_pass_the_gradient_on() -> None:
    """A padded sequence has the flow of the sequence without padding, and none at the padding."""
    keras.utils.set_random_seed(2)
    inner = keras.layers.GRU(4, name="gru")
    model = keras.Sequential(
        [keras.Input((None, 2)), keras.layers.Masking(), inner, keras.layers.Dense(1)]
    )
    short, targets = noise(2, 6), noise(2, 1, 1)[:, 0]
    padded = np.concatenate([short, np.zeros((2, 3, 2), "float32")], axis=1)
    alone = gradient_flow(model, short, targets, mean_squared)["gru"]
    flow = gradient_flow(model, padded, targets, mean_squared)["gru"]
    np.testing.assert_allclose(flow[:6], alone, rtol=1e-5)
    assert not flow[6:].any()


class Subclassed(keras.Model):
    """Stacked cells, a bidirectional layer in an inner model, a state handed over, one shared."""

    def __init__(self) -> None:
        super().__init__()
        cells = [keras.layers.LSTMCell(3), keras.layers.GRUCell(4)]
        self.stacked = keras.layers.RNN(cells, return_sequences=True, name="stacked")
        both = keras.layers.SimpleRNN(3, return_sequences=True, name="both")
        self.inner = keras.Sequential([keras.layers.Bidirectional(both)])
        self.encoder = keras.layers.GRU(4, return_state=True, name="encoder")
        self.decoder = keras.layers.GRU(4, return_sequences=True, name="decoder")
        self.head = keras.layers.Dense(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        sequence = self.inner(self.stacked(inputs))
        _, state = self.encoder(sequence)
        outputs = self.decoder(sequence[:, :5], initial_state=state)
        outputs = self.decoder(outputs[:, :, :1] * sequence[:, :5])
        return self.head(outputs)[:, -1]


def test_every_layer_of_a_subclassed_model_is_found_in_order() -> None:
    keras.utils.set_random_seed(3)
    model = Subclassed()
    inputs, targets = noise(3, 7), noise(3, 1, 1)[:, 0]
    before = model(inputs).numpy()
    flow = gradient_flow(model, inputs, targets, mean_squared)
    assert {name: len(norms) for name, norms in flow.items()} == {
        "stacked, cell 1": 7,
        "stacked, cell 2": 7,
        "forward_both": 7,
        "backward_both": 7,
        "encoder": 7,
        "decoder": 5,
        "decoder (2)": 5,
    }
    assert all(np.isfinite(norms).all() and norms.any() for norms in flow.values())
    np.testing.assert_array_equal(model(inputs).numpy(), before)


def test_a_model_without_recurrent_layers_is_refused() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(NoRecurrentLayerError):
        gradient_flow(model, noise(1, 2)[0], np.zeros((2, 1)), mean_squared)


def flow_over_200_steps(layer: keras.layers.Layer) -> np.ndarray:
    model = keras.Sequential([keras.Input((None, 2)), layer, keras.layers.Dense(1)])
    inputs = noise(8, TIMESTEPS) * 0.1
    flow = gradient_flow(model, inputs, np.ones((8, 1), "float32"), mean_squared)
    return flow[layer.name].astype(np.float64)


def scaled_orthogonal(gain: float) -> keras.initializers.Initializer:
    return keras.initializers.Orthogonal(gain=gain, seed=5)


def test_simple_networks_vanish_or_explode_geometrically() -> None:
    """With recurrent weights g times orthogonal, the norm changes by the factor g a step."""
    keras.utils.set_random_seed(4)
    for gain in (0.8, 1.25):
        layer = keras.layers.SimpleRNN(
            16, activation="linear", recurrent_initializer=scaled_orthogonal(gain)
        )
        flow = flow_over_200_steps(layer)
        factor = (flow[-150] / flow[-1]) ** (1.0 / 149.0)
        np.testing.assert_allclose(factor, gain, rtol=1e-3)
    assert flow[0] > 1e15 * flow[-1]


def test_initialisation_cures_the_simple_network() -> None:
    keras.utils.set_random_seed(4)
    small = keras.layers.SimpleRNN(16, recurrent_initializer=scaled_orthogonal(0.8))
    orthogonal = keras.layers.SimpleRNN(
        16, activation="linear", recurrent_initializer=scaled_orthogonal(1.0)
    )
    vanished = flow_over_200_steps(small)
    kept = flow_over_200_steps(orthogonal)
    assert vanished[0] < 1e-15 * vanished[-1]
    np.testing.assert_allclose(kept, kept[-1], rtol=1e-3)


def test_the_choice_of_cell_cures_it() -> None:
    """Gates that stay open keep the gradient: a forget bias that spans the steps does it.

    The chrono initialisation (Tallec and Ollivier 2018) sets the forget gate's bias to log(T).
    Keras' GRU mixes z h + (1 - z) candidate, so that its update gate's bias does the same.
    """
    keras.utils.set_random_seed(4)
    units = 16
    lstm, gru = keras.layers.LSTM(units), keras.layers.GRU(units)
    for layer in (lstm, gru):
        layer.build((None, None, 2))
    kernel, recurrent, bias = lstm.get_weights()
    bias[units : 2 * units] = np.log(TIMESTEPS)
    bias[:units] = -np.log(TIMESTEPS)
    lstm.set_weights([kernel, recurrent, bias])
    kernel, recurrent, bias = gru.get_weights()
    bias[0, :units] = np.log(TIMESTEPS)
    gru.set_weights([kernel, recurrent, bias])
    plain = flow_over_200_steps(keras.layers.LSTM(units, unit_forget_bias=False))
    forget_bias = flow_over_200_steps(keras.layers.LSTM(units, unit_forget_bias=True))
    # At h_T the whole error arrives directly, before it only through the memory: hence -2.
    ratios = {
        "plain": plain[0] / plain[-2],
        "forget bias": forget_bias[0] / forget_bias[-2],
    }
    chrono = flow_over_200_steps(lstm)
    open_gate = flow_over_200_steps(gru)
    assert ratios["plain"] < 1e-20
    assert ratios["plain"] < 1e-5 * ratios["forget bias"]
    assert chrono[0] > 0.05 * chrono[-2]
    assert open_gate[0] > 0.05 * open_gate[-2]


def exploding_model() -> keras.Model:
    """Recurrent weights that start at the identity (Le, Jaitly and Hinton 2015)."""
    layer = keras.layers.SimpleRNN(
        16,
        activation="relu",
        recurrent_initializer=keras.initializers.Identity(),
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.05),
    )
    return keras.Sequential([keras.Input((None, 2)), layer, keras.layers.Dense(1)])


def test_clipping_cures_the_exploding_network(tmp_path: Path) -> None:
    """The same network at the same rate: without clipping it is thrown off, with it it learns."""
    batches = make_batches(64, 16, timesteps=TIMESTEPS)
    config = TrainingConfig(
        epochs=4, batch_size=16, optimizer="sgd", learning_rate=0.003, gradient_flow=False
    )
    with pytest.raises(UserError, match=r"step [0-9]+ .* not a finite number.*clip_norm"):
        fit(
            exploding_model,
            batches,
            squared_error,
            replace(config, clip_norm=0.0),
            folder=tmp_path / "not-clipped",
        )
    history = fit(
        exploding_model,
        batches,
        squared_error,
        replace(config, clip_norm=1.0),
        folder=tmp_path / "clipped",
    ).history
    assert max(row["gradient_norm"] for row in history) > 100.0
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]


def test_training_records_the_flow_and_resuming_keeps_it(tmp_path: Path) -> None:
    batches = make_batches(16, timesteps=5)
    for epochs in (1, 3):
        config = TrainingConfig(epochs=epochs, batch_size=8)
        fit(build_lstm, batches, squared_error, config, folder=tmp_path, resume=epochs > 1)
    flows = read_flows(tmp_path / "gradient_flow.json")
    assert list(flows) == [1, 2, 3]
    assert all(len(norms) == 5 for flow in flows.values() for norms in flow.values())
    content = json.loads((tmp_path / "gradient_flow.json").read_text())
    [record] = content["layers"].values()
    assert record["epochs"] == [1, 2, 3]
    figure = plot_gradient_flow(flows)
    assert len(figure.axes[0].lines) == 2
    assert figure.axes[0].get_yscale() == "log"
    figure.savefig(tmp_path / "flow.svg")


def test_the_chart_of_one_moment_has_a_line_a_layer() -> None:
    flow = {"a": np.array([0.0, 1e-9, 1.0]), "b": np.array([1.0, np.inf, 2.0])}
    lines = plot_gradient_flow(flow).axes[0].lines
    assert [line.get_label() for line in lines] == ["a", "b"]
    np.testing.assert_array_equal(np.isnan(lines[0].get_ydata()), [True, False, False])
