"""What holds for every registered cell, and a cell that is registered from outside the toolkit."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.network.segment import ParallelDecoder
from rnn_apps.layers import load_model
from rnn_apps.layers.cells import cell_names, cell_of, find_cell, register_cell
from rnn_apps.layers.cells.cell import Cell
from rnn_apps.layers.cells.registry import _ADDRESSES
from rnn_apps.models import RNN
from rnn_apps.training.gradients.hidden_gradients import gradient_flow
from rnn_apps.translation.network.decoder_loop import run_decoder
from rnn_apps.translation.network.model import Network, TranslationModel

UNITS, FEATURES, ROWS, TIMESTEPS = 5, 3, 4, 20
SEQUENCES = np.random.default_rng(0).normal(size=(ROWS, TIMESTEPS, FEATURES)).astype(np.float32)
MASK = np.random.default_rng(1).random((ROWS, TIMESTEPS)) > 0.3


@pytest.fixture(params=cell_names())
def cell(request: pytest.FixtureRequest) -> Cell:
    return find_cell(request.param)


def built(cell: Cell, **options: Any) -> Any:
    """The cell's own class with weights and biases that are not zero."""
    one_step = cell.keras_cell(UNITS, **options)
    one_step.build((None, FEATURES))
    generator = np.random.default_rng(2)
    for weight in one_step.weights:
        weight.assign(0.5 * generator.normal(size=weight.shape))
    return one_step


def recall_of(cell: Cell, one_step: Any) -> Any:
    _, bias = cell.biases(one_step)

    def recall(state: Any, gates: slice | None = None) -> Any:
        product = tf.matmul(state, one_step.recurrent_kernel)
        product = product if bias is None else product + bias
        if gates is None:
            return product
        return product[..., gates.start * UNITS : gates.stop * UNITS]

    return recall


def projected(cell: Cell, one_step: Any, inputs: Any) -> Any:
    bias, _ = cell.biases(one_step)
    return tf.matmul(inputs, one_step.kernel) + bias


def read_of(cell: Cell, one_step: Any, inputs: Any) -> Any:
    return inputs if cell.reads_inputs else projected(cell, one_step, inputs)


def test_the_equations_are_those_of_the_class(cell: Cell) -> None:
    one_step = built(cell)
    generator = np.random.default_rng(3)
    states = [tf.constant(generator.normal(size=(ROWS, UNITS)), tf.float32) for _ in cell.states]
    output, expected = one_step(SEQUENCES[:, 0], states)
    read = read_of(cell, one_step, SEQUENCES[:, 0])
    found = cell.step_of(one_step)(read, recall_of(cell, one_step), states, cell.activations)
    for one, other in zip(found, keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(found[0], output, atol=1e-6)


def test_the_first_step_is_a_step_from_zeros(cell: Cell) -> None:
    one_step = built(cell)
    zeros = [tf.zeros((ROWS, UNITS)) for _ in cell.states]
    read = read_of(cell, one_step, SEQUENCES[:, 0])
    expected = cell.step_of(one_step)(read, recall_of(cell, one_step), zeros, cell.activations)

    def of_gates(gates: tuple[int, ...]) -> Any:
        parts = tf.split(projected(cell, one_step, SEQUENCES[:, 0]), cell.gates, axis=-1)
        return tf.concat([parts[gate] for gate in gates], axis=-1)

    found = cell.start(of_gates, cell.biases(one_step)[1], cell.activations)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def gradients(layer: keras.layers.RNN, mask: Any) -> list[Any]:
    """What a layer gives out in training, and the gradients by its input and its weights."""
    inputs = tf.constant(SEQUENCES)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, mask=mask, training=True)
        loss = sum(tf.reduce_sum(tf.sin(3 * output)) for output in outputs)
    weights = [weight.value for weight in layer.trainable_weights]
    return [*outputs, *tape.gradient(loss, [inputs, *weights])]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", [{}, {"go_backwards": True, "return_sequences": True}])
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("cifg", {}),
        ("mingru", {"parallel": False}),
        ("mingru", {"parallel": True}),
        ("mogrifier", {}),
    ],
)
def test_cells_that_keras_lacks_train_as_their_loop_in_keras_does(
    name: str, own: dict[str, Any], options: dict[str, Any], masked: bool
) -> None:
    cell = find_cell(name)
    layer = cell.layer(UNITS, return_state=True, **options, **own)
    keras_loop = keras.layers.RNN(cell.keras_cell(UNITS), return_state=True, **options)
    for one in (layer, keras_loop):
        one.build(SEQUENCES.shape)
        for weight, value in zip(one.weights, built(cell).get_weights(), strict=True):
            weight.assign(value)
    mask = tf.constant(MASK) if masked else None
    for found, expected in zip(gradients(layer, mask), gradients(keras_loop, mask), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"recurrent_dropout": 0.5}, {"dropout": 0.5, "implementation": 1}]
)
@pytest.mark.parametrize("name", ["cifg", "mogrifier"])
def test_dropout_in_cells_that_keras_lacks_is_for_all_gates(
    name: str, options: dict[str, Any]
) -> None:
    sequences = SEQUENCES[:, :4]
    plain = find_cell(name).layer(UNITS, return_sequences=True, seed=1)
    layer = find_cell(name).layer(UNITS, return_sequences=True, seed=1, **options)
    for one in (plain, layer):
        one.build(sequences.shape)
    layer.set_weights(plain.get_weights())
    np.testing.assert_array_equal(layer(sequences), plain(sequences))
    trained = np.asarray(layer(sequences, training=True))
    assert trained.shape == plain(sequences).shape
    assert not np.array_equal(trained, plain(sequences))
    config = layer.get_config()
    copy = type(layer).from_config(config)
    assert copy.get_config() == config
    assert copy.cell.recurrent_dropout == options.get("recurrent_dropout", 0.0)
    copy.build(sequences.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(sequences), plain(sequences))


