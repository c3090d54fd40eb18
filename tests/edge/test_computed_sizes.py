"""A file is run so that every call is right, whatever sizes its inputs have and had before."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers

from rnn_apps.edge import load
from rnn_apps.edge.runtime.litert import LiteRTRuntime
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.export import SignatureRequest, export_signatures, export_tflite
from rnn_apps.export.flatbuffers.inspection import inspect


def _attending() -> Model:
    """Heads make four dimensions of three, two of which only the caller's input tells."""
    series = Input((None, 6), name="series")
    hidden = layers.GRU(8, return_sequences=True)(series)
    return Model(series, layers.MultiHeadAttention(2, 4)(hidden, hidden))


def _reading() -> Model:
    return Sequential([Input((None, 6), name="series"), layers.GRU(5), layers.Dense(3)])


def _runtime(model: EdgeModel) -> LiteRTRuntime:
    runtime = model._runtime
    assert isinstance(runtime, LiteRTRuntime)
    return runtime


def _is_delegated(model: EdgeModel) -> bool:
    operators = _runtime(model)._interpreter._get_ops_details()
    return any(operator["op_name"] == "DELEGATE" for operator in operators)


def _given(batch: int, timesteps: int) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, timesteps, 6)).astype(np.float32)


def test_a_file_that_computes_sizes_runs_without_a_delegate(tmp_path: Path) -> None:
    model = _attending()
    result = export_tflite(model, tmp_path / "m.tflite")
    assert inspect(result.path).computes_sizes
    assert "without XNNPACK" in (tmp_path / "m.tflite.md").read_text()
    device = load(result.path)
    assert not _is_delegated(device)
    for batch, timesteps in ((1, 3), (2, 7), (1, 3)):
        [found] = device(_given(batch, timesteps)).values()
        np.testing.assert_allclose(found, model(_given(batch, timesteps)), atol=1e-5)


def test_known_sizes_leave_the_delegate(tmp_path: Path) -> None:
    result = export_tflite(_attending(), tmp_path / "m.tflite", timesteps=7)
    assert not inspect(result.path).computes_sizes
    assert "XNNPACK" not in (tmp_path / "m.tflite.md").read_text()
    assert _is_delegated(load(result.path))


@pytest.mark.parametrize("signatures", [1, 2])
def test_only_what_outgrows_an_interpreter_gets_another(signatures: int, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    models = {f"model_{number}": _reading() for number in range(signatures)}
    requests = {key: SignatureRequest(model) for key, model in models.items()}
    result = export_signatures(requests, tmp_path / "m.tflite", card=False)
    device = load(result.path)
    for key, model in models.items():
        device(_given(2, 5), key)
        interpreter = _runtime(device)._interpreter
        for (batch, timesteps), is_larger in (
            ((2, 5), False), ((1, 5), False), ((2, 3), False), ((3, 2), True), ((2, 2), False),
            ((3, 4), True), ((3, 4), False),
        ):  # fmt: skip
            [found] = device(_given(batch, timesteps), key).values()
            np.testing.assert_allclose(found, model(_given(batch, timesteps)), atol=1e-5)
            assert (_runtime(device)._interpreter is not interpreter) == is_larger
            interpreter = _runtime(device)._interpreter
