"""Normalisation of features by statistics of the training data, or of the utterance itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.feature_extraction.configuration import LEAST_DEVIATION, FeatureConfig

Array = npt.NDArray[np.float32]


class Normaliser:
    """Brings features to mean 0 and standard deviation 1 according to the configuration.

    Args:
        config: configuration whose `normalisation` says which statistics are used.
        mean: mean of each feature over the training data, [size]; needed for "global".
        deviation: standard deviation of each feature over the training data, [size]; needed for
            "global".

    Raises:
        ConfigurationError: mean and deviation are needed but missing, or have another size.
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

    def __call__(self, features: Array) -> Array:
        """Normalised features of one utterance, float32 [frames, size]."""
        if self.config.normalisation == "utterance":
            deviation = np.maximum(features.std(axis=0), np.float32(LEAST_DEVIATION))
            return (features - features.mean(axis=0)) / deviation
        if self.config.normalisation == "global":
            return (features - self.mean) / self.deviation
        return features


def _statistic(name: str, values: npt.ArrayLike, size: int) -> Array:
    array = np.asarray(values, np.float32)
    if array.shape != (size,) or not np.isfinite(array).all():
        raise ConfigurationError(
            f"{name} must be {size} finite numbers, one per feature, not of shape {array.shape}"
        )
    return array


def feature_statistics(utterances: Iterable[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of each feature over all frames, float32 [size] each."""
    count, mean, squares = 0, np.zeros(0), np.zeros(0)
    for features in utterances:
        # Chan, Golub and LeVeque 1983: exact where a plain sum of squares is not.
        frames = len(features)
        own = features.mean(axis=0, dtype=np.float64)
        own_squares = np.square(features - own).sum(axis=0)
        if not count:
            count, mean, squares = frames, own, own_squares
            continue
        total = count + frames
        difference = own - mean
        mean = mean + difference * (frames / total)
        squares = squares + own_squares + difference**2 * (count * frames / total)
        count = total
    if not count:
        raise ConfigurationError("there is no utterance to take statistics of")
    return mean.astype(np.float32), np.sqrt(squares / count).astype(np.float32)