def test_a_layer_survives_a_file(cell: Cell, tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((None, FEATURES)), cell.layer(UNITS, dropout=0.2, return_sequences=True)]
    )
    assert cell_of(model.layers[0].cell) is cell
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    np.testing.assert_array_equal(loaded(SEQUENCES), model(SEQUENCES))


def test_forget_gates_start_open(cell: Cell) -> None:
    one_step = cell.keras_cell(UNITS)
    one_step.build((None, FEATURES))
    bias = np.asarray(cell.biases(one_step)[0]).reshape(cell.gates, UNITS)
    expected = np.zeros_like(bias)
    if cell.forget_gate is not None:
        expected[cell.forget_gate] = 1
    np.testing.assert_array_equal(bias, expected)


def test_long_memories_keep_their_state(cell: Cell) -> None:
    """Without input, a state decays by half within the span that was asked for, not at once."""
    if cell.long_memory is None:
        pytest.skip("the cell has no gate that keeps a memory")
    one_step = cell.keras_cell(400, **cell.long_memory(100))
    one_step.build((None, FEATURES))
    for weight in one_step.weights:
        if "kernel" in weight.name:
            weight.assign(tf.zeros_like(weight))
    states = [tf.ones((1, 400)) for _ in cell.states]
    kept = []
    for _ in range(10):
        _, states = one_step(tf.zeros((1, FEATURES)), states)
        states = list(states) if isinstance(states, list | tuple) else [states]
        kept.append(float(tf.reduce_mean(states[-1])))
    assert kept[-1] > 0.6, kept


def test_names_that_are_not_registered_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="cell = 'mamba': choose from simple, lstm, gru"):
        find_cell("mamba")
    with pytest.raises(ConfigurationError, match="'gru' is taken by"):
        register_cell("gru", "tests.test_cells:LEAKY")


