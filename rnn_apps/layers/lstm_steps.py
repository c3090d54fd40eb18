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

from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from rnn_apps.layers.activations import Activation
from rnn_apps.layers.cell_steps import CellSteps, Tensors, where_present


@dataclass(frozen=True)
class LSTMSteps(CellSteps):
    """See `CellSteps`; the states are h and c."""

    units: int
    activation: Activation
    recurrent_activation: Activation
    saved: ClassVar[int] = 5
    collected: ClassVar[int] = 1

    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step."""
        h, c = states
        z_i, z_f, z_g, z_o = tf.split(projected + tf.matmul(h, weights[0]), 4, axis=-1)
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
        dz = where_present(mask, dz, 0.0)
        d_before = tf.matmul(dz, weights[0])
        if mask is not None:
            d_before = tf.where(mask, d_before, dh)
        return [d_before, dc * where_present(mask, f, 1.0)], [dz]
