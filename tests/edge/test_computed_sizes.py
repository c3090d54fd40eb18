"""A file is run so that every call is right, whatever sizes its inputs have and had before."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, Sequential, layers

from pipelines.base.errors import UserError
from rnn_apps.edge import load
from rnn_apps.edge.runtime.litert import LiteRTRuntime
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.export import ExportError, SignatureRequest, export_signatures, export_tflite
from rnn_apps.export.flatbuffers.compact_flatbuffer import compact
from rnn_apps.export.flatbuffers.inspection import inspect
from rnn_apps.export.flatbuffers.model_objects import read_objects


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
    """There is room for twice what was outgrown."""
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
            ((4, 5), False), ((1, 6), True), ((4, 10), False), ((4, 11), True),
        ):  # fmt: skip
            [found] = device(_given(batch, timesteps), key).values()
            np.testing.assert_allclose(found, model(_given(batch, timesteps)), atol=1e-5)
            assert (_runtime(device)._interpreter is not interpreter) == is_larger
            interpreter = _runtime(device)._interpreter


def test_a_variable_keeps_its_value_when_inputs_grow(tmp_path: Path) -> None:
    class Total(tf.Module):
        def __init__(self) -> None:
            self.total = tf.Variable(0.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def add(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
            self.total.assign_add(tf.reduce_sum(values))
            return {"total": self.total.read_value()}

    total = Total()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [total.add.get_concrete_function()], total
    )
    path = tmp_path / "total.tflite"
    path.write_bytes(converter.convert())
    device = load(path)
    found = [float(device(np.ones(size, np.float32))["total"]) for size in (1, 2, 3, 1)]
    assert found == [1.0, 3.0, 6.0, 7.0]


def test_a_loop_whose_values_grow_runs_without_a_delegate(tmp_path: Path) -> None:
    """Its operators do not show it; that tensors have no memory before it runs does."""

    @tf.function(input_signature=[tf.TensorSpec([1, 2], tf.float32)])
    def growing(values: tf.Tensor) -> tf.Tensor:
        _, grown = tf.while_loop(
            lambda count, _: count < 3,
            lambda count, row: (count + 1, tf.concat([row, values], axis=0)),
            [0, values],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 2])],
        )
        return tf.matmul(grown, tf.ones([2, 3]))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([growing.get_concrete_function()])
    path = tmp_path / "growing.tflite"
    path.write_bytes(converter.convert())
    device = load(path)
    assert not _is_delegated(device)
    [found] = device(np.ones((1, 2), np.float32)).values()
    np.testing.assert_allclose(found, np.full((4, 3), 2.0))


def test_a_file_that_litert_cannot_open_is_refused(tmp_path: Path) -> None:
    """Also one with computed sizes, at which LiteRT looks before."""
    result = export_tflite(_attending(), tmp_path / "m.tflite", card=False)
    model = read_objects(result.path.read_bytes())
    model.operatorCodes[0].version = 99
    result.path.write_bytes(compact(model))
    with pytest.raises(UserError, match="cannot run this model"):
        load(result.path)


def test_a_fused_lstm_is_not_put_beside_computed_sizes(tmp_path: Path) -> None:
    """At batch 7 it wrote over the heap, or gave wrong numbers; the proof's batches are smaller."""
    keras.utils.set_random_seed(0)
    series = Input((None, 6), name="series")
    attended = layers.MultiHeadAttention(2, 4)(series, series)
    model = Model(series, layers.LSTM(5, return_sequences=True)(attended))
    with pytest.raises(ExportError, match="batch_size"):
        export_tflite(model, tmp_path / "fused.tflite", form="fused", card=False)
    result = export_tflite(model, tmp_path / "m.tflite", card=False)
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" not in result.operators
    device = load(result.path)
    for batch, timesteps in ((1, 3), (7, 15), (2, 20)):
        [found] = device(_given(batch, timesteps)).values()
        np.testing.assert_allclose(found, model(_given(batch, timesteps)), atol=1e-5)


def test_sizes_that_litert_knows_keep_the_delegate(tmp_path: Path) -> None:
    """A computed place of a known size is no computed size."""
    series = Input((None, 6), name="series")
    model = Model(series, layers.Dense(3)(layers.UpSampling1D(2)(series)))
    result = export_tflite(model, tmp_path / "m.tflite", card=False)
    device = load(result.path)
    assert _is_delegated(device)
    for batch, timesteps in ((1, 3), (7, 15), (2, 20)):
        [found] = device(_given(batch, timesteps)).values()
        np.testing.assert_allclose(found, model(_given(batch, timesteps)), atol=1e-5)
