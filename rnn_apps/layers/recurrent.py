"""Keras' recurrent layers with a faster loop over time on a CPU.

They are subclasses of Keras' layers: arguments, weights, states, masks and results are Keras'.
Only `inner_loop`, which Keras' `call` runs between taking up the initial state and handing out
what was asked for, is another one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.activations import activation
from rnn_apps.layers.gru_recurrence import (
    gru_reset_after_recurrence,
    gru_reset_before_recurrence,
)
from rnn_apps.layers.lstm_recurrence import lstm_recurrence
from rnn_apps.layers.paths import describe_path
from rnn_apps.layers.simple_recurrence import simple_recurrence


class FastRecurrence(keras.layers.RNN):
    """What the three layers have in common; the subclass gives `_recur`.

    Args:
        recurrent_weight_dropout: part of the recurrent kernel's entries that are dropped in
            training, the same at all time steps of a call (DropConnect on the hidden-to-hidden
            weights: Merity, Keskar and Socher 2017, "Regularizing and optimizing LSTM language
            models", section 2). The others are scaled up, so that the mean stays.

    Raises:
        ValueError: the part is not in [0, 1).
    """

    def __init__(
        self, units: int, *arguments: Any, recurrent_weight_dropout: float = 0.0, **options: Any
    ) -> None:
        if not 0.0 <= recurrent_weight_dropout < 1.0:
            raise ValueError(
                f"recurrent_weight_dropout = {recurrent_weight_dropout} must be in [0, 1)"
            )
        super().__init__(units, *arguments, **options)
        self.recurrent_weight_dropout = recurrent_weight_dropout
        if recurrent_weight_dropout:
            self.weight_seed_generator = keras.random.SeedGenerator(self.cell.seed)

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """All time steps, as Keras' own method of this name.

        Args:
            sequences: [batch, timesteps, features].
            initial_state: each [batch, units].
            mask: bool [batch, timesteps] or None.

        Returns:
            The last output [batch, units], all outputs [batch, timesteps, units] (only the last,
            if not `return_sequences`), and the final states.
        """
        with self._dropped_weights(training):
            if not describe_path(self).fast:
                return super().inner_loop(sequences, initial_state, mask=mask, training=training)
            states = keras.tree.flatten(initial_state)
            mask = mask[0] if isinstance(mask, list | tuple) else mask
            return self._fast_loop(tf.convert_to_tensor(sequences), states, mask, training)

    def _fast_loop(
        self, sequences: tf.Tensor, states: list[tf.Tensor], mask: Any, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        if training and self.cell.dropout:
            # The mask that Keras' `call` has drawn before: one for all time steps.
            sequences = sequences * self.cell.get_dropout_mask(sequences[:, 0])[:, None]
        sequences = tf.transpose(sequences, [1, 0, 2])
        if mask is not None:
            mask = tf.transpose(tf.cast(mask, tf.bool))[..., None]
        if self.go_backwards:
            sequences = tf.reverse(sequences, [0])
            mask = None if mask is None else tf.reverse(mask, [0])
        states = [tf.ensure_shape(state, [None, self.cell.units]) for state in states]
        hiddens, states = self._recur(sequences, states, mask)
        outputs = hiddens if mask is None else self._masked_outputs(hiddens, mask)
        if not self.return_sequences:
            last = states[0] if mask is None else outputs[-1]
            return last, last[:, None], states
        return outputs[-1], tf.transpose(outputs, [1, 0, 2]), states

    def _masked_outputs(self, hiddens: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """What Keras gives out at masked steps: the output before, which at first is zero."""
        if self.zero_output_for_mask:
            given = mask
        else:
            given = tf.cumsum(tf.cast(mask, tf.int32), axis=0) > 0
        return tf.where(given, hiddens, tf.zeros_like(hiddens))

    def _recur(
        self, sequences: tf.Tensor, states: list[tf.Tensor], mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Time-major sequences to h after every step, and the final states."""
        raise NotImplementedError

    def _weight(self, name: str) -> tf.Tensor:
        return tf.cast(keras.ops.convert_to_tensor(getattr(self.cell, name)), self.compute_dtype)

    def _project(self, sequences: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        """The input of all time steps times the kernel, as one product."""
        sequences = tf.cast(sequences, self.compute_dtype)
        kernel = self._weight("kernel")
        shape = tf.shape(sequences)
        flat = tf.matmul(tf.reshape(sequences, [-1, kernel.shape[0]]), kernel)
        if bias is not None:
            flat = tf.nn.bias_add(flat, bias)
        return tf.reshape(flat, [shape[0], shape[1], kernel.shape[1]])

    @contextlib.contextmanager
    def _dropped_weights(self, training: bool) -> Iterator[None]:
        """Inside, the cell's recurrent kernel has holes, if this is training."""
        rate = self.recurrent_weight_dropout
        if not (training and rate):
            yield
            return
        kernel = keras.ops.convert_to_tensor(self.cell.recurrent_kernel)
        dropped = keras.random.dropout(kernel, rate, seed=self.weight_seed_generator)
        # The instance's own dictionary: Keras' attribute tracking has no business with this.
        attributes: dict[str, Any] = self.cell.__dict__
        whole = attributes["recurrent_kernel"]
        attributes["recurrent_kernel"] = dropped
        try:
            yield
        finally:
            attributes["recurrent_kernel"] = whole

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; those of Keras' layer alone, if no more are in use."""
        config = super().get_config()
        if self.recurrent_weight_dropout:
            config["recurrent_weight_dropout"] = self.recurrent_weight_dropout
        return config


@keras.saving.register_keras_serializable(package="rnn_apps")
class SimpleRNN(FastRecurrence, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` (Elman 1990); see `FastRecurrence` for what it takes besides."""

    def _recur(
        self, sequences: tf.Tensor, states: list[tf.Tensor], mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        projected = self._project(sequences, self._weight("bias") if self.use_bias else None)
        hiddens, last = simple_recurrence(
            projected,
            self._weight("recurrent_kernel"),
            states[0],
            mask,
            activation(self.cell.activation),
        )
        return hiddens, [last]


@keras.saving.register_keras_serializable(package="rnn_apps")
class LSTM(FastRecurrence, keras.layers.LSTM):
    """`keras.layers.LSTM` (Hochreiter and Schmidhuber 1997); see `FastRecurrence`."""

    def _recur(
        self, sequences: tf.Tensor, states: list[tf.Tensor], mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        projected = self._project(sequences, self._weight("bias") if self.use_bias else None)
        hidden, carry = states
        hiddens, *last = lstm_recurrence(
            projected,
            self._weight("recurrent_kernel"),
            hidden,
            carry,
            mask,
            activation(self.cell.activation),
            activation(self.cell.recurrent_activation),
        )
        return hiddens, last


@keras.saving.register_keras_serializable(package="rnn_apps")
class GRU(FastRecurrence, keras.layers.GRU):
    """`keras.layers.GRU` (Cho et al. 2014); see `FastRecurrence`."""

    def _recur(
        self, sequences: tf.Tensor, states: list[tf.Tensor], mask: tf.Tensor | None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        activations = (
            activation(self.cell.activation),
            activation(self.cell.recurrent_activation),
        )
        bias = self._weight("bias") if self.use_bias else None
        kernel = self._weight("recurrent_kernel")
        if not self.reset_after:
            projected = self._project(sequences, bias)
            hiddens, last = gru_reset_before_recurrence(
                projected, kernel, states[0], mask, *activations
            )
            return hiddens, [last]
        candidate_bias = tf.zeros([self.units], self.compute_dtype)
        if bias is not None:
            # Both biases of a gate are added up before the loop, but not the candidate's: its
            # second one is multiplied with the reset gate.
            gates = bias[0, : 2 * self.units] + bias[1, : 2 * self.units]
            candidate_bias = bias[1, 2 * self.units :]
            bias = tf.concat([gates, bias[0, 2 * self.units :]], axis=0)
        projected = self._project(sequences, bias)
        hiddens, last = gru_reset_after_recurrence(
            projected, kernel, candidate_bias, states[0], mask, *activations
        )
        return hiddens, [last]
