"""The recurrence of a simple recurrent network (Elman 1990), with its gradient written out.

    h' = tanh(projected + h R)

Backwards dz = dh' tanh'(h') and dh = dz R^T.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from rnn_apps.layers.activations import Activation
from rnn_apps.layers.lstm_recurrence import product_over_time
from rnn_apps.layers.time_loop import time_loop


def simple_recurrence(
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    hidden: tf.Tensor,
    mask: tf.Tensor | None,
    activation: Activation,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs a simple recurrent network whose input is already projected.

    Args:
        projected: [timesteps, batch, units], x W + b.
        recurrent_kernel: R, [units, units].
        hidden: h before the first step, [batch, units].
        mask: bool [timesteps, batch, 1]; a step that is False leaves h as it is.

    Returns:
        h after every step [timesteps, batch, units], and the last h.
    """

    @tf.custom_gradient
    def run(projected: tf.Tensor, recurrent_kernel: tf.Tensor, h0: tf.Tensor) -> Any:
        def step(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
            h = carried[0]
            new_h = activation.function(now[0] + tf.matmul(h, recurrent_kernel))
            if mask is not None:
                new_h = tf.where(now[1], new_h, h)
            return [new_h], [new_h]

        sequences = [projected] if mask is None else [projected, mask]
        (h_last,), (hs,) = time_loop(step, sequences, [h0], collect=1)

        def gradient(d_hs: tf.Tensor, d_h_last: tf.Tensor) -> Any:
            factor = activation.derivative(hs)
            if mask is not None:
                factor = tf.where(mask, factor, tf.zeros_like(factor))
            transposed = tf.transpose(recurrent_kernel)

            def step_back(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
                d_output, factor = now[:2]
                dh = carried[0] + d_output
                dz = dh * factor
                d_before = tf.matmul(dz, transposed)
                if mask is not None:
                    d_before = tf.where(now[2], d_before, dh)
                return [d_before], [dz]

            sequences = [d_hs, factor, *([] if mask is None else [mask])]
            (dh0,), (dz,) = time_loop(step_back, sequences, [d_h_last], collect=1, backwards=True)
            before = tf.concat([h0[None], hs[:-1]], axis=0)
            return dz, product_over_time(before, dz), dh0

        return (hs, h_last), gradient

    return run(projected, recurrent_kernel, hidden)
