"""Conformal intervals on top of any forecaster, calibrated on the validation part.

Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018) and conformalised quantile
regression (Romano, Patterson & Candes 2019, "Conformalized Quantile Regression", theorem 2: each
end of an interval is calibrated on its own) are one rule here. For each horizon step and each
level tau the score of a calibration window is

    E_i = (y_i - q_tau(x_i)) / s

with s the scale of the window's series, and the calibrated quantile is q_tau + s c_tau, where c_tau
is the ceil(tau (n + 1))-th smallest of the n scores for tau above 1/2, the floor(tau (n + 1))-th
for tau below. If calibration and test windows are exchangeable, each end then holds with at least
its nominal probability, and so does the interval. For a point forecaster q_tau is the point for
every tau, so its scores are residuals. The median is left as the forecaster gives it, as it bounds
no interval. Where n is too small for a level (n + 1 < 1 / min(tau, 1 - tau)) no score bounds that
share of the true values: quantiles that the forecaster was trained for are then left as they are, a
point forecaster's ends take the extreme score, and `Calibration.unreached` lists the levels.
Without any calibration window trained quantiles stay as well, and a point forecaster has none.

Windows that overlap are not exchangeable, and data drifts. `OnlineCalibrated` therefore goes on
calibrating while it forecasts, from nothing but the values that are known at each origin.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.forecast import (
    Forecast,
    Forecaster,
    Inputs,
    Window,
    crop,
    require_finite,
)

Array = NDArray[np.float64]

# Enough for a 1 % tail with 200 scores beyond it; and numbers that fit into 256 MB.
MOST_WINDOWS = 20_000
MOST_NUMBERS = 2**25


@dataclass(frozen=True)
class Calibration:
    """Corrections of quantiles, per horizon step and level, in units of each series' scale.

    Args:
        levels: quantile levels, ascending.
        corrections: corrections float64 [horizon, levels] in units of `scale`; 0 at the median.
        scale: units float64 [series] of the series' scores.
        windows: number of calibration windows; 0 where nothing was held out for calibration.
        smallest: lower bound of every quantile; 0 for counts and for transformed targets.
    """

    levels: tuple[float, ...]
    corrections: Array
    scale: Array
    windows: int
    smallest: float = -np.inf

    @property
    def unreached(self) -> tuple[float, ...]:
        """The levels for which there were too few windows for the finite-sample guarantee."""
        return unreached_levels(self.levels, self.windows)

    @classmethod
    def absent(cls, levels: Sequence[float], horizon: int, scale: Array) -> Calibration:
        """The calibration on no window: trained quantiles stay as they are."""
        unit = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)
        return cls(tuple(map(float, levels)), np.zeros((horizon, len(levels))), unit, 0)

    def apply(self, forecast: Forecast, series_index: NDArray[np.int64]) -> Forecast:
        """The forecast with calibrated quantiles at `levels`, rising along the levels.

        A point forecast stays a point if there was no window to calibrate on.
        """
        if not self.windows and forecast.quantiles is None:
            return forecast
        quantiles = as_quantiles(forecast, len(self.levels))
        shift = self.corrections[np.newaxis] * self.scale[series_index][:, np.newaxis, np.newaxis]
        calibrated = np.maximum(uncrossed(quantiles + shift, self.levels), self.smallest)
        calibrated = calibrated.astype(np.float32)
        return Forecast(forecast.point, calibrated, forecast.samples)

    def arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """The calibration as plain arrays for an .npz file, each name beginning with `prefix`."""
        return {
            f"{prefix}levels": np.asarray(self.levels),
            f"{prefix}corrections": self.corrections,
            f"{prefix}scale": self.scale,
            f"{prefix}windows": np.asarray(self.windows),
            f"{prefix}smallest": np.asarray(self.smallest),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Calibration:
        """The calibration that `arrays` turned into arrays."""
        return cls(
            tuple(arrays[f"{prefix}levels"].tolist()),
            arrays[f"{prefix}corrections"],
            arrays[f"{prefix}scale"],
            int(arrays[f"{prefix}windows"]),
            # Older runs do not hold it.
            float(arrays.get(f"{prefix}smallest", -np.inf)),
        )


@dataclass(frozen=True)
class Calibrated:
    """A forecaster whose quantiles were calibrated."""

    base: Forecaster
    calibration: Calibration

    @property
    def name(self) -> str:
        """The base forecaster's name."""
        return self.base.name

    @property
    def lookback(self) -> int:
        """The base forecaster's lookback."""
        return self.base.lookback

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of its quantiles; none for a point forecaster that is not calibrated."""
        has_quantiles = self.calibration.windows or self.base.levels
        return self.calibration.levels if has_quantiles else ()

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch, see `Forecaster`."""
        return self.calibration.apply(self.base.forecast(inputs), series_rows(inputs))


