"""The steps of a GRU (Cho et al. 2014) with its gradient written out, in both of Keras' readings.

In Keras' gate order (update, reset, candidate), the reset gate after the product (`reset_after`,
as cuDNN has it):

    z, r = sigmoid(x_z + h R_z), sigmoid(x_r + h R_r)
    n = h R_n + b_n
    g = tanh(x_g + r n)
    h' = z h + (1 - z) g

With the reset gate before the product, g = tanh(x_g + (r h) R_n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Activations, Cell, NormalisedCell, Recall, States, Step
from rnn_apps.layers.cells.normalised import LayerNormCell, normalised
from rnn_apps.layers.initializers import ChronoGRUBias
from rnn_apps.layers.recurrence.activations import DifferentiableActivation, activation
from rnn_apps.layers.recurrence.recurrent import FastRecurrence
from rnn_apps.layers.recurrence.steps_with_gradient import (
    StepsWithGradient,
    Tensors,
    product_over_time,
    where_present,
)


@dataclass(frozen=True)
class ResetAfterSteps(StepsWithGradient):
    """See `StepsWithGradient`; the state is h, the weights are R and b_n [units].

    The biases of the gates, also the recurrent ones, are in `projected`.
    """

    units: int
    activation: DifferentiableActivation
    recurrent_activation: DifferentiableActivation
    saved: ClassVar[int] = 4
    collected: ClassVar[int] = 2

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        h, kernel, bias = states[0], *weights
        x_z, x_r, x_g = tf.split(projected, 3, axis=-1)
        h_z, h_r, n = tf.split(tf.matmul(h, kernel), 3, axis=-1)
        z = self.recurrent_activation.function(x_z + h_z)
        r = self.recurrent_activation.function(x_r + h_r)
        n += bias
        g = self.activation.function(x_g + r * n)
        # Put side by side, they would cost a copy of their own in every step.
        return [z * h + (1 - z) * g], [z, r, n, g]

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
        z, r, n, g = saved
        dg = where_present(mask, dh * (1 - z) * self.activation.derivative(g), 0.0)
        dz = dh * (before - g) * self.recurrent_activation.derivative(z)
        dr = dg * n * self.recurrent_activation.derivative(r)
        d_product = tf.concat([where_present(mask, dz, 0.0), dr, dg * r], axis=-1)
        d_before = dh * where_present(mask, z, 1.0) + tf.matmul(d_product, weights[0])
        return [d_before], [d_product, dg]

    def collect_gradients(
        self, before: tf.Tensor, collected: Tensors, saved: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """The gradients that no step waits for."""
        d_product, dg = collected
        d_gates, dn = tf.split(d_product, [2 * self.units, self.units], axis=-1)
        d_projected = tf.concat([d_gates, dg], axis=-1)
        return d_projected, [product_over_time(before, d_product), tf.reduce_sum(dn, axis=[0, 1])]


@dataclass(frozen=True)
class ResetBeforeSteps(StepsWithGradient):
    """See `StepsWithGradient`; the state is h, the weights are R_zr [units, 2 units] and R_n."""

    units: int
    activation: DifferentiableActivation
    recurrent_activation: DifferentiableActivation
    saved: ClassVar[int] = 3
    collected: ClassVar[int] = 1

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        h = states[0]
        x_gates, x_g = tf.split(projected, [2 * self.units, self.units], axis=-1)
        gates = self.recurrent_activation.function(x_gates + tf.matmul(h, weights[0]))
        z, r = tf.split(gates, 2, axis=-1)
        g = self.activation.function(x_g + tf.matmul(r * h, weights[1]))
        return [z * h + (1 - z) * g], [z, r, g]

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
        z, r, g = saved
        dg = where_present(mask, dh * (1 - z) * self.activation.derivative(g), 0.0)
        d_reset = tf.matmul(dg, weights[1])
        dz = dh * (before - g) * self.recurrent_activation.derivative(z)
        dr = d_reset * before * self.recurrent_activation.derivative(r)
        d_gates = where_present(mask, tf.concat([dz, dr], axis=-1), 0.0)
        d_before = dh * where_present(mask, z, 1.0) + tf.matmul(d_gates, weights[0])
        d_before += where_present(mask, d_reset * r, 0.0)
        return [d_before], [tf.concat([d_gates, dg], axis=-1)]

    def collect_gradients(
        self, before: tf.Tensor, collected: Tensors, saved: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """The gradients that no step waits for."""
        d_gates, dg = tf.split(collected[0], [2 * self.units, self.units], axis=-1)
        of_kernels = [product_over_time(before, d_gates), product_over_time(saved[1] * before, dg)]
        return collected[0], of_kernels


@keras.saving.register_keras_serializable(package="rnn_apps")
class GRU(FastRecurrence, keras.layers.GRU):
    """`keras.layers.GRU` (Cho et al. 2014); see `FastRecurrence`."""

    cell_type = keras.layers.GRUCell

    def _steps(self) -> StepsWithGradient:
        steps = ResetAfterSteps if self.reset_after else ResetBeforeSteps
        return steps(
            self.units,
            activation(self.cell.activation),
            activation(self.cell.recurrent_activation),
        )

    def _weights(self) -> tuple[tf.Tensor | None, list[tf.Tensor]]:
        bias = self._weight("bias") if self.use_bias else None
        kernel = self._weight("recurrent_kernel")
        of_gates = 2 * self.units
        if not self.reset_after:
            return bias, [kernel[:, :of_gates], kernel[:, of_gates:]]
        if bias is None:
            return None, [kernel, tf.zeros([self.units], kernel.dtype)]
        # Both biases of a gate are added up before the loop, but not the candidate's: its second
        # one is multiplied with the reset gate.
        gates = bias[0, :of_gates] + bias[1, :of_gates]
        return tf.concat([gates, bias[0, of_gates:]], axis=0), [kernel, bias[1, of_gates:]]


def normalised_gru(
    read: Any, recalled: Any, states: list[Any], vectors: dict[str, Any]
) -> list[Any]:
    """The new state of a `LayerNormGRUCell`; arguments as of `normalised_simple`."""
    hidden, bias = states[0], vectors["bias"]
    gates = 2 * hidden.shape[-1]
    summed = normalised(read[:, :gates], vectors["input_gate_gain"])
    summed += normalised(recalled[:, :gates], vectors["recurrent_gate_gain"]) + bias[:gates]
    update, reset = keras.ops.split(keras.ops.sigmoid(summed), 2, axis=-1)
    candidate = keras.ops.tanh(
        normalised(read[:, gates:], vectors["input_gain"])
        + bias[gates:]
        + reset * normalised(recalled[:, gates:], vectors["recurrent_gain"])
    )
    return [update * hidden + (1.0 - update) * candidate]


@keras.saving.register_keras_serializable(package="rnn_apps")
class LayerNormGRUCell(LayerNormCell):
    """A GRU that normalises W x and U h, the candidate's apart from the gates' (supplement, S4).

    Gates are in Keras' order: update, reset, candidate; h = z * h + (1 - z) * candidate.
    """

    gates = 3

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        super().build(input_shape)
        self.input_gate_gain = self.add_gain("input_gate_gain", 2 * self.units)
        self.recurrent_gate_gain = self.add_gain("recurrent_gate_gain", 2 * self.units)
        self.input_gain = self.add_gain("input_gain", self.units)
        self.recurrent_gain = self.add_gain("recurrent_gain", self.units)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        read = keras.ops.matmul(inputs, self.kernel)
        recalled = keras.ops.matmul(states[0], self.recurrent_kernel)
        vectors = {
            "bias": self.bias, "input_gate_gain": self.input_gate_gain,
            "recurrent_gate_gain": self.recurrent_gate_gain, "input_gain": self.input_gain,
            "recurrent_gain": self.recurrent_gain,
        }  # fmt: skip
        new = normalised_gru(read, recalled, states, vectors)
        return new[0], new


def gru_step(read: Any, recall: Recall, states: States, activations: Activations) -> States:
    """The new state of a GRU with its reset gate after the product; a `Step`."""
    hidden = states[0]
    update, reset, candidate = tf.split(read, 3, axis=-1)
    to_update, to_reset, to_candidate = tf.split(recall(hidden), 3, axis=-1)
    reset = activations.gate(reset + to_reset)
    return _updated(hidden, update + to_update, candidate + reset * to_candidate, activations)


def reset_before_step(
    read: Any, recall: Recall, states: States, activations: Activations
) -> States:
    """As `gru_step`, with the reset gate before the product."""
    hidden = states[0]
    update, reset, candidate = tf.split(read, 3, axis=-1)
    to_update, to_reset = tf.split(recall(hidden, slice(0, 2)), 2, axis=-1)
    reset = activations.gate(reset + to_reset)
    candidate += recall(reset * hidden, slice(2, 3))
    return _updated(hidden, update + to_update, candidate, activations)


def _updated(hidden: Any, update: Any, candidate: Any, activations: Activations) -> States:
    """z h + (1 - z) g, written with one product less."""
    candidate = activations.candidate(candidate)
    return [candidate + activations.gate(update) * (hidden - candidate)]


def gru_start(
    read: Callable[[tuple[int, ...]], Any], recurrent_bias: Any, activations: Activations
) -> States:
    """The first state after zeros; a `Start`."""
    if recurrent_bias is None:
        update, candidate = tf.split(read((0, 2)), 2, axis=-1)
    else:
        update, reset, candidate = tf.split(read((0, 1, 2)), 3, axis=-1)
        to_update, to_reset, to_candidate = tf.split(recurrent_bias, 3, axis=-1)
        update += to_update
        candidate += activations.gate(reset + to_reset) * to_candidate
    candidate = activations.candidate(candidate)
    return [candidate - activations.gate(update) * candidate]


def _biases(keras_cell: Any) -> tuple[Any, Any]:
    """Keras keeps both biases of a cell with `reset_after` as the rows of one weight."""
    bias = keras_cell.bias
    if bias is None or not keras_cell.reset_after:
        return bias, None
    return bias[0], bias[1]


def _variant(keras_cell: Any) -> Step:
    return gru_step if keras_cell.reset_after else reset_before_step


def _long_memory(timesteps: int) -> dict[str, Any]:
    return {"bias_initializer": ChronoGRUBias(timesteps)}


GRU_CELL = Cell(
    name="gru",
    title="GRU",
    gates=3,
    states=("h",),
    layer=GRU,
    keras_cell=keras.layers.GRUCell,
    step=gru_step,
    start=gru_start,
    keras_layer=keras.layers.GRU,
    biases=_biases,
    variant=_variant,
    long_memory=_long_memory,
    normalised=NormalisedCell(
        LayerNormGRUCell,
        ("bias", "input_gate_gain", "recurrent_gate_gain", "input_gain", "recurrent_gain"),
        normalised_gru,
    ),
)
