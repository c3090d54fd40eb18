"""Sizes that the converter leaves to be computed while a graph runs, known before it runs.

Where a batch is free, the converter writes `Dense` on a sequence, for instance, as operators that
ask a tensor for its shape, join numbers of it, and reshape to the result. LiteRT then learns the
sizes of all that follows only while it runs, and plans its memory anew in the middle of the first
call. Besides the time, with XNNPACK every later call can then be wrong (docs/edge.md).

Most of these sizes need no computing: a reshape may leave one size open (-1), a matrix product may
keep the dimensions of its input, and a constant is repeated for each row by an index per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from rnn_apps.export.flatbuffers.flatbuffer_graph import Graph
from rnn_apps.export.flatbuffers.open_sizes import OpenSize, Size, numbers_of, sizes_of
from rnn_apps.export.flatbuffers.repeated_rows import first_numbers, zero_for_each_row

_CODE = schema.BuiltinOperator
# What is repeated.
_REPEATED: dict[int, type[np.generic]] = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.BOOL: np.bool_,
}
# Of these the first numbers of rows can be compared with themselves.
_COMPARED = frozenset({schema.TensorType.FLOAT32, schema.TensorType.INT32, schema.TensorType.INT8})
# What is left out where nothing reads its result any more.
_COMPUTES_SIZES = frozenset({
    _CODE.DEQUANTIZE,
    _CODE.SHAPE, _CODE.STRIDED_SLICE, _CODE.SLICE, _CODE.GATHER, _CODE.REDUCE_PROD, _CODE.PACK,
    _CODE.CONCATENATION, _CODE.RESHAPE, _CODE.SQUEEZE, _CODE.EXPAND_DIMS, _CODE.CAST, _CODE.MUL,
})  # fmt: skip


def known_sizes(model: Any) -> None:
    """Replaces computed sizes by known ones, in every graph of a file for LiteRT."""
    for subgraph in model.subgraphs:
        graph = Graph(model, subgraph)
        operators = [(graph.code(operator), operator) for operator in subgraph.operators]
        # Looked up here because a search of the graph for each product takes seconds.
        reshapes = {int(one.outputs[0]): one for code, one in operators if code == _CODE.RESHAPE}
        for code, operator in operators:
            # What stands before may have made more sizes known, so each is looked at anew.
            if code == _CODE.RESHAPE:
                _reshape_by_constant(graph, operator)
            elif code == _CODE.FULLY_CONNECTED:
                before = reshapes.get(int(operator.inputs[0]))
                if before is not None:
                    _keep_dimensions(graph, operator, before)
            elif code in (_CODE.FILL, _CODE.BROADCAST_TO):
                _repeat(graph, operator)
        _leave_out_unread(graph)


def _written(sizes: Sequence[Size]) -> np.ndarray:
    """Sizes as a file has them, int32, with -1 for those that are open."""
    return np.array([size if isinstance(size, int) else -1 for size in sizes], np.int32)


def _open(sizes: Sequence[Size]) -> int:
    return sum(not isinstance(size, int) for size in sizes)


def _reshape_by_constant(graph: Graph, reshape: Any) -> None:
    """Writes the shape down, with -1 for the one size that may be open."""
    if len(reshape.inputs) < 2 or graph.value(reshape.inputs[1], np.int32) is not None:
        return
    sizes = numbers_of(graph, reshape.inputs[1])
    if sizes is None or _open(sizes) > 1 or any(size == -1 for size in sizes):
        return
    shape = graph.constant(_written(sizes), "shape")
    reshape.inputs = np.array([reshape.inputs[0], shape], np.int32)
    _describe(graph, int(reshape.outputs[0]), sizes)


def _describe(graph: Graph, tensor: int, sizes: Sequence[Size]) -> None:
    """Says in the tensor what its sizes are, so that those computed of it are known too."""
    one, free = graph.tensor(tensor), _written(sizes)
    # A file holds 1 where a size is open.
    one.shape = np.abs(free)
    one.shapeSignature = free if _open(sizes) else None


@dataclass(frozen=True)
class _Flattened:
    """A product with a matrix as the converter writes it: flattened before, unfolded after.

    Attributes:
        source: tensor before it is flattened.
        unfolding: operator that gives the product the source's dimensions again.
        others: reshapes of the product besides it.
    """

    source: int
    unfolding: Any
    others: list[Any]


def _keep_dimensions(graph: Graph, product: Any, before: Any) -> None:
    """Multiplies all rows of a sequence where they are, if two or more of its sizes are open."""
    found = _flattened(graph, product, before)
    if found is None:
        return
    unfolded = int(found.unfolding.outputs[0])
    product.inputs = np.array([found.source, *product.inputs[1:]], np.int32)
    product.outputs = np.array([unfolded], np.int32)
    product.builtinOptions.keepNumDims = True
    for reshape in found.others:
        reshape.inputs = np.array([unfolded, *reshape.inputs[1:]], np.int32)
    graph.remove(found.unfolding)


def _flattened(graph: Graph, product: Any, before: Any) -> _Flattened | None:
    """What is around a product, if its input's dimensions can and must be kept; else None."""
    after = graph.consumers(product.outputs[0])
    if int(product.outputs[0]) in graph.subgraph.outputs:
        return None
    if any(graph.code(one) != _CODE.RESHAPE or len(one.inputs) < 2 for one in (before, *after)):
        return None
    source = int(before.inputs[0])
    sizes = sizes_of(graph, source)
    units, features = (int(size) for size in graph.tensor(product.inputs[1]).shape)
    if sizes is None or sizes[-1] != features or _open(sizes) < 2:
        return None
    for reshape in after:
        if _are(numbers_of(graph, reshape.inputs[1]), [*sizes[:-1], units]):
            return _Flattened(source, reshape, [one for one in after if one is not reshape])
    return None


