"""One timestep of a recurrent layer, split into what can be done for all timesteps at once.

The equations are those of Keras: LSTM after Hochreiter and Schmidhuber (1997) with forget gate,
GRU after Cho et al. (2014) in both readings (`reset_after`), SimpleRNN after Elman (1990).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

States = list[tf.Tensor]


@dataclass(frozen=True)
class CellSteps:
    """A cell as two functions.

    Attributes:
        project: [batch, timesteps, features] -> [batch, timesteps, projected]; everything that
            doesn't depend on the state, computed for all timesteps in one product.
        step: (projected [batch, projected], flat states) -> (output [batch, units], new states).
        output_size: width of `output`.
        output_is_first_state: the output and the first new state are the same tensor.
    """

    project: Callable[[tf.Tensor], tf.Tensor]
    step: Callable[[tf.Tensor, States], tuple[tf.Tensor, States]]
    output_size: int
    output_is_first_state: bool


def kind_of(layer: keras.layers.RNN) -> str:
    """`LSTM`, `GRU` or `SimpleRNN` for a layer on Keras' own cell, else the cell's class name."""
    kinds = {
        keras.layers.LSTMCell: "LSTM",
        keras.layers.GRUCell: "GRU",
        keras.layers.SimpleRNNCell: "SimpleRNN",
    }
    return kinds.get(type(layer.cell), type(layer.cell).__name__)


def cell_steps(layer: keras.layers.RNN) -> CellSteps:
    """The steps of a layer's cell; a cell that isn't one of Keras' own three is called as it is."""
    makers = {"LSTM": _lstm, "GRU": _gru, "SimpleRNN": _simple_rnn}
    maker = makers.get(kind_of(layer), _any_cell)
    return maker(layer.cell)


def _projection(cell: Any, bias: tf.Tensor | None) -> Callable[[tf.Tensor], tf.Tensor]:
    kernel = tf.convert_to_tensor(cell.kernel)

    def project(sequences: tf.Tensor) -> tf.Tensor:
        # ops.matmul keeps the rank: one FULLY_CONNECTED for all timesteps, at any batch and length.
        projected = keras.ops.matmul(sequences, kernel)
        return projected if bias is None else projected + bias

    return project


def _bias(cell: Any) -> tf.Tensor | None:
    return None if cell.bias is None else tf.convert_to_tensor(cell.bias)


def _lstm(cell: Any) -> CellSteps:
    recurrent_kernel = tf.convert_to_tensor(cell.recurrent_kernel)

    def step(projected: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        hidden, carry = states
        gates = projected + tf.matmul(hidden, recurrent_kernel)
        in_gate, forget_gate, candidate, out_gate = tf.split(gates, 4, axis=-1)
        carry = cell.recurrent_activation(forget_gate) * carry + cell.recurrent_activation(
            in_gate
        ) * cell.activation(candidate)
        hidden = cell.recurrent_activation(out_gate) * cell.activation(carry)
        return hidden, [hidden, carry]

    return CellSteps(_projection(cell, _bias(cell)), step, cell.units, True)


def _gru(cell: Any) -> CellSteps:
    units = cell.units
    recurrent_kernel = tf.convert_to_tensor(cell.recurrent_kernel)
    bias = _bias(cell)
    input_bias, recurrent_bias = bias, None
    if bias is not None and cell.reset_after:
        input_bias, recurrent_bias = bias[0], bias[1]
    gate_kernel, candidate_kernel = (
        recurrent_kernel[:, : 2 * units],
        recurrent_kernel[:, 2 * units :],
    )

    def step(projected: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        hidden = states[0]
        if cell.reset_after:
            recurrent = tf.matmul(hidden, recurrent_kernel)
            if recurrent_bias is not None:
                recurrent += recurrent_bias
            gates = projected[:, : 2 * units] + recurrent[:, : 2 * units]
            update, reset = tf.split(cell.recurrent_activation(gates), 2, axis=-1)
            memory = reset * recurrent[:, 2 * units :]
        else:
            gates = projected[:, : 2 * units] + tf.matmul(hidden, gate_kernel)
            update, reset = tf.split(cell.recurrent_activation(gates), 2, axis=-1)
            memory = tf.matmul(reset * hidden, candidate_kernel)
        candidate = cell.activation(projected[:, 2 * units :] + memory)
        hidden = candidate + update * (hidden - candidate)
        return hidden, [hidden]

    return CellSteps(_projection(cell, input_bias), step, units, True)


def _simple_rnn(cell: Any) -> CellSteps:
    recurrent_kernel = tf.convert_to_tensor(cell.recurrent_kernel)

    def step(projected: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        hidden = cell.activation(projected + tf.matmul(states[0], recurrent_kernel))
        return hidden, [hidden]

    return CellSteps(_projection(cell, _bias(cell)), step, cell.units, True)


def _any_cell(cell: Any) -> CellSteps:
    size = getattr(cell, "output_size", None) or keras.tree.flatten(cell.state_size)[0]
    structure = cell.state_size
    nested = isinstance(structure, list | tuple)

    def step(inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        packed = keras.tree.pack_sequence_as(structure, states) if nested else states
        output, new_states = cell(inputs, packed)
        return output, keras.tree.flatten(new_states)

    return CellSteps(lambda sequences: sequences, step, int(size), False)
