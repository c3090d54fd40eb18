"""What a firmware needs of an exported model: C array, operators, arena, quantisation, example."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.atomic_files import write_text
from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.flatbuffer import ModelFile, read_model_file
from rnn_apps.edge.runtime.signatures import Signature, TensorSpec, show_shape, signatures_of
from rnn_apps.export.flatbuffers.inspection import operator_name
from rnn_apps.export.micro.cmsis_nn_memory import cmsis_nn_bytes
from rnn_apps.export.micro.cpp_names import (
    TensorName,
    comment_text,
    file_stem,
    tensor_names,
)
from rnn_apps.export.micro.microcontroller_example import (
    C_TYPES,
    INTEGER_ENDS,
    example_buffer_bytes,
    example_call,
    example_source,
    interface_source,
)
from rnn_apps.export.micro.project_files import write_project_files
from rnn_apps.export.processes.runtime_process import RuntimeProcess

# The methods Add... of tflite::MicroMutableOpResolver (tensorflow/lite/micro/
# micro_mutable_op_resolver.h) for builtin operators.
_RESOLVER_METHODS = """\
Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs
BroadcastTo CallOnce Cast Ceil Concatenation Conv2D Cos CumSum DepthToSpace DepthwiseConv2D
Dequantize Div DynamicUpdateSlice Elu EmbeddingLookup Equal Exp ExpandDims Fill Floor FloorDiv
FloorMod FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If L2Normalization L2Pool2D
LeakyRelu Less LessEqual Log LogicalAnd LogicalNot LogicalOr Logistic LogSoftmax MaxPool2D Maximum
Mean Minimum MirrorPad Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize ReadVariable ReduceAll
ReduceMax ReduceMin Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt
SelectV2 Shape Sin Slice Softmax SpaceToBatchNd SpaceToDepth Split SplitV Sqrt Square
SquaredDifference Squeeze StridedSlice Sub Sum Svdf Tanh Transpose TransposeConv
UnidirectionalSequenceLSTM Unpack VarHandle While ZerosLike
"""
_METHOD_OF = {method.upper(): f"Add{method}" for method in _RESOLVER_METHODS.split()}
_BYTES_A_LINE = 24


# The header's second line names the file that it was made from.
_SOURCE = "// From "


@dataclass(frozen=True)
class MicrocontrollerFiles:
    """What was written for a microcontroller.

    Attributes:
        header: the model as a C array with the constants that belong to it.
        example: a C++ program around it.
        interface: the header of the example's functions, for firmware with a main() of its own.
        project: what builds them with CMake, ESP-IDF, Arduino and PlatformIO.
        operators: the resolver's methods, each once.
        arena_bytes: working memory with which the model runs with the reference kernels and with
            CMSIS-NN's, as in the header: `measured_bytes` and what CMSIS-NN may take beyond them.
        measured_bytes: the least working memory with the reference kernels on this 64-bit computer.
    """

    header: Path
    example: Path
    operators: tuple[str, ...]
    arena_bytes: int
    measured_bytes: int
    interface: Path
    project: tuple[Path, ...]


def write_microcontroller_files(
    path: str | Path,
    folder: str | Path | None = None,
    *,
    name: str | None = None,
    signature: str | None = None,
    arena_bytes: int | None = None,
    time_limit: float = 60.0,
) -> MicrocontrollerFiles:
    """Writes `NAME_model.h` and `NAME_example.cc` for a model exported with target="tflm".

    With them come `NAME_example.h`, which declares the example's functions, and what makes the
    folder a CMake project, an ESP-IDF component, an Arduino library and a PlatformIO library. A
    CMakeLists.txt or library file there that another hand wrote stays as it is.

    Everything in them stands in the namespace `NAME_model`. Names of files and tensors become C++
    identifiers that differ from each other, from keywords and from functions of the C library.

    Args:
        path: the .tflite file.
        folder: the folder to write to; the .tflite file's own if None.
        name: the name in C++; characters that an identifier cannot have become "_". The .tflite
            file's name without its ending if None.
        signature: the signature to call, if the file has several; it must be of the file's first
            graph.
        arena_bytes: least working memory with the reference kernels; found by search on this
            computer's interpreter if None.
        time_limit: seconds for one run while searching.

    Raises:
        UserError: the file is damaged, TensorFlow Lite Micro cannot run it, it has an input or
            output of a type that C++ lacks, or the header there was made from another file.
    """
    file, content = read_model_file(path)
    stem = file_stem(Path(path).stem if name is None else name)
    chosen = _signature(file, signature)
    operators = resolver_methods(
        operator_name(item) for graph in file.subgraphs for item in graph.operators
    )
    margin = cmsis_nn_bytes(file)
    target = Path(path).parent if folder is None else Path(folder)
    header, example = target / f"{stem}_model.h", target / f"{stem}_example.cc"
    interface = target / f"{stem}_example.h"
    if name is None:
        _require_own(header, Path(path).name)
    if arena_bytes is None:
        with RuntimeProcess("tflm", time_limit) as runtime:
            arena_bytes = runtime.arena(path)
    arena = Arena(measured=arena_bytes, cmsis_nn=margin)
    source = Path(path).name
    write_text(header, header_source(stem, source, content, file, chosen, operators, arena))
    write_text(interface, interface_source(stem, file, chosen))
    write_text(example, example_source(stem, file, chosen))
    project = write_project_files(target, stem, *example_call(chosen))
    return MicrocontrollerFiles(
        header, example, operators, arena.bytes, arena.measured, interface, project
    )


@dataclass(frozen=True)
class Arena:
    """Working memory of a model in bytes.

    Attributes:
        measured: the least with the reference kernels on this computer.
        cmsis_nn: the most that CMSIS-NN's kernels take beyond those.
    """

    measured: int
    cmsis_nn: int

    @property
    def bytes(self) -> int:
        """What is enough for both."""
        return self.measured + self.cmsis_nn


def resolver_methods(operators: Iterable[str]) -> tuple[str, ...]:
    """The methods of MicroMutableOpResolver that register these operators, each once, sorted.

    Raises:
        UserError: TensorFlow Lite Micro has no such operator.
    """
    methods = set()
    for operator in operators:
        method = _METHOD_OF.get(operator.replace("_", ""))
        if method is None:
            raise UserError(
                f"TensorFlow Lite Micro has no operator {operator}. Export the model with "
                "target='tflm', which chooses forms that it can run."
            )
        methods.add(method)
    return tuple(sorted(methods))


def header_source(
    stem: str,
    source: str,
    content: bytes,
    file: ModelFile,
    signature: Signature,
    operators: tuple[str, ...],
    arena: Arena,
) -> str:
    """The header: array, arena, positions and quantisation of inputs and outputs, operators.

    Args:
        stem: the model's name in C++, as `cpp_names.file_stem` gives it.
        source: name of the .tflite file.
    """
    guard = f"{stem.upper()}_MODEL_H_"
    names = tensor_names(signature)
    graph = file.subgraphs[0]
    lines = [
        f"// The model {stem}, made by rnn-apps. Do not edit.",
        _SOURCE + comment_text(source),
        "//",
        "// Compile this with the flags that TensorFlow Lite Micro was compiled with, above all",
        "// -DTF_LITE_STATIC_MEMORY, which its own Makefile sets: without it tensors have another",
        "// layout here than in the library, which links and then gives NaN or faults.",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <cstddef>",
        "#include <cstdint>",
        "",
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"',
        "",
        f"namespace {stem}_model {{",
        "",
        *_arena_lines(arena, example_buffer_bytes(signature)),
        f"constexpr unsigned int kOperators = {len(operators)};",
        "",
        "// Real value = scale * (integer - zero point).",
        *_tensor_lines(signature.inputs, names.inputs, list(graph.inputs)),
        *_tensor_lines(signature.outputs, names.outputs, list(graph.outputs)),
        "",
        "inline TfLiteStatus AddOperators(tflite::MicroMutableOpResolver<kOperators>& resolver) {",
        *[f"  if (resolver.{method}() != kTfLiteOk) return kTfLiteError;" for method in operators],
        "  return kTfLiteOk;",
        "}",
        "",
        f"constexpr size_t kModelBytes = {len(content)};",
        "alignas(16) inline constexpr unsigned char kModel[] = {",
        *_array_lines(content),
        "};",
        "",
        f"}}  // namespace {stem}_model",
        "",
        f"#endif  // {guard}",
    ]
    return "\n".join(lines) + "\n"


def _arena_lines(arena: Arena, buffer_bytes: int) -> list[str]:
    return [
        f"// Working memory: {arena.measured} bytes, the least with which the reference kernels",
        f"// ran on a 64-bit computer, and {arena.cmsis_nn} bytes that the CMSIS-NN kernels",
        "// of Cortex-M take beyond them at most, by the model's operators. Other kernel libraries",
        "// may take more. ArenaUsed() in the example tells what a board takes; with less than",
        "// that some kernels fault instead of returning an error.",
        f"constexpr size_t kArenaBytes = {arena.bytes};",
        f"// In addition the example keeps {buffer_bytes} bytes of states, inputs and outputs.",
    ]


def _array_lines(content: bytes) -> list[str]:
    rows = range(0, len(content), _BYTES_A_LINE)
    return [
        "".join(f"{byte}," for byte in content[start : start + _BYTES_A_LINE]) for start in rows
    ]


def _tensor_lines(
    specs: dict[str, TensorSpec], names: dict[str, TensorName], order: list[int]
) -> list[str]:
    lines = []
    for spec in specs.values():
        constant = names[spec.name].constant
        if spec.index not in order:
            raise UserError(
                f"the signature's tensor {spec.name!r} is not an input or output of the graph. "
                "The file is damaged: export it again."
            )
        lines.append(f"// {comment_text(spec.name)}: {spec.dtype} {show_shape(spec.shape)}")
        lines.append(f"constexpr size_t {constant} = {order.index(spec.index)};")
        lines.append(f"constexpr size_t {constant}Elements = {math.prod(spec.shape)};")
        if spec.scale is not None:
            lines.append(f"constexpr float {constant}Scale = {_float_literal(spec.scale)};")
            lines.append(f"constexpr int {constant}ZeroPoint = {spec.zero_point};")
    return lines


def _float_literal(number: float) -> str:
    """A number in C++, with all digits of a float; a whole number needs its point."""
    digits = f"{number:.9g}"
    return f"{digits}f" if "." in digits or "e" in digits else f"{digits}.0f"


def _signature(file: ModelFile, key: str | None) -> Signature:
    offered = {k: v for k, v in signatures_of(file, fixed=True).items() if v.subgraph == 0}
    if key is None and len(offered) == 1:
        key = next(iter(offered))
    if key not in offered:
        raise UserError(
            f"name one signature of the file's first graph, which is all that TensorFlow Lite "
            f"Micro runs: {', '.join(map(repr, offered)) or 'it has none'}."
        )
    chosen = offered[key]
    for spec in (*chosen.inputs.values(), *chosen.outputs.values()):
        if spec.dtype not in C_TYPES or (spec.scale is not None and spec.dtype not in INTEGER_ENDS):
            quantised = "" if spec.scale is None else "quantised "
            raise UserError(
                f"the tensor {spec.name!r} is {quantised}{spec.dtype}, for which TensorFlow Lite "
                "Micro has no C++ type. Export the model with target='tflm'."
            )
    return chosen


def _require_own(header: Path, source: str) -> None:
    """A header made from another file, whose name gives the same C++ name, is not replaced."""
    if not header.is_file():
        return
    lines = header.read_text(encoding="utf-8", errors="replace").splitlines()[:2]
    if len(lines) == 2 and lines[1].startswith(_SOURCE):
        other = lines[1].removeprefix(_SOURCE)
        if other != comment_text(source):
            raise UserError(
                f"{header} was made from {other}; {source} has the same name in C++. Write to "
                "another folder, or rename the .tflite file."
            )
