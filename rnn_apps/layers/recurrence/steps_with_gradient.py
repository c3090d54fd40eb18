"""One time step of a recurrent cell and its gradient, independent of the loop around them."""

from __future__ import annotations

import abc

import tensorflow as tf

Tensors = list[tf.Tensor]


class StepsWithGradient(abc.ABC):
    """A cell whose input is already projected: x W + b is known for all time steps.

    A cell that changes the input before it multiplies it takes the input itself in place of
    x W + b, and its kernel and bias are among the weights.

    Hashable: equal cells share their compiled loops.
    """

    units: int

    @property
    @abc.abstractmethod
    def saved(self) -> int:
        """Number of tensors that a forward step keeps for the backward one, in addition to h."""

    @abc.abstractmethod
    def forward(
        self, projected: tf.Tensor, weights: Tensors, states: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One time step.

        Args:
            projected: input product x W + b, [batch, gates * units], or the input itself.
            weights: recurrent kernel [units, gates * units], and the cell's further weights.
            states: list of h [batch, units] and the other states.

        Returns:
            The new states, and what `backward` needs.
        """

    @abc.abstractmethod
    def backward(
        self,
        d_states: Tensors,
        before: tf.Tensor,
        after: tf.Tensor,
        saved: Tensors,
        weights: Tensors,
        mask: tf.Tensor | None,
    ) -> tuple[Tensors, Tensors]:
        """The gradient of one time step.

        Args:
            d_states: gradient of the loss with respect to the step's new states.
            before: state h before the step, [batch, units].
            after: state h after the step, [batch, units].
            saved: tensors that `forward` kept.
            weights: weights as for `forward`, but transposed.
            mask: rows that the step changed, bool [batch, 1]; None for all.

        Returns:
            The gradient with respect to the states before, and what `collect_gradients` takes.
        """

    @property
    @abc.abstractmethod
    def collected(self) -> int:
        """Number of tensors that a backward step gives to `collect_gradients`."""

    def collect_gradients(
        self, before: tf.Tensor, collected: Tensors, saved: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """The gradients that no step waits for, of all time steps at once.

        Here those of a cell whose steps collect the gradient with respect to `projected`, and
        whose only weight is the recurrent kernel.

        Args:
            before: state h before every step, [timesteps, batch, units].
            collected: tensors that `backward` gave, each [timesteps, batch, ...].
            saved: tensors that `forward` kept, each [timesteps, batch, ...].

        Returns:
            The gradient with respect to `projected`, and those with respect to the weights.
        """
        (d_projected,) = collected
        return d_projected, [product_over_time(before, d_projected)]


def product_over_time(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The sum over time and batch of the outer products: [T, B, m], [T, B, n] -> [m, n]."""
    left = tf.reshape(left, [-1, left.shape[-1]])
    right = tf.reshape(right, [-1, right.shape[-1]])
    return tf.matmul(left, right, transpose_a=True)


def where_present(mask: tf.Tensor | None, values: tf.Tensor, other: float) -> tf.Tensor:
    """The values where the mask is true, a constant elsewhere."""
    if mask is None:
        return values
    return tf.where(mask, values, tf.constant(other, values.dtype))
