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

from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from rnn_apps.layers.activations import Activation
from rnn_apps.layers.cell_steps import CellSteps, Tensors, product_over_time, where_present


@dataclass(frozen=True)
class ResetAfterSteps(CellSteps):
    """See `CellSteps`; the state is h, the weights are R and b_n [units].

    The biases of the gates, also the recurrent ones, are in `projected`.
    """

    units: int
    activation: Activation
    recurrent_activation: Activation
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
class ResetBeforeSteps(CellSteps):
    """See `CellSteps`; the state is h, the weights are R_zr [units, 2 units] and R_n."""

    units: int
    activation: Activation
    recurrent_activation: Activation
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
