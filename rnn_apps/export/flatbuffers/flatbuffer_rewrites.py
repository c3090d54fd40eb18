"""Changes to a converted .tflite file that the converter itself cannot make.

`reset_lstm_states`: the fused LSTM keeps its states in variables from call to call, so that the
second sequence would start where the first one ended. After the rewrite operators in the graph
write zeros into the variables before every LSTM: each call is a sequence of its own, at any batch.

`repair_int8`: the scales that the converter gives to a quantised fused LSTM's states, and to what
is reversed for a layer that goes backwards, are wrong in three cases, where the kernels compute
wrong numbers without a message. And a mask's value that no int8 number represents never matches.

`share_constants`: equal constants become one, so that signatures share their weights.

`newer_select`: SELECT becomes SELECT_V2, which does the same and which TFLite Micro has.

`known_sizes`: sizes that the graph computes become constants; see there.

`any_as_maximum`, `tile_as_broadcast`, `one_hot_as_comparison`: see `micro_rewrites`.

`short_names`: tensors that are neither inputs nor outputs lose their names, which say where in the
traced Python they come from and are a third of a small file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from rnn_apps.export.flatbuffers.compact_flatbuffer import compact
from rnn_apps.export.flatbuffers.flatbuffer_graph import Graph
from rnn_apps.export.flatbuffers.known_sizes import known_sizes
from rnn_apps.export.flatbuffers.micro_rewrites import (
    any_as_maximum,
    one_hot_as_comparison,
    tile_as_broadcast,
)
from rnn_apps.export.flatbuffers.model_objects import read_objects
from rnn_apps.export.flatbuffers.repeated_rows import zero_for_each_row

LSTM = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
# Positions of the two states among the fused LSTM's 24 inputs (lite/kernels/lstm_shared.h).
STATE_INPUTS = (18, 19)
# Among its intermediate tensors, which only carry scales: that of h before a projection.
HIDDEN_INTERMEDIATE = 4
# The finest scale that LiteRT's fixed-point tanh knows: a state from -1 to 1 in 16 bits.
FINEST_CELL_SCALE = 2.0**-15


def rewrite(content: bytes, names: Sequence[str]) -> bytes:
    """Applies the named rewrites to a file's content, in order, and writes it compactly."""
    known = {
        "reset_lstm_states": reset_lstm_states,
        "repair_int8": repair_int8,
        "known_sizes": known_sizes,
        "any_as_maximum": any_as_maximum,
        "tile_as_broadcast": tile_as_broadcast,
        "one_hot_as_comparison": one_hot_as_comparison,
        "share_constants": share_constants,
        "newer_select": newer_select,
        "short_names": short_names,
    }
    model = read_objects(content)
    for name in names:
        known[name](model)
    _forget_unused_operators(model)
    return compact(model)


def reset_lstm_states(model: Any) -> None:
    """Puts an operator before every fused LSTM that sets its states to zero."""
    for subgraph in model.subgraphs:
        graph = Graph(model, subgraph)
        for operator in list(subgraph.operators):
            if graph.code(operator) == LSTM:
                for position in STATE_INPUTS:
                    _reset(graph, operator, position)


def repair_int8(model: Any) -> None:
    """Changes scales in a quantised model so that the kernels compute what Keras computes."""
    repairs = {LSTM: _repair_lstm, schema.BuiltinOperator.REVERSE_V2: _repair_reversal}
    for subgraph in model.subgraphs:
        graph = Graph(model, subgraph)
        for operator in list(subgraph.operators):
            code = graph.code(operator)
            if code == schema.BuiltinOperator.NOT_EQUAL:
                _repair_mask(graph, operator)
            if code not in repairs:
                continue
            # An operator of another kind may have no input or no output.
            ends = (graph.tensor(index) for index in (operator.inputs[0], operator.outputs[0]))
            if all(tensor.type == schema.TensorType.INT8 for tensor in ends):
                repairs[code](graph, operator)


def _repair_lstm(graph: Graph, lstm: Any) -> None:
    """Gives h one scale, and c one that LiteRT can compute with.

    The kernels write h with the scale of the last intermediate tensor, read it back with the
    state's, and what follows reads it with the output's. All three must be one; where outputs are
    joined, as both directions' are, the converter changes the output's alone.

    LiteRT has no tanh for a cell state with a finer scale than 2**-15, which the converter gives to
    cells whose state stays below a half, as in untrained models and upper layers.
    """
    hidden, cell = (graph.tensor(lstm.inputs[position]) for position in STATE_INPUTS)
    intermediate = graph.tensor(lstm.intermediates[HIDDEN_INTERMEDIATE])
    hidden.quantization = intermediate.quantization = graph.tensor(lstm.outputs[0]).quantization
    scale = np.asarray(cell.quantization.scale, np.float32)
    cell.quantization.scale = np.maximum(scale, np.float32(FINEST_CELL_SCALE))


