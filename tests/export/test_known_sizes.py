"""Sizes that a file computes while it runs become known ones, and every call stays right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers

from rnn_apps.edge import load
from rnn_apps.export import export_tflite
from rnn_apps.export.flatbuffers.inspection import inspect
from rnn_apps.export.flatbuffers.open_sizes import OpenSize, multiplied

FEATURES = 6


def _segments() -> Model:
    """Segments of a window, projected and read by a GRU, and a shortcut around both."""
    window = Input((12,), name="window")
    segments = layers.Dense(8)(layers.Reshape((3, 4))(window))
    return Model(window, layers.Dense(4)(layers.GRU(8)(segments)) + layers.Dense(4)(window))


def _stack(*stack: keras.layers.Layer) -> Callable[[], Model]:
    return lambda: Sequential([Input((None, FEATURES), name="series"), *stack])


MODELS: dict[str, Callable[[], Model]] = {
    "segments": _segments,
    "dense on a sequence": _stack(
        layers.LSTM(5, return_sequences=True), layers.Dense(7, activation="relu"), layers.Dense(3)
    ),
    "last output": _stack(layers.GRU(5), layers.Dense(3)),
    "two directions": _stack(
        layers.Bidirectional(layers.GRU(5, return_sequences=True)),
        layers.Bidirectional(layers.GRU(4)),
    ),
    "a mask": _stack(
        layers.Masking(),
        layers.LSTM(5, return_sequences=True),
        layers.TimeDistributed(layers.Dense(3)),
    ),
    "a convolution": _stack(
        layers.Conv1D(8, 3, padding="causal"), layers.SimpleRNN(5, return_sequences=True)
    ),
    "narrower than its features": _stack(layers.SimpleRNN(3, return_sequences=True)),
    "wider than its features": _stack(layers.GRU(24, return_sequences=True)),
}  # fmt: skip


def inputs_of(model: Model, batch: int, timesteps: int = 5) -> np.ndarray:
    shape = [timesteps if size is None else size for size in model.inputs[0].shape[1:]]
    return np.random.default_rng(batch).normal(size=(batch, *shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        *((kind, "auto") for kind in list(MODELS)[:5]),
        *(pytest.param(kind, "auto", marks=pytest.mark.slow) for kind in list(MODELS)[5:]),
        pytest.param("two directions", "loop", marks=pytest.mark.slow),
        ("narrower than its features", "loop"),
        ("wider than its features", "compact loop"),
    ],
)
def test_a_free_batch_leaves_no_size_to_compute(kind: str, form: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = MODELS[kind]()
    result = export_tflite(model, tmp_path / "m.tflite", form=form, card=False)
    assert not inspect(result.path).computes_sizes
    device = load(result.path)
    for batch, timesteps in ((1, 5), (3, 5), (3, 20), (1, 1), (2, 33)):
        given = inputs_of(model, batch, timesteps)
        [found] = device(given).values()
        np.testing.assert_allclose(found, model(given), atol=1e-5)


def test_float16_leaves_no_size_to_compute(tmp_path: Path) -> None:
    """Its zero states are kept in float16, too."""
    model = MODELS["segments"]()
    result = export_tflite(model, tmp_path / "m.tflite", quantize="float16", card=False)
    assert not inspect(result.path).computes_sizes


def test_what_is_repeated_for_parts_of_rows_stays_computed(tmp_path: Path) -> None:
    """As many zeros as 64 times the batch are those of no tensor."""

    class Parts(layers.Layer):
        def call(self, rows: Any) -> Any:
            zeros = keras.ops.zeros((keras.ops.shape(rows)[0] * 64, 4))
            return keras.ops.reshape(keras.ops.reshape(rows, (-1, 4)) + zeros, (-1, 64, 4))

    rows = Input((64, 4), name="rows")
    result = export_tflite(Model(rows, Parts()(rows)), tmp_path / "m.tflite", card=False)
    given = np.ones((3, 64, 4), np.float32)
    [found] = load(result.path)(given).values()
    np.testing.assert_array_equal(found, given)


def test_products_of_sizes_stand_for_the_same_only_if_they_are_the_same() -> None:
    batch, time = OpenSize(0, 0), OpenSize(0, 1)
    assert multiplied([2, 3]) == 6
    assert multiplied([batch, 1]) == batch
    assert multiplied([batch, 2]) == multiplied([2, batch]) != multiplied([batch, 3])
    assert multiplied([batch, time]) == multiplied([time, batch]) != multiplied([batch, batch])
    assert multiplied([multiplied([batch, 2]), 3]) == multiplied([6, batch])
    assert multiplied([batch, 0]) == 0
