"""What is written for a microcontroller compiles against the public interface and is the model."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from edge_files import folder

from pipelines.errors import UserError
from rnn_apps.export.microcontroller import (
    _METHOD_OF,
    resolver_methods,
    write_microcontroller_files,
)

# The declarations of tflite-micro's public headers that the example relies on, as they stand in
# tensorflow/lite/micro/micro_interpreter.h, micro_mutable_op_resolver.h and c/common.h. Set
# TFLITE_MICRO_HEADERS to a checkout with its third-party headers to compile against the real ones.
STUBS = {
    "tensorflow/lite/schema/schema_generated.h": """
#pragma once
#include <cstdint>
#define TFLITE_SCHEMA_VERSION (3)
namespace tflite {
struct Model { uint32_t version() const; };
const Model* GetModel(const void* buf);
}
""",
    "tensorflow/lite/micro/micro_mutable_op_resolver.h": """
#pragma once
typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;
namespace tflite {
class MicroOpResolver { public: virtual ~MicroOpResolver() {} };
template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
METHODS
};
}
""",
    "tensorflow/lite/micro/micro_interpreter.h": """
#pragma once
#include <cstddef>
#include <cstdint>
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
namespace tflite {
class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver& op_resolver, uint8_t* tensor_arena,
                   size_t tensor_arena_size);
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  template <class T> T* typed_input_tensor(int tensor_index);
  template <class T> T* typed_output_tensor(int tensor_index);
};
}
""",
}


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    given = os.environ.get("TFLITE_MICRO_HEADERS")
    if given:
        return given
    root = tmp_path_factory.mktemp("headers")
    methods = "\n".join(f"  TfLiteStatus {name}();" for name in _METHOD_OF.values())
    for name, text in STUBS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("METHODS", methods))
    return root


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
@pytest.mark.parametrize("name", ["step", "step_int8", "language", "variables"])
def test_the_example_compiles(tmp_path, headers, name):
    written = write_microcontroller_files(folder() / f"{name}.tflite", tmp_path)
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    done = subprocess.run(
        [*command, "-I", str(headers), "-I", str(tmp_path), str(written.example)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_the_array_is_the_file(tmp_path):
    source = folder() / "step_int8.tflite"
    written = write_microcontroller_files(source, tmp_path, name="my-model 2")
    assert written.header.name == "my_model_2_model.h"
    text = written.header.read_text()
    array = text[text.index("kModel[] = {") :]
    content = bytes(int(value, 16) for value in re.findall(r"0x([0-9a-f]{2}),", array))
    assert content == source.read_bytes()
    assert f"kArenaBytes = {written.arena_bytes};" in text
    assert f"kOperators = {len(written.operators)};" in text
    assert "AddFullyConnected" in written.operators


def test_quantisation_and_positions_are_those_of_the_file(tmp_path):
    from rnn_apps.edge import load

    source = folder() / "step_int8.tflite"
    text = write_microcontroller_files(source, tmp_path).header.read_text()
    model = load(source)
    signature, graph = model.signature(), model.file.subgraphs[0]
    for kind, specs, order in (
        ("Input", signature.inputs, graph.inputs),
        ("Output", signature.outputs, graph.outputs),
    ):
        for spec in specs.values():
            constant = f"k{kind}{''.join(part.title() for part in spec.name.split('_'))}"
            value = re.search(rf"{constant}Scale = ([0-9.e-]+)f;", text)
            assert value is not None
            assert float(value[1]) == pytest.approx(spec.scale, rel=1e-8)
            assert f"{constant}ZeroPoint = {spec.zero_point};" in text
            assert f"{constant} = {order.index(spec.index)};" in text


def test_methods_are_named_as_in_the_resolver():
    found = resolver_methods(
        ["UNIDIRECTIONAL_SEQUENCE_LSTM", "FULLY_CONNECTED", "MAX_POOL_2D", "ADD", "ADD", "CUMSUM"]
    )
    assert found == (
        "AddAdd",
        "AddCumSum",
        "AddFullyConnected",
        "AddMaxPool2D",
        "AddUnidirectionalSequenceLSTM",
    )
    with pytest.raises(UserError, match="REVERSE_SEQUENCE"):
        resolver_methods(["REVERSE_SEQUENCE"])


def test_a_file_with_several_signatures_needs_its_first_graph_named(tmp_path):
    with pytest.raises(UserError, match="no operator FlexMatrixDeterminant"):
        write_microcontroller_files(folder() / "flex.tflite", tmp_path)
    with pytest.raises(UserError, match=r"first graph.*decode_step"):
        write_microcontroller_files(folder() / "translate.tflite", tmp_path, signature="absent")
    assert list(tmp_path.iterdir()) == []