def _repair_mask(graph: Graph, comparison: Any) -> None:
    """Replaces a comparison's constant, which int8 may not represent, by the nearest int8 value."""
    for first, second in (comparison.inputs, reversed(comparison.inputs)):
        producer = graph.producer(first)
        value = graph.value(second, np.float32)
        if producer is None or value is None or value.size != 1:
            continue
        if graph.code(producer) != schema.BuiltinOperator.DEQUANTIZE:
            continue
        source = graph.tensor(producer.inputs[0])
        if source.type != schema.TensorType.INT8:
            continue
        scale, zero = float(source.quantization.scale[0]), int(source.quantization.zeroPoint[0])
        number = np.clip(np.round(value / scale) + zero, -128, 127)
        nearest = np.asarray(scale * (number - zero), np.float32).reshape(value.shape)
        shape = graph.tensor(second).shape
        constant = graph.constant(nearest.reshape([int(size) for size in shape]), "mask_value")
        comparison.inputs = np.array(
            [constant if index == second else index for index in comparison.inputs], np.int32
        )


def _repair_reversal(graph: Graph, reverse: Any) -> None:
    """Brings what is reversed to the result's scale, where the converter changed that one alone."""
    source, result = graph.tensor(reverse.inputs[0]), graph.tensor(reverse.outputs[0])
    before, after = source.quantization, result.quantization
    if list(before.scale) == list(after.scale) and list(before.zeroPoint) == list(after.zeroPoint):
        return
    rescaled = graph.add_tensor(source.shape, source.type, "rescaled", source.shapeSignature, after)
    options = schema.QuantizeOptionsT()
    graph.insert(reverse, "QUANTIZE", [reverse.inputs[0]], [rescaled], options)
    reverse.inputs = np.array([rescaled, *reverse.inputs[1:]], np.int32)


def share_constants(model: Any) -> None:
    """Lets constants with the same bytes share one buffer: signatures then share their weights."""
    first: dict[bytes, int] = {}
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            data = model.buffers[tensor.buffer].data
            # Buffer 0 stands for "no data", and an empty buffer may be an operator's to fill.
            if tensor.buffer == 0 or data is None or len(data) == 0 or tensor.isVariable:
                continue
            tensor.buffer = first.setdefault(bytes(data), tensor.buffer)
    used = {tensor.buffer for subgraph in model.subgraphs for tensor in subgraph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def newer_select(model: Any) -> None:
    """Replaces SELECT by SELECT_V2 where its three inputs have one rank, as in `tf.where`."""
    for subgraph in model.subgraphs:
        graph = Graph(model, subgraph)
        for operator in subgraph.operators:
            if graph.code(operator) != schema.BuiltinOperator.SELECT:
                continue
            if len({len(graph.tensor(index).shape) for index in operator.inputs}) == 1:
                graph.change_operator(operator, "SELECT_V2", schema.SelectV2OptionsT())


def short_names(model: Any) -> None:
    """Empties the names of all tensors but variables and the signatures' inputs and outputs."""
    named = {
        (signature.subgraphIndex, item.tensorIndex)
        for signature in model.signatureDefs or []
        for item in (*signature.inputs, *signature.outputs)
    }
    for number, subgraph in enumerate(model.subgraphs):
        for index, tensor in enumerate(subgraph.tensors):
            if (number, index) not in named and not tensor.isVariable:
                tensor.name = b""


def _forget_unused_operators(model: Any) -> None:
    """Removes operators from the file's list that no subgraph uses any more."""
    operators = [operator for subgraph in model.subgraphs for operator in subgraph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for operator in operators:
        operator.opcodeIndex = used.index(operator.opcodeIndex)


def _reset(graph: Graph, lstm: Any, position: int) -> None:
    sequences = graph.tensor(lstm.inputs[0])
    state = graph.tensor(lstm.inputs[position])
    units = int(state.shape[-1])
    zeros = graph.constant(np.zeros((1, units), np.float32), "zero_state")
    state.shape = np.array([int(sequences.shape[0]), units], np.int32)
    graph.remove_producer(lstm.inputs[position])
    rows = zero_for_each_row(graph, lstm, int(lstm.inputs[0]))
    gather = schema.GatherOptionsT()
    if state.type == schema.TensorType.FLOAT32:
        graph.insert(lstm, "GATHER", [zeros, rows], [lstm.inputs[position]], gather)
        return
    # TFLite Micro gathers no int16, which is what the cell state is quantised to.
    filled = graph.add_tensor(state.shape, schema.TensorType.FLOAT32, "zero_states")
    graph.insert(lstm, "GATHER", [zeros, rows], [filled], gather)
    graph.insert(lstm, "QUANTIZE", [filled], [lstm.inputs[position]], schema.QuantizeOptionsT())