def test_the_names_are_known_without_tensorflow() -> None:
    script = (
        "import sys; from rnn_apps.layers.cells import cell_names; assert 'gru' in cell_names(); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


@keras.saving.register_keras_serializable(package="tests")
class LeakyCell(keras.layers.SimpleRNNCell):
    """h' = (h + tanh(W x + U h + b)) / 2: a cell as a user would add it."""

    def call(self, sequence: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        before = states[0] if isinstance(states, list | tuple) else states
        _, (new,) = super().call(sequence, [before], training=training)
        new = (before + new) / 2
        return new, [new]


@keras.saving.register_keras_serializable(package="tests")
class Leaky(keras.layers.RNN):
    def __init__(self, units: int, **options: Any) -> None:
        names = ("dropout", "recurrent_initializer")
        of_cell = {name: options.pop(name) for name in names if name in options}
        options.pop("cell", None)
        super().__init__(LeakyCell(units, **of_cell), **options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.cell.units}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Leaky:
        return cls(**config)


def leaky_step(read: Any, recall: Any, states: list[Any], activations: Any) -> list[Any]:
    return [(states[0] + activations.candidate(read + recall(states[0]))) / 2]


def leaky_start(read: Any, recurrent_bias: Any, activations: Any) -> list[Any]:
    return [activations.candidate(read((0,))) / 2]


LEAKY = dataclasses.replace(
    find_cell("simple"),
    name="leaky",
    title="leaky RNN",
    layer=Leaky,
    keras_cell=LeakyCell,
    step=leaky_step,
    start=leaky_start,
    keras_layer=None,
    normalised=None,
)


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> Cell:
    monkeypatch.setitem(_ADDRESSES, "leaky", "")
    monkeypatch.delitem(_ADDRESSES, "leaky")
    register_cell("leaky", f"{__name__}:LEAKY")
    return find_cell("leaky")


def test_a_cell_from_outside_trains_and_leaves_for_the_device(leaky: Cell, tmp_path: Path) -> None:
    from rnn_apps.export import export_tflite

    one_step = built(leaky)
    read = read_of(leaky, one_step, SEQUENCES[:, 0])
    states = [tf.ones((ROWS, UNITS))]
    found = leaky.step_of(one_step)(read, recall_of(leaky, one_step), states, leaky.activations)
    np.testing.assert_allclose(found[0], one_step(SEQUENCES[:, 0], states)[0], atol=1e-6)
    model = RNN(FEATURES, UNITS, 2, cell="leaky", layers=2)
    model.compile("adam", "mse")
    model.fit(SEQUENCES, np.zeros((ROWS, 2)), epochs=1, verbose=0)
    for target in ("litert", "tflm"):
        result = export_tflite(
            model, tmp_path / "leaky.tflite", target=target, representative_data=SEQUENCES,
            form="rule", card=False,
        )  # fmt: skip
        assert result.error <= 1e-5
        assert {form.kind for form in result.forms} == {"leaky RNN"}


@pytest.fixture
def minimal(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell that multiplies by parts of its recurrent kernel, twice per step."""
    monkeypatch.setitem(_ADDRESSES, "mgu", "")
    monkeypatch.delitem(_ADDRESSES, "mgu")
    register_cell("mgu", "minimal_gated_unit:CELL")
    return find_cell("mgu")


def test_parts_of_the_recurrent_kernel_are_used_when_segments_are_decoded(minimal: Cell) -> None:
    segments = 3
    decoder = ParallelDecoder("mgu", UNITS, segments)
    state = tf.constant(SEQUENCES[:, 0, :1] + np.linspace(-1, 1, UNITS, dtype=np.float32))
    found = decoder([state])
    reference = built(minimal)
    reference.recurrent_kernel.assign(decoder.recurrent.kernel)
    decoder.recurrent.bias.assign(tf.zeros(2 * UNITS))
    entering = decoder.position(decoder.positions) + decoder.bias
    for segment in range(segments):
        reference.kernel.assign(tf.zeros((FEATURES, 2 * UNITS)))
        reference.bias.assign(entering[segment])
        expected, _ = reference(SEQUENCES[:, 0], [state])
        np.testing.assert_allclose(found[:, segment], expected, atol=1e-6)


def test_a_cell_that_multiplies_twice_is_trained_step_by_step(minimal: Cell) -> None:
    model = TranslationModel(Network(9, 9, cell="mgu", units=4, embedding_size=3))
    source, target = tf.constant([[4, 5, 6]]), tf.constant([[2, 4]])
    encoded, states = model.encode(source)
    embedded = model.target_embedding(target)
    assert run_decoder(model.step, embedded, encoded, states) is None
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model({"source": source, "target": target}) ** 2)
    kernels = [cell.recurrent_kernel for cell in model.step.cells]
    assert all(float(tf.norm(one)) > 0 for one in tape.gradient(loss, kernels))


def test_the_gradient_flow_of_a_cell_that_reads_a_list_of_states(minimal: Cell) -> None:
    layer = minimal.layer(UNITS, name="own")
    model = keras.Sequential([keras.Input((None, FEATURES)), layer, keras.layers.Dense(1)])
    truth = np.ones((ROWS, 1), np.float32)
    flow = gradient_flow(model, SEQUENCES, truth, keras.losses.MeanSquaredError())["own"]
    slopes = 2 * (model(SEQUENCES)[:, 0] - 1)
    expected = tf.reduce_mean(tf.abs(slopes)) * tf.norm(model.layers[-1].kernel)
    np.testing.assert_allclose(flow[-1], expected, rtol=1e-5)


def test_a_cell_without_attributes_for_its_functions_is_exported(
    minimal: Cell, tmp_path: Path
) -> None:
    from rnn_apps.export import export_tflite

    model = keras.Sequential([keras.Input((TIMESTEPS, FEATURES)), minimal.layer(UNITS)])
    result = export_tflite(
        model, tmp_path / "minimal.tflite", representative_data=SEQUENCES, form="rule", card=False
    )
    assert result.error <= 1e-5
    assert {form.kind for form in result.forms} == {"MGU"}
