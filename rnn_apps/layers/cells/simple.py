"""The steps of a simple recurrent network (Elman 1990) with its gradient written out.

    h' = tanh(projected + h R)

Backwards dz = dh' tanh' and dh = dz R^T.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Activations, Cell, NormalisedCell, Recall, States
from rnn_apps.layers.cells.normalised import LayerNormCell, normalised
from rnn_apps.layers.recurrence.activations import DifferentiableActivation, activation
from rnn_apps.layers.recurrence.recurrent import FastRecurrence
from rnn_apps.layers.recurrence.steps_with_gradient import StepsWithGradient, Tensors, where_present


@dataclass(frozen=True)
class SimpleSteps(StepsWithGradient):
    """See `StepsWithGradient`; the state is h."""

    units: int
    activation: DifferentiableActivation
    saved: ClassVar[int] = 0
    collected: ClassVar[int] = 1

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        return [self.activation.function(projected + tf.matmul(states[0], weights[0]))], []

    def backward(
        self,
        d_states: Tensors,
        before: tf.Tensor,
        after: tf.Tensor,
        saved: Tensors,
        weights: Tensors,
        mask: tf.Tensor | None,
    ) -> tuple[Tensors, Tensors]:
        """The gradient of one time step."""
        (dh,) = d_states
        dz = where_present(mask, dh * self.activation.derivative(after), 0.0)
        d_before = tf.matmul(dz, weights[0])
        if mask is not None:
            d_before = tf.where(mask, d_before, dh)
        return [d_before], [dz]


@keras.saving.register_keras_serializable(package="rnn_apps")
class SimpleRNN(FastRecurrence, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` (Elman 1990); see `FastRecurrence` for what it takes besides."""

    cell_type = keras.layers.SimpleRNNCell

    def _steps(self) -> StepsWithGradient:
        return SimpleSteps(self.units, activation(self.cell.activation))


def normalised_simple(
    read: Any, recalled: Any, states: list[Any], vectors: dict[str, Any]
) -> list[Any]:
    """The new state of a `LayerNormSimpleRNNCell`.

    Args:
        read: product of the input and the kernel, [batch, units].
        recalled: product of h and the recurrent kernel, [batch, units].
        states: list of the one state h, [batch, units].
        vectors: weights of the cell that are used elementwise, by name.
    """
    return [keras.ops.tanh(normalised(read + recalled, vectors["gain"]) + vectors["bias"])]


@keras.saving.register_keras_serializable(package="rnn_apps")
class LayerNormSimpleRNNCell(LayerNormCell):
    """h = tanh(LN(W x + U h) + b): the paper's equation 4."""

    gates = 1

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        super().build(input_shape)
        self.gain = self.add_gain("gain", self.units)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        read = keras.ops.matmul(inputs, self.kernel)
        recalled = keras.ops.matmul(states[0], self.recurrent_kernel)
        new = normalised_simple(read, recalled, states, {"gain": self.gain, "bias": self.bias})
        return new[0], new


def simple_step(read: Any, recall: Recall, states: States, activations: Activations) -> States:
    """The new state of a simple recurrent network, see the module; a `Step`."""
    return [activations.candidate(read + recall(states[0]))]


def simple_start(
    read: Callable[[tuple[int, ...]], Any], recurrent_bias: Any, activations: Activations
) -> States:
    """The first state after zeros; a `Start`."""
    return [activations.candidate(read((0,)))]


SIMPLE = Cell(
    name="simple",
    title="SimpleRNN",
    gates=1,
    states=("h",),
    layer=SimpleRNN,
    keras_cell=keras.layers.SimpleRNNCell,
    step=simple_step,
    start=simple_start,
    keras_layer=keras.layers.SimpleRNN,
    normalised=NormalisedCell(LayerNormSimpleRNNCell, ("bias", "gain"), normalised_simple),
)
