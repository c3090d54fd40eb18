"""h_t = a_t h_{t-1} + b_t over all time steps by a parallel scan, with its gradient.

Blelloch 1990, "Prefix sums and their applications": (a, b) then (a', b') is (a a', a' b + b'),
which is associative, so that T steps take log2(T) rounds of elementwise work on whole sequences
instead of T steps that wait for each other. Here in the form of Hillis and Steele 1986: each round
joins every step with the one `distance` before it, and the distance doubles.

The gradient is a recurrence of the same kind that runs backwards:

    db_t = dh_t + a_{t+1} db_{t+1}
    da_t = db_t h_{t-1}
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def linear_recurrence(keep: tf.Tensor, write: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """All states of a linear recurrence.

    Args:
        keep: factors a_t, [timesteps, batch, units].
        write: addends b_t, [timesteps, batch, units].
        start: state before the first step, [batch, units].

    Returns:
        h after every step, [timesteps, batch, units].
    """

    @tf.custom_gradient
    def run(keep: tf.Tensor, write: tf.Tensor, start: tf.Tensor) -> Any:
        first = keep[:1] * start[None] + write[:1]
        states = tf.stop_gradient(_scan(keep, tf.concat([first, write[1:]], axis=0)))

        def gradient(d_states: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            following = tf.concat([keep[1:], tf.zeros_like(keep[:1])], axis=0)
            reverse = _scan(tf.reverse(following, [0]), tf.reverse(d_states, [0]))
            d_write = tf.reverse(reverse, [0])
            before = tf.concat([start[None], states[:-1]], axis=0)
            return d_write * before, d_write, d_write[0] * keep[0]

        return states, gradient

    all_states: tf.Tensor = run(keep, write, start)
    return all_states


def _scan(keep: tf.Tensor, write: tf.Tensor) -> tf.Tensor:
    """The recurrence from a state of zeros; the first `keep` is never used."""
    length = tf.shape(keep)[0]
    free = [None, *keep.shape[1:]]

    def one_round(
        distance: tf.Tensor, keep: tf.Tensor, write: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        joined = write[distance:] + keep[distance:] * write[:-distance]
        kept = keep[distance:] * keep[:-distance]
        return (
            2 * distance,
            tf.concat([keep[:distance], kept], axis=0),
            tf.concat([write[:distance], joined], axis=0),
        )

    _, _, states = tf.while_loop(
        lambda distance, *_: distance < length,
        one_round,
        (tf.constant(1), keep, write),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape(free), tf.TensorShape(free)),
    )
    return states
