"""What TFLite Micro has no operator for is written with what it has, and gives the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers, ops

from rnn_apps.edge import load
from rnn_apps.export import ExportError, export_tflite

STEPS, FEATURES = 6, 3
DATA = np.random.default_rng(0).normal(size=(12, STEPS, FEATURES)).astype(np.float32)


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_an_autoencoder_of_lstms_runs_on_tflite_micro(quantize: str | None, tmp_path: Path) -> None:
    """`RepeatVector` is a TILE."""
    keras.utils.set_random_seed(0)
    model = Sequential(
        [
            Input((STEPS, FEATURES), name="series"),
            layers.LSTM(5),
            layers.RepeatVector(STEPS),
            layers.LSTM(5, return_sequences=True),
            layers.TimeDistributed(layers.Dense(FEATURES, name="values")),
        ]
    )
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target="tflm",
        quantize=quantize,
        representative_data=DATA,
        card=False,
    )
    assert "BROADCAST_TO" in result.operators and "TILE" not in result.operators
    [found] = load(result.path, "tflm")({"series": DATA[:1]}).values()
    limit = 1e-6 if quantize is None else 0.1 * float(np.abs(np.asarray(model(DATA))).max())
    np.testing.assert_allclose(found, model(DATA[:1]), atol=limit)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "tile": lambda t: ops.tile(t, (1, 13, 2)),
    "repeat": lambda t: ops.repeat(t, 3, axis=1),
    "one_hot": lambda t: ops.one_hot(ops.cast(3 * t[:, :, 0], "int32"), 4),
    "one_hot of the middle": lambda t: ops.one_hot(ops.cast(3 * t[:, :, 0], "int32"), 4, axis=1),
    "argmax": lambda t: ops.argmax(t, -1),
    "argmin, kept": lambda t: ops.argmin(t, axis=1, keepdims=True),
    "argmax of all": lambda t: ops.expand_dims(ops.argmax(t), 0),
}


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_operations_on_outputs_give_what_keras_gives(quantize: str | None, tmp_path: Path) -> None:
    """All in one file; in int8 what is compared is a rounded number at most."""
    inputs = Input((STEPS, FEATURES), name="series", batch_size=1)
    named = {
        name.replace(" ", "_").replace(",", ""): make(inputs)
        for name, make in OPERATIONS.items()
        if quantize is None or name in ("tile", "repeat", "one_hot")
    }
    model = Model(inputs, named)
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target="tflm",
        quantize=quantize,
        representative_data=DATA,
        card=False,
    )
    assert not {"TILE", "ONE_HOT"} & set(result.operators)
    file = load(result.path, "tflm")
    # Away from whole numbers, which the rounding of int8 may carry over.
    data = DATA[:1] if quantize is None else np.round(DATA[:1]) + 0.3
    found, wanted = file({"series": data}), model(data)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6 if quantize is None else 0.05)


def test_what_it_cannot_be_given_is_refused_by_name(tmp_path: Path) -> None:
    inputs = Input((STEPS, FEATURES), batch_size=1)
    model = Model(inputs, ops.top_k(layers.GRU(4)(inputs), 2)[1])
    with pytest.raises(ExportError, match=r"no operator TOPK_V2. Leave what needs it out"):
        export_tflite(model, tmp_path / "m.tflite", target="tflm", form="rule")
    model = Model(inputs, ops.linalg.inv(ops.matmul(ops.transpose(inputs, (0, 2, 1)), inputs)))
    with pytest.raises(ExportError, match=r"TensorFlow's MatrixInverse \(traced at '.*Inverse'\)"):
        export_tflite(model, tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []
