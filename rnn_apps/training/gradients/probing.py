"""Recurrent layers with a zero added to the hidden state of every step."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import keras
import tensorflow as tf


@dataclass
class ProbedCall:
    """The zeros that were added to the hidden states of one cell in one call of its layer.

    Args:
        order: place of the call among all probed calls.
        cell: place of the cell in its layer, from 0.
        zeros: addends of the hidden states, float32 [batch, timesteps, units].
        mask: time steps to compute, bool [batch, timesteps]; None for all.
    """

    order: int
    cell: int
    zeros: tf.Tensor
    mask: Any

    def mean_norms(self, gradient: tf.Tensor) -> tf.Tensor:
        """The mean norm of dLoss/dh_t over the batch, float32 [timesteps].

        The loss is a mean over the batch, so that one example's loss has a gradient as many times
        larger as the batch has examples. The squares are taken in float64: those of a gradient
        that has all but vanished are below what float32 holds.
        """
        gradient = tf.cast(gradient, tf.float64) * tf.cast(tf.shape(gradient)[0], tf.float64)
        norms = tf.norm(gradient, axis=-1)
        if self.mask is None:
            return tf.cast(tf.reduce_mean(norms, axis=0), tf.float32)
        present = tf.cast(self.mask, tf.float64)
        mean = tf.math.divide_no_nan(
            tf.reduce_sum(norms * present, axis=0), tf.reduce_sum(present, axis=0)
        )
        return tf.cast(mean, tf.float32)


class _ProbingCell(keras.layers.Layer):
    """Cells, one on the other, whose input is followed by what is added to their hidden states."""

    def __init__(self, cells: Sequence[Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.cells_probed = list(cells)
        self.state_size = [size for cell in cells for size in _as_list(cell.state_size)]
        self.output_size = _units(cells[-1])
        self.built = True

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """The states of all cells in one list."""
        states = [cell.get_initial_state(batch_size=batch_size) for cell in self.cells_probed]
        return [state for of_cell in states for state in _as_list(of_cell)]

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """One time step."""
        units = [_units(cell) for cell in self.cells_probed]
        outputs, *added = tf.split(inputs, [inputs.shape[-1] - sum(units), *units], axis=-1)
        rest, all_new = list(states), []
        for cell, addend in zip(self.cells_probed, added, strict=True):
            count = len(_as_list(cell.state_size))
            old, rest = rest[:count], rest[count:]
            options = {"training": training} if _takes_training(cell) else {}
            outputs, new = cell(outputs, old, **options)
            new = _as_list(new)
            # A cell's output and its first state are the same h: both change alike.
            outputs = outputs + addend
            all_new += [new[0] + addend, *new[1:]]
        return outputs, all_new


class ProbedLayer:
    """A context in which a layer records its calls and adds zeros to its hidden states.

    Args:
        layer: built recurrent layer.
        tape: gradient tape that watches the zeros.
        counter: counter of the calls of all layers, by which they are put in order.
    """

    def __init__(
        self, layer: keras.layers.RNN, tape: tf.GradientTape, counter: Iterator[int]
    ) -> None:
        self.name = layer.name
        self.calls: list[ProbedCall] = []
        self._layer = layer
        self._cells = list(getattr(layer.cell, "cells", [layer.cell]))
        self._tape = tape
        self._counter = counter

    def label(self, call: ProbedCall) -> str:
        """The layer's name; with the cell's number, if it has several."""
        return self.name if len(self._cells) == 1 else f"{self.name}, cell {call.cell + 1}"

    def __enter__(self) -> ProbedLayer:
        # An attribute of the instance hides the method of its class until it is deleted.
        self._layer.call = self._call
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._layer.call

    def _call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        layer = self._layer
        if initial_state is None and layer.stateful:
            initial_state = layer.states
        if initial_state is not None:
            initial_state = tf.nest.flatten(initial_state)
        probing = keras.layers.RNN(
            _ProbingCell(self._cells, dtype=layer.dtype_policy),
            return_sequences=layer.return_sequences,
            return_state=layer.return_state,
            go_backwards=layer.go_backwards,
            zero_output_for_mask=layer.zero_output_for_mask,
            dtype=layer.dtype_policy,
        )
        extended = tf.concat([sequences, *self._zeros(sequences, mask)], axis=-1)
        found = probing(extended, initial_state=initial_state, mask=mask, training=training)
        if not layer.return_state or not hasattr(layer.cell, "cells"):
            return found
        # The states of stacked cells are one structure for each cell.
        structure = [cell.state_size for cell in self._cells]
        return [found[0], *tf.nest.pack_sequence_as(structure, list(found[1:]))]

    def _zeros(self, sequences: Any, mask: Any) -> list[tf.Tensor]:
        order = next(self._counter)
        added = []
        for index, cell in enumerate(self._cells):
            zeros = tf.zeros([tf.shape(sequences)[0], tf.shape(sequences)[1], _units(cell)])
            self._tape.watch(zeros)
            self.calls.append(ProbedCall(order, index, zeros, mask))
            added.append(tf.cast(zeros, sequences.dtype))
        return added


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _units(cell: Any) -> int:
    return int(_as_list(cell.state_size)[0])


def _takes_training(cell: Any) -> bool:
    return "training" in inspect.signature(cell.call).parameters
