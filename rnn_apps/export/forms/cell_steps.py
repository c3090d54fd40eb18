"""One timestep of a recurrent layer, split into what can be done for all timesteps at once.

The equations are the registered cells' own, see `rnn_apps.layers.cells`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Activations, Cell
from rnn_apps.layers.cells.registry import cell_of

States = list[tf.Tensor]


@dataclass(frozen=True)
class CellSteps:
    """A cell as two functions.

    Attributes:
        project: [..., features] -> [..., projected]; everything that doesn't depend on the state,
            computed for many timesteps in one product.
        step: (projected [batch, projected], flat states) -> (output [batch, units], new states).
        output_size: width of `output`.
        output_is_first_state: true if the output and the first new state are the same tensor.
        start: features [batch, features] -> (output, new states), from states of zeros: without
            the products and gates that zeros cancel. None for a cell that isn't known.
    """

    project: Callable[[tf.Tensor], tf.Tensor]
    step: Callable[[tf.Tensor, States], tuple[tf.Tensor, States]]
    output_size: int
    output_is_first_state: bool
    start: Callable[[tf.Tensor], tuple[tf.Tensor, States]] | None = None


def kind_of(layer: keras.layers.RNN) -> str:
    """The title of a layer's cell, such as `LSTM`, if it is a registered one; else its class."""
    cell = cell_of(layer.cell)
    return type(layer.cell).__name__ if cell is None else cell.title


def cell_steps(layer: keras.layers.RNN) -> CellSteps:
    """The steps of a layer's cell; a cell that is not registered is called as it is."""
    cell = cell_of(layer.cell)
    return _any_cell(layer.cell) if cell is None else _registered(cell, layer.cell)


def _registered(cell: Cell, own: Any) -> CellSteps:
    kernel = tf.convert_to_tensor(own.kernel)
    recurrent_kernel = tf.convert_to_tensor(own.recurrent_kernel) if cell.recurrent else None
    input_bias, recurrent_bias = (
        None if bias is None else tf.convert_to_tensor(bias) for bias in cell.biases(own)
    )
    activations = Activations(
        getattr(own, "activation", cell.activations.candidate),
        getattr(own, "recurrent_activation", cell.activations.gate),
    )
    advance = cell.step_of(own)

    def project(sequences: tf.Tensor) -> tf.Tensor:
        if cell.reads_inputs:
            return sequences
        # ops.matmul keeps the rank: one FULLY_CONNECTED for all timesteps, at any batch and length.
        projected = keras.ops.matmul(sequences, kernel)
        return projected if input_bias is None else projected + input_bias

    def recall(state: tf.Tensor, gates: slice | None = None) -> tf.Tensor:
        columns = gates or slice(0, cell.gates)
        at = slice(columns.start * own.units, columns.stop * own.units)
        assert recurrent_kernel is not None
        whole = gates is None
        product = tf.matmul(state, recurrent_kernel if whole else recurrent_kernel[:, at])
        if recurrent_bias is None:
            return product
        return product + (recurrent_bias if whole else recurrent_bias[at])

    def step(projected: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        new = advance(projected, recall, states, activations)
        return new[0], new

    def start(features: tf.Tensor) -> tuple[tf.Tensor, States]:
        def read(gates: tuple[int, ...]) -> tf.Tensor:
            projected = tf.matmul(features, _of_gates(kernel, gates, cell.gates))
            if input_bias is None:
                return projected
            return projected + _of_gates(input_bias, gates, cell.gates)

        new = cell.start(read, recurrent_bias, activations)
        return new[0], new

    return CellSteps(project, step, own.units, True, start)


def _of_gates(weights: tf.Tensor, gates: tuple[int, ...], count: int) -> tf.Tensor:
    """The columns of some of a cell's `count` gates, side by side."""
    if gates == tuple(range(count)):
        return weights
    parts = tf.split(weights, count, axis=-1)
    return tf.concat([parts[gate] for gate in gates], axis=-1)


def _any_cell(cell: Any) -> CellSteps:
    size = getattr(cell, "output_size", None) or keras.tree.flatten(cell.state_size)[0]
    structure = cell.state_size
    nested = isinstance(structure, list | tuple)

    def step(inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        packed = keras.tree.pack_sequence_as(structure, states) if nested else states
        output, new_states = cell(inputs, packed)
        return output, keras.tree.flatten(new_states)

    return CellSteps(lambda sequences: sequences, step, int(size), False)
