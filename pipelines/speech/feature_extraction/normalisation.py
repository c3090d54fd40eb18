"""Normalisation of features: by the training data, or by the utterance itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.feature_extraction.configuration import LEAST_DEVIATION, FeatureConfig

Array = npt.NDArray[np.float32]


class Normaliser:
    """Brings features to mean 0 and standard deviation 1, as the config says.

    Args:
        config: its `normalisation` decides.
        mean: of each feature over the training data, [size]; needed for "global".
        deviation: likewise the standard deviation.

    Raises:
        ConfigurationError: mean and deviation are missing where they are needed, or do not fit.
    """

    def __init__(
        self,
        config: FeatureConfig,
        mean: npt.ArrayLike | None = None,
        deviation: npt.ArrayLike | None = None,
    ) -> None:
        self.config = config
        self.mean: Array = np.zeros(config.size, np.float32)
        self.deviation: Array = np.ones(config.size, np.float32)
        if config.normalisation == "global":
            if mean is None or deviation is None:
                raise ConfigurationError(
                    "normalisation = 'global' needs the mean and deviation of the training data"
                )
            self.mean = _statistic("mean", mean, config.size)
            deviation = _statistic("deviation", deviation, config.size)
            self.deviation = np.maximum(deviation, np.float32(LEAST_DEVIATION))

    def __call__(self, found: Array) -> Array:
        """Normalised features of one utterance, float32 [frames, size]."""
        if self.config.normalisation == "utterance":
            deviation = np.maximum(found.std(axis=0), np.float32(LEAST_DEVIATION))
            return (found - found.mean(axis=0)) / deviation
        if self.config.normalisation == "global":
            return (found - self.mean) / self.deviation
        return found


def _statistic(name: str, given: npt.ArrayLike, size: int) -> Array:
    value = np.asarray(given, np.float32)
    if value.shape != (size,) or not np.isfinite(value).all():
        raise ConfigurationError(
            f"{name} must be {size} finite numbers, one a feature, not of shape {value.shape}"
        )
    return value


def feature_statistics(utterances: Iterable[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of each feature over all frames, float32 [size] each."""
    count, mean, squares = 0, np.zeros(0), np.zeros(0)
    for found in utterances:
        # Chan, Golub and LeVeque 1983: exact where a plain sum of squares is not.
        own = found.mean(axis=0, dtype=np.float64)
        own_squares = np.square(found - own).sum(axis=0)
        if not count:
            count, mean, squares = len(found), own, own_squares
            continue
        total = count + len(found)
        difference = own - mean
        mean = mean + difference * (len(found) / total)
        squares = squares + own_squares + difference**2 * (count * len(found) / total)
        count = total
    if not count:
        raise ConfigurationError("there is no utterance to take statistics of")
    return mean.astype(np.float32), np.sqrt(squares / count).astype(np.float32)
