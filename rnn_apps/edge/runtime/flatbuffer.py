"""Reads what a .tflite file says about itself, with every offset checked against its length.

The files come from anywhere, so nothing here trusts them: a length is compared with the bytes
that are left before anything of that length is made, and an offset that points outside the file
is a `UserError`, never a crash. Only the standard library and numpy are needed, so that a device
without flatbuffers' own package can read names and quantisation too.

Source of the layout: FlatBuffers' binary format ("Internals" page) and tensorflow/compiler/mlir/
lite/schema/schema.fbs (schema version 3); the numbers below are the fields' positions there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.base.errors import UserError

IDENTIFIER = b"TFL3"
# Offsets in a flatbuffer are signed 32-bit numbers: no valid file is larger.
LARGEST_FILE = 2**31 - 1

# TensorType of the schema, by its number, under numpy's names where numpy has the type.
TENSOR_TYPES = (
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64",
    "int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4",
    "bfloat16",
)  # fmt: skip
# Bytes of one number, for the types whose constants are numbers of whole bytes.
_ITEM_BYTES = {
    "float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "bool": 1, "int8": 1, "uint8": 1,
    "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
}  # fmt: skip
# LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_LSTM: an input gate may be left out.
_LSTMS = (16, 44, 52)


@dataclass(frozen=True)
class Quantization:
    """Affine quantisation: real = scale * (integer - zero_point), per tensor or per channel."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int = 0


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    Attributes:
        index: number of the tensor in the subgraph, which the runtimes use too.
        shape: the shape as converted; free dimensions hold 1.
        free_shape: shape with -1 for every free dimension.
        buffer: number of the buffer that holds a constant (0: none).
    """

    index: int
    name: str
    shape: tuple[int, ...]
    free_shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    is_variable: bool
    buffer: int


@dataclass(frozen=True)
class Operator:
    """One operator: its builtin code (or custom name) and the tensors it reads and writes."""

    code: int
    custom_name: str | None
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Subgraph:
    """One graph of the file; tensors and operators by number."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True)
class SignatureEntry:
    """A named way to call the model: names of inputs and outputs -> tensors of one subgraph."""

    key: str
    subgraph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class ModelFile:
    """What a .tflite file holds, without the values of its constants.

    Attributes:
        buffer_bytes: size of every buffer in bytes, by the buffer's number.
        metadata: number of the buffer that holds each entry of metadata, by the entry's name.
    """

    version: int
    description: str
    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[SignatureEntry, ...]
    buffer_bytes: tuple[int, ...]
    metadata: dict[str, int]
    size_bytes: int


