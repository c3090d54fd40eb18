"""The recurrence of an LSTM over all time steps, with its gradient written out.

Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, in Keras' gate order
(input, forget, candidate, output):

    i, f, g, o = sigmoid(z_i), sigmoid(z_f), tanh(z_g), sigmoid(z_o),  z = projected + h R
    c' = f c + i g
    h' = o tanh(c')

Backwards, with A = o tanh'(c') and everything but dh and dc known from the forward pass,

    dc' += dh' A
    dz   = (dc' g i', dc' c f', dc' i g', dh' tanh(c') o')
    dc   = dc' f
    dh   = dz R^T

so that the loop only carries dh and dc, and what they are multiplied with is computed for all
time steps at once before it. The gradient of R is one product after it.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from rnn_apps.layers.activations import Activation
from rnn_apps.layers.time_loop import time_loop


def lstm_recurrence(
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    hidden: tf.Tensor,
    carry: tf.Tensor,
    mask: tf.Tensor | None,
    activation: Activation,
    recurrent_activation: Activation,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs an LSTM whose input is already multiplied with the kernel.

    Args:
        projected: [timesteps, batch, 4 * units], x W + b.
        recurrent_kernel: R, [units, 4 * units].
        hidden: h before the first step, [batch, units].
        carry: c before the first step, [batch, units].
        mask: bool [timesteps, batch, 1]; a step that is False leaves h and c as they are.

    Returns:
        h after every step [timesteps, batch, units], and the last h and c.
    """

    @tf.custom_gradient
    def run(projected: tf.Tensor, recurrent_kernel: tf.Tensor, h0: tf.Tensor, c0: tf.Tensor) -> Any:
        def step(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
            h, c = carried
            z = now[0] + tf.matmul(h, recurrent_kernel)
            z_i, z_f, z_g, z_o = tf.split(z, 4, axis=-1)
            i, f = recurrent_activation.function(z_i), recurrent_activation.function(z_f)
            g, o = activation.function(z_g), recurrent_activation.function(z_o)
            new_c = f * c + i * g
            new_h = o * activation.function(new_c)
            if mask is not None:
                new_h, new_c = tf.where(now[1], new_h, h), tf.where(now[1], new_c, c)
            return [new_h, new_c], [new_h, new_c, i, f, g, o]

        sequences = [projected] if mask is None else [projected, mask]
        (h_last, c_last), (hs, cs, i, f, g, o) = time_loop(step, sequences, [h0, c0], collect=6)

        def gradient(d_hs: tf.Tensor, d_h_last: tf.Tensor, d_c_last: tf.Tensor) -> Any:
            before = tf.concat([c0[None], cs[:-1]], axis=0)
            squashed = activation.function(f * before + i * g if mask is not None else cs)
            through = o * activation.derivative(squashed)
            factors = [
                g * recurrent_activation.derivative(i),
                before * recurrent_activation.derivative(f),
                i * activation.derivative(g),
                squashed * recurrent_activation.derivative(o),
            ]
            keep = f
            if mask is not None:
                factors = [_masked(x, mask) for x in factors]
                through, keep = _masked(through, mask), tf.where(mask, f, tf.ones_like(f))
            factors = tf.concat(factors, axis=-1)
            transposed = tf.transpose(recurrent_kernel)

            def step_back(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
                dh, dc = carried
                d_output, factor, through, keep = now[:4]
                dh = dh + d_output
                dc = dc + dh * through
                dz = factor * tf.concat([dc, dc, dc, dh], axis=-1)
                d_before = tf.matmul(dz, transposed)
                if mask is not None:
                    d_before = tf.where(now[4], d_before, dh)
                return [d_before, dc * keep], [dz]

            sequences = [d_hs, factors, through, keep, *([] if mask is None else [mask])]
            (dh0, dc0), (dz,) = time_loop(
                step_back, sequences, [d_h_last, d_c_last], collect=1, backwards=True
            )
            h_before = tf.concat([h0[None], hs[:-1]], axis=0)
            return dz, product_over_time(h_before, dz), dh0, dc0

        return (hs, h_last, c_last), gradient

    return run(projected, recurrent_kernel, hidden, carry)


def product_over_time(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The sum over time and batch of the outer products: [T, B, m], [T, B, n] -> [m, n]."""
    left = tf.reshape(left, [-1, left.shape[-1]])
    right = tf.reshape(right, [-1, right.shape[-1]])
    return tf.matmul(left, right, transpose_a=True)


def _masked(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return tf.where(mask, values, tf.zeros_like(values))
