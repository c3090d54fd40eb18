"""The steps of an LSTM with its gradient written out.

Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, in Keras' gate order
(input, forget, candidate, output):

    i, f, g, o = sigmoid(z_i), sigmoid(z_f), tanh(z_g), sigmoid(z_o),  z = projected + h R
    c' = f c + i g
    h' = o tanh(c')

Backwards, with the derivatives of the activations had from their values,

    dc' += dh' o tanh'
    dz   = (dc' g i', dc' c f', dc' i g', dh' tanh(c') o')
    dc   = dc' f
    dh   = dz R^T

The gradient of R is one product over all time steps after the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Activations, Cell, NormalisedCell, Recall, States
from rnn_apps.layers.cells.normalised import LayerNormCell, normalised
from rnn_apps.layers.initializers import ChronoLSTMBias
from rnn_apps.layers.recurrence.activations import DifferentiableActivation, activation
from rnn_apps.layers.recurrence.recurrent import FastRecurrence
from rnn_apps.layers.recurrence.steps_with_gradient import StepsWithGradient, Tensors, where_present


@dataclass(frozen=True)
class LSTMSteps(StepsWithGradient):
    """See `StepsWithGradient`; the states are h and c."""

    units: int
    activation: DifferentiableActivation
    recurrent_activation: DifferentiableActivation
    saved: ClassVar[int] = 5
    collected: ClassVar[int] = 1

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        h, c = states
        return self.advance(projected + tf.matmul(h, weights[0]), c)

    def advance(self, z: tf.Tensor, c: tf.Tensor) -> tuple[Tensors, Tensors]:
        """The new states, and what `backward` needs.

        Args:
            z: sum of all products of the gates, [batch, 4 * units].
            c: state c before the step, [batch, units].
        """
        z_i, z_f, z_g, z_o = tf.split(z, 4, axis=-1)
        i = self.recurrent_activation.function(z_i)
        f = self.recurrent_activation.function(z_f)
        g = self.activation.function(z_g)
        o = self.recurrent_activation.function(z_o)
        new_c = f * c + i * g
        new_h = o * self.activation.function(new_c)
        # Put side by side, they would cost a copy of their own in every step.
        return [new_h, new_c], [i, f, g, o, c]

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
        dz, dc = self.gate_gradients(d_states, saved, mask)
        d_before = tf.matmul(dz, weights[0])
        if mask is not None:
            d_before = tf.where(mask, d_before, d_states[0])
        return [d_before, dc], [dz]

    def gate_gradients(
        self, d_states: Tensors, saved: Tensors, mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The gradients with respect to z of `advance` and to the state c before the step.

        Arguments are those of `backward`.
        """
        dh, dc = d_states
        i, f, g, o, c = saved
        squashed = self.activation.function(f * c + i * g)
        dc += where_present(mask, dh * o * self.activation.derivative(squashed), 0.0)
        dz = tf.concat(
            [
                dc * g * self.recurrent_activation.derivative(i),
                dc * c * self.recurrent_activation.derivative(f),
                dc * i * self.activation.derivative(g),
                dh * squashed * self.recurrent_activation.derivative(o),
            ],
            axis=-1,
        )
        return where_present(mask, dz, 0.0), dc * where_present(mask, f, 1.0)


@keras.saving.register_keras_serializable(package="rnn_apps")
class LSTM(FastRecurrence, keras.layers.LSTM):
    """`keras.layers.LSTM` (Hochreiter and Schmidhuber 1997); see `FastRecurrence`."""

    cell_type = keras.layers.LSTMCell

    def _steps(self) -> StepsWithGradient:
        return LSTMSteps(
            self.units,
            activation(self.cell.activation),
            activation(self.cell.recurrent_activation),
        )


