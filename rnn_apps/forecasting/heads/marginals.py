"""Distribution functions of the heads in numpy: probabilities of values, values of probabilities.

Both are exact (computed by scipy) and used for sample paths, outside the graph. Parameters [..., K]
are in the data's unit, as `Head.affine` gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def probabilities(
    output: str,
    parameters: Array,
    values: Array,
    generator: np.random.Generator,
    levels: Sequence[float] = (),
) -> Array:
    """P(Y <= value), for values [...] under parameters [..., K]; in (0, 1).

    For counts it is drawn uniformly between P(Y < value) and P(Y <= value), so that probabilities
    of true values are uniform (randomised probability integral transform, Smith 1985).
    """
    from scipy import special, stats

    if output == "gaussian":
        probability = special.ndtr((values - parameters[..., 0]) / parameters[..., 1])
    elif output == "student_t":
        degrees, mean, spread = np.moveaxis(parameters, -1, 0)
        probability = special.stdtr(degrees, (values - mean) / spread)
    elif output == "negative_binomial":
        successes, chance = _negative_binomial(parameters)
        upper = stats.nbinom.cdf(values, successes, chance)
        lower = stats.nbinom.cdf(values - 1.0, successes, chance)
        probability = lower + generator.uniform(size=values.shape) * (upper - lower)
    else:
        probability = special.ndtr(_scores_of_values(parameters, values, levels))
    return np.clip(probability, 1e-9, 1.0 - 1e-9)


def values_at(
    output: str, parameters: Array, probability: Array, levels: Sequence[float] = ()
) -> Array:
    """The quantiles [...] at the levels `probability` [...], under parameters [..., K]."""
    from scipy import special, stats

    if output == "gaussian":
        return parameters[..., 0] + parameters[..., 1] * special.ndtri(probability)
    if output == "student_t":
        degrees, mean, spread = np.moveaxis(parameters, -1, 0)
        return mean + spread * special.stdtrit(degrees, probability)
    if output == "negative_binomial":
        successes, chance = _negative_binomial(parameters)
        return stats.nbinom.ppf(probability, successes, chance)
    return _values_of_scores(parameters, special.ndtri(probability), levels)


def _negative_binomial(parameters: Array) -> tuple[Array, Array]:
    """scipy's parameters from mean and dispersion."""
    mean, dispersion = parameters[..., 0], parameters[..., 1]
    return 1.0 / dispersion, 1.0 / (1.0 + dispersion * mean)


# Between and beyond its quantiles, a quantile head's distribution is taken as normal: the quantile
# function is piecewise linear in the normal score of the level, and its outermost pieces continue.
# That is exact for normal data, and the tails are never cut off.


def _values_of_scores(parameters: Array, scores: Array, levels: Sequence[float]) -> Array:
    from scipy.special import ndtri

    nodes = ndtri(np.asarray(levels))
    piece = np.clip(np.searchsorted(nodes, scores) - 1, 0, len(nodes) - 2)
    low = np.take_along_axis(parameters, piece[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(parameters, piece[..., None] + 1, axis=-1)[..., 0]
    share = (scores - nodes[piece]) / (nodes[piece + 1] - nodes[piece])
    return low + share * (high - low)


def _scores_of_values(parameters: Array, values: Array, levels: Sequence[float]) -> Array:
    from scipy.special import ndtri

    nodes = ndtri(np.asarray(levels))
    below = (parameters <= values[..., None]).sum(axis=-1)
    piece = np.clip(below - 1, 0, len(nodes) - 2)
    low = np.take_along_axis(parameters, piece[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(parameters, piece[..., None] + 1, axis=-1)[..., 0]
    width = np.maximum(high - low, 1e-12 * np.maximum(np.abs(high), 1.0))
    return nodes[piece] + (values - low) / width * (nodes[piece + 1] - nodes[piece])
