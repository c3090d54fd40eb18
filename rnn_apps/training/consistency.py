"""How far the predictions of two passes with different dropout lie apart."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def divergence(first: Any, second: Any) -> Any:
    """The mean of both Kullback-Leibler divergences between two rows of predictions.

    As a term of the loss it makes a network predict the same whichever units dropout leaves out
    (R-Drop, Wu et al. 2021, equation 2). The divergence of p from q and of q from p add up to
    sum((p - q) (log p - log q)).

    Args:
        first: logarithms of probabilities, float32 [..., classes].
        second: logarithms of probabilities of the same shape.

    Returns:
        The divergence in nats, float32 [...], 0 where both are the same.
    """
    difference = (tf.exp(first) - tf.exp(second)) * (first - second)
    return 0.5 * tf.reduce_sum(difference, axis=-1)
