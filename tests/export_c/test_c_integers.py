"""Models in integers: near Keras, in sequences and streams, whatever stands around the cells."""

from __future__ import annotations

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge import load
from rnn_apps.export import ExportError, export_tflite
from rnn_apps.export.c import export_c
from rnn_apps.export.c.programs.quantisation import fraction_of
from rnn_apps.forecasting.heads.head_layers import HeadAffine
from rnn_apps.forecasting.network.normalisation import SeriesScaler

CELLS = {"GRU": layers.GRU, "LSTM": layers.LSTM, "SimpleRNN": layers.SimpleRNN}


def sequences(rows: int = 24, timesteps: int = 20, features: int = 5) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(rows, timesteps, features)).astype(np.float32)


@functools.cache
def trained_stack(cell: type[keras.layers.RNN]) -> keras.Model:
    keras.utils.set_random_seed(1)
    x = sequences()
    model = Sequential(
        [
            Input((None, 5)),
            cell(18, return_sequences=True),
            cell(13, return_sequences=True),
            layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse", run_eagerly=True)
    model.fit(x, 0.2 * np.cumsum(x[..., :2], axis=1), epochs=5, verbose=0)
    return model


@pytest.mark.parametrize("name", CELLS)
def test_sequences_are_near_keras(name: str, tmp_path: Path) -> None:
    model = trained_stack(CELLS[name])

    result = export_c(
        model, tmp_path / "q", quantize="int8", representative_data=sequences(), timesteps=20
    )

    (error,) = result.errors
    assert 0 < error.relative_rmse < 0.02
    # A quarter of float32's weights, and scales, biases and a table.
    floats = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert result.cost.weight_bytes < 4 * floats / 2
    assert "float scratch" not in result.header.read_text()


@pytest.mark.parametrize("mode", ["sequence", pytest.param("streaming", marks=pytest.mark.slow)])
def test_a_simple_cell_is_finer_in_int16x8(mode: str, tmp_path: Path) -> None:
    """Nothing damps what the rounding of its weights does to the state."""
    model = trained_stack(layers.SimpleRNN)

    coarse, fine = (
        export_c(
            model,
            tmp_path / quantize,
            mode=mode,
            quantize=quantize,
            representative_data=sequences(),
            timesteps=20 if mode == "sequence" else None,
        )
        for quantize in ("int8", "int16x8")
    )

    assert fine.errors[0].relative_rmse < 0.003
    assert fine.errors[0].relative_rmse < 0.6 * coarse.errors[0].relative_rmse
    assert coarse.cost.weight_bytes < fine.cost.weight_bytes < 2 * coarse.cost.weight_bytes


@pytest.mark.parametrize(
    ("name", "quantize"),
    [("GRU", "int16x8"), pytest.param("LSTM", "int8", marks=pytest.mark.slow)],
)
def test_streams_keep_states_of_16_bits(name: str, quantize: str, tmp_path: Path) -> None:
    model = trained_stack(CELLS[name])

    result = export_c(
        model, tmp_path / "q", mode="streaming", quantize=quantize, representative_data=sequences()
    )

    assert result.quantize == quantize

    assert result.errors[0].relative_rmse < 0.02
    assert {state.dtype for state in result.interface.states} == {"int16"}
    assert all(state.fraction is not None for state in result.interface.states)


def test_no_step_of_the_data_given_is_left_out(tmp_path: Path) -> None:
    """The largest number of 600 steps is in a single one of them."""
    keras.utils.set_random_seed(2)
    series = Input((None, 2))
    hidden = layers.Dense(3)(series)
    model = Model(series, [hidden, layers.GRU(2, return_sequences=True)(hidden)])
    data = sequences(rows=10, timesteps=60, features=2)
    data[4, 31] = 40.0

    result = export_c(
        model, tmp_path / "q", mode="streaming", quantize="int8", representative_data=data
    )

    assert all(error.relative_rmse < 0.02 for error in result.errors)


def test_what_has_no_integer_form_stays_float(tmp_path: Path) -> None:
    keras.utils.set_random_seed(2)
    ids = Input((12,), dtype="int32")
    hidden = layers.Embedding(9, 6, mask_zero=True)(ids)
    hidden = layers.Bidirectional(layers.GRU(5, return_sequences=True, reset_after=False))(hidden)
    hidden = layers.LayerNormalization()(layers.Dense(8, activation="gelu")(hidden))
    hidden = layers.Attention()([hidden, hidden])
    hidden = layers.Conv1D(6, 3, activation="relu")(hidden)
    model = Model(ids, layers.Dense(3, activation="softmax")(layers.LSTM(4)(hidden)))
    data = np.random.default_rng(0).integers(1, 9, (12, 12)).astype(np.int32)
    data[::3, 9:] = 0

    result = export_c(model, tmp_path / "q", quantize="int8", representative_data=data)

    assert result.errors[0].relative_rmse < 0.03
    assert "_short_product(" in result.source.read_text()


def test_a_mask_of_large_numbers_leaves_bits_for_the_rest(tmp_path: Path) -> None:
    """Attention that hides positions by -1e9, as most people write it."""
    keras.utils.set_random_seed(4)
    hidden, present = Input((6, 5), name="hidden"), Input((6,), name="present")
    energies = layers.Reshape((6,))(layers.Dense(1)(layers.Dense(7, "tanh")(hidden)))
    masked = energies * present - 1e9 * (1.0 - present)
    weights = layers.Softmax()(4.0 * masked)
    model = Model([hidden, present], layers.Dot((1, 1))([weights, hidden]))
    draw = np.random.default_rng(0)
    data = {
        "hidden": draw.normal(size=(12, 6, 5)).astype(np.float32),
        "present": (np.arange(6) < draw.integers(2, 7, (12, 1))).astype(np.float32),
    }

    result = export_c(model, tmp_path / "q", quantize="int8", representative_data=data)

    assert result.errors[0].relative_rmse < 0.02


@pytest.mark.parametrize("missing", [-99999.0, -999.0])
def test_the_mark_of_what_is_missing_leaves_bits_for_the_rest(
    missing: float, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(4)
    steps = [layers.Masking(missing), layers.GRU(6), layers.Dense(2)]
    data = sequences(timesteps=10, features=3)
    data[::2, 6:] = missing

    result = export_c(
        Sequential([Input((10, 3)), *steps]), tmp_path / "q", quantize="int8",
        representative_data=data,
    )  # fmt: skip

    assert result.errors[0].relative_rmse < 0.01


def test_numbers_are_equal_in_integers_where_they_are_in_floats(tmp_path: Path) -> None:
    """-0.3 is not a whole number of the steps that 16 bits have; some others are the same step."""
    keras.utils.set_random_seed(4)
    series = Input((10, 3))
    present = keras.ops.cast(keras.ops.not_equal(series, -0.3), "float32")
    zero = keras.ops.zeros_like(series)
    known = keras.ops.where(keras.ops.equal(series, -0.3), zero, series)
    joined = layers.Concatenate()([layers.Dense(4)(series), known, present])
    model = Model(series, layers.SimpleRNN(6)(joined))
    data = sequences(timesteps=10, features=3)
    data[np.random.default_rng(1).random(data.shape) < 0.4] = -0.3

    result = export_c(model, tmp_path / "q", quantize="int8", representative_data=data)

    assert result.errors[0].relative_rmse < 0.01


class OwnWeightsAtEachStep(layers.Layer):
    """A recurrent layer with a matrix per timestep, which a loop takes from all; one row only."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        steps, features = input_shape[1:]
        self.kernels = self.add_weight(shape=(steps, features, 4), name="kernels")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        steps, features = inputs.shape[1:]

        def step(time: int, state: keras.KerasTensor) -> tuple[int, keras.KerasTensor]:
            kernel = keras.ops.slice(self.kernels, [time, 0, 0], [1, features, 4])[0]
            now = keras.ops.slice(inputs, [0, time, 0], [1, 1, features])[:, 0]
            return time + 1, 0.5 * state + keras.ops.matmul(now, kernel)

        start = keras.ops.zeros((1, 4))
        return keras.ops.while_loop(lambda time, _: time < steps, step, (0, start))[1]


def test_weights_that_a_loop_chooses_are_those_of_its_pass(tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    series = Input((5, 3), batch_size=1)
    model = Model(series, layers.Dense(2)(OwnWeightsAtEachStep()(series)))
    data = sequences(timesteps=5, features=3)

    result = export_c(model, tmp_path / "q", quantize="int8", representative_data=data)

    assert result.errors[0].relative_rmse < 0.01


def test_long_sums_do_not_overflow(tmp_path: Path) -> None:
    """All weights and inputs as large as they can be, over more rows than one sum holds."""
    model = Sequential([Input((1300,)), layers.Dense(6, kernel_initializer="ones"), layers.ReLU()])
    data = np.full((3, 1300), 1.0, np.float32)
    data[1] = -1.0

    result = export_c(model, tmp_path / "q", quantize="int8", representative_data=data)

    assert result.errors[0].relative_rmse < 0.002


@pytest.mark.parametrize("mode", ["sequence", "streaming"])
def test_inputs_and_outputs_in_integers(mode: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    series = Input((12, 5), name="series")
    hidden = layers.GRU(9, return_sequences=True)(series)
    model = Model(series, {"raw": layers.Dense(3)(hidden), "kept": layers.ReLU()(hidden)})
    data = sequences(timesteps=12)

    result = export_c(
        model, tmp_path / "q", mode=mode, quantize="int8", representative_data=data,
        integer_io=True, name="net",
    )  # fmt: skip

    assert all(error.relative_rmse < 0.02 for error in result.errors)
    assert {one.dtype for one in result.interface.arguments} == {"int16"}
    header = result.header.read_text()
    for name in ("NET_INPUT_SERIES", "NET_OUTPUT_RAW"):
        assert f"#define {name}_SCALE" in header and f"#define {name}_ZERO_POINT 0" in header
    assert "net_quantise_input_series(const float *real" in header
    # The session's numbers are real ones; the file's are integers.
    loaded = load(result.folder, "c")
    spec = next(iter(loaded.signatures.values())).inputs["series"]
    assert spec.scale == 2.0 ** -result.interface.inputs[0].fraction
    if mode == "sequence":
        found = loaded(data[:1])["raw"]
        np.testing.assert_allclose(found, model(data[:1])["raw"], atol=0.05)


def test_inputs_in_integers_serve_loops_of_both_kinds(tmp_path: Path) -> None:
    """A maximum is made of floats, a sum with what a product gives is one of integers."""
    keras.utils.set_random_seed(3)
    series = Input((8, 4))
    hidden = layers.Dense(4)(series) + series
    largest = layers.GlobalMaxPooling1D()
    model = Model(series, [layers.Dense(2)(hidden), largest(series), largest(hidden), hidden])

    result = export_c(
        model, tmp_path / "q", quantize="int8", integer_io=True,
        representative_data=sequences(timesteps=8, features=4),
    )  # fmt: skip

    assert all(error.relative_rmse < 0.01 for error in result.errors)


def test_outputs_in_integers_have_room_for_larger_numbers(tmp_path: Path) -> None:
    """What one feature takes from the other on the data given, it does not on other data."""
    model = Sequential([Input((2,)), layers.Dense(2, kernel_initializer="ones")])
    data = np.linspace(-1, 1, 40, dtype=np.float32)[:, None] * np.array([1, -0.4], np.float32)

    result = export_c(
        model, tmp_path / "q", quantize="int8", integer_io=True, representative_data=data
    )

    other = np.array([[1, 0.2]], np.float32)
    (made,) = load(result.folder, "c")(other).values()
    np.testing.assert_allclose(made, [[1.2, 1.2]], atol=0.01)


def test_integers_outside_need_integers_inside(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'integer_io needs quantize="int8"'):
        export_c(Sequential([Input((4, 3)), layers.GRU(3)]), tmp_path / "q", integer_io=True)


@pytest.mark.parametrize("quantize", ["int8", "int16x8"])
def test_integers_need_real_data(quantize: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=f'"{quantize}" needs representative_data'):
        export_c(Sequential([Input((4, 3)), layers.GRU(3)]), tmp_path / "q", quantize=quantize)


def test_other_kinds_of_quantisation_are_refused(tmp_path: Path) -> None:
    model = Sequential([Input((4, 3)), layers.GRU(3)])

    with pytest.raises(ConfigurationError, match=r"'int4': for C choose from .*'int16x8'"):
        export_c(model, tmp_path / "q", quantize="int4")
    with pytest.raises(ConfigurationError, match="int16x8"):
        export_tflite(model, tmp_path / "q.tflite", quantize="int16x8")
    assert not list(tmp_path.iterdir())


def test_fractions_hold_what_was_measured() -> None:
    for largest in (1e-6, 0.3, 0.999, 1.0, 1.01, 5.0, 300.0):
        assert largest * 2.0 ** fraction_of(largest) <= 32768
    # No bit is given away.
    assert 5.0 * 2.0 ** (fraction_of(5.0) + 1) > 32767


def test_numbers_in_the_unit_of_the_data_stay_floats(tmp_path: Path) -> None:
    """Ranges measured on a series of small numbers serve one of large numbers."""
    keras.utils.set_random_seed(4)
    past, index = Input((4,), name="past"), Input((), dtype="int32", name="index")
    scaled, location, scale = SeriesScaler((10.0, 1000.0), (2.0, 200.0))(past, index)
    parameters = layers.Reshape((4, 1))(layers.Dense(4)(scaled))
    model = Model([past, index], HeadAffine("point")(parameters, location, scale))
    usual = np.random.default_rng(0).normal(size=(8, 4))
    data = {"past": (10 + 2 * usual).astype(np.float32), "index": np.zeros(8, np.int32)}
    export_c(model, tmp_path / "q", quantize="int8", representative_data=data)
    other = {"past": (1000 + 200 * usual[:1]).astype(np.float32), "index": np.ones(1, np.int32)}

    (found,) = load(tmp_path / "q", "c")(other).values()

    np.testing.assert_allclose(found, model([other["past"], other["index"]]), rtol=0.02)
