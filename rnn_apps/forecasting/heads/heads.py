"""What a model says about each future step: a point, quantiles or a distribution.

A head turns the K raw numbers that the network gives for each of the `horizon` steps into
parameters [batch, horizon, K], and computes their loss, quantiles, mean and samples. Everything is
float32, whatever the precision of the layers, except the negative binomial's likelihood (float64).

Parameters live in a scaled space. `affine` maps them to those of `factor * y + shift`, so that one
rule undoes the window normalisation, and then the scaling of the series.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import tensorflow as tf

_SMALLEST_SPREAD = 1e-3
"""Least standard deviation or scale, in units of the training part's standard deviation."""
_MOST_COUNTS = 1024
"""Number of counts whose probabilities are added up to find a negative binomial's quantile."""


class Head(ABC):
    """One kind of output.

    Attributes:
        width: number of raw network outputs, and of parameters, per step (K).
    """

    width: int

    @abstractmethod
    def parameters(self, raw: tf.Tensor) -> tf.Tensor:
        """Network outputs [..., K] of any value -> valid parameters float32 [..., K]."""

    @abstractmethod
    def affine(self, parameters: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """The parameters of `factor * y + shift`, both [batch, 1 or horizon]; factor > 0."""

    @abstractmethod
    def loss(
        self, parameters: tf.Tensor, target: tf.Tensor, location: tf.Tensor, scale: tf.Tensor
    ) -> tf.Tensor:
        """The loss per step, float32 [batch, horizon].

        Args:
            parameters: parameters [batch, horizon, K] in scaled space.
            target: true values [batch, horizon] in their own unit.
            location, scale: statistics of the series, each [batch, 1]; truth = scaled * scale +
                location.
        """

    @abstractmethod
    def forecast(self, parameters: tf.Tensor) -> tf.Tensor:
        """The point forecast [..., K] -> [...]: the mean; the median of a quantile head."""

    def quantiles(self, parameters: tf.Tensor, levels: Sequence[float]) -> tf.Tensor:
        """The quantiles at `levels` (rising, in (0, 1)): [..., K] -> [..., len(levels)]."""
        raise NotImplementedError(f"{type(self).__name__} has no quantiles")

    def sample(self, parameters: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """One draw of each step [..., K] -> [...], the same for the same int32 [2] `seed`."""
        raise NotImplementedError(f"{type(self).__name__} cannot be sampled")


class PointHead(Head):
    """The mean (squared error), the median (absolute error) or a compromise (Huber 1964)."""

    width = 1

    def __init__(self, error: str) -> None:
        self.error = error

    def parameters(self, raw: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return tf.cast(raw, tf.float32)

    def affine(self, parameters: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return parameters * factor[:, :, None] + shift[:, :, None]

    def loss(
        self, parameters: tf.Tensor, target: tf.Tensor, location: tf.Tensor, scale: tf.Tensor
    ) -> tf.Tensor:
        """See `Head`."""
        error = parameters[..., 0] - (target - location) / scale
        if self.error == "mse":
            return tf.square(error)
        size = tf.abs(error)
        if self.error == "mae":
            return size
        return tf.where(size < 1.0, 0.5 * tf.square(error), size - 0.5)

    def forecast(self, parameters: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return parameters[..., 0]


class QuantileHead(Head):
    """Quantiles trained with the pinball loss, which cannot cross.

    The first raw number is the median; the others are turned into steps of at least 0, which are
    added up outwards from it. Rounding never reverses the order of two sums, so the quantiles never
    cross, not even by the last bit.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        self.levels = tuple(levels)
        self.width = len(self.levels)
        self.median = self.levels.index(0.5)

    def parameters(self, raw: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        raw = tf.cast(raw, tf.float32)
        middle, steps = raw[..., :1], softplus(raw[..., 1:])
        below = tf.cumsum(steps[..., : self.median], axis=-1)
        above = tf.cumsum(steps[..., self.median :], axis=-1)
        offsets = tf.concat([-tf.reverse(below, axis=[-1]), tf.zeros_like(middle), above], axis=-1)
        return middle + offsets

    def affine(self, parameters: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return parameters * factor[:, :, None] + shift[:, :, None]

    def loss(
        self, parameters: tf.Tensor, target: tf.Tensor, location: tf.Tensor, scale: tf.Tensor
    ) -> tf.Tensor:
        """The mean over the levels of twice the pinball loss: at the median, the absolute error."""
        error = ((target - location) / scale)[..., None] - parameters
        levels = tf.constant(self.levels, tf.float32)
        return 2.0 * tf.reduce_mean(tf.maximum(levels * error, (levels - 1.0) * error), axis=-1)

    def forecast(self, parameters: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return parameters[..., self.median]

    def quantiles(self, parameters: tf.Tensor, levels: Sequence[float]) -> tf.Tensor:
        """Picks quantiles among the levels that the head was trained for.

        Raises:
            ValueError: the head was not trained for one of the levels.
        """
        missing = [level for level in levels if level not in self.levels]
        if missing:
            raise ValueError(f"trained for the quantiles {self.levels}, not {missing}")
        return tf.gather(parameters, [self.levels.index(level) for level in levels], axis=-1)


class GaussianHead(Head):
    """Normal distribution; parameters: mean, standard deviation."""

    width = 2

    def parameters(self, raw: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        raw = tf.cast(raw, tf.float32)
        return tf.concat([raw[..., :1], softplus(raw[..., 1:]) + _SMALLEST_SPREAD], axis=-1)

    def affine(self, parameters: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        mean, deviation = parameters[..., 0], parameters[..., 1]
        return tf.stack([mean * factor + shift, deviation * factor], axis=-1)

    def loss(
        self, parameters: tf.Tensor, target: tf.Tensor, location: tf.Tensor, scale: tf.Tensor
    ) -> tf.Tensor:
        """Negative log-likelihood of the scaled true value."""
        mean, deviation = parameters[..., 0], parameters[..., 1]
        standard = ((target - location) / scale - mean) / deviation
        return 0.5 * tf.square(standard) + tf.math.log(deviation) + 0.5 * float(np.log(2 * np.pi))

    def forecast(self, parameters: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return parameters[..., 0]

    def quantiles(self, parameters: tf.Tensor, levels: Sequence[float]) -> tf.Tensor:
        """See `Head`."""
        standard = tf.constant([NormalDist().inv_cdf(level) for level in levels], tf.float32)
        return parameters[..., :1] + parameters[..., 1:] * standard

    def sample(self, parameters: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        mean, deviation = parameters[..., 0], parameters[..., 1]
        return mean + deviation * tf.random.stateless_normal(tf.shape(mean), seed)


class StudentTHead(Head):
    """Student's t distribution, for heavy tails; parameters: degrees of freedom, mean, scale.

    The degrees of freedom stay above 2, so that the variance exists.
    """

    width = 3

    def parameters(self, raw: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        raw = tf.cast(raw, tf.float32)
        degrees = 2.0 + _SMALLEST_SPREAD + softplus(raw[..., :1])
        return tf.concat(
            [degrees, raw[..., 1:2], softplus(raw[..., 2:]) + _SMALLEST_SPREAD], axis=-1
        )

    def affine(self, parameters: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        degrees, mean, spread = tf.unstack(parameters, axis=-1)
        return tf.stack([degrees, mean * factor + shift, spread * factor], axis=-1)

    def loss(
        self, parameters: tf.Tensor, target: tf.Tensor, location: tf.Tensor, scale: tf.Tensor
    ) -> tf.Tensor:
        """Negative log-likelihood of the scaled true value."""
        degrees, mean, spread = tf.unstack(parameters, axis=-1)
        standard = ((target - location) / scale - mean) / spread
        return (
            tf.math.lgamma(0.5 * degrees)
            - tf.math.lgamma(0.5 * (degrees + 1.0))
            + 0.5 * tf.math.log(degrees * np.pi)
            + tf.math.log(spread)
            + 0.5 * (degrees + 1.0) * tf.math.log1p(tf.square(standard) / degrees)
        )

    def forecast(self, parameters: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return parameters[..., 1]

    def quantiles(self, parameters: tf.Tensor, levels: Sequence[float]) -> tf.Tensor:
        """See `Head`."""
        degrees, mean, spread = tf.unstack(parameters, axis=-1)
        inverse = 1.0 / degrees
        standard = [_horner(_student_t_polynomial(level), inverse) for level in levels]
        return mean[..., None] + spread[..., None] * tf.stack(standard, axis=-1)

    def sample(self, parameters: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """A normal draw divided by the root of a chi-square draw per degree of freedom."""
        degrees, mean, spread = tf.unstack(parameters, axis=-1)
        first, second = tf.unstack(tf.random.split(seed, 2))
        normal = tf.random.stateless_normal(tf.shape(mean), first)
        half = tf.random.stateless_gamma(tf.shape(mean), second, alpha=0.5 * degrees)
        return mean + spread * normal * tf.math.rsqrt(2.0 * half / degrees)


class NegativeBinomialHead(Head):
    """Counts with variance mean + dispersion * mean^2; parameters: mean, dispersion.

    Scaling has no shift: mean * scale, dispersion / sqrt(scale) (Salinas et al. 2020, "DeepAR",
    sections 3.1 and 3.3). The likelihood is that of the counts themselves.
    """

    width = 2

    def parameters(self, raw: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return softplus(tf.cast(raw, tf.float32)) + 1e-4

    def affine(self, parameters: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """See the class; `shift` must be 0, as counts have no other origin."""
        mean, dispersion = parameters[..., 0], parameters[..., 1]
        return tf.stack([mean * factor, dispersion * tf.math.rsqrt(factor)], axis=-1)

    def loss(
        self, parameters: tf.Tensor, target: tf.Tensor, location: tf.Tensor, scale: tf.Tensor
    ) -> tf.Tensor:
        """Negative log-likelihood of the counts; float64 inside, for differences of log Gamma."""
        parameters = tf.cast(self.affine(parameters, location, scale), tf.float64)
        counts = tf.cast(target, tf.float64)
        mean, dispersion = parameters[..., 0], parameters[..., 1]
        failures = 1.0 / dispersion
        log_likelihood = (
            tf.math.lgamma(counts + failures)
            - tf.math.lgamma(counts + 1.0)
            - tf.math.lgamma(failures)
            - failures * tf.math.log1p(dispersion * mean)
            + counts * (tf.math.log(dispersion * mean) - tf.math.log1p(dispersion * mean))
        )
        return tf.cast(-log_likelihood, tf.float32)

    def forecast(self, parameters: tf.Tensor) -> tf.Tensor:
        """See `Head`."""
        return parameters[..., 0]

    def quantiles(self, parameters: tf.Tensor, levels: Sequence[float]) -> tf.Tensor:
        """The smallest count whose cumulative probability reaches the level.

        It is exact below 1,024 counts. Above, it is the rounded quantile of a gamma distribution of
        the same mean and variance by the cube-root approximation (Wilson & Hilferty 1931).
        """
        mean, dispersion = parameters[..., :1], parameters[..., 1:]
        cumulative = _negative_binomial_cumulative(mean, dispersion)
        shape = mean / (1.0 + dispersion * mean)
        counts = []
        for level in levels:
            exact = tf.reduce_sum(tf.cast(cumulative < level, tf.float32), axis=-1)
            root = 1.0 - 1.0 / (9.0 * shape) + NormalDist().inv_cdf(level) / (3.0 * tf.sqrt(shape))
            gamma = tf.round(mean * tf.nn.relu(root) ** 3)[..., 0]
            beyond = exact >= float(_MOST_COUNTS)
            counts.append(tf.where(beyond, tf.maximum(gamma, float(_MOST_COUNTS)), exact))
        return tf.stack(counts, axis=-1)

    def sample(self, parameters: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """A Poisson draw whose rate is a gamma draw; float32 like all draws."""
        mean, dispersion = parameters[..., 0], parameters[..., 1]
        first, second = tf.unstack(tf.random.split(seed, 2))
        rate = tf.random.stateless_gamma(
            tf.shape(mean), first, alpha=1.0 / dispersion, beta=1.0 / (dispersion * mean)
        )
        return tf.random.stateless_poisson(tf.shape(mean), second, rate, dtype=tf.float32)


def make_head(output: str, *, error: str = "mse", quantiles: Sequence[float] = ()) -> Head:
    """The head of a config's `output`, `loss` (points) and `quantiles` fields."""
    if output == "point":
        return PointHead(error)
    if output == "quantiles":
        return QuantileHead(quantiles)
    heads: dict[str, type[Head]] = {
        "gaussian": GaussianHead,
        "student_t": StudentTHead,
        "negative_binomial": NegativeBinomialHead,
    }
    return heads[output]()


def softplus(raw: tf.Tensor) -> tf.Tensor:
    """log(1 + exp(raw)), from operations that every edge runtime has."""
    return tf.nn.relu(raw) + tf.math.log(1.0 + tf.exp(-tf.abs(raw)))


def _student_t_polynomial(level: float) -> list[float]:
    """Coefficients, constant first, of the standard quantile as a function of 1 / degrees.

    The quantile is smooth in 1 / degrees on [0, 0.5], so that a polynomial through Chebyshev
    points replaces the inverse of the incomplete beta function, which no edge runtime has.
    """
    from scipy.special import ndtri, stdtrit

    def exact(inverse: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.where(inverse < 1e-9, ndtri(level), stdtrit(1.0 / inverse, level))

    polynomial = np.polynomial.Chebyshev.interpolate(exact, 12, domain=[0.0, 0.5])
    return [float(c) for c in polynomial.convert(kind=np.polynomial.Polynomial).coef]


def _horner(coefficients: list[float], x: tf.Tensor) -> tf.Tensor:
    value = tf.zeros_like(x) + coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


def _negative_binomial_cumulative(mean: tf.Tensor, dispersion: tf.Tensor) -> tf.Tensor:
    """P(Y <= k) for k = 0 to 1,023: [..., 1] -> [..., 1024].

    From log P(0) = -log(1 + a m) / a and P(k + 1) / P(k) = (k + 1/a) / (k + 1) * a m / (1 + a m).
    Without dispersion that is the Poisson distribution, which a small one comes close to.
    """
    product = dispersion * mean
    k = tf.range(_MOST_COUNTS, dtype=tf.float32)
    ratio = (k * dispersion + 1.0) / (k + 1.0) * (mean / (1.0 + product))
    first = -mean * _log1p_over(product)
    logarithm = tf.cumsum(tf.concat([first, tf.math.log(ratio[..., :-1])], axis=-1), axis=-1)
    probability = tf.exp(logarithm)
    cumulative = tf.cumsum(probability, axis=-1)
    # The rounded logarithms give all probabilities a common error, so that their sum is not 1.
    # What the table does not hold is a geometric series, if it is little; else it is not known
    # well. With a ratio of 1 or more, where the probabilities still rise, it is far from little.
    within, last = cumulative[..., -1:], ratio[..., -1:]
    beyond = probability[..., -1:] * last / tf.maximum(1.0 - last, 1e-3)
    total = tf.where(beyond < 1e-3 * within, within + beyond, tf.ones_like(within))
    return cumulative / total


def _log1p_over(x: tf.Tensor) -> tf.Tensor:
    """log(1 + x) / x for x above 0; by its series for small x, whose digits 1 + x loses."""
    small = tf.minimum(x, 0.125)
    series = _horner([(-1.0) ** n / (n + 1) for n in range(8)], small)
    return tf.where(x < 0.125, series, tf.math.log(1.0 + x) / tf.maximum(x, 0.125))
