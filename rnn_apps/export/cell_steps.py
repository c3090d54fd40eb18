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
        project: [..., features] -> [..., projected]; everything that doesn't depend on the state,
            computed for many timesteps in one product.
        step: (projected [batch, projected], flat states) -> (output [batch, units], new states).
        output_size: width of `output`.
        output_is_first_state: the output and the first new state are the same tensor.
        start: features [batch, features] -> (output, new states), from states of zeros: without
            the products and gates that zeros cancel. None for a cell that isn't known.
    """

    project: Callable[[tf.Tensor], tf.Tensor]
    step: Callable[[tf.Tensor, States], tuple[tf.Tensor, States]]
    output_size: int
    output_is_first_state: bool
    start: Callable[[tf.Tensor], tuple[tf.Tensor, States]] | None = None


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

    def start(features: tf.Tensor) -> tuple[tf.Tensor, States]:
        # Without a state there is nothing to forget.
        projected = _columns(cell, features, _bias(cell), (0, 2, 3), 4)
        in_gate, candidate, out_gate = tf.split(projected, 3, axis=-1)
        carry = cell.recurrent_activation(in_gate) * cell.activation(candidate)
        hidden = cell.recurrent_activation(out_gate) * cell.activation(carry)
        return hidden, [hidden, carry]

    return CellSteps(_projection(cell, _bias(cell)), step, cell.units, True, start)


def _columns(
    cell: Any, features: tf.Tensor, bias: tf.Tensor | None, gates: tuple[int, ...], count: int
) -> tf.Tensor:
    """The projection of some of a cell's `count` gates, side by side."""

    def chosen(weights: tf.Tensor) -> tf.Tensor:
        parts = tf.split(weights, count, axis=-1)
        return tf.concat([parts[gate] for gate in gates], axis=-1)

    projected = tf.matmul(features, chosen(tf.convert_to_tensor(cell.kernel)))
    return projected if bias is None else projected + chosen(bias)


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
        update, reset, candidate = tf.split(projected, 3, axis=-1)
        if cell.reset_after:
            recurrent = tf.matmul(hidden, recurrent_kernel)
            if recurrent_bias is not None:
                recurrent += recurrent_bias
            to_update, to_reset, memory = tf.split(recurrent, 3, axis=-1)
            memory = cell.recurrent_activation(reset + to_reset) * memory
        else:
            to_update, to_reset = tf.split(tf.matmul(hidden, gate_kernel), 2, axis=-1)
            reset = cell.recurrent_activation(reset + to_reset)
            memory = tf.matmul(reset * hidden, candidate_kernel)
        update = cell.recurrent_activation(update + to_update)
        candidate = cell.activation(candidate + memory)
        hidden = candidate + update * (hidden - candidate)
        return hidden, [hidden]

    def start(features: tf.Tensor) -> tuple[tf.Tensor, States]:
        if recurrent_bias is None:
            projected = _columns(cell, features, input_bias, (0, 2), 3)
            update, candidate = tf.split(projected, 2, axis=-1)
        else:
            projected = _columns(cell, features, input_bias, (0, 1, 2), 3)
            update, reset, candidate = tf.split(projected, 3, axis=-1)
            to_update, to_reset, memory = tf.split(recurrent_bias, 3, axis=-1)
            update += to_update
            candidate += cell.recurrent_activation(reset + to_reset) * memory
        candidate = cell.activation(candidate)
        hidden = candidate - cell.recurrent_activation(update) * candidate
        return hidden, [hidden]

    return CellSteps(_projection(cell, input_bias), step, units, True, start)


def _simple_rnn(cell: Any) -> CellSteps:
    recurrent_kernel = tf.convert_to_tensor(cell.recurrent_kernel)

    def step(projected: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        hidden = cell.activation(projected + tf.matmul(states[0], recurrent_kernel))
        return hidden, [hidden]

    def start(features: tf.Tensor) -> tuple[tf.Tensor, States]:
        hidden = cell.activation(_columns(cell, features, _bias(cell), (0,), 1))
        return hidden, [hidden]

    return CellSteps(_projection(cell, _bias(cell)), step, cell.units, True, start)


def _any_cell(cell: Any) -> CellSteps:
    size = getattr(cell, "output_size", None) or keras.tree.flatten(cell.state_size)[0]
    structure = cell.state_size
    nested = isinstance(structure, list | tuple)

    def step(inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        packed = keras.tree.pack_sequence_as(structure, states) if nested else states
        output, new_states = cell(inputs, packed)
        return output, keras.tree.flatten(new_states)

    return CellSteps(lambda sequences: sequences, step, int(size), False)