def unreached_levels(levels: Sequence[float], windows: int) -> tuple[float, ...]:
    """The levels that this many windows cannot calibrate; the median is never calibrated.

    Unless (n + 1) tau >= 1, none of n exchangeable scores lies beyond a share tau of the values.

    Args:
        levels: quantile levels, ascending.
        windows: number of calibration windows.
    """
    return tuple(
        level
        for level in levels
        if abs(level - 0.5) > 1e-9 and (windows + 1) * min(level, 1 - level) < 1 - 1e-9
    )


def calibrate(
    forecaster: Forecaster,
    validation: Iterable[Window],
    levels: Sequence[float],
    scale: Array,
    most_windows: int = MOST_WINDOWS,
) -> tuple[Calibration, Array]:
    """Calibrates a forecaster on the windows of the validation part.

    Args:
        forecaster: forecaster of points, or of quantiles at exactly `levels`.
        validation: windows of the validation part, each read once.
        levels: quantile levels, ascending, within (0, 1).
        scale: units float64 [series] of the series' scores; 0 or NaN counts as 1.
        most_windows: number of evenly spaced windows that are kept where there are more.

    Returns:
        The calibration, and the scores float64 [windows, horizon, levels] in the windows' order.

    Raises:
        ConfigurationError: levels that do not fit the forecaster, or no window to calibrate on.
        UserError: a forecast is not finite.
    """
    calibrator = Calibrator(forecaster, levels, scale, most_windows)
    for window in validation:
        calibrator.add(window)
    return calibrator.result()


class Calibrator:
    """Gathers scores window by window, so that one pass calibrates several forecasters."""

    def __init__(
        self,
        forecaster: Forecaster,
        levels: Sequence[float],
        scale: Array,
        most_windows: int = MOST_WINDOWS,
    ) -> None:
        check_levels(levels)
        if forecaster.levels and tuple(forecaster.levels) != tuple(levels):
            raise ConfigurationError(
                f"{forecaster.name} has quantiles {forecaster.levels}, not {tuple(levels)}"
            )
        self.forecaster = forecaster
        self.levels = tuple(map(float, levels))
        self.unit = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)
        self._most = most_windows
        self._kept = _EvenlySpaced()

    def add(self, window: Window) -> None:
        """Adds a batch's scores; its windows look back at least as far as the forecaster.

        Raises:
            UserError: a forecast is not finite.
        """
        forecast = self.forecaster.forecast(crop(window.inputs, self.forecaster.lookback))
        require_finite(forecast, self.forecaster.name, window.place)
        most = MOST_NUMBERS // (window.truth.shape[1] * len(self.levels))
        rows = scores(forecast, window, len(self.levels), self.unit)
        self._kept.add(rows, max(1, min(self._most, most)))

    def result(self) -> tuple[Calibration, Array]:
        """See `calibrate`."""
        rows = self._kept.rows()
        known = 0 if rows is None else int(np.isfinite(rows[:, :, 0]).sum(axis=0).min())
        if rows is None or known == 0:
            raise ConfigurationError(
                "no validation window has an observed true value to calibrate intervals on. "
                "Give the validation part more data"
            )
        # NaN, where the truth is missing, sorts last and is not counted.
        corrections = _order_statistics(np.sort(rows, axis=0), self.levels)
        if self.forecaster.levels:
            unreached = unreached_levels(self.levels, known)
            corrections[:, [level in unreached for level in self.levels]] = 0.0
        return Calibration(self.levels, corrections, self.unit, known), rows