def read_model_file(path: str | Path) -> tuple[ModelFile, bytes]:
    """Reads a .tflite file.

    Returns:
        What it says about itself, and its bytes.

    Raises:
        UserError: there is no such file, it is not a .tflite file, or it is cut short or damaged.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{file}: there is no such file. Give the path of a .tflite file.")
    size = file.stat().st_size
    if size > LARGEST_FILE:
        raise UserError(f"{file}: {size} bytes are more than a .tflite file can hold (2 GiB).")
    content = file.read_bytes()
    return parse_model(content, name=str(file)), content


def parse_model(content: bytes, name: str = "the model") -> ModelFile:
    """Reads the tables of a flatbuffer model; `name` stands in the messages.

    Raises:
        UserError: these bytes are not a whole .tflite model.
    """
    if len(content) < 8 or content[4:8] != IDENTIFIER:
        raise UserError(
            f"{name}: this is not a .tflite file (bytes 4 to 8 are not 'TFL3'). "
            "Give a file that `rnn-apps export` or the LiteRT converter wrote."
        )
    try:
        return _model(_Table.root(content))
    except (_DamagedError, struct.error, UnicodeDecodeError, RecursionError) as damage:
        raise UserError(
            f"{name}: the file is damaged or cut short ({damage}). Export or copy it again."
        ) from damage


class _DamagedError(Exception):
    """An offset, a length or a number in the file cannot be right."""


class _Table:
    """A flatbuffer table: fields are found through its vtable, by position."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self._position = position
        start = position - self._number("<i", position)
        if not 0 <= start <= len(content) - 4:
            raise _DamagedError(f"a table at byte {position} has its field list outside the file")
        (size,) = struct.unpack_from("<H", content, start)
        if size < 4 or size % 2 or start + size > len(content):
            raise _DamagedError(f"a table at byte {position} has a field list of {size} bytes")
        self._fields = struct.unpack_from(f"<{size // 2 - 2}H", content, start + 4)

    @staticmethod
    def root(content: bytes) -> _Table:
        (offset,) = struct.unpack_from("<I", content, 0)
        if offset + 4 > len(content):
            raise _DamagedError("the root table lies outside the file")
        return _Table(content, offset)

    def _number(self, kind: str, position: int) -> int:
        if not 0 <= position <= len(self._content) - struct.calcsize(kind):
            raise _DamagedError(f"byte {position} lies outside the file")
        return struct.unpack_from(kind, self._content, position)[0]

    def _place(self, field: int) -> int | None:
        if field >= len(self._fields) or self._fields[field] == 0:
            return None
        return self._position + self._fields[field]

    def number(self, field: int, kind: str, default: int = 0) -> int:
        place = self._place(field)
        return default if place is None else self._number(kind, place)

    def _target(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + self._number("<I", place)

    def table(self, field: int) -> _Table | None:
        target = self._target(field)
        return None if target is None else _Table(self._content, target)

    def _vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Where the items of a vector start, and how many there are."""
        target = self._target(field)
        if target is None:
            return 0, 0
        length = self._number("<I", target)
        if length * item_bytes > len(self._content) - target - 4:
            raise _DamagedError(
                f"a list of {length} items at byte {target} does not fit in the file"
            )
        return target + 4, length

    def numbers(self, field: int, kind: str) -> tuple[Any, ...]:
        start, length = self._vector(field, struct.calcsize("<" + kind))
        return struct.unpack_from(f"<{length}{kind}", self._content, start)

    def vector_length(self, field: int) -> int:
        """Number of items of a vector of bytes."""
        return self._vector(field, 1)[1]

    def text(self, field: int) -> str:
        start, length = self._vector(field, 1)
        return self._content[start : start + length].decode("utf-8")

    def tables(self, field: int) -> Iterator[_Table]:
        start, length = self._vector(field, 4)
        for place in range(start, start + 4 * length, 4):
            yield _Table(self._content, place + self._number("<I", place))


def _model(root: _Table) -> ModelFile:
    codes = [_operator_code(table) for table in root.tables(1)]
    subgraphs = tuple(_subgraph(table, codes) for table in root.tables(2))
    if not subgraphs:
        raise _DamagedError("it holds no graph")
    buffers = tuple(max(table.vector_length(0), table.number(2, "<Q")) for table in root.tables(4))
    for graph in subgraphs:
        for tensor in graph.tensors:
            _refuse_constant(tensor, buffers)
    return ModelFile(
        version=root.number(0, "<I"),
        description=root.text(3),
        subgraphs=subgraphs,
        signatures=tuple(_signature(table, subgraphs) for table in root.tables(7)),
        buffer_bytes=buffers,
        metadata={table.text(0): table.number(1, "<I") for table in root.tables(6)},
        size_bytes=len(root._content),
    )


def _refuse_constant(tensor: Tensor, buffers: tuple[int, ...]) -> None:
    """Refuses a constant that is not where it should be or not as long as its shape says."""
    if tensor.buffer >= len(buffers):
        raise _DamagedError(f"tensor {tensor.index} has its numbers in a buffer that is not there")
    held, item_bytes = buffers[tensor.buffer], _ITEM_BYTES.get(tensor.dtype)
    if held and item_bytes and held != math.prod(tensor.shape) * item_bytes:
        raise _DamagedError(
            f"tensor {tensor.index} of shape {tensor.shape} and type {tensor.dtype} has {held} "
            "bytes"
        )


def _operator_code(table: _Table) -> tuple[int, str | None, int]:
    # Codes above 127 did not fit the first field; the newer one holds 0 in old files.
    code = max(table.number(0, "<b"), table.number(3, "<i"))
    return code, table.text(1) or None, table.number(2, "<i", 1)


def _subgraph(table: _Table, codes: list[tuple[int, str | None, int]]) -> Subgraph:
    tensors = tuple(_tensor(index, item) for index, item in enumerate(table.tables(0)))
    operators = []
    for item in table.tables(3):
        number = item.number(0, "<I")
        if number >= len(codes):
            raise _DamagedError(f"an operator has code number {number} of {len(codes)}")
        inputs, outputs = item.numbers(1, "i"), item.numbers(2, "i")
        operators.append(Operator(*codes[number], inputs=inputs, outputs=outputs))
    inputs, outputs = table.numbers(1, "i"), table.numbers(2, "i")
    uses = [*inputs, *outputs]
    for operator in operators:
        # An operator's optional input that is left out is -1; the first two are not optional.
        first = 1 if operator.code in _LSTMS else 2
        uses += [*operator.inputs[:first], *operator.outputs]
        uses += [index for index in operator.inputs[first:] if index != -1]
    if any(not 0 <= index < len(tensors) for index in uses):
        raise _DamagedError("an operator or the graph uses a tensor that does not exist")
    return Subgraph(table.text(4), tensors, inputs, outputs, tuple(operators))


def _tensor(index: int, table: _Table) -> Tensor:
    kind = table.number(1, "<b")
    if not 0 <= kind < len(TENSOR_TYPES):
        raise _DamagedError(f"tensor {index} has type number {kind}, which is unknown")
    shape = table.numbers(0, "i")
    free_shape = table.numbers(7, "i") or shape
    if any(size < 0 for size in shape) or len(free_shape) != len(shape):
        raise _DamagedError(
            f"tensor {index} has the shape {shape} with the free shape {free_shape}"
        )
    return Tensor(
        index=index,
        name=table.text(3),
        shape=shape,
        free_shape=free_shape,
        dtype=TENSOR_TYPES[kind],
        quantization=_quantization(table.table(4)),
        is_variable=bool(table.number(5, "<b")),
        buffer=table.number(2, "<I"),
    )


def _quantization(table: _Table | None) -> Quantization | None:
    if table is None:
        return None
    scales, zero_points = table.numbers(2, "f"), table.numbers(3, "q")
    if not scales:
        return None
    # Zero points that are all zero may be left out.
    zero_points = zero_points or (0,) * len(scales)
    if len(zero_points) != len(scales):
        raise _DamagedError(f"a tensor has {len(scales)} scales and {len(zero_points)} zero points")
    return Quantization(scales, zero_points, table.number(6, "<i"))


def _signature(table: _Table, subgraphs: tuple[Subgraph, ...]) -> SignatureEntry:
    number = table.number(4, "<I")
    if number >= len(subgraphs):
        raise _DamagedError(f"a signature belongs to graph {number} of {len(subgraphs)}")
    maps = []
    graph = subgraphs[number]
    for field, ends in ((0, graph.inputs), (1, graph.outputs)):
        names = {item.text(0): item.number(1, "<I") for item in table.tables(field)}
        if any(index >= len(subgraphs[number].tensors) for index in names.values()):
            raise _DamagedError("a signature names a tensor that does not exist")
        if not set(names.values()) <= set(ends):
            raise _DamagedError("a signature names a tensor that is not its graph's")
        maps.append(names)
    return SignatureEntry(table.text(2), number, maps[0], maps[1])
