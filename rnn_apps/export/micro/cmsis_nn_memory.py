"""How much more arena CMSIS-NN's kernels may take than the reference kernels for one model.

The arena is measured with TensorFlow Lite Micro's reference kernels, which are what runs on a
computer. On Arm's microcontrollers the kernels of CMSIS-NN stand in their place, and those keep
sums of weights and take buffers of their own. What they ask for depends on the shapes alone and
differs from core to core, so the most that any of them takes is counted: DSP instructions
(Cortex-M4, M7, M33), vector instructions (M52, M55, M85) or neither (M0, M3).

Sources: the kernels' Prepare functions in tensorflow/lite/micro/kernels/cmsis_nn/ and
arm_..._get_buffer_size in CMSIS-NN's Source/. Memory that an operator keeps adds up; a buffer that
it needs while it runs is shared by all, so the largest counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.base.errors import UserError
from rnn_apps.edge.runtime.flatbuffer import ModelFile, Operator, Subgraph, Tensor
from rnn_apps.export.flatbuffers.inspection import operator_name

# The arena gives out memory in multiples of this.
_ALIGNMENT = 16
_INT32_BYTES = 4
_INT64_BYTES = 8
# Entries of the memory planner and of the allocator for one more buffer.
_BUFFER_RECORD_BYTES = 64
# An operator's own record: multipliers, shifts and, for LSTM, the parameters of four gates.
_OPERATOR_RECORD_BYTES = 64
_LSTM_RECORD_BYTES = 512
_LSTM_SUMS = 8
# Vector depthwise convolutions work on this many channels, in four rows.
_DEPTHWISE_CHANNELS, _DEPTHWISE_ROWS = 124, 4
_COLUMN_BUFFERS = 4


@dataclass(frozen=True)
class _Demand:
    """Memory of one operator in bytes: kept from the start, and needed while it runs."""

    kept: int = 0
    buffers: tuple[int, ...] = ()


def cmsis_nn_bytes(file: ModelFile) -> int:
    """The most that CMSIS-NN's kernels take in the arena beyond the reference kernels, in bytes."""
    kept, largest = 0, 0
    for graph in file.subgraphs:
        for operator in graph.operators:
            demand = _demand(graph, operator)
            kept += demand.kept + _BUFFER_RECORD_BYTES * len(demand.buffers)
            largest = max(largest, sum(map(_aligned, demand.buffers)))
    return kept + largest


def _demand(graph: Subgraph, operator: Operator) -> _Demand:
    name = operator_name(operator)
    if name not in _DEMANDS:
        return _Demand()
    try:
        output = graph.tensors[operator.outputs[0]]
        # Float kernels are the reference's.
        if output.dtype not in ("int8", "int16"):
            return _Demand()
        return _DEMANDS[name](_inputs(graph, operator), output)
    except (IndexError, KeyError) as damage:
        raise UserError(
            f"an operator {name} of the file lacks a tensor or has one of another rank than the "
            "operator takes. The file is damaged or was not made for TensorFlow Lite Micro."
        ) from damage


def _inputs(graph: Subgraph, operator: Operator) -> dict[int, Tensor]:
    """An operator's inputs by position, without those that are left out."""
    return {
        position: graph.tensors[index]
        for position, index in enumerate(operator.inputs)
        if index != -1
    }


def _fully_connected(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    first, weights = inputs[0], inputs[1]
    rows, depth = output.shape[-1], weights.shape[-1]
    if first.dtype == "int16":
        return _Demand(_OPERATOR_RECORD_BYTES)
    if len(output.shape) > 2 and depth % 4 == 0:
        # Runs as a convolution: multiplier and shift of each row, two columns of the input.
        buffers = (2 * rows * _INT32_BYTES, 2 * depth * 2)
        return _Demand(_OPERATOR_RECORD_BYTES, buffers)
    return _Demand(_OPERATOR_RECORD_BYTES + _aligned(rows * _INT32_BYTES))


def _lstm(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    sum_bytes = _INT32_BYTES if inputs[0].dtype == "int8" else _INT64_BYTES
    units = output.shape[-1]
    return _Demand(_LSTM_RECORD_BYTES + _LSTM_SUMS * _aligned(units * sum_bytes))


def _convolution(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    first, filters = inputs[0], inputs[1]
    return _Demand(_OPERATOR_RECORD_BYTES, (_column_bytes(first, filters),))


def _depthwise_convolution(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    first, filters = inputs[0], inputs[1]
    area = filters.shape[1] * filters.shape[2]
    channels = max(first.shape[-1], output.shape[-1])
    by_channels = 2 * channels * area
    by_blocks = _DEPTHWISE_ROWS * _DEPTHWISE_CHANNELS * area
    # One input channel runs as a convolution with the filters turned round.
    as_convolution = _column_bytes(first, filters) + math.prod(filters.shape)
    itemsize = 1 if first.dtype == "int8" else 2
    return _Demand(
        _OPERATOR_RECORD_BYTES, (itemsize * max(by_channels, by_blocks, as_convolution),)
    )


def _transposed_convolution(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    # Inputs: output shape, filters, image.
    filters, image = inputs[1], inputs[2]
    turned = math.prod(filters.shape)
    # Strides are at most output size over input size, a single row's those of the output.
    stride = math.ceil(output.shape[1] / max(image.shape[1], 1))
    height = max(filters.shape[1], stride)
    width = output.shape[2] + max(filters.shape[2], stride)
    direct = width * height * output.shape[3] * _INT32_BYTES
    buffers = (max(direct, _column_bytes(image, filters)), turned)
    return _Demand(_OPERATOR_RECORD_BYTES, buffers)


def _average_pool(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    return _Demand(_OPERATOR_RECORD_BYTES, (output.shape[-1] * _INT32_BYTES,))


def _matrix_product(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    return _Demand(_OPERATOR_RECORD_BYTES, (output.shape[-1] * _INT32_BYTES,))


def _svdf(inputs: dict[int, Tensor], output: Tensor) -> _Demand:
    filters = inputs[1].shape[0]
    return _Demand(_OPERATOR_RECORD_BYTES + _aligned(filters * _INT32_BYTES))


def _column_bytes(image: Tensor, filters: Tensor) -> int:
    """Four columns of an image that is convolved, each filled up to whole vectors."""
    itemsize = 1 if image.dtype == "int8" else 2
    column = filters.shape[1] * filters.shape[2] * image.shape[-1] * itemsize
    return _COLUMN_BUFFERS * _aligned(column)


def _aligned(size: int) -> int:
    return math.ceil(size / _ALIGNMENT) * _ALIGNMENT


_DEMANDS: dict[str, Callable[[dict[int, Tensor], Tensor], _Demand]] = {
    "FULLY_CONNECTED": _fully_connected,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise_convolution,
    "TRANSPOSE_CONV": _transposed_convolution,
    "AVERAGE_POOL_2D": _average_pool,
    "BATCH_MATMUL": _matrix_product,
    "SVDF": _svdf,
}