def normalised_lstm(
    read: Any,
    recalled: Any,
    states: list[Any],
    vectors: dict[str, Any],
    forget_bias: float = 1.0,
) -> list[Any]:
    """The new h and c of a `LayerNormLSTMCell`; arguments as of `normalised_simple`."""
    summed = normalised(read, vectors["input_gain"])
    summed += normalised(recalled, vectors["recurrent_gain"])
    write, keep, candidate, give = keras.ops.split(summed + vectors["bias"], 4, axis=-1)
    keep = keras.ops.sigmoid(keep + forget_bias)
    memory = keep * states[1] + keras.ops.sigmoid(write) * keras.ops.tanh(candidate)
    shown = keras.ops.tanh(normalised(memory, vectors["memory_gain"]) + vectors["memory_bias"])
    return [keras.ops.sigmoid(give) * shown, memory]


@keras.saving.register_keras_serializable(package="rnn_apps")
class LayerNormLSTMCell(LayerNormCell):
    """An LSTM that normalises W x, U h and the memory c: the paper's equations 20 to 22.

    Gates are in Keras' order: input, forget, candidate, output. The forget gate's bias is 1 more
    than what `bias_initializer` gives, if `unit_forget_bias` (Jozefowicz et al. 2015).

    Args:
        units: size of h and of c.
        unit_forget_bias: True if 1 is added to the forget gate's bias.
        **kwargs: arguments of `LayerNormCell` and of a Keras layer.
    """

    gates = 4

    def __init__(self, units: int, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    @property
    def state_size(self) -> Any:
        """The sizes of h and c."""
        return [self.units, self.units]

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        super().build(input_shape)
        self.input_gain = self.add_gain("input_gain", 4 * self.units)
        self.recurrent_gain = self.add_gain("recurrent_gain", 4 * self.units)
        self.memory_gain = self.add_gain("memory_gain", self.units)
        self.memory_bias = self.add_weight(
            name="memory_bias", shape=(self.units,), initializer="zeros"
        )

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        hidden, memory = states
        read = keras.ops.matmul(inputs, self.kernel)
        recalled = keras.ops.matmul(hidden, self.recurrent_kernel)
        vectors = {
            "bias": self.bias, "input_gain": self.input_gain,
            "recurrent_gain": self.recurrent_gain, "memory_gain": self.memory_gain,
            "memory_bias": self.memory_bias,
        }  # fmt: skip
        new = normalised_lstm(
            read, recalled, [hidden, memory], vectors, 1.0 if self.unit_forget_bias else 0.0
        )
        return new[0], new

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


def lstm_step(read: Any, recall: Recall, states: States, activations: Activations) -> States:
    """The new h and c of an LSTM, see the module; a `Step`."""
    hidden, memory = states
    write, keep, candidate, give = tf.split(read + recall(hidden), 4, axis=-1)
    memory = activations.gate(keep) * memory
    memory += activations.gate(write) * activations.candidate(candidate)
    return [activations.gate(give) * activations.candidate(memory), memory]


def lstm_start(
    read: Callable[[tuple[int, ...]], Any], recurrent_bias: Any, activations: Activations
) -> States:
    """The first h and c after zeros, when there is nothing to forget; a `Start`."""
    write, candidate, give = tf.split(read((0, 2, 3)), 3, axis=-1)
    memory = activations.gate(write) * activations.candidate(candidate)
    return [activations.gate(give) * activations.candidate(memory), memory]


def _long_memory(timesteps: int) -> dict[str, Any]:
    return {"bias_initializer": ChronoLSTMBias(timesteps), "unit_forget_bias": False}


LSTM_CELL = Cell(
    name="lstm",
    title="LSTM",
    gates=4,
    states=("h", "c"),
    layer=LSTM,
    keras_cell=keras.layers.LSTMCell,
    step=lstm_step,
    start=lstm_start,
    keras_layer=keras.layers.LSTM,
    forget_gate=1,
    long_memory=_long_memory,
    normalised=NormalisedCell(
        LayerNormLSTMCell,
        ("bias", "input_gain", "recurrent_gain", "memory_gain", "memory_bias"),
        normalised_lstm,
    ),
)
