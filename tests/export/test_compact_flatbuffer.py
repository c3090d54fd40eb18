"""Files in which equal tables are written once: smaller, and to every reader the same."""

from __future__ import annotations

import numpy as np
import pytest
from edge_files import FEATURES, UNITS, folder

from rnn_apps.edge import load
from rnn_apps.edge.runtime.flatbuffer import read_model_file
from rnn_apps.export.flatbuffers.compact_flatbuffer import ALIGNED_FROM, CONSTANT_ALIGNMENT, compact
from rnn_apps.export.flatbuffers.model_objects import read_objects


def compacted(name: str, tmp_path) -> tuple:
    source = folder() / name
    path = tmp_path / name
    path.write_bytes(compact(read_objects(source.read_bytes())))
    return source, path


@pytest.mark.parametrize("target", ["litert", "tflm"])
@pytest.mark.parametrize("name", ["step.tflite", "step_int8.tflite"])
def test_a_compact_file_computes_the_same(name: str, target: str, tmp_path) -> None:
    source, path = compacted(name, tmp_path)
    assert path.stat().st_size < source.stat().st_size
    generator = np.random.default_rng(7)
    inputs = {
        "x": generator.normal(size=(1, FEATURES)).astype(np.float32),
        "h": generator.normal(size=(1, UNITS)).astype(np.float32),
    }
    expected = load(source, target)(inputs)
    for output, value in load(path, target)(inputs).items():
        np.testing.assert_array_equal(value, expected[output])


def test_every_reader_sees_what_was_there(tmp_path) -> None:
    """Operators, shapes, types and quantisation; names are kept where there are some."""
    source, path = compacted("step_int8.tflite", tmp_path)
    (before, _), (after, _) = read_model_file(source), read_model_file(path)
    assert after.signatures == before.signatures
    for old, new in zip(before.subgraphs, after.subgraphs, strict=True):
        assert new.operators == old.operators
        assert (new.inputs, new.outputs) == (old.inputs, old.outputs)
        for a, b in zip(old.tensors, new.tensors, strict=True):
            assert (b.name, b.shape, b.free_shape, b.dtype) == (
                a.name,
                a.shape,
                a.free_shape,
                a.dtype,
            )
            assert b.quantization == a.quantization
            assert after.buffer_bytes[b.buffer] == before.buffer_bytes[a.buffer]


def test_long_constants_are_aligned(tmp_path) -> None:
    _, path = compacted("step.tflite", tmp_path)
    content = path.read_bytes()
    model = read_objects(content)
    long = [b.data for b in model.buffers if b.data is not None and len(b.data) >= ALIGNED_FROM]
    assert long
    for data in long:
        assert content.index(bytes(data)) % CONSTANT_ALIGNMENT == 0
