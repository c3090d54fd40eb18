"""What a firmware needs of an exported model: C array, operators, arena, quantisation, example."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipelines.atomic_files import write_text
from pipelines.errors import UserError
from rnn_apps.edge.flatbuffer import ModelFile, read_model_file
from rnn_apps.edge.model import Signature, TensorSpec, show_shape, signatures_of
from rnn_apps.export.inspection import operator_name
from rnn_apps.export.microcontroller_example import camel_case, example_source
from rnn_apps.export.runtime_process import RuntimeProcess

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
_BYTES_A_LINE = 16


@dataclass(frozen=True)
class MicrocontrollerFiles:
    """What was written for a microcontroller.

    Attributes:
        header: the model as a C array with the constants that belong to it.
        example: a C++ program around it.
        operators: the resolver's methods, each once.
        arena_bytes: the least working memory on this computer (64 bit); a 32-bit device needs
            somewhat less.
    """

    header: Path
    example: Path
    operators: tuple[str, ...]
    arena_bytes: int


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

    Args:
        path: the .tflite file.
        folder: where to; beside the file if None.
        name: a C identifier; from the file's name if None.
        signature: which one, if the file has several; it must be the file's first graph.
        arena_bytes: working memory; found by search on this computer's interpreter if None.
        time_limit: seconds for one run while searching.

    Raises:
        UserError: the file is damaged, or TensorFlow Lite Micro cannot run it.
    """
    file, content = read_model_file(path)
    name = _identifier(Path(path).stem if name is None else name)
    chosen = _signature(file, signature)
    operators = resolver_methods(
        operator_name(item) for graph in file.subgraphs for item in graph.operators
    )
    if arena_bytes is None:
        with RuntimeProcess("tflm", time_limit) as runtime:
            arena_bytes = runtime.arena(path)
    target = Path(path).parent if folder is None else Path(folder)
    header, example = target / f"{name}_model.h", target / f"{name}_example.cc"
    write_text(header, header_source(name, content, file, chosen, operators, arena_bytes))
    write_text(example, example_source(name, chosen))
    return MicrocontrollerFiles(header, example, operators, arena_bytes)


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
    name: str,
    content: bytes,
    file: ModelFile,
    signature: Signature,
    operators: tuple[str, ...],
    arena_bytes: int,
) -> str:
    """The header: array, arena, positions and quantisation of inputs and outputs, operators."""
    guard = f"{name.upper()}_MODEL_H_"
    graph = file.subgraphs[0]
    lines = [
        f"// The model {name}, made by rnn-apps. Do not edit.",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <cstddef>",
        "#include <cstdint>",
        "",
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"',
        "",
        f"namespace {name} {{",
        "",
        "// The least on a 64-bit computer; a 32-bit device needs somewhat less.",
        f"constexpr size_t kArenaBytes = {arena_bytes};",
        f"constexpr unsigned int kOperators = {len(operators)};",
        "",
        "// Real value = scale * (integer - zero point).",
        *_tensor_lines("Input", signature.inputs, list(graph.inputs)),
        *_tensor_lines("Output", signature.outputs, list(graph.outputs)),
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
        f"}}  // namespace {name}",
        "",
        f"#endif  // {guard}",
    ]
    return "\n".join(lines) + "\n"


def _array_lines(content: bytes) -> list[str]:
    rows = range(0, len(content), _BYTES_A_LINE)
    return [
        "    " + " ".join(f"0x{byte:02x}," for byte in content[start : start + _BYTES_A_LINE])
        for start in rows
    ]


def _tensor_lines(kind: str, specs: dict[str, TensorSpec], order: list[int]) -> list[str]:
    lines = []
    for spec in specs.values():
        constant = f"k{kind}{camel_case(spec.name)}"
        elements = 1
        for size in spec.shape:
            elements *= size
        lines.append(f"// {spec.name}: {spec.dtype} {show_shape(spec.shape)}")
        lines.append(f"constexpr size_t {constant} = {order.index(spec.index)};")
        lines.append(f"constexpr size_t {constant}Elements = {elements};")
        if spec.scale is not None:
            lines.append(f"constexpr float {constant}Scale = {spec.scale:.9g}f;")
            lines.append(f"constexpr int {constant}ZeroPoint = {spec.zero_point};")
    return lines


def _signature(file: ModelFile, key: str | None) -> Signature:
    offered = {k: v for k, v in signatures_of(file, fixed=True).items() if v.subgraph == 0}
    if key is None and len(offered) == 1:
        key = next(iter(offered))
    if key not in offered:
        raise UserError(
            f"name one signature of the file's first graph, which is all that TensorFlow Lite "
            f"Micro runs: {', '.join(map(repr, offered)) or 'it has none'}."
        )
    return offered[key]


def _identifier(name: str) -> str:
    identifier = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_").lower()
    if not identifier or identifier[0].isdigit():
        identifier = f"model_{identifier}".rstrip("_")
    return identifier
