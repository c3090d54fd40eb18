"""Intervals that keep adapting while they forecast, for data that drifts.

Adaptive conformal inference (Gibbs & Candes 2021, "Adaptive Conformal Inference Under Distribution
Shift", equation 2), for each series, horizon step and quantile level on its own: the working level
b starts at the nominal level tau and moves by

    b <- b + rate * (tau - 1{truth <= calibrated quantile})

each time a true value becomes known, and the correction is the b-quantile of the scores. Over T
origins the share of hits differs from tau by at most (1 + rate) / (rate T), whatever the data does
(their proposition 4.1), as long as b stays within the available scores. The scores are those of the
validation part, replaced one by one by the latest that have become known.

No true value is used before it is known: a forecast for `h` steps after an origin only counts for
origins after that step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_apps.forecasting.forecast import Forecast, Window, crop
from rnn_apps.forecasting.judging.conformal import Calibrated, scores, uncrossed

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OnlineSettings:
    """How fast intervals adapt.

    Args:
        rate: step size of the working level; 0 leaves it at its nominal value. Neighbouring
            windows share most of their true values, so that a season of windows carries about one
            window's information: 0.05 divided by the season's length has worked well.
        memory: number of the latest scores per series and horizon step that are kept.
        refresh: number of origins after which the scores are sorted again.
    """

    rate: float = 0.05
    memory: int = 2000
    refresh: int = 24

    @classmethod
    def for_season(cls, season: int, stride: int = 1) -> OnlineSettings:
        """The settings for a season of `season` time steps and origins `stride` rows apart."""
        return cls(rate=0.05 / max(1.0, season / stride))


class OnlineCalibrated:
    """A calibrated forecaster that adapts its intervals as a backtest proceeds.

    Args:
        calibrated: forecaster with its split conformal calibration.
        validation_scores: scores float64 [windows, horizon, levels] from which every series starts,
            oldest first; NaN where unknown.
        stride: number of rows between neighbouring origins.
        settings: speed at which the intervals adapt; None for the defaults.
    """

    def __init__(
        self,
        calibrated: Calibrated,
        validation_scores: Array,
        stride: int = 1,
        settings: OnlineSettings | None = None,
    ) -> None:
        self.calibrated = calibrated
        self.settings = settings or OnlineSettings()
        self.levels = np.asarray(calibrated.levels)
        self.horizon = validation_scores.shape[1]
        # The value h steps after an origin is known to origins at least this many places later.
        self.delay = np.arange(self.horizon) // stride + 1
        self.start = validation_scores[-self.settings.memory :]
        self.series = -1

    @property
    def name(self) -> str:
        """The forecaster's name with a note that its intervals adapt."""
        return f"{self.calibrated.name}, online intervals"

    @property
    def lookback(self) -> int:
        """The forecaster's lookback."""
        return self.calibrated.lookback

    def follow(self, window: Window, base: Forecast | None = None) -> Forecast:
        """Forecasts a batch in the order of time, learning from values as they become known.

        Args:
            window: windows of consecutive origins, series after series, as an unshuffled
                `pipelines.WindowBatches` gives them; successive calls leave no origin out.
            base: uncalibrated forecasts of the batch; None to compute them.
        """
        if base is None:
            base = self.calibrated.base.forecast(crop(window.inputs, self.lookback))
        unit = self.calibrated.calibration.scale
        error = scores(base, window, len(self.levels), unit)
        corrections = np.empty_like(error)
        for row, series in enumerate(window.series_index):
            if series != self.series:
                self._begin(int(series))
            corrections[row] = self._correction()
            self._remember(error[row], corrections[row])
        shifted = corrections * unit[window.series_index][:, np.newaxis, np.newaxis]
        quantiles = base.point[..., np.newaxis] if base.quantiles is None else base.quantiles
        calibrated = uncrossed(quantiles + shifted, self.calibrated.levels)
        calibrated = np.maximum(calibrated, self.calibrated.calibration.smallest)
        return Forecast(base.point, calibrated.astype(np.float32), base.samples)

    def _begin(self, series: int) -> None:
        self.series = series
        self.origin = 0
        self.working = np.tile(self.levels, (self.horizon, 1))
        self.pool = self.start.copy()
        self.oldest = np.zeros(self.horizon, np.int64)
        self._sort()
        longest = int(self.delay[-1])
        shape = (longest, self.horizon, len(self.levels))
        self.pending = np.full(shape, np.nan)
        self.used = np.full(shape, np.nan)

    def _sort(self) -> None:
        self.ordered = np.sort(self.pool, axis=0)
        self.count = np.isfinite(self.ordered).sum(axis=0)

    def _correction(self) -> Array:
        """The corrections for the current origin, from everything that is known at it."""
        self._learn()
        if self.origin % self.settings.refresh == 0 and self.origin:
            self._sort()
        exact = self.working * (self.count + 1)
        upper = self.levels > 0.5
        rank = np.where(upper, np.ceil(exact - 1e-9), np.floor(exact + 1e-9)).astype(np.int64) - 1
        rank = np.clip(rank, 0, np.maximum(self.count - 1, 0))
        correction = np.take_along_axis(self.ordered, rank[np.newaxis], axis=0)[0]
        if self.calibrated.base.levels:
            # With too few scores, trained quantiles stay as they were calibrated.
            enough = (self.count + 1) * np.minimum(self.levels, 1 - self.levels) >= 1 - 1e-9
            correction = np.where(enough, correction, self.calibrated.calibration.corrections)
        return np.where(np.abs(self.levels - 0.5) < 1e-9, 0.0, np.nan_to_num(correction))

    def _learn(self) -> None:
        steps = np.arange(self.horizon)
        place = (self.origin - self.delay) % len(self.pending)
        error, used = self.pending[place, steps], self.used[place, steps]
        known = np.isfinite(error[:, 0]) & (self.delay <= self.origin)
        hit = error <= used
        move = self.settings.rate * (self.levels - hit)
        self.working[known] = np.clip(self.working + move, 0.0, 1.0)[known]
        self.pool[self.oldest[known], steps[known]] = error[known]
        self.oldest[known] = (self.oldest[known] + 1) % len(self.pool)

    def _remember(self, error: Array, used: Array) -> None:
        place = self.origin % len(self.pending)
        self.pending[place], self.used[place] = error, used
        self.origin += 1
