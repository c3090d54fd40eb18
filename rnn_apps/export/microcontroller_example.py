"""A C++ program around an exported model: set up, one call with real values, states carried."""

from __future__ import annotations

import re

from rnn_apps.edge.model import Signature, TensorSpec
from rnn_apps.edge.streaming import state_pairs

_C_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "bool": "bool",
}

_HEAD = """\
// How to run the model @NAME@ on a microcontroller, made by rnn-apps.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "@NAME@_model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace @NAME@ {
namespace {

alignas(16) uint8_t arena[kArenaBytes];
tflite::MicroInterpreter* interpreter = nullptr;
"""

_TO_INTEGER = """
// The nearest integer of a real value, clipped to the ends of the type.
template <typename Integer>
Integer Quantized(float real, float scale, int zero_point, float least, float most) {
  const float integer = std::round(real / scale) + static_cast<float>(zero_point);
  return static_cast<Integer>(integer < least ? least : (integer > most ? most : integer));
}
"""

_SETUP = """
}  // namespace

// Call once before anything else.
bool Setup() {
  static tflite::MicroMutableOpResolver<kOperators> resolver;
  if (AddOperators(resolver) != kTfLiteOk) return false;
  const tflite::Model* model = tflite::GetModel(kModel);
  if (model->version() != TFLITE_SCHEMA_VERSION) return false;
  static tflite::MicroInterpreter made(model, resolver, arena, kArenaBytes);
  if (made.AllocateTensors() != kTfLiteOk) return false;
  interpreter = &made;
  return true;
}
"""

_MAIN = """
}  // namespace @NAME@

int main() {
  if (!@NAME@::Setup()) return 1;
@BUFFERS@
  if (!@NAME@::@CALL@) return 1;
  return 0;
}
"""


def example_source(name: str, signature: Signature) -> str:
    """The C++ example for one signature; states go from call to call inside it."""
    states = state_pairs(signature)
    writer = _Writer(signature, states)
    parts = [_HEAD, writer.state_buffers()]
    if writer.quantises():
        parts.append(_TO_INTEGER)
    parts.append(_SETUP)
    if states:
        parts.append(writer.reset())
    parts.append(writer.run())
    buffers, arguments = writer.main()
    end = _MAIN.replace("@BUFFERS@", "\n".join(buffers))
    parts.append(end.replace("@CALL@", f"Run({', '.join(arguments)})"))
    return "".join(parts).replace("@NAME@", name)


