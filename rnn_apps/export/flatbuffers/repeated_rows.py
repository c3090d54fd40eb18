"""What a graph repeats for each row of a batch whose size only the caller's input tells."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from rnn_apps.export.flatbuffers.flatbuffer_graph import Graph


def zero_for_each_row(graph: Graph, before: object, source: int) -> int:
    """An int32 tensor [batch] of zeros, made from `source` so that it follows its batch.

    `x < x` is false for every number, also for NaN. It cannot be a constant: LiteRT computes what
    depends on constants alone once, and not again at the next call.

    Args:
        before: operator of the graph; what makes the zeros runs directly before it.
        source: index of a tensor of numbers, batch first.
    """
    first = first_numbers(graph, before, source)
    one = graph.tensor(first)
    false = graph.add_tensor(one.shape, schema.TensorType.BOOL, "never", one.shapeSignature)
    rows = graph.add_tensor(one.shape, schema.TensorType.INT32, "zero_rows", one.shapeSignature)
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = schema.TensorType.BOOL, schema.TensorType.INT32
    graph.insert(before, "LESS", [first, first], [false], schema.LessOptionsT())
    graph.insert(before, "CAST", [false], [rows], cast)
    return rows


def first_numbers(graph: Graph, before: object, source: int) -> int:
    """The first number of each row of `source`, [batch], in its own type.

    Args:
        before: operator of the graph; what takes the numbers runs directly before it.
        source: index of a tensor of numbers, batch first.
    """
    given = graph.tensor(source)
    dimensions = len(given.shape)
    corner = schema.StridedSliceOptionsT()
    corner.endMask, corner.shrinkAxisMask = 1, 2**dimensions - 2
    bounds = [
        graph.constant(np.array(value, np.int32), name)
        for value, name in (
            ([0] * dimensions, "begin"),
            ([0, *[1] * (dimensions - 1)], "end"),
            ([1] * dimensions, "strides"),
        )
    ]
    shape = given.shape[:1]
    free = shape if given.shapeSignature is None else given.shapeSignature[:1]
    first = graph.add_tensor(shape, given.type, "first_numbers", free, given.quantization)
    graph.insert(before, "STRIDED_SLICE", [source, *bounds], [first], corner)
    return first
