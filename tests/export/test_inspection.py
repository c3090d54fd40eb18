"""Inspection: what is in a file, and no trust in files of unknown origin."""

from __future__ import annotations

import hashlib
import json
import tracemalloc

import numpy as np
import pytest
from edge_files import FEATURES, UNITS, folder
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.flatbuffer import parse_model
from rnn_apps.export import inspect


@pytest.fixture(scope="module")
def files():
    return folder()


def test_inspection_agrees_with_the_runtimes_own_view(files):
    from ai_edge_litert.interpreter import Interpreter

    for name in ("step.tflite", "step_int8.tflite", "translate_free.tflite", "loop.tflite"):
        found = inspect(files / name)
        interpreter = Interpreter(model_path=str(files / name))
        wanted = interpreter.get_signature_list()
        assert set(found.signatures) == set(wanted)
        for key, signature in found.signatures.items():
            runner = interpreter.get_signature_runner(key)
            for kind, details in (
                (signature.inputs, runner.get_input_details()),
                (signature.outputs, runner.get_output_details()),
            ):
                assert set(kind) == set(details)
                for tensor, item in kind.items():
                    assert item.dtype == np.dtype(details[tensor]["dtype"]).name
                    assert list(item.shape) == list(details[tensor]["shape_signature"])
                    scales = details[tensor]["quantization_parameters"]["scales"]
                    assert item.scale == (pytest.approx(scales[0]) if len(scales) else None)


def test_inspection_names_operators_states_and_quantisation(files):
    found = inspect(files / "step.tflite")
    assert set(found.operators) >= {"FULLY_CONNECTED", "TANH"}
    assert found.signatures["step"].states == {"h": "h_out"}
    assert found.quantization is None
    assert found.constant_bytes["float32"] >= 4 * UNITS * (UNITS + FEATURES)
    assert found.sha256 == hashlib.sha256((files / "step.tflite").read_bytes()).hexdigest()
    assert inspect(files / "step_int8.tflite").quantization == "int8"
    assert set(inspect(files / "translate_free.tflite").signatures) == {"encode", "decode_step"}
    assert len(inspect(files / "variables.tflite").variables) == 2
    assert inspect(files / "flex.tflite").operators == ("FlexMatrixDeterminant",)
    json.dumps(found.as_dict())


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(UserError, match="no such file"):
        inspect(path)
    for content in (
        b"",
        b"PK\x03\x04",
        b"\x00" * 100,
        b"\xff\xff\xff\xffTFL3",
        b"\x00\x00\x00\x00TFL3",
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match="tflite"):
            inspect(path)


def test_every_cut_file_is_refused_or_read_whole(files):
    content = (files / "step.tflite").read_bytes()
    whole = parse_model(content)
    for length in range(8, len(content), 97):
        try:
            read = parse_model(content[:length])
        except UserError:
            continue
        # Only constants at the end may be missing; what is said about the model is all there.
        assert read.subgraphs == whole.subgraphs


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_an_error_of_the_users_or_harmless(data):
    content = bytearray((folder() / "step_int8.tflite").read_bytes())
    places = data.draw(st.lists(st.integers(8, len(content) - 4), min_size=1, max_size=6))
    for place in places:
        content[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    tracemalloc.start()
    try:
        parse_model(bytes(content))
    except UserError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # A length that was made up is never believed.
    assert peak < 200 * len(content) + 2_000_000
