"""The scale of the data, measured on the training part only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.series.splits import Split, part_rows
from pipelines.series.time_series import SeriesSet

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of the training part without missing values. All arrays are float32.

    Attributes:
        mean, standard_deviation: mean and standard deviation (population form, divided by n) of
            each series, [N]. A constant series has standard deviation 1, so that scaling gives
            zeros. A series without an observation in the training part is measured on all its
            observations, since it cannot be forecast without a scale.
        mean_absolute: mean of |target|, or 1 if that is 0, [N]: the scale for counts, whose zero
            must stay zero (as in DeepAR, Salinas et al. 2020, section 3.3).
        constant: True for each series whose standard deviation was set to 1, bool [N].
        past_mean, past_standard_deviation: mean and standard deviation of each past covariate over
            all series, [P]; likewise for future and static covariates.
    """

    mean: Array
    standard_deviation: Array
    mean_absolute: Array
    constant: npt.NDArray[np.bool_]
    past_mean: Array
    past_standard_deviation: Array
    future_mean: Array
    future_standard_deviation: Array
    static_mean: Array
    static_standard_deviation: Array


def training_statistics(series_set: SeriesSet, split: Split) -> Statistics:
    """The statistics of the training part of `split`, computed in float64."""
    mean, deviation, absolute, constant = [], [], [], []
    past, future = _Moments(len(series_set.past_names)), _Moments(len(series_set.future_names))
    static = _Moments(len(series_set.static_names))
    for series in series_set:
        start, stop = part_rows(split.train, series, series_set)
        values = series.target[start:stop][series.observed[start:stop]].astype(np.float64)
        if not len(values):
            values = series.target[series.observed].astype(np.float64)
        center = values.mean() if len(values) else 0.0
        spread = values.std() if len(values) else 0.0
        size = np.abs(values).mean() if len(values) else 0.0
        # Rounding makes the deviation of a constant series a tiny number instead of 0.
        still = bool(len(values) == 0 or values.min() == values.max())
        mean.append(center)
        deviation.append(1.0 if still else spread)
        absolute.append(size or 1.0)
        constant.append(still)
        past.add(series.past_covariates[start:stop])
        future.add(series.future_covariates[start:stop])
        static.add(series.static_covariates[None])
    return Statistics(
        np.array(mean, np.float32),
        np.array(deviation, np.float32),
        np.array(absolute, np.float32),
        np.array(constant, np.bool_),
        *past.result(),
        *future.result(),
        *static.result(),
    )


class _Moments:
    """Mean and standard deviation of columns, gathered over arrays [rows, columns]."""

    def __init__(self, columns: int) -> None:
        self.count = 0
        self.mean = np.zeros(columns)
        self.squares = np.zeros(columns)
        self.last: tuple[Any, ...] = ()
        self.last_moments = (np.zeros(columns), np.zeros(columns))

    def add(self, values: Array) -> None:
        """Adds rows by the pairwise update of Chan, Golub and LeVeque (1979)."""
        if not len(values) or not values.shape[1]:
            return
        # The series of a wide table share their covariates, which are computed only once.
        key = (values.__array_interface__["data"][0], values.shape, values.strides)
        if key != self.last:
            exact = values.astype(np.float64)
            mean = exact.mean(axis=0)
            self.last, self.last_moments = key, (mean, ((exact - mean) ** 2).sum(axis=0))
        mean, squares = self.last_moments
        total = self.count + len(values)
        difference = mean - self.mean
        self.squares += squares + difference**2 * self.count * len(values) / total
        self.mean = self.mean + difference * len(values) / total
        self.count = total

    def result(self) -> tuple[Array, Array]:
        deviation = np.sqrt(self.squares / max(self.count, 1))
        tiny = deviation <= 1e-7 * np.abs(self.mean)
        return self.mean.astype(np.float32), np.where(tiny, 1.0, deviation).astype(np.float32)
