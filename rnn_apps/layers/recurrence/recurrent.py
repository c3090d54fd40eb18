"""Keras' recurrent layers with a faster loop over time on a CPU.

They are subclasses of Keras' layers: arguments, weights, states, masks and results are Keras'.
Only `inner_loop`, which Keras' `call` runs between taking up the initial state and handing out
what was asked for, is another one, and that only in training.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rnn_apps.layers.recurrence.compiled_loop import run_recurrence
from rnn_apps.layers.recurrence.paths import Path, why_not_fast
from rnn_apps.layers.recurrence.steps_with_gradient import StepsWithGradient

_SMALLEST_SPLIT_BATCH = 16


class FastRecurrence(keras.layers.RNN):
    """The common part of the recurrent layers; a subclass gives `cell_type` and `_steps`.

    It may change `_weights`, and `_run_part` where its cell needs no loop.

    Args:
        recurrent_weight_dropout: share of the recurrent kernel's entries that are dropped in
            training, the same at all time steps of a call (DropConnect on the hidden-to-hidden
            weights: Merity, Keskar and Socher 2017, "Regularizing and optimizing LSTM language
            models", section 2). The others are scaled up, so that the mean stays.

    Raises:
        ValueError: the part is not in [0, 1).
    """

    cell_type: ClassVar[type[keras.layers.Layer]]
    """The class of cell whose steps the fast loop computes."""
    runs_on_gpu: ClassVar[bool] = False
    """Whether a GPU takes this path too; else it is left to Keras, and so to cuDNN."""

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
            sequences: input, [batch, timesteps, features].
            initial_state: states before the first step, each [batch, units].
            mask: time steps to compute, bool [batch, timesteps]; None for all.

        Returns:
            The last output [batch, units], all outputs [batch, timesteps, units] (only the last,
            if not `return_sequences`), and the final states.
        """
        with self._dropped_weights(training):
            if not describe_path(self, bool(training), sequences.shape[1]).fast:
                return super().inner_loop(sequences, initial_state, mask=mask, training=training)
            states = keras.tree.flatten(initial_state)
            mask = mask[0] if isinstance(mask, list | tuple) else mask
            return self._fast_loop(tf.convert_to_tensor(sequences), states, mask)

    def _fast_loop(
        self, sequences: tf.Tensor, states: list[tf.Tensor], mask: Any
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        if getattr(self.cell, "dropout", 0.0):
            # The mask that Keras' `call` has drawn before: one for all time steps.
            sequences = sequences * self.cell.get_dropout_mask(sequences[:, 0])[:, None]
        if self.go_backwards:
            sequences = tf.reverse(sequences, [1])
            mask = None if mask is None else tf.reverse(mask, [1])
        mask = None if mask is None else tf.cast(mask, tf.bool)
        states = [tf.ensure_shape(state, [None, self.units]) for state in states]
        parts = [self._run_part(*part) for part in _parts_of_batch(sequences, states, mask)]
        outputs, *states = (tf.concat(x, axis=0) for x in zip(*parts, strict=True))
        if mask is not None:
            outputs = self._masked_outputs(outputs, mask)
        if self.return_sequences:
            return outputs[:, -1], outputs, states
        return outputs, outputs[:, None], states

    def _run_part(
        self, sequences: tf.Tensor, mask: Any, *states: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """h after every step [batch, timesteps, units] or the last one, and the last states."""
        input_bias, weights = self._weights()
        hiddens, last = run_recurrence(
            self._steps(),
            self._project(tf.transpose(sequences, [1, 0, 2]), input_bias),
            weights,
            list(states),
            None if mask is None else tf.transpose(mask)[..., None],
            return_sequences=self.return_sequences,
        )
        return last[0] if hiddens is None else tf.transpose(hiddens, [1, 0, 2]), *last

    def _masked_outputs(self, outputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """What Keras gives out at masked steps: the output before, which at first is zero."""
        if self.zero_output_for_mask:
            reached = mask if self.return_sequences else mask[:, -1]
        elif self.return_sequences:
            reached = tf.cumsum(tf.cast(mask, tf.int32), axis=1) > 0
        else:
            reached = tf.reduce_any(mask, axis=1)
        return tf.where(reached[..., None], outputs, tf.zeros_like(outputs))

    def _steps(self) -> StepsWithGradient:
        """The cell's steps."""
        raise NotImplementedError

    def _weights(self) -> tuple[tf.Tensor | None, list[tf.Tensor]]:
        """The bias of the input's projection, and what the cell's steps take."""
        bias = self._weight("bias") if self.use_bias else None
        return bias, [self._weight("recurrent_kernel")]

    def _weight(self, name: str) -> tf.Tensor:
        return tf.cast(keras.ops.convert_to_tensor(getattr(self.cell, name)), self.compute_dtype)

    def _project(self, sequences: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        """The input of all time steps times the kernel, as one product."""
        sequences = tf.cast(sequences, self.compute_dtype)
        kernel = self._weight("kernel")
        shape = [size or tf.shape(sequences)[i] for i, size in enumerate(sequences.shape[:2])]
        flat = tf.matmul(tf.reshape(sequences, [-1, kernel.shape[0]]), kernel)
        if bias is not None:
            flat = tf.nn.bias_add(flat, bias)
        return tf.reshape(flat, [*shape, kernel.shape[1]])

    @contextlib.contextmanager
    def _dropped_weights(self, training: bool) -> Iterator[None]:
        """Inside the block entries of the recurrent kernel are dropped, if this is training."""
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


def _parts_of_batch(
    sequences: tf.Tensor, states: list[tf.Tensor], mask: tf.Tensor | None
) -> list[tuple[tf.Tensor | None, ...]]:
    """(sequences, mask, *states) of each half of the batch, or of all of a small one.

    The loops of the halves don't wait for each other, so that two cores have work all the time.
    One core alone has a fifth less to do with the whole.
    """
    whole = (sequences, mask, *states)
    batch = sequences.shape[0]
    if (batch is not None and batch < _SMALLEST_SPLIT_BATCH) or _usable_cores() < 2:
        return [whole]
    half = (tf.shape(sequences)[0] + 1) // 2 if batch is None else (batch + 1) // 2
    return [
        tuple(None if x is None else x[:half] for x in whole),
        tuple(None if x is None else x[half:] for x in whole),
    ]


def _usable_cores() -> int:
    """The number of loops that can run at once: the process' cores, or TensorFlow's lower limit."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    threads = tf.config.threading.get_inter_op_parallelism_threads()
    return min(cores, threads) if threads else cores


def describe_path(
    layer: keras.layers.RNN, training: bool = True, timesteps: int | None = None
) -> Path:
    """The path that a layer of this package takes on this machine.

    Args:
        layer: recurrent layer of this package, possibly in its Bidirectional.
        training: True if the layer is called in training; else Keras' own call is the faster one.
        timesteps: length of its sequences, if it is known when the model is traced.

    Raises:
        TypeError: the layer is not one of this package.
    """
    if isinstance(layer, keras.layers.Bidirectional):
        forward, backward = (
            describe_path(x, training, timesteps)
            for x in (layer.forward_layer, layer.backward_layer)
        )
        return backward if forward.fast else forward
    if not isinstance(layer, FastRecurrence):
        raise TypeError(f"{type(layer).__name__} {layer.name!r} is not a layer of rnn_apps.layers")
    obstacle = why_not_fast(layer, layer.cell_type, training, timesteps)
    if obstacle:
        return Path(False, obstacle)
    return Path(True, "its cell and options are those that the fast loop computes")
