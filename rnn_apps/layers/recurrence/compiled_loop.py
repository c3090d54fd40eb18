"""A cell's recurrence over all time steps, compiled, and its gradient.

Keras' loop is differentiated by TensorFlow operation by operation. Here the loop forwards keeps
what the loop backwards needs, the loop backwards carries only the gradients of the states, and
all other gradients are products over all time steps after it. Both loops are compiled by XLA,
which makes one or two kernels of a step's elementwise operations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnn_apps.layers.recurrence.steps_with_gradient import StepsWithGradient, Tensors
from rnn_apps.layers.recurrence.time_loop import time_loop

_BUCKET = 32
"""Sequences of unknown length are compiled for multiples of this; the loop ends at their length."""


def run_recurrence(
    steps: StepsWithGradient,
    projected: tf.Tensor,
    weights: Tensors,
    states: Tensors,
    mask: tf.Tensor | None,
    *,
    return_sequences: bool,
) -> tuple[tf.Tensor | None, Tensors]:
    """Runs a cell whose input is already projected.

    Args:
        steps: equations of the cell and their gradient.
        projected: input product x W + b of all time steps, [timesteps, batch, gates * units].
        weights: weights that the cell's steps use.
        states: states before the first step, each [batch, units].
        mask: steps to compute, bool [timesteps, batch, 1]; False leaves the states as they are.
        return_sequences: True to return h of every step.

    Returns:
        h after every step [timesteps, batch, units] (None unless `return_sequences`), and the last
        states.
    """
    if tf.executing_eagerly() and not tf.config.functions_run_eagerly():
        # A tape that watches eagerly would want to look into the compiled loops.
        return _in_graph(steps, return_sequences)(projected, weights, states, mask)
    length = tf.shape(projected)[0]
    known = projected.shape[0] is not None
    size = projected.shape[0] if known else -(-length // _BUCKET) * _BUCKET
    pad = (lambda x: x) if known else functools.partial(_pad, size=size)
    mask = None if mask is None else pad(mask)
    count = len(weights)

    @tf.custom_gradient
    def run(projected: tf.Tensor, *rest: tf.Tensor) -> Any:
        weights, states = list(rest[:count]), list(rest[count:])
        # A persistent tape would look for a derivative of what `gradient` uses, besides its own.
        last, hiddens, saved = tf.nest.map_structure(
            tf.stop_gradient, _forward(steps)(pad(projected), weights, states, mask, length)
        )

        def gradient(*d_outputs: tf.Tensor) -> Any:
            @tf.custom_gradient
            def once(*arguments: tf.Tensor) -> Any:
                d_last = list(arguments[-len(states) :])
                d_hiddens = pad(arguments[0]) if return_sequences else None
                before = tf.concat([states[0][None], hiddens[:-1]], axis=0)
                collected, d_states = _backward(steps)(
                    d_hiddens, d_last, weights, mask, length, before, hiddens, saved
                )
                # Outside of what XLA compiles: oneDNN's large products take half the time.
                d_projected, d_weights = steps.collect_gradients(before, collected, saved)
                return [d_projected[:length], *d_weights, *d_states], _refusal(arguments)

            return once(*d_outputs)

        return ([hiddens[:length]] if return_sequences else []) + last, gradient

    results = run(projected, *weights, *states)
    return (results[0], list(results[1:])) if return_sequences else (None, list(results))


@functools.cache
def _in_graph(steps: StepsWithGradient, return_sequences: bool) -> Callable[..., Any]:
    """`run_recurrence` as a graph."""

    def run(
        projected: tf.Tensor, weights: Tensors, states: Tensors, mask: tf.Tensor | None
    ) -> tuple[tf.Tensor | None, Tensors]:
        return run_recurrence(
            steps, projected, weights, states, mask, return_sequences=return_sequences
        )

    return tf.function(run, reduce_retracing=True, autograph=False)


def _refusal(arguments: Sequence[tf.Tensor]) -> Callable[..., list[tf.Tensor]]:
    """A gradient by what is given that says, when it is computed, that there is none."""

    def refuse(*second: tf.Tensor) -> list[tf.Tensor]:
        message = (
            "the fast recurrent layers have no second derivative: use keras.layers' where a "
            "gradient is differentiated"
        )
        with tf.control_dependencies([tf.debugging.Assert(False, [message])]):
            return [tf.fill(tf.shape(x), tf.constant(float("nan"), x.dtype)) for x in arguments]

    return refuse


def _pad(sequences: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    return tf.pad(sequences, [[0, size - tf.shape(sequences)[0]], [0, 0], [0, 0]])


@functools.cache
def _forward(steps: StepsWithGradient) -> Callable[..., Any]:
    """(projected, weights, states, mask, length) -> (last states, all h, kept for the gradient)."""

    def forward(
        projected: tf.Tensor,
        weights: Tensors,
        states: Tensors,
        mask: tf.Tensor | None,
        length: tf.Tensor,
    ) -> tuple[Tensors, tf.Tensor, Tensors]:
        def step(now: Tensors, states: Tensors) -> tuple[Tensors, Tensors]:
            new, saved = steps.forward(now[0], weights, states)
            if mask is not None:
                new = [tf.where(now[1], x, y) for x, y in zip(new, states, strict=True)]
            return new, [new[0], *saved]

        sequences = [projected] if mask is None else [projected, mask]
        last, (hiddens, *saved) = time_loop(
            step, sequences, states, length, collect=1 + steps.saved
        )
        return last, hiddens, saved

    return tf.function(forward, jit_compile=True, reduce_retracing=True, autograph=False)


@functools.cache
def _backward(steps: StepsWithGradient) -> Callable[..., Any]:
    """The loop of `_forward`'s gradient: (what the steps collect, that of the first states)."""

    def backward(
        d_hiddens: tf.Tensor | None,
        d_last: Tensors,
        weights: Tensors,
        mask: tf.Tensor | None,
        length: tf.Tensor,
        before: tf.Tensor,
        hiddens: tf.Tensor,
        saved: Tensors,
    ) -> tuple[Tensors, Tensors]:
        transposed = [tf.transpose(weight) for weight in weights]
        optional = [x for x in (mask, d_hiddens) if x is not None]

        def step(now: Tensors, d_states: Tensors) -> tuple[Tensors, Tensors]:
            h_before, h_after, *kept = now
            saved, others = kept[: steps.saved], kept[steps.saved :]
            if d_hiddens is not None:
                d_states = [d_states[0] + others.pop(), *d_states[1:]]
            now_mask = others.pop() if mask is not None else None
            return steps.backward(d_states, h_before, h_after, saved, transposed, now_mask)

        d_states, collected = time_loop(
            step,
            [before, hiddens, *saved, *optional],
            d_last,
            length,
            collect=steps.collected,
            backwards=True,
        )
        return collected, d_states

    return tf.function(backward, jit_compile=True, reduce_retracing=True, autograph=False)
