"""The recurrence of a GRU over all time steps, with its gradient written out.

Cho et al. 2014 in both of Keras' readings, in Keras' gate order (update, reset, candidate). With
the reset gate applied after the product (`reset_after`, as cuDNN has it):

    z, r = sigmoid(x_z + h R_z), sigmoid(x_r + h R_r)
    n = h R_n + b_n
    g = tanh(x_g + r n)
    h' = z h + (1 - z) g

Backwards everything is linear in dh' with factors known from the forward pass, so that the loop
only carries dh. With the reset gate before the product, g = tanh(x_g + (r h) R_n).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from rnn_apps.layers.activations import Activation
from rnn_apps.layers.lstm_recurrence import product_over_time
from rnn_apps.layers.time_loop import time_loop


def gru_reset_after_recurrence(
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    candidate_bias: tf.Tensor,
    hidden: tf.Tensor,
    mask: tf.Tensor | None,
    activation: Activation,
    recurrent_activation: Activation,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs a GRU (reset gate after the product) whose input is already projected.

    Args:
        projected: [timesteps, batch, 3 * units], x W + b with both biases of the two gates.
        recurrent_kernel: R, [units, 3 * units].
        candidate_bias: b_n, [units], inside the product with the reset gate.
        hidden: h before the first step, [batch, units].
        mask: bool [timesteps, batch, 1]; a step that is False leaves h as it is.

    Returns:
        h after every step [timesteps, batch, units], and the last h.
    """
    units = hidden.shape[-1]

    @tf.custom_gradient
    def run(
        projected: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor, h0: tf.Tensor
    ) -> Any:
        def step(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
            h = carried[0]
            x_gates, x_g = tf.split(now[0], [2 * units, units], axis=-1)
            product = tf.matmul(h, recurrent_kernel)
            h_gates, n = tf.split(product, [2 * units, units], axis=-1)
            gates = recurrent_activation.function(x_gates + h_gates)
            z, r = tf.split(gates, 2, axis=-1)
            n = n + bias
            g = activation.function(x_g + r * n)
            new_h = g + z * (h - g)
            if mask is not None:
                new_h = tf.where(now[1], new_h, h)
            return [new_h], [new_h, z, r, n, g]

        sequences = [projected] if mask is None else [projected, mask]
        (h_last,), (hs, z, r, n, g) = time_loop(step, sequences, [h0], collect=5)

        def gradient(d_hs: tf.Tensor, d_h_last: tf.Tensor) -> Any:
            before = tf.concat([h0[None], hs[:-1]], axis=0)
            of_g = (1 - z) * activation.derivative(g)
            of_z = (before - g) * recurrent_activation.derivative(z)
            of_r = of_g * n * recurrent_activation.derivative(r)
            factors = [of_z, of_r, of_g * r]
            keep = z
            if mask is not None:
                factors = [tf.where(mask, x, tf.zeros_like(x)) for x in factors]
                of_g = tf.where(mask, of_g, tf.zeros_like(of_g))
                keep = tf.where(mask, z, tf.ones_like(z))
            factors = tf.concat(factors, axis=-1)
            transposed = tf.transpose(recurrent_kernel)

            def step_back(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
                d_output, factor, keep = now
                dh = carried[0] + d_output
                d_product = factor * tf.concat([dh, dh, dh], axis=-1)
                return [dh * keep + tf.matmul(d_product, transposed)], [dh, d_product]

            (dh0,), (dh, d_product) = time_loop(
                step_back, [d_hs, factors, keep], [d_h_last], collect=2, backwards=True
            )
            d_projected = tf.concat([d_product[..., : 2 * units], dh * of_g], axis=-1)
            d_bias = tf.reduce_sum(d_product[..., 2 * units :], axis=[0, 1])
            return d_projected, product_over_time(before, d_product), d_bias, dh0

        return (hs, h_last), gradient

    return run(projected, recurrent_kernel, candidate_bias, hidden)


def gru_reset_before_recurrence(
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    hidden: tf.Tensor,
    mask: tf.Tensor | None,
    activation: Activation,
    recurrent_activation: Activation,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs a GRU (reset gate before the product); see `gru_reset_after_recurrence`."""
    units = hidden.shape[-1]

    @tf.custom_gradient
    def run(projected: tf.Tensor, recurrent_kernel: tf.Tensor, h0: tf.Tensor) -> Any:
        of_gates, of_candidate = tf.split(recurrent_kernel, [2 * units, units], axis=-1)

        def step(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
            h = carried[0]
            x_gates, x_g = tf.split(now[0], [2 * units, units], axis=-1)
            gates = recurrent_activation.function(x_gates + tf.matmul(h, of_gates))
            z, r = tf.split(gates, 2, axis=-1)
            g = activation.function(x_g + tf.matmul(r * h, of_candidate))
            new_h = g + z * (h - g)
            if mask is not None:
                new_h = tf.where(now[1], new_h, h)
            return [new_h], [new_h, z, r, g]

        sequences = [projected] if mask is None else [projected, mask]
        (h_last,), (hs, z, r, g) = time_loop(step, sequences, [h0], collect=4)

        def gradient(d_hs: tf.Tensor, d_h_last: tf.Tensor) -> Any:
            before = tf.concat([h0[None], hs[:-1]], axis=0)
            of_g = (1 - z) * activation.derivative(g)
            of_z = (before - g) * recurrent_activation.derivative(z)
            of_r = before * recurrent_activation.derivative(r)
            keep, reset = z, r
            if mask is not None:
                of_g, of_z, of_r, reset = (
                    tf.where(mask, x, tf.zeros_like(x)) for x in (of_g, of_z, of_r, r)
                )
                keep = tf.where(mask, z, tf.ones_like(z))
            gates_transposed, candidate_transposed = (
                tf.transpose(of_gates),
                tf.transpose(of_candidate),
            )

            def step_back(now: list[tf.Tensor], carried: list[tf.Tensor]) -> Any:
                d_output, of_g, of_z, of_r, reset, keep = now
                dh = carried[0] + d_output
                dg = dh * of_g
                d_reset = tf.matmul(dg, candidate_transposed)
                d_gates = tf.concat([dh * of_z, d_reset * of_r], axis=-1)
                d_before = dh * keep + d_reset * reset + tf.matmul(d_gates, gates_transposed)
                return [d_before], [dg, d_gates]

            (dh0,), (dg, d_gates) = time_loop(
                step_back,
                [d_hs, of_g, of_z, of_r, reset, keep],
                [d_h_last],
                collect=2,
                backwards=True,
            )
            d_kernel = [product_over_time(before, d_gates), product_over_time(r * before, dg)]
            return tf.concat([d_gates, dg], axis=-1), tf.concat(d_kernel, axis=-1), dh0

        return (hs, h_last), gradient

    return run(projected, recurrent_kernel, hidden)