def scores(forecast: Forecast, window: Window, levels: int, scale: Array) -> Array:
    """Truth minus quantile in units of the series' scale, float64 [batch, horizon, levels].

    NaN where the truth is missing.
    """
    quantiles = as_quantiles(forecast, levels)
    truth = np.where(window.weights > 0, window.truth.astype(np.float64), np.nan)
    unit = scale[window.series_index][:, np.newaxis, np.newaxis]
    return (truth[..., np.newaxis] - quantiles) / unit


def as_quantiles(forecast: Forecast, levels: int) -> Array:
    """The forecast's quantiles, or its point repeated `levels` times: [batch, horizon, levels]."""
    if forecast.quantiles is not None:
        return forecast.quantiles.astype(np.float64)
    return np.repeat(forecast.point.astype(np.float64)[..., np.newaxis], levels, axis=-1)


def uncrossed(quantiles: Array, levels: Sequence[float]) -> Array:
    """Quantiles [..., levels] that rise along the levels.

    From the first level at or above the median outwards, no quantile lies nearer to the median than
    its inner neighbour, so an interval can only grow and keeps its guarantee; the median stays.
    """
    pivot = next((i for i, level in enumerate(levels) if level >= 0.5), len(levels) - 1)
    above = np.maximum.accumulate(quantiles[..., pivot:], axis=-1)
    below = np.minimum.accumulate(quantiles[..., pivot::-1], axis=-1)[..., ::-1]
    return np.concatenate([below[..., :-1], above], axis=-1)


def check_levels(levels: Sequence[float]) -> None:
    """Refuses levels that are not ascending within (0, 1)."""
    ascending = all(a < b for a, b in itertools.pairwise(levels))
    if not levels or not ascending or levels[0] <= 0 or levels[-1] >= 1:
        raise ConfigurationError(f"quantile levels {tuple(levels)} must rise within (0, 1)")


def series_rows(inputs: Inputs) -> NDArray[np.int64]:
    """int64 [batch]: each window's series; 0 where the data has one series only."""
    if "series_index" in inputs:
        return np.asarray(inputs["series_index"], np.int64).reshape(-1)
    return np.zeros(len(inputs["past_target"]), np.int64)


def _order_statistics(rows: Array, levels: Sequence[float]) -> Array:
    """The corrections [horizon, levels] from sorted scores [windows, horizon, levels]."""
    count = np.isfinite(rows[:, :, 0]).sum(axis=0)
    corrections = np.zeros(rows.shape[1:])
    for i, level in enumerate(levels):
        rank = rank_of(level, count)
        if rank is not None:
            corrections[:, i] = np.take_along_axis(rows[:, :, i], rank[np.newaxis], axis=0)[0]
    return corrections


def rank_of(level: float, count: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The rank, from 0, of the sorted score that bounds a share `level`; None at the median."""
    # The tolerance keeps 0.9 * 10, which is 9.000000000000002, from being rounded up.
    exact = level * (count + 1)
    if abs(level - 0.5) < 1e-9:
        return None
    rank = np.ceil(exact - 1e-9) if level > 0.5 else np.floor(exact + 1e-9)
    return np.clip(rank.astype(np.int64) - 1, 0, count - 1)


class _EvenlySpaced:
    """Some rows of a stream of unknown length, evenly spaced: every 1st, 2nd, 4th ..."""

    def __init__(self) -> None:
        self._every = 1
        self._seen = 0
        self._kept: list[Array] = []
        self._count = 0

    def add(self, rows: Array, most: int) -> None:
        numbers = np.arange(self._seen, self._seen + len(rows))
        self._seen += len(rows)
        chosen = rows[numbers % self._every == 0]
        self._kept.append(chosen)
        self._count += len(chosen)
        while self._count > most:
            # Rows are kept at multiples of `every`, so every second of them is the next grid.
            self._every *= 2
            self._kept = [np.concatenate(self._kept)[::2]]
            self._count = len(self._kept[0])

    def rows(self) -> Array | None:
        return np.concatenate(self._kept) if self._count else None
