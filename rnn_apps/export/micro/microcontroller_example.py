"""A C++ program around an exported model: set up, one call with real values, states carried."""

from __future__ import annotations

import math

from rnn_apps.edge.runtime.flatbuffer import ModelFile
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec
from rnn_apps.edge.runtime.streaming import state_pairs
from rnn_apps.export.flatbuffers.inspection import operator_name
from rnn_apps.export.micro.cpp_names import tensor_names

# The types that TensorFlow Lite Micro's typed_input_tensor knows: in C++, and its own constant.
C_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "bool": "bool",
}
_TFLITE_TYPES = {
    "float32": "kTfLiteFloat32",
    "int8": "kTfLiteInt8",
    "int16": "kTfLiteInt16",
    "int32": "kTfLiteInt32",
    "int64": "kTfLiteInt64",
    "uint8": "kTfLiteUInt8",
    "bool": "kTfLiteBool",
}
# Least and greatest integer of the types that tensors are quantised to.
INTEGER_ENDS = {"int8": (-128, 127), "int16": (-32768, 32767), "uint8": (0, 255)}
_ELEMENT_BYTES = {"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "int64": 8}

_HEAD = """\
// How to run the model @STEM@ on a microcontroller, made by rnn-apps. It needs C++17.
//
// Compile it with the flags that TensorFlow Lite Micro was compiled with, above all
// -DTF_LITE_STATIC_MEMORY; Setup refuses a tensor that does not look as it should.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "@STEM@_example.h"
#include "@STEM@_model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
@INCLUDES@#include "tensorflow/lite/schema/schema_generated.h"

namespace @STEM@_model {
namespace {

alignas(16) uint8_t arena[kArenaBytes];
tflite::MicroInterpreter* interpreter = nullptr;
"""

_TO_INTEGER = """
// The nearest integer of a real value, clipped to the ends of the type.
template <typename Integer>
Integer Quantized(float real, float scale, int zero_point, float least, float most) {
  const float integer = std::round(real / scale) + static_cast<float>(zero_point);
  return static_cast<Integer>(integer > most ? most : (integer > least ? integer : least));
}
"""

_CHECK = """
bool IsAsDescribed(const TfLiteTensor* tensor, TfLiteType type, size_t bytes) {
  return tensor != nullptr && tensor->type == type && tensor->bytes == bytes;
}

bool Fail(const char** reason, const char* what) {
  if (reason != nullptr) *reason = what;
  return false;
}

}  // namespace
"""

_SETUP = """
bool Setup(const char** reason) {
  if (interpreter != nullptr) return true;
  static tflite::MicroMutableOpResolver<kOperators> resolver;
  if (AddOperators(resolver) != kTfLiteOk)
    return Fail(reason, "an operator could not be added, or Setup has failed before");
  const tflite::Model* model = tflite::GetModel(kModel);
  if (model->version() != TFLITE_SCHEMA_VERSION)
    return Fail(reason, "the library reads another version of the file format");
@INTERPRETER@
  if (made.AllocateTensors() != kTfLiteOk)
    return Fail(reason, "AllocateTensors failed: kArenaBytes is too small or an operator refused");
  if (!(@CHECKS@))
    return Fail(reason, "a tensor has another layout here than in the library: "
                        "compile both with TF_LITE_STATIC_MEMORY");
  interpreter = &made;
@RESET@  return true;
}

size_t ArenaUsed() { return interpreter == nullptr ? 0 : interpreter->arena_used_bytes(); }
"""

_INTERPRETER = "  static tflite::MicroInterpreter made(model, resolver, arena, kArenaBytes);"

# A model that keeps resource variables needs a place for them, which comes out of the arena too.
_INTERPRETER_WITH_VARIABLES = """\
  tflite::MicroAllocator* allocator = tflite::MicroAllocator::Create(arena, kArenaBytes);
  if (allocator == nullptr) return Fail(reason, "kArenaBytes is too small");
  tflite::MicroResourceVariables* variables =
      tflite::MicroResourceVariables::Create(allocator, @COUNT@);
  static tflite::MicroInterpreter made(model, resolver, allocator, variables);"""

_VARIABLE_INCLUDES = """\
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
"""

_MAIN = """
}  // namespace @STEM@_model

// Firmware has a main() of its own.
#if !defined(ARDUINO) && !defined(ESP_PLATFORM) && !defined(RNN_APPS_NO_MAIN)
int main() {
  const char* reason = nullptr;
  if (!@STEM@_model::Setup(&reason)) {
    MicroPrintf("@STEM@: %s", reason);
    return 1;
  }
@BUFFERS@
  if (!@STEM@_model::@CALL@) return 1;
  return 0;
}
#endif
"""

_INTERFACE = """\
// What firmware calls to run the model @STEM@, made by rnn-apps.
#ifndef @GUARD@_EXAMPLE_H_
#define @GUARD@_EXAMPLE_H_

#include <cstddef>
#include <cstdint>

#include "@STEM@_model.h"

namespace @STEM@_model {

// Call once before anything else. Where it fails it sets the reason, if it is given one; the log of
// TensorFlow Lite Micro may say more.
bool Setup(const char** reason = nullptr);
@RESET@
// Runs @WHAT@; every argument points to k...Elements values.
bool Run(@ARGUMENTS@);

// Bytes of the arena in use after Setup, towards which kArenaBytes can be lowered for this board.
size_t ArenaUsed();

}  // namespace @STEM@_model

#endif  // @GUARD@_EXAMPLE_H_
"""

_RESET_DECLARED = """
// Begins a new sequence: all states to zero. Setup does so too.
void Reset();
"""


def example_source(stem: str, file: ModelFile, signature: Signature) -> str:
    """The C++ example for one signature; states go from call to call inside it.

    Args:
        stem: the model's name in C++, as `cpp_names.file_stem` gives it.
        file: description of the file, as `read_model_file` returns it.
    """
    writer = _Writer(signature, keeps_variables=_keeps_variables(file))
    handles = _resource_variables(file)
    parts = [_HEAD.replace("@INCLUDES@", _VARIABLE_INCLUDES if handles else "")]
    parts.append(writer.state_buffers())
    if writer.quantises():
        parts.append(_TO_INTEGER)
    made = _INTERPRETER_WITH_VARIABLES.replace("@COUNT@", str(handles)) if handles else _INTERPRETER
    setup = _SETUP.replace("@INTERPRETER@", made)
    reset = writer.reset()
    setup = setup.replace("@CHECKS@", writer.checks())
    setup = setup.replace("@RESET@", "  Reset();\n" if reset else "")
    parts += [_CHECK, reset, setup, writer.run()]
    buffers, arguments = writer.main()
    end = _MAIN.replace("@BUFFERS@", "\n".join(buffers))
    parts.append(end.replace("@CALL@", f"Run({', '.join(arguments)})"))
    return "".join(parts).replace("@STEM@", stem)


def interface_source(stem: str, file: ModelFile, signature: Signature) -> str:
    """The header of the example's functions; see `example_source`."""
    writer = _Writer(signature, keeps_variables=_keeps_variables(file))
    values = {
        "RESET": _RESET_DECLARED if writer.reset() else "",
        "WHAT": writer.what(),
        "ARGUMENTS": ", ".join(writer.arguments()),
        "GUARD": stem.upper(),
        "STEM": stem,
    }
    text = _INTERFACE
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def example_call(signature: Signature) -> tuple[list[str], list[str]]:
    """Declarations of the buffers that a call needs, and the arguments of `Run`."""
    return _Writer(signature, keeps_variables=False).main()


def example_buffer_bytes(signature: Signature) -> int:
    """Bytes of the example's own buffers: states in the file's types, inputs and outputs real."""
    states = state_pairs(signature)
    kept = [signature.inputs[name] for name in states]
    data = [spec for name, spec in signature.inputs.items() if name not in states]
    data += [spec for name, spec in signature.outputs.items() if name not in states.values()]
    return sum(math.prod(s.shape) * _ELEMENT_BYTES.get(s.dtype, 4) for s in kept) + sum(
        math.prod(s.shape) * (4 if s.scale is not None else _ELEMENT_BYTES.get(s.dtype, 4))
        for s in data
    )


def _keeps_variables(file: ModelFile) -> bool:
    """Whether anything inside the model may live on from one call to the next."""
    tensors = (tensor for graph in file.subgraphs for tensor in graph.tensors)
    return any(tensor.is_variable for tensor in tensors) or _resource_variables(file) > 0


def _resource_variables(file: ModelFile) -> int:
    """An upper bound of the file's resource variables: handles may name the same one twice."""
    operators = (operator for graph in file.subgraphs for operator in graph.operators)
    return sum(operator_name(operator) == "VAR_HANDLE" for operator in operators)


class _Writer:
    """Writes the functions for one signature."""

    def __init__(self, signature: Signature, *, keeps_variables: bool) -> None:
        self._states = states = state_pairs(signature)
        self._signature = signature
        self._keeps_variables = keeps_variables
        self._names = tensor_names(signature)
        self._data_in = [s for n, s in signature.inputs.items() if n not in states]
        self._data_out = [s for n, s in signature.outputs.items() if n not in states.values()]

    def quantises(self) -> bool:
        """Whether a real value must be made an integer anywhere."""
        states = [self._signature.inputs[name] for name in self._states]
        return any(spec.scale is not None for spec in (*self._data_in, *states))

    def state_buffers(self) -> str:
        """Where the states stay between two calls: the arena's memory is reused in each."""
        lines = []
        for name in self._states:
            spec = self._signature.inputs[name]
            lines.append(f"{C_TYPES[spec.dtype]} {self._kept(spec)}[{self._in(spec)}Elements];\n")
        return "".join(lines)

    def checks(self) -> str:
        """The condition that every input and output has the type and size that the header says."""
        conditions = []
        for kind, specs, constant in (
            ("input", self._signature.inputs, self._in),
            ("output", self._signature.outputs, self._out),
        ):
            for spec in specs.values():
                size = f"{constant(spec)}Elements * sizeof({C_TYPES[spec.dtype]})"
                tensor = f"made.{kind}({constant(spec)})"
                conditions.append(f"IsAsDescribed({tensor}, {_TFLITE_TYPES[spec.dtype]}, {size})")
        return " &&\n        ".join(conditions)

    def reset(self) -> str:
        """`Reset`: every state back to zero; nothing for a model that keeps none."""
        if not self._states and not self._keeps_variables:
            return ""
        lines = ["", "void Reset() {"]
        for name in self._states:
            spec = self._signature.inputs[name]
            zero = f"{self._in(spec)}ZeroPoint" if spec.scale is not None else "0"
            each = f"for (size_t i = 0; i < {self._in(spec)}Elements; ++i)"
            lines.append(f"  {each} {self._kept(spec)}[i] = {zero};")
        if self._keeps_variables:
            lines.append("  if (interpreter != nullptr) interpreter->Reset();")
        return "\n".join([*lines, "}", ""])

    def run(self) -> str:
        """`Run`: real values in, one invocation, real values out, states carried."""
        lines = ["", f"bool Run({', '.join(self.arguments())}) {{"]
        lines.append("  if (interpreter == nullptr) return false;")
        for spec in self._data_in:
            lines += self._write_input(spec)
        for name in self._states:
            lines += self._write_state(self._signature.inputs[name])
        lines.append("  if (interpreter->Invoke() != kTfLiteOk) return false;")
        for spec in self._data_out:
            lines += self._read_output(spec)
        for given, kept in self._states.items():
            lines += self._carry(self._signature.outputs[kept], self._signature.inputs[given])
        return "\n".join([*lines, "  return true;", "}", ""])

    def what(self) -> str:
        """What one call of `Run` runs, in words."""
        return "the next chunk of the stream" if self._states else "one call"

    def arguments(self) -> list[str]:
        """The parameters of `Run`: inputs, then outputs."""
        names_in, names_out = self._names.inputs, self._names.outputs
        arguments = [f"const {_real_type(s)}* {names_in[s.name].variable}" for s in self._data_in]
        return arguments + [
            f"{_real_type(s)}* {names_out[s.name].variable}" for s in self._data_out
        ]

    def main(self) -> tuple[list[str], list[str]]:
        """The buffers that `main` needs and the arguments it calls `Run` with."""
        lines, arguments = [], []
        described = [(s, self._names.inputs[s.name]) for s in self._data_in]
        described += [(s, self._names.outputs[s.name]) for s in self._data_out]
        for spec, name in described:
            count = f"@STEM@_model::{name.constant}Elements"
            lines.append(f"  static {_real_type(spec)} {name.variable}[{count}] = {{}};")
            arguments.append(name.variable)
        return lines, arguments

    def _in(self, spec: TensorSpec) -> str:
        return self._names.inputs[spec.name].constant

    def _out(self, spec: TensorSpec) -> str:
        return self._names.outputs[spec.name].constant

    def _kept(self, spec: TensorSpec) -> str:
        return f"kept_{self._names.inputs[spec.name].variable}"

    def _write_input(self, spec: TensorSpec) -> list[str]:
        constant, value = self._in(spec), f"{self._names.inputs[spec.name].variable}[i]"
        if spec.scale is not None:
            value = _quantized(value, constant, spec)
        return _block(
            f"{C_TYPES[spec.dtype]}* tensor = {_typed('input', constant, spec)};",
            f"for (size_t i = 0; i < {constant}Elements; ++i) tensor[i] = {value};",
        )

    def _read_output(self, spec: TensorSpec) -> list[str]:
        constant = self._out(spec)
        return _block(
            f"const {C_TYPES[spec.dtype]}* tensor = {_typed('output', constant, spec)};",
            f"for (size_t i = 0; i < {constant}Elements; ++i)",
            f"  {self._names.outputs[spec.name].variable}[i] = {_real(constant, spec)};",
        )

    def _write_state(self, spec: TensorSpec) -> list[str]:
        kept = self._kept(spec)
        return [
            f"  std::memcpy({_typed('input', self._in(spec), spec)}, {kept},",
            f"              sizeof({kept}));",
        ]

    def _carry(self, output: TensorSpec, goes_to: TensorSpec) -> list[str]:
        """Converts a state from its output's scale to its input's scale."""
        value = _real(self._out(output), output)
        if goes_to.scale is not None:
            value = _quantized(value, self._in(goes_to), goes_to)
        return _block(
            f"const {C_TYPES[output.dtype]}* tensor =",
            f"    {_typed('output', self._out(output), output)};",
            f"for (size_t i = 0; i < {self._in(goes_to)}Elements; ++i)",
            f"  {self._kept(goes_to)}[i] = {value};",
        )


def _block(*statements: str) -> list[str]:
    """Statements in a scope of their own, so that their variables are named alike everywhere."""
    return ["  {", *(f"    {statement}" for statement in statements), "  }"]


def _typed(kind: str, constant: str, spec: TensorSpec) -> str:
    return f"interpreter->typed_{kind}_tensor<{C_TYPES[spec.dtype]}>({constant})"


def _quantized(value: str, constant: str, spec: TensorSpec) -> str:
    least, most = INTEGER_ENDS[spec.dtype]
    arguments = f"{value}, {constant}Scale, {constant}ZeroPoint, {least}.0f, {most}.0f"
    return f"Quantized<{C_TYPES[spec.dtype]}>({arguments})"


def _real(constant: str, spec: TensorSpec) -> str:
    if spec.scale is None:
        return "tensor[i]"
    return f"{constant}Scale * static_cast<float>(tensor[i] - {constant}ZeroPoint)"


def _real_type(spec: TensorSpec) -> str:
    return "float" if spec.scale is not None else C_TYPES[spec.dtype]
