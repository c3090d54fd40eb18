"""An LSTM with coupled input and forget gates (CIFG), with its gradient written out.

Greff et al. 2015, "LSTM: a search space odyssey": the input gate is what the forget gate leaves
over, which saves a quarter of the weights. In the gate order forget, candidate, output:

    f, g, o = sigmoid(z_f), tanh(z_g), sigmoid(z_o),  z = projected + h R
    c' = f c + (1 - f) g
    h' = o tanh(c')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Activations, Cell, Recall, States
from rnn_apps.layers.initializers import ForgetGateBias
from rnn_apps.layers.recurrence.activations import DifferentiableActivation, activation
from rnn_apps.layers.recurrence.cell_layer import CellLayer
from rnn_apps.layers.recurrence.recurrent import FastRecurrence
from rnn_apps.layers.recurrence.steps_with_gradient import StepsWithGradient, Tensors, where_present


@keras.saving.register_keras_serializable(package="rnn_apps")
class CIFGCell(keras.layers.LSTMCell):
    """One time step of a `CIFG` layer; arguments and states are those of `keras.layers.LSTMCell`.

    Weights: `kernel` [features, 3 * units], `recurrent_kernel` [units, 3 * units], `bias`
    [3 * units], in the gate order forget, candidate, output. Of the input and of h the same
    entries are dropped for every gate; `implementation` has no effect.

    Args:
        units: size of each state.
        *arguments: further arguments of `keras.layers.LSTMCell`, by position.
        **options: further arguments of `keras.layers.LSTMCell`.
    """

    def __init__(self, units: int, *arguments: Any, **options: Any) -> None:
        super().__init__(units, *arguments, **options)
        # With recurrent_dropout Keras computes gate by gate, with four masks instead of one.
        self.implementation = 2
        self.dropout_mask_count = None

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        columns = 3 * self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], columns),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, columns),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            initializer = self.bias_initializer
            if self.unit_forget_bias:
                initializer = ForgetGateBias(initializer, gates=3, forget_gate=0)
            self.bias = self.add_weight(
                name="bias",
                shape=(columns,),
                initializer=initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One time step: inputs [batch, features], states h and c [batch, units]."""
        hidden, memory = states
        if training and 0.0 < self.dropout < 1.0:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and 0.0 < self.recurrent_dropout < 1.0:
            hidden = hidden * self.get_recurrent_dropout_mask(hidden)
        read = keras.ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            read = read + self.bias

        def recall(state: Any, gates: slice | None = None) -> Any:
            return keras.ops.matmul(state, self.recurrent_kernel)

        activations = Activations(self.activation, self.recurrent_activation)
        new = cifg_step(read, recall, [hidden, memory], activations)
        return new[0], new


@dataclass(frozen=True)
class CIFGSteps(StepsWithGradient):
    """See `StepsWithGradient`; the states are h and c."""

    units: int
    activation: DifferentiableActivation
    recurrent_activation: DifferentiableActivation
    saved: ClassVar[int] = 4
    collected: ClassVar[int] = 1

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        h, c = states
        z_f, z_g, z_o = tf.split(projected + tf.matmul(h, weights[0]), 3, axis=-1)
        f = self.recurrent_activation.function(z_f)
        g = self.activation.function(z_g)
        o = self.recurrent_activation.function(z_o)
        new_c = g + f * (c - g)
        return [o * self.activation.function(new_c), new_c], [f, g, o, c]

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
        dh, dc = d_states
        f, g, o, c = saved
        squashed = self.activation.function(g + f * (c - g))
        dc += where_present(mask, dh * o * self.activation.derivative(squashed), 0.0)
        dz = tf.concat(
            [
                dc * (c - g) * self.recurrent_activation.derivative(f),
                dc * (1 - f) * self.activation.derivative(g),
                dh * squashed * self.recurrent_activation.derivative(o),
            ],
            axis=-1,
        )
        dz = where_present(mask, dz, 0.0)
        d_before = tf.matmul(dz, weights[0])
        if mask is not None:
            d_before = tf.where(mask, d_before, dh)
        return [d_before, dc * where_present(mask, f, 1.0)], [dz]


@keras.saving.register_keras_serializable(package="rnn_apps")
class CIFG(FastRecurrence, CellLayer):
    """An LSTM with coupled input and forget gates (Greff et al. 2015) over a sequence.

    Arguments are those of `keras.layers.LSTM`; see `FastRecurrence` for one more.
    """

    cell_type = CIFGCell

    def _steps(self) -> StepsWithGradient:
        return CIFGSteps(
            self.units,
            activation(self.cell.activation),
            activation(self.cell.recurrent_activation),
        )


def cifg_step(read: Any, recall: Recall, states: States, activations: Activations) -> States:
    """The new h and c, see the module; a `Step`."""
    hidden, memory = states
    keep, candidate, give = tf.split(read + recall(hidden), 3, axis=-1)
    candidate = activations.candidate(candidate)
    memory = candidate + activations.gate(keep) * (memory - candidate)
    return [activations.gate(give) * activations.candidate(memory), memory]


def cifg_start(
    read: Callable[[tuple[int, ...]], Any], recurrent_bias: Any, activations: Activations
) -> States:
    """The first h and c after zeros; a `Start`."""
    keep, candidate, give = tf.split(read((0, 1, 2)), 3, axis=-1)
    candidate = activations.candidate(candidate)
    memory = candidate - activations.gate(keep) * candidate
    return [activations.gate(give) * activations.candidate(memory), memory]


CIFG_CELL = Cell(
    name="cifg",
    title="CIFG-LSTM",
    gates=3,
    states=("h", "c"),
    layer=CIFG,
    keras_cell=CIFGCell,
    step=cifg_step,
    start=cifg_start,
    forget_gate=0,
)
