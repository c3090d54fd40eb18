"""Operators that TFLite Micro lacks, written with operators that it has.

All shapes of a file for TFLite Micro are known, which is what makes this possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from rnn_apps.export.flatbuffers.flatbuffer_graph import Graph

# TFLite Micro's CONCATENATION takes no more inputs, its comparisons no more dimensions.
MOST_JOINED = 10
MOST_DIMENSIONS = 4


def any_as_maximum(model: Any) -> None:
    """Replaces REDUCE_ANY by REDUCE_MAX over float32, and a comparison with zero after it."""
    for subgraph in model.subgraphs:
        graph = Graph(model, subgraph)
        for operator in list(subgraph.operators):
            if graph.code(operator) != schema.BuiltinOperator.REDUCE_ANY:
                continue
            source, axes = operator.inputs
            given, result = graph.tensor(source), graph.tensor(operator.outputs[0])
            numbers, largest = (
                graph.add_tensor(one.shape, schema.TensorType.FLOAT32, name, one.shapeSignature)
                for one, name in ((given, "numbers"), (result, "largest"))
            )
            zero = graph.constant(np.zeros((), np.float32), "zero")
            cast = schema.CastOptionsT()
            cast.inDataType, cast.outDataType = schema.TensorType.BOOL, schema.TensorType.FLOAT32
            graph.insert(operator, "CAST", [source], [numbers], cast)
            options = operator.builtinOptions
            graph.insert(operator, "REDUCE_MAX", [numbers, axes], [largest], options)
            operator.inputs = np.array([largest, zero], np.int32)
            graph.change_operator(operator, "GREATER", schema.GreaterOptionsT())


def tile_as_broadcast(model: Any) -> None:
    """Replaces TILE, as `RepeatVector` is, by BROADCAST_TO where a dimension of one is repeated.

    A longer dimension is joined to itself first.
    """
    for graph, operator in _operators(model, schema.BuiltinOperator.TILE):
        source, result = int(operator.inputs[0]), int(operator.outputs[0])
        multiples = graph.value(operator.inputs[1], np.int32)
        if multiples is None:
            continue
        shape = [int(size) for size in graph.tensor(source).shape]
        for axis, times in enumerate(int(number) for number in multiples):
            if shape[axis] > 1 and times > 1:
                shape[axis] *= times
                source = _joined(graph, operator, [source] * times, axis)
        target = np.array(graph.tensor(result).shape, np.int32)
        operator.inputs = np.array([source, graph.constant(target, "tiled_shape")], np.int32)
        graph.change_operator(operator, "BROADCAST_TO", schema.BroadcastToOptionsT())


def one_hot_as_comparison(model: Any) -> None:
    """Replaces ONE_HOT by a comparison of the indices with all numbers below the depth."""
    for graph, operator in _operators(model, schema.BuiltinOperator.ONE_HOT):
        indices, _, on, off = (int(index) for index in operator.inputs)
        result = graph.tensor(operator.outputs[0])
        shape = [int(size) for size in result.shape]
        values = [_real_number(graph, index) for index in (on, off)]
        if values != [1.0, 0.0] or len(shape) > MOST_DIMENSIONS:
            continue
        axis = operator.builtinOptions.axis % len(shape)
        indices = _as_int32(graph, operator, indices)
        with_axis = [*shape[:axis], 1, *shape[axis + 1 :]]
        column = graph.add_tensor(with_axis, schema.TensorType.INT32, "index")
        sizes = graph.constant(np.array(with_axis, np.int32), "index_shape")
        graph.insert(operator, "RESHAPE", [indices, sizes], [column], schema.ReshapeOptionsT())
        numbers = np.arange(shape[axis], dtype=np.int32)
        numbers = numbers.reshape([-1 if place == axis else 1 for place in range(len(shape))])
        hot = graph.add_tensor(shape, schema.TensorType.BOOL, "hot")
        below = graph.constant(numbers, "numbers")
        graph.insert(operator, "EQUAL", [column, below], [hot], schema.EqualOptionsT())
        if result.type == schema.TensorType.INT8:
            operator.inputs = np.array(
                [_cast(graph, operator, hot, schema.TensorType.FLOAT32)], np.int32
            )
            graph.change_operator(operator, "QUANTIZE", schema.QuantizeOptionsT())
            continue
        operator.inputs = np.array([hot], np.int32)
        options = schema.CastOptionsT()
        options.inDataType, options.outDataType = schema.TensorType.BOOL, result.type
        graph.change_operator(operator, "CAST", options)


def _operators(model: Any, code: int) -> Iterator[tuple[Graph, Any]]:
    for subgraph in model.subgraphs:
        graph = Graph(model, subgraph)
        for operator in list(subgraph.operators):
            if graph.code(operator) == code:
                yield graph, operator


def _joined(graph: Graph, before: Any, parts: list[int], axis: int) -> int:
    """Joins the parts along an axis, in several steps where there are too many for one operator."""
    while len(parts) > 1:
        groups = [parts[start : start + MOST_JOINED] for start in range(0, len(parts), MOST_JOINED)]
        parts = [_concatenated(graph, before, group, axis) for group in groups]
    return parts[0]


def _concatenated(graph: Graph, before: Any, parts: list[int], axis: int) -> int:
    if len(parts) == 1:
        return parts[0]
    first = graph.tensor(parts[0])
    shape = [int(size) for size in first.shape]
    shape[axis] = sum(int(graph.tensor(part).shape[axis]) for part in parts)
    made = graph.add_tensor(shape, first.type, "joined", quantization=first.quantization)
    options = schema.ConcatenationOptionsT()
    options.axis = axis
    graph.insert(before, "CONCATENATION", parts, [made], options)
    return made


def _real_number(graph: Graph, index: int) -> float | None:
    """A constant that is one number, also a quantised one; None for anything else."""
    tensor = graph.tensor(index)
    types: dict[int, type[np.generic]] = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.INT32: np.int32,
        schema.TensorType.INT8: np.int8,
    }
    value = graph.value(index, types[tensor.type]) if tensor.type in types else None
    if value is None or value.size != 1:
        return None
    if tensor.type != schema.TensorType.INT8:
        return float(value[0])
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zeroPoint[0]
    return round(float((int(value[0]) - zero_point) * scale), 6)


def _as_int32(graph: Graph, before: Any, indices: int) -> int:
    """The same indices as int32: Keras casts them to int64, to which TFLite Micro casts nothing."""
    if graph.tensor(indices).type == schema.TensorType.INT32:
        return indices
    maker = graph.producer(indices)
    if maker is None or graph.code(maker) != schema.BuiltinOperator.CAST:
        return _cast(graph, before, indices, schema.TensorType.INT32)
    source = int(maker.inputs[0])
    readers = [one for one in graph.subgraph.operators if indices in one.inputs]
    if len(readers) == 1 and indices not in graph.subgraph.outputs:
        graph.remove_producer(indices)
    if graph.tensor(source).type == schema.TensorType.INT32:
        return source
    return _cast(graph, before, source, schema.TensorType.INT32)


def _cast(graph: Graph, before: Any, source: int, dtype: int) -> int:
    given = graph.tensor(source)
    made = graph.add_tensor(given.shape, dtype, "cast")
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = given.type, dtype
    graph.insert(before, "CAST", [source], [made], options)
    return made
