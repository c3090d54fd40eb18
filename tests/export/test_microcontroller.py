"""What is written for a microcontroller compiles, sets up and runs against the public interface."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest
from edge_files import folder

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.flatbuffer import ModelFile, Operator, Subgraph, Tensor
from rnn_apps.export.micro.cmsis_nn_memory import cmsis_nn_bytes
from rnn_apps.export.micro.microcontroller import (
    _METHOD_OF,
    _float_literal,
    resolver_methods,
    write_microcontroller_files,
)

# The declarations of tflite-micro's public headers that the example relies on, as they stand in
# tensorflow/lite/micro/micro_interpreter.h, micro_mutable_op_resolver.h and c/common.h. Set
# TFLITE_MICRO_HEADERS to a checkout with its third-party headers to compile against the real ones.
DECLARATIONS = {
    "tensorflow/lite/schema/schema_generated.h": """
#pragma once
#include <cstdint>
#define TFLITE_SCHEMA_VERSION (3)
namespace tflite {
struct Model { uint32_t version() const; };
const Model* GetModel(const void* buf);
}
""",
    "tensorflow/lite/micro/micro_log.h": """
#pragma once
void MicroPrintf(const char* format, ...);
""",
    "tensorflow/lite/micro/micro_allocator.h": """
#pragma once
#include <cstddef>
#include <cstdint>
namespace tflite {
class MicroAllocator {
 public:
  static MicroAllocator* Create(uint8_t* tensor_arena, size_t arena_size);
};
}
""",
    "tensorflow/lite/micro/micro_resource_variable.h": """
#pragma once
#include "tensorflow/lite/micro/micro_allocator.h"
namespace tflite {
class MicroResourceVariables {
 public:
  static MicroResourceVariables* Create(MicroAllocator* allocator, int num_variables);
};
}
""",
    "tensorflow/lite/micro/micro_mutable_op_resolver.h": """
#pragma once
#include <cstddef>
typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;
typedef enum {
  kTfLiteNoType = 0, kTfLiteFloat32 = 1, kTfLiteInt32 = 2, kTfLiteUInt8 = 3, kTfLiteInt64 = 4,
  kTfLiteBool = 6, kTfLiteInt16 = 7, kTfLiteInt8 = 9
} TfLiteType;
typedef struct TfLiteTensor { size_t bytes; TfLiteType type; } TfLiteTensor;
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
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"
namespace tflite {
class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver& op_resolver, uint8_t* tensor_arena,
                   size_t tensor_arena_size, MicroResourceVariables* resource_variables = nullptr);
  MicroInterpreter(const Model* model, const MicroOpResolver& op_resolver,
                   MicroAllocator* allocator, MicroResourceVariables* resource_variables = nullptr);
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteStatus Reset();
  TfLiteTensor* input(size_t index);
  TfLiteTensor* output(size_t index);
  size_t arena_used_bytes() const;
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
    for name, text in DECLARATIONS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("METHODS", methods))
    return root


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")


