"""The steps of a simple recurrent network (Elman 1990) with its gradient written out.

    h' = tanh(projected + h R)

Backwards dz = dh' tanh' and dh = dz R^T.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from rnn_apps.layers.activations import Activation
from rnn_apps.layers.cell_steps import CellSteps, Tensors, where_present


@dataclass(frozen=True)
class SimpleSteps(CellSteps):
    """See `CellSteps`; the state is h."""

    units: int
    activation: Activation
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