def _are(given: Sequence[Size] | None, sizes: Sequence[Size]) -> bool:
    """Whether a reshape to `given`, where -1 is what is left, makes these sizes."""
    if given is None or len(given) != len(sizes):
        return False
    return all(one in (-1, size) for one, size in zip(given, sizes, strict=True))


def _repeat(graph: Graph, operator: Any) -> None:
    """Repeats a constant without computing how often."""
    sizes_at, value_at = (0, 1) if graph.code(operator) == _CODE.FILL else (1, 0)
    sizes = numbers_of(graph, operator.inputs[sizes_at])
    row = _constant(graph, operator.inputs[value_at])
    if sizes is None or row is None or not _open(sizes):
        return
    like = _with_sizes(graph, sizes)
    if row.size == 1 and row.dtype == np.float32 and like is not None:
        _add_to_zeros(graph, operator, row.reshape(()), like)
    elif not _open(sizes[1:]) and (row.ndim < len(sizes) or row.shape[0] == 1):
        _repeat_by_row(graph, operator, row, sizes)


def _constant(graph: Graph, tensor: int) -> np.ndarray | None:
    """A constant's numbers; float32 of one that the file keeps in float16."""
    producer = graph.producer(tensor)
    source = tensor
    if producer is not None and graph.code(producer) == _CODE.DEQUANTIZE:
        source = int(producer.inputs[0])
    given = graph.tensor(source)
    is_half = given.type == schema.TensorType.FLOAT16
    dtype = np.float16 if is_half else _REPEATED.get(given.type)
    if dtype is None or (source != tensor and not is_half):
        return None
    value = graph.value(source, dtype)
    if value is None:
        return None
    shaped = np.reshape(value, [int(size) for size in given.shape])
    return shaped.astype(np.float32) if is_half else shaped


def _with_sizes(graph: Graph, sizes: Sequence[Size]) -> int | None:
    """A tensor of floats that has exactly these sizes, if one of them stands for a size of it."""
    for whose in (size.tensor for size in sizes if isinstance(size, OpenSize)):
        if sizes_of(graph, whose) == list(sizes):
            return whose if graph.tensor(whose).type == schema.TensorType.FLOAT32 else None
    return None


def _add_to_zeros(graph: Graph, operator: Any, value: np.ndarray, like: int) -> None:
    """Adds a constant to zeros in the shape of another tensor of floats."""
    shapes = graph.tensor(like)
    zeros = graph.add_tensor(shapes.shape, shapes.type, "zeros", shapes.shapeSignature)
    graph.insert(operator, "ZEROS_LIKE", [like], [zeros], schema.ZerosLikeOptionsT())
    operator.inputs = np.array([zeros, graph.constant(value, "number")], np.int32)
    graph.change_operator(operator, "ADD", schema.AddOptionsT())


def _repeat_by_row(graph: Graph, operator: Any, row: np.ndarray, sizes: Sequence[Size]) -> None:
    """Repeats a row as often as the tensor has rows whose batch the first size stands for."""
    batch = sizes[0]
    if not isinstance(batch, OpenSize) or batch.axis != 0:
        return
    whose = batch.tensor
    if graph.tensor(whose).type not in _COMPARED:
        return
    result = int(operator.outputs[0])
    rest = [size for size in sizes[1:] if isinstance(size, int)]
    row = np.array(np.broadcast_to(row, [1, *rest]))
    if {graph.tensor(whose).type, graph.tensor(result).type} == {schema.TensorType.FLOAT32}:
        column = _column(graph, operator, whose, len(sizes))
        _add_to_zeros(graph, operator, row, column)
    else:
        constant = graph.constant(row, "row", graph.tensor(result).quantization)
        rows = zero_for_each_row(graph, operator, whose)
        operator.inputs = np.array([constant, rows], np.int32)
        graph.change_operator(operator, "GATHER", schema.GatherOptionsT())
    _describe(graph, result, sizes)


def _column(graph: Graph, before: Any, whose: int, dimensions: int) -> int:
    """A tensor of floats [batch, 1, ...] with the batch of another one."""
    first = first_numbers(graph, before, whose)
    sizes = [-1, *[1] * (dimensions - 1)]
    column = graph.add_tensor([1] * dimensions, schema.TensorType.FLOAT32, "column", sizes)
    shape = graph.constant(np.array(sizes, np.int32), "shape")
    graph.insert(before, "RESHAPE", [first, shape], [column], schema.ReshapeOptionsT())
    return column


def _leave_out_unread(graph: Graph) -> None:
    """Removes operators that computed sizes which nothing reads now."""
    read = {int(index) for index in graph.subgraph.outputs}
    kept = []
    for operator in reversed(graph.subgraph.operators):
        unread = not any(int(index) in read for index in operator.outputs)
        if unread and graph.code(operator) in _COMPUTES_SIZES:
            continue
        kept.append(operator)
        read |= {int(index) for index in operator.inputs}
    graph.subgraph.operators = kept[::-1]