def compile_example(written, headers):
    """Compiles the example with all warnings as errors, as far as code is generated for none."""
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    folders = ["-isystem", str(headers), "-I", str(written.header.parent)]
    done = subprocess.run(
        [*command, "-DTF_LITE_STATIC_MEMORY", *folders, str(written.example)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@needs_compiler
@pytest.mark.parametrize("name", ["step", "step_int8", "language", "variables"])
def test_the_example_compiles(tmp_path, headers, name):
    compile_example(write_microcontroller_files(folder() / f"{name}.tflite", tmp_path), headers)


# Keywords, names of the C library, of the example's own variables, and what no identifier can have.
FILE_NAMES = (
    "int", "main", "std", "tflite", "log", "1d", "größe", "模型", "a b/..", "namespace",
    "linux", "x\n#error", "'\"\\", "_Bool", "__cplusplus", "",
)  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_file_of_any_name_compiles(tmp_path, headers, name):
    source = folder() / "step_int8.tflite"
    written = write_microcontroller_files(source, tmp_path, name=name, arena_bytes=4096)
    assert {written.header.parent, written.example.parent} == {tmp_path}
    assert re.fullmatch(r"[a-z][a-z0-9_]*_model\.h", written.header.name)
    compile_example(written, headers)


# Pairs that give the same words, or one the name of the other's constant or buffer.
TENSOR_NAMES = (
    ("i", "class"),
    ("interpreter", "arena"),
    ("x", "x_tensor"),
    ("x_elements", "x"),
    ("a.b", "a_b"),
    ("a b", "aB"),
    ("größe", "gr e"),
    ("", "::"),
    ("x\n#error no comment", "y\\"),
    ("1", "float"),
    ("kept_x", "tensor"),
)


@needs_compiler
@pytest.mark.parametrize("names", TENSOR_NAMES)
def test_tensors_of_any_name_compile(tmp_path, headers, names):
    source = renamed_inputs(folder() / "step.tflite", tmp_path / "named.tflite", names)
    written = write_microcontroller_files(source, tmp_path, arena_bytes=4096)
    compile_example(written, headers)


def renamed_inputs(source, target, names):
    """The file `source` with other names for the inputs of its signature."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    (signature,) = model.signatureDefs
    for tensor, name in zip(signature.inputs, names, strict=True):
        tensor.name = name.encode()
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target


def test_a_header_of_another_file_is_not_replaced(tmp_path):
    for name in ("a-b.tflite", "A_B.tflite"):
        shutil.copy(folder() / "step.tflite", tmp_path / name)
    first = write_microcontroller_files(tmp_path / "a-b.tflite", arena_bytes=4096)
    before = first.header.read_bytes()
    with pytest.raises(UserError, match=r"made from \"a-b\.tflite\".*A_B\.tflite"):
        write_microcontroller_files(tmp_path / "A_B.tflite", arena_bytes=4096)
    assert first.header.read_bytes() == before
    assert write_microcontroller_files(tmp_path / "a-b.tflite", arena_bytes=4096) == first


def test_a_scale_that_is_a_whole_number_is_a_float_in_cpp():
    assert [_float_literal(number) for number in (1.0, 16.0, 0.1, 1e-7, 3e20)] == [
        "1.0f",
        "16.0f",
        "0.1f",
        "1e-07f",
        "3e+20f",
    ]


@pytest.mark.parametrize(("dtype", "code"), [("float64", 10), ("uint32", 15), ("float16", 1)])
def test_a_type_that_cpp_lacks_is_refused(tmp_path, dtype, code):
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    model = schema.ModelT.InitFromPackedBuf((folder() / "step.tflite").read_bytes(), 0)
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].type = code
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    (tmp_path / "typed.tflite").write_bytes(bytes(builder.Output()))
    with pytest.raises(UserError, match=f"is {dtype}, for which"):
        write_microcontroller_files(tmp_path / "typed.tflite", arena_bytes=4096)
    assert [item.name for item in tmp_path.iterdir()] == ["typed.tflite"]


def test_the_flag_of_the_library_is_named_and_checked(tmp_path):
    written = write_microcontroller_files(folder() / "step_int8.tflite", tmp_path, arena_bytes=4096)
    assert "-DTF_LITE_STATIC_MEMORY" in written.header.read_text()
    example = written.example.read_text()
    assert "-DTF_LITE_STATIC_MEMORY" in example
    for constant in ("kInputX", "kInputH"):
        size = f"{constant}Elements * sizeof(int8_t)"
        assert f"IsAsDescribed(made.input({constant}), kTfLiteInt8, {size})" in example


# What a sketch needs of Arduino's own header.
ARDUINO = """
#pragma once
struct Port { void begin(long); template <class T> void println(T); };
extern Port Serial;
void delay(unsigned long);
"""


@needs_compiler
@pytest.mark.parametrize("name", ["step", "step_int8", "language", "variables"])
def test_the_sketch_compiles_with_what_arduino_gives(tmp_path, headers, name):
    written = write_microcontroller_files(
        folder() / f"{name}.tflite", tmp_path, name="int", arena_bytes=4096
    )
    (sketch,) = (path for path in written.project if path.suffix == ".ino")
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"]
    folders = ["-isystem", str(headers), "-I", str(tmp_path)]

    for source in (["-include", "Arduino.h", str(sketch)], ["-DARDUINO=1", str(written.example)]):
        done = subprocess.run([*command, *folders, *source], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    text = written.example.read_text()
    assert "int main()" in text[text.index("#if !defined(ARDUINO)") :]
    assert {path.name for path in written.project} == {
        "CMakeLists.txt", "idf_component.yml", "library.properties", "library.json",
        "int_sketch.ino",
    }  # fmt: skip
    library = json.loads((tmp_path / "library.json").read_text())
    assert "-DTF_LITE_STATIC_MEMORY" in library["build"]["flags"]


def test_a_build_file_of_the_user_stays(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text("project(mine)")
    source = folder() / "step.tflite"

    for _ in range(2):
        written = write_microcontroller_files(source, tmp_path, arena_bytes=4096)

    assert (tmp_path / "CMakeLists.txt").read_text() == "project(mine)"
    names = {path.name for path in written.project}
    assert "CMakeLists.txt" not in names and "library.json" in names


@pytest.mark.skipif(shutil.which("cmake") is None, reason="there is no cmake (apt install cmake)")
def test_cmake_compiles_the_folder_as_a_library(tmp_path, headers):
    code = tmp_path / "code"
    for name in ("step_int8", "language"):
        write_microcontroller_files(folder() / f"{name}.tflite", code, arena_bytes=4096)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(firmware CXX)\nadd_subdirectory(code)\n"
    )
    options = [f"-DTFLITE_MICRO={headers}", "-DTFLITE_MICRO_LIBRARY="]

    subprocess.run(["cmake", "-S", ".", "-B", "build", *options], cwd=tmp_path, check=True)
    subprocess.run(["cmake", "--build", "build"], cwd=tmp_path, check=True)

    assert (tmp_path / "build" / "code" / "librnn_apps_models.a").is_file()
    refused = subprocess.run(
        ["cmake", "-S", "code", "-B", "other"], cwd=tmp_path, capture_output=True, text=True
    )
    assert refused.returncode and "-DTFLITE_MICRO=FOLDER" in refused.stderr


def test_variables_inside_the_model_are_reset(tmp_path):
    without = write_microcontroller_files(folder() / "step.tflite", tmp_path, arena_bytes=4096)
    assert "interpreter->Reset()" not in without.example.read_text()
    kept = write_microcontroller_files(folder() / "variables.tflite", tmp_path, arena_bytes=4096)
    assert "interpreter->Reset()" in kept.example.read_text()


def test_the_array_is_the_file(tmp_path):
    source = folder() / "step_int8.tflite"
    written = write_microcontroller_files(source, tmp_path, name="my-model 2")
    assert written.header.name == "my_model_2_model.h"
    text = written.header.read_text()
    array = text[text.index("kModel[] = {") :]
    content = bytes(int(value) for value in re.findall(r"([0-9]+),", array))
    # As short as text can be: a file of some hundred kB is compiled by editors' tools, too.
    assert len(array) < 4 * len(content) + 100
    assert content == source.read_bytes()
    assert f"kArenaBytes = {written.arena_bytes};" in text
    assert f"{written.measured_bytes} bytes, the least with which the reference kernels" in text
    assert written.arena_bytes > written.measured_bytes
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


def tensors(*shapes, dtype="int8"):
    """Tensors of these shapes with the numbers 0, 1, ..."""
    return tuple(
        Tensor(number, f"t{number}", shape, shape, dtype, None, False, 0)
        for number, shape in enumerate(shapes)
    )


def one_operator(code, *shapes, dtype="int8"):
    """A file with one operator that reads all tensors but the last and writes the last."""
    made = tensors(*shapes, dtype=dtype)
    inputs, outputs = tuple(range(len(made) - 1)), (len(made) - 1,)
    graph = Subgraph("main", made, inputs, outputs, (Operator(code, None, 1, inputs, outputs),))
    return ModelFile(3, "", (graph,), (), (0,), {}, 0)


# Codes of the schema, and what arm_..._get_buffer_size of CMSIS-NN and the kernels ask for.
FULLY_CONNECTED, CONV_2D, DEPTHWISE, POOL, LSTM = 9, 3, 4, 1, 44


def test_what_cmsis_nn_takes_is_its_own_formula():
    record, lstm_record, buffer_record = 64, 512, 64
    # One sum of weights per row on vector cores.
    product = one_operator(FULLY_CONNECTED, (1, 40), (128, 40), (128,), (1, 128))
    assert cmsis_nn_bytes(product) == record + 128 * 4
    # Over time: multiplier and shift per row, two columns of 16-bit values.
    over_time = one_operator(FULLY_CONNECTED, (1, 9, 40), (100, 40), (100,), (1, 9, 100))
    assert cmsis_nn_bytes(over_time) == record + 2 * buffer_record + 2 * 100 * 4 + 2 * 40 * 2
    # Eight sums of weights per unit.
    layer = one_operator(LSTM, (1, 50, 32), (1, 50, 128))
    assert cmsis_nn_bytes(layer) == lstm_record + 8 * 128 * 4
    # Four columns, each of whole vectors of 16 bytes.
    convolution = one_operator(CONV_2D, (1, 1, 12, 7), (24, 1, 3, 7), (24,), (1, 1, 12, 24))
    assert cmsis_nn_bytes(convolution) == record + buffer_record + 4 * 32
    assert cmsis_nn_bytes(one_operator(POOL, (1, 1, 12, 20), (1, 1, 6, 20))) == 128 + 20 * 4
    # 124 channels in four rows per filter element.
    depthwise = one_operator(DEPTHWISE, (1, 1, 12, 8), (1, 1, 3, 8), (8,), (1, 1, 12, 8))
    assert cmsis_nn_bytes(depthwise) == record + buffer_record + 4 * 124 * 3
    assert cmsis_nn_bytes(one_operator(LSTM, (1, 9, 4), (1, 9, 8), dtype="float32")) == 0
    with pytest.raises(UserError, match="FULLY_CONNECTED of the file lacks a tensor"):
        cmsis_nn_bytes(one_operator(FULLY_CONNECTED, (1, 40), (1, 128)))