class _Writer:
    """Writes the functions for one signature."""

    def __init__(self, signature: Signature, states: dict[str, str]) -> None:
        self._states = states
        self._signature = signature
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
            constant = self._constant("Input", spec)
            lines.append(f"{_C_TYPES[spec.dtype]} kept_{_c_name(name)}[{constant}Elements];\n")
        return "".join(lines)

    def reset(self) -> str:
        """`Reset`: every state back to zero."""
        lines = ["", "// Begins a new sequence: all states to zero.", "void Reset() {"]
        for name in self._states:
            spec = self._signature.inputs[name]
            constant = self._constant("Input", spec)
            zero = f"{constant}ZeroPoint" if spec.scale is not None else "0"
            each = f"for (size_t i = 0; i < {constant}Elements; ++i)"
            lines.append(f"  {each} kept_{_c_name(name)}[i] = {zero};")
        return "\n".join([*lines, "}", ""])

    def run(self) -> str:
        """`Run`: real values in, one invocation, real values out, states carried."""
        arguments = [f"const {_real_type(s)}* {_c_name(s.name)}" for s in self._data_in]
        arguments += [f"{_real_type(s)}* {_c_name(s.name)}" for s in self._data_out]
        what = "the next chunk of the stream" if self._states else "one call"
        lines = ["", f"// Runs {what}; every argument points to k...Elements values."]
        lines.append(f"bool Run({', '.join(arguments)}) {{")
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

    def main(self) -> tuple[list[str], list[str]]:
        """The buffers that `main` needs and the arguments it calls `Run` with."""
        lines, arguments = [], []
        for kind, specs in (("Input", self._data_in), ("Output", self._data_out)):
            for spec in specs:
                count = f"@NAME@::{self._constant(kind, spec)}Elements"
                lines.append(f"  static {_real_type(spec)} {_c_name(spec.name)}[{count}] = {{}};")
                arguments.append(_c_name(spec.name))
        if self._states:
            lines.append("  @NAME@::Reset();")
        return lines, arguments

    def _constant(self, kind: str, spec: TensorSpec) -> str:
        return f"k{kind}{camel_case(spec.name)}"

    def _write_input(self, spec: TensorSpec) -> list[str]:
        constant, c_type, name = self._constant("Input", spec), _C_TYPES[spec.dtype], spec.name
        tensor = f"{_c_name(name)}_tensor"
        value = f"{_c_name(name)}[i]"
        if spec.scale is not None:
            value = _quantized(c_type, value, f"{constant}Scale", f"{constant}ZeroPoint", spec)
        return [
            f"  {c_type}* {tensor} = interpreter->typed_input_tensor<{c_type}>({constant});",
            f"  for (size_t i = 0; i < {constant}Elements; ++i) {tensor}[i] = {value};",
        ]

    def _read_output(self, spec: TensorSpec) -> list[str]:
        constant, c_type = self._constant("Output", spec), _C_TYPES[spec.dtype]
        tensor = f"{_c_name(spec.name)}_tensor"
        return [
            f"  const {c_type}* {tensor} = interpreter->typed_output_tensor<{c_type}>({constant});",
            f"  for (size_t i = 0; i < {constant}Elements; ++i)",
            f"    {_c_name(spec.name)}[i] = {_real(tensor, constant, spec)};",
        ]

    def _write_state(self, spec: TensorSpec) -> list[str]:
        constant, c_type = self._constant("Input", spec), _C_TYPES[spec.dtype]
        kept = f"kept_{_c_name(spec.name)}"
        return [
            f"  std::memcpy(interpreter->typed_input_tensor<{c_type}>({constant}), {kept},",
            f"              sizeof({kept}));",
        ]

    def _carry(self, output: TensorSpec, goes_to: TensorSpec) -> list[str]:
        """A state comes out on another scale than the one it goes in with."""
        out_constant, in_constant = (
            self._constant("Output", output),
            self._constant("Input", goes_to),
        )
        c_type, tensor = _C_TYPES[output.dtype], f"{_c_name(output.name)}_tensor"
        value = _real(tensor, out_constant, output)
        if goes_to.scale is not None:
            scale, zero_point = f"{in_constant}Scale", f"{in_constant}ZeroPoint"
            value = _quantized(_C_TYPES[goes_to.dtype], value, scale, zero_point, goes_to)
        return [
            f"  const {c_type}* {tensor} =",
            f"      interpreter->typed_output_tensor<{c_type}>({out_constant});",
            f"  for (size_t i = 0; i < {in_constant}Elements; ++i)",
            f"    kept_{_c_name(goes_to.name)}[i] = {value};",
        ]


def camel_case(name: str) -> str:
    """A tensor's name as part of a C++ constant's name."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"\W+|_+", name) if part)


def _quantized(c_type: str, value: str, scale: str, zero_point: str, spec: TensorSpec) -> str:
    least, most = {"int8": (-128, 127), "int16": (-32768, 32767), "uint8": (0, 255)}[spec.dtype]
    return f"Quantized<{c_type}>({value}, {scale}, {zero_point}, {least}.0f, {most}.0f)"


def _real(tensor: str, constant: str, spec: TensorSpec) -> str:
    if spec.scale is None:
        return f"{tensor}[i]"
    return f"{constant}Scale * static_cast<float>({tensor}[i] - {constant}ZeroPoint)"


def _real_type(spec: TensorSpec) -> str:
    return "float" if spec.scale is not None else _C_TYPES[spec.dtype]


def _c_name(name: str) -> str:
    identifier = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"tensor_{identifier}" if identifier[:1].isdigit() or not identifier else identifier
