"""What is given to a file on the device is what it computes on, or is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edge_files import folder

from pipelines.base.errors import UserError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec
from rnn_apps.edge.runtime.streaming import state_pairs


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.full((1, 1), 2**40), "holds numbers from 1099511627776"),
        (np.full((1, 1), 0.5), "has the type float64"),
        (np.full((1, 1), "a"), "has the type"),
        ([[1], [2, 3]], "not one array"),
    ],
)
def test_a_number_that_a_cast_would_change_is_refused(value, message):
    model = load(folder() / "language.tflite")
    with pytest.raises(UserError, match=message):
        model({"token": value, "h": np.zeros((1, 6), np.float32)})


def test_whole_numbers_for_a_quantised_input_are_real_numbers():
    """They were taken for the codes of the numbers, modulo 256."""
    model = load(folder() / "step_int8.tflite")
    h = np.zeros((1, 6), np.float32)
    whole = model({"x": np.array([[2, -1, 1]]), "h": h})["y"]
    np.testing.assert_array_equal(whole, model({"x": np.array([[2.0, -1.0, 1.0]]), "h": h})["y"])
    with pytest.raises(UserError, match="NaN"):
        model({"x": np.full((1, 3), np.nan), "h": h})


def test_a_session_refuses_states_and_knows_them_by_shape():
    session = StreamingSession(load(folder() / "step.tflite"))
    with pytest.raises(UserError, match="carries the states itself"):
        session.step({"x": np.zeros((1, 3), np.float32), "h": np.ones((1, 6), np.float32)})
    tensors = {name: TensorSpec(name, 0, (1, 4, 2), "float32") for name in ("x", "y", "x_out")}
    takes, gives = {"x": tensors["x"]}, {"x_out": tensors["x_out"]}
    assert state_pairs(Signature("main", 0, takes, gives)) == {}
    pooled = {"x_out": TensorSpec("x_out", 0, (1, 2, 2), "float32")}
    assert state_pairs(Signature("main", 0, tensors, pooled)) == {}
    assert state_pairs(Signature("main", 0, tensors, gives)) == {"x": "x_out"}


def test_a_model_with_a_least_length_is_allocated_for_what_it_is_given(tmp_path: Path):
    """At the file's own shapes, where free dimensions are 1, its convolution has no output."""
    import keras

    inputs = keras.Input((None, 2), name="series")
    hidden = keras.layers.AveragePooling1D(4)(keras.layers.Conv1D(3, 5)(inputs))
    model = keras.Model(inputs, keras.layers.Conv1D(2, 3, name="values")(hidden))
    path = tmp_path / "m.tflite"
    from rnn_apps.export import export_tflite

    data = np.random.default_rng(0).normal(size=(3, 30, 2)).astype(np.float32)
    export_tflite(model, path, representative_data=data, card=False)
    file = load(path)
    for part in (data[:1], data, data[1:, :20]):
        np.testing.assert_allclose(file({"series": part})["values"], model(part), atol=1e-6)
    with pytest.raises(UserError, match=r"inputs of shape series \[1, 3, 2\]"):
        file({"series": data[:1, :3]})
    np.testing.assert_allclose(file({"series": data})["values"], model(data), atol=1e-6)


def test_a_damaged_constant_or_signature_is_refused(tmp_path: Path):
    """LiteRT says so itself; TFLite Micro would read behind the end of the numbers."""
    from ai_edge_litert import schema_py_generated as schema

    from rnn_apps.export.flatbuffers.model_objects import read_objects, write_objects

    def written(change):
        model = read_objects((folder() / "step.tflite").read_bytes())
        change(model, model.subgraphs[0])
        path = tmp_path / "m.tflite"
        path.write_bytes(write_objects(model))
        return path

    def longer(model, graph):
        constant = next(t for t in graph.tensors if t.type == schema.TensorType.FLOAT32
                        and model.buffers[t.buffer].data is not None)  # fmt: skip
        constant.shape = np.array([1000, 1000], np.int32)
        constant.shapeSignature = None

    def elsewhere(model, graph):
        graph.tensors[0].buffer = 10_000

    def inner(model, graph):
        ends = {*graph.inputs, *graph.outputs}
        model.signatureDefs[0].outputs[0].tensorIndex = next(
            index for index in range(len(graph.tensors)) if index not in ends
        )

    def without(model, graph):
        graph.operators[0].inputs[0] = -1

    for change in (longer, elsewhere, inner, without):
        with pytest.raises(UserError, match="damaged"):
            load(written(change), "tflm")
    load(written(lambda model, graph: None), "tflm")
