"""Models that are not ours export, run on the device's runtime and agree with Keras.

The export itself compares every file with Keras; here the file is run once more by other code, on
other data, and the model must be as it was.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from foreign_models import FOREIGN

from rnn_apps.edge import load
from rnn_apps.export import export_tflite

# Models that need fixed shapes are fixed here as a user would; all others keep batch and time free.
OPTIONS: dict[str, dict] = {}
ON_MICROCONTROLLER = (
    pytest.param("bidirectional_classifier", marks=pytest.mark.slow),
    "stacked_gru_regressor",
    pytest.param("simple_rnn_relu", marks=pytest.mark.slow),
)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_model_exports_and_agrees(name: str, tmp_path: Path) -> None:
    model, data = FOREIGN[name]()
    before = [weight.numpy().copy() for weight in model.weights]

    result = export_tflite(
        model,
        tmp_path / "model.tflite",
        representative_data=data,
        form="rule",
        card=False,
        **OPTIONS.get(name, {}),
    )

    assert result.error <= 1e-5 * max(0.1, max(error.scale for error in result.errors))
    assert {form.form for form in result.forms} <= {"fused", "blocked loop", "loop", "unrolled"}
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    _compare_once_more(model, data, result.path)


def _compare_once_more(model: keras.Model, data: object, path: Path) -> None:
    """Two sequences in another order than the export's, in one interpreter."""
    file = load(path)
    names = list(file.signature().inputs)
    flat = keras.tree.flatten(data)
    if isinstance(data, dict):
        names = sorted(data)
    rows = max(1, file.signature().inputs[names[0]].shape[0])
    for start in (rows, 0):
        part = [value[start : start + rows] for value in flat]
        for layer in model.layers:
            if getattr(layer, "stateful", False):
                layer.reset_state()
        kept = [layer.dtype_policy for layer in model.layers]
        for layer in model.layers:
            layer.dtype_policy = "float32"
            if isinstance(layer, keras.layers.RNN):
                layer.cell.dtype_policy = "float32"
        expected = keras.tree.flatten(model(keras.tree.pack_sequence_as(data, part)))
        for layer, policy in zip(model.layers, kept, strict=True):
            layer.dtype_policy = policy
        actual = file(dict(zip(names, part, strict=True)))
        for value in expected:
            wanted = np.asarray(value, np.float32)
            assert any(
                found.shape == wanted.shape and np.allclose(found, wanted, atol=2e-5, rtol=1e-4)
                for found in actual.values()
            )


@pytest.mark.parametrize("name", ON_MICROCONTROLLER)
def test_a_foreign_model_runs_on_tflite_micro(name: str, tmp_path: Path) -> None:
    model, data = FOREIGN[name]()
    result = export_tflite(
        model,
        tmp_path / "model.tflite",
        target="tflm",
        timesteps=data.shape[1],
        representative_data=data,
        card=False,
    )
    assert result.error <= 1e-5
    assert result.arena_bytes is not None
    assert result.arena_bytes > 0
