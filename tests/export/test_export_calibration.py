"""int8: what calibrates is what is met in use, and the proof covers all that calibrated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from keras import Input, Sequential, layers

from rnn_apps.edge import load
from rnn_apps.export import export_tflite

SEQUENCES = 40
# int8 allows a tenth of the largest value.
TOLERANCE = 0.1


def lstm(units: int, **options: Any) -> keras.layers.LSTM:
    """A layer that adds up what it sees: its forget gate stays open."""
    bias = np.concatenate([np.zeros(units), np.full(units, 4.0), np.zeros(2 * units)])
    initializer = keras.initializers.Constant(bias)
    return layers.LSTM(units, bias_initializer=initializer, unit_forget_bias=False, **options)


STACKS = {
    "one": lambda n: [lstm(n)],
    "stacked": lambda n: [lstm(n, return_sequences=True), lstm(n)],
    "bidirectional": lambda n: [layers.Bidirectional(lstm(n))],
    "backwards": lambda n: [lstm(n, go_backwards=True)],
    "autoencoder": lambda n: [lstm(n), layers.RepeatVector(3), lstm(n), layers.Flatten()],
}


def file_error(model: keras.Model, path: Path, target: str, data: np.ndarray) -> float:
    """Largest difference of a file's only output from Keras, each row a sequence of its own."""
    file = load(path, target)
    outputs = [next(iter(file(row[None]).values())) for row in data]
    return float(np.abs(np.concatenate(outputs) - np.asarray(model(data))).max())


@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    stack=st.sampled_from(sorted(STACKS)),
    target=st.sampled_from(["litert", "tflm"]),
    units=st.integers(2, 9),
    timesteps=st.integers(4, 12),
    seed=st.integers(0, 99),
)
def test_int8_is_right_on_every_sequence_that_calibrated_it(
    stack: str,
    target: str,
    units: int,
    timesteps: int,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Inputs above zero: a state that went on from one sequence to the next would grow."""
    keras.utils.set_random_seed(seed)
    model = Sequential([Input((timesteps, 2)), *STACKS[stack](units), layers.Dense(2)])
    data = np.random.default_rng(seed).random((SEQUENCES, timesteps, 2)).astype(np.float32)
    result = export_tflite(
        model,
        tmp_path_factory.mktemp("int8") / "m.tflite",
        target=target,
        quantize="int8",
        form="fused",
        representative_data=data,
        card=False,
    )
    error = file_error(model, result.path, target, data)
    assert error <= TOLERANCE * max(0.1, np.abs(model(data)).max())
    assert error <= 1.001 * result.error
    assert result.measured_on["serving_default"].sequences == SEQUENCES


def test_sorted_data_calibrates_from_end_to_end_and_the_card_says_on_how_many(
    tmp_path: Path,
) -> None:
    """300 sequences, of which the last hundred alone are large."""
    keras.utils.set_random_seed(0)
    model = Sequential([Input((6, 2)), layers.LSTM(5), layers.Dense(1)])
    data = np.random.default_rng(0).normal(size=(300, 6, 2)).astype(np.float32)
    data *= np.repeat([0.1, 0.1, 3.0], 100)[:, None, None].astype(np.float32)
    result = export_tflite(
        model, tmp_path / "m.tflite", target="tflm", quantize="int8", representative_data=data
    )
    assert file_error(model, result.path, "tflm", data) <= TOLERANCE * np.abs(model(data)).max()
    assert result.card is not None
    card = json.loads(result.card.read_text())
    assert card["measured_on"]["serving_default"]["sequences"] == 300
    assert card["measured_on"]["serving_default"]["calibrated"] == 300
    text = result.card.with_suffix(".md").read_text()
    assert "300 sequences (all of which calibrated int8)" in text


@pytest.mark.parametrize("quantize", ["dynamic", "float16", None])
def test_a_sequence_far_behind_is_proven_too(quantize: str | None, tmp_path: Path) -> None:
    """The largest values are met in the last sequence alone: the error's scale shows them."""
    keras.utils.set_random_seed(0)
    model = Sequential([Input((6, 2)), layers.GRU(5), layers.Dense(1)])
    data = np.zeros((20, 6, 2), np.float32)
    data[-1] = 3.0
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        quantize=quantize,
        form="rule",
        batch_size=1,
        representative_data=data,
        card=False,
    )
    assert result.errors[0].scale == pytest.approx(float(np.abs(model(data)).max()), rel=1e-4)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_masked_int8_is_as_good_as_without_a_mask(kind: str, tmp_path: Path) -> None:
    """SELECT binds a layer's states at all timesteps to one scale, which must fit all of them."""
    errors = {}
    data = np.random.default_rng(0).normal(size=(24, 6, 3)).astype(np.float32)
    data[1::2, 3:] = 0
    for masked in (False, True):
        keras.utils.set_random_seed(1)
        stack = [layers.GRU(6, return_sequences=True), getattr(layers, kind)(5)]
        first = [layers.Masking()] if masked else []
        errors[masked] = export_tflite(
            Sequential([Input((6, 3)), *first, *stack]),
            tmp_path / "m.tflite",
            target="tflm",
            quantize="int8",
            form="unrolled",
            representative_data=data,
            card=False,
        ).errors[0]
    assert errors[True].relative_rmse < 1.3 * errors[False].relative_rmse
    assert errors[True].maximum_absolute < 0.05 * errors[True].scale


def test_masked_int8_takes_any_batch_on_litert(tmp_path: Path) -> None:
    """The first timestep's states are zeros of any batch: their range is nothing that could run."""
    keras.utils.set_random_seed(1)
    stack = [layers.Masking(), layers.LSTM(6, return_sequences=True), layers.GRU(5)]
    model = Sequential([Input((4, 3), name="series"), *stack, layers.Dense(2, name="values")])
    data = np.random.default_rng(0).normal(size=(24, 4, 3)).astype(np.float32)
    data[1::2, 2:] = 0
    result = export_tflite(
        model, tmp_path / "m.tflite", quantize="int8", representative_data=data, card=False
    )
    values = load(result.path)({"series": data})["values"]
    expected = np.asarray(model(data))
    assert np.abs(values - expected).max() < TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_an_rnn_of_an_lstm_cell_is_fused_like_an_lstm(quantize: str | None, tmp_path: Path) -> None:
    cell = layers.RNN(layers.LSTMCell(6), go_backwards=True, return_sequences=True)
    model = Sequential([Input((8, 3)), cell, layers.Dense(2)])
    data = np.random.default_rng(0).normal(size=(8, 8, 3)).astype(np.float32)
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target="tflm",
        quantize=quantize,
        representative_data=data,
        card=False,
    )
    assert result.form == "fused"
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in result.operators


@pytest.mark.parametrize("value", [-1.0, 7.3])
def test_a_mask_value_that_int8_cannot_hold_is_met_all_the_same(
    value: float, tmp_path: Path
) -> None:
    """With int8 inputs, padding is the number next to the mask's value, which must be known."""
    keras.utils.set_random_seed(1)
    model = Sequential([Input((6, 3)), layers.Masking(value), layers.GRU(6)])
    data = np.random.default_rng(0).normal(size=(12, 6, 3)).astype(np.float32)
    data[1::2, 3:] = value
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target="tflm",
        quantize="int8",
        representative_data=data,
        card=False,
    )
    assert file_error(model, result.path, "tflm", data) < 0.05
