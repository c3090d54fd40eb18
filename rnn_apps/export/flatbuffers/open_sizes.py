"""Sizes of tensors as far as a graph tells them before it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from rnn_apps.export.flatbuffers.flatbuffer_graph import Graph


@dataclass(frozen=True, order=True)
class OpenSize:
    """A size that only the caller's input tells: that of an axis of a tensor."""

    tensor: int
    axis: int


@dataclass(frozen=True)
class OpenProduct:
    """A product of sizes of which some are open."""

    factor: int
    sizes: tuple[OpenSize, ...]


# What is equal is equally large.
Size = int | OpenSize | OpenProduct

_CODE = schema.BuiltinOperator
_INTEGERS: dict[int, type[np.integer[Any]]] = {
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}


def sizes_of(graph: Graph, tensor: int) -> list[Size] | None:
    """The sizes of a tensor; None where even their number is unknown."""
    one = graph.tensor(tensor)
    if not one.hasRank and not len(one.shape):
        return None
    free = one.shape if one.shapeSignature is None else one.shapeSignature
    if len(free) != len(one.shape):
        free = one.shape
    return [
        int(size) if size >= 0 else OpenSize(int(tensor), axis) for axis, size in enumerate(free)
    ]


def numbers_of(graph: Graph, tensor: int) -> list[Size] | None:
    """The numbers of an integer tensor, in order; None where they are not sizes."""
    if int(tensor) < 0:
        return None
    dtype = _INTEGERS.get(graph.tensor(tensor).type)
    if dtype is None:
        return None
    constant = graph.value(tensor, dtype)
    if constant is not None:
        return [int(number) for number in constant]
    producer = graph.producer(tensor)
    if producer is None:
        return None
    compute = _COMPUTATIONS.get(graph.code(producer))
    return None if compute is None else compute(graph, producer)


def _shape(graph: Graph, operator: Any) -> list[Size] | None:
    return sizes_of(graph, operator.inputs[0])


def _unchanged(graph: Graph, operator: Any) -> list[Size] | None:
    return numbers_of(graph, operator.inputs[0])


def _slice(graph: Graph, operator: Any) -> list[Size] | None:
    numbers = numbers_of(graph, operator.inputs[0])
    bounds = [graph.value(index, np.int32) for index in operator.inputs[1:]]
    options = operator.builtinOptions
    if numbers is None or any(bound is None or len(bound) != 1 for bound in bounds):
        return None
    is_row = len(graph.tensor(operator.inputs[0]).shape) == 1
    if options.ellipsisMask or options.newAxisMask or not is_row:
        return None
    begin, end, stride = (int(bound[0]) for bound in bounds if bound is not None)
    if options.shrinkAxisMask:
        return numbers[begin : begin + 1] if begin != -1 else numbers[-1:]
    return numbers[None if options.beginMask else begin : None if options.endMask else end : stride]


def _gathered(graph: Graph, operator: Any) -> list[Size] | None:
    numbers = numbers_of(graph, operator.inputs[0])
    places = graph.value(operator.inputs[1], np.int32)
    if numbers is None or places is None or len(graph.tensor(operator.inputs[0]).shape) != 1:
        return None
    return [numbers[int(place)] for place in places]


def _product(graph: Graph, operator: Any) -> list[Size] | None:
    numbers = numbers_of(graph, operator.inputs[0])
    return None if numbers is None else [multiplied(numbers)]


def _multiplied(graph: Graph, operator: Any) -> list[Size] | None:
    pair = [numbers_of(graph, index) for index in operator.inputs]
    if any(numbers is None or len(numbers) != 1 for numbers in pair):
        return None
    return [multiplied([numbers[0] for numbers in pair if numbers is not None])]


def _joined(graph: Graph, operator: Any) -> list[Size] | None:
    parts = [numbers_of(graph, index) for index in operator.inputs]
    if any(part is None for part in parts) or len(graph.tensor(operator.outputs[0]).shape) != 1:
        return None
    return [number for part in parts if part is not None for number in part]


_COMPUTATIONS: dict[int, Callable[[Graph, Any], list[Size] | None]] = {
    _CODE.SHAPE: _shape,
    _CODE.STRIDED_SLICE: _slice,
    _CODE.GATHER: _gathered,
    _CODE.REDUCE_PROD: _product,
    _CODE.MUL: _multiplied,
    _CODE.PACK: _joined,
    _CODE.CONCATENATION: _joined,
    _CODE.RESHAPE: _unchanged,
    _CODE.SQUEEZE: _unchanged,
    _CODE.EXPAND_DIMS: _unchanged,
    _CODE.CAST: _unchanged,
}


def multiplied(sizes: Sequence[Size]) -> Size:
    """The product of sizes, which is a number or stands for one."""
    factor, open_sizes = 1, []
    for size in sizes:
        if isinstance(size, OpenSize):
            open_sizes.append(size)
        elif isinstance(size, OpenProduct):
            factor *= size.factor
            open_sizes += size.sizes
        else:
            factor *= size
    if not open_sizes or factor == 0:
        return factor
    if factor == 1 and len(open_sizes) == 1:
        return open_sizes[0]
    return OpenProduct(factor, tuple(sorted(open_sizes)))
