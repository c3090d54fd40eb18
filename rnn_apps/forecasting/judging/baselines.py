"""The baselines that a network must beat, with the same interface as the network.

Repeat-last, seasonal naive and drift are in Hyndman & Athanasopoulos, "Forecasting: Principles and
Practice" (3rd edition), section 5.2. NLinear is Zeng et al. 2023, "Are Transformers Effective for
Time Series Forecasting?", section 4: a linear map of the window from which the last value was
subtracted, shared by all series.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.forecast import Forecast, Inputs, Window

Array = NDArray[np.float64]

RIDGE_STRENGTHS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class RepeatLast:
    """Every step ahead is the last value seen."""

    horizon: int
    name: str = "repeat last"
    lookback: int = 1
    levels: tuple[float, ...] = ()

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch, see `Forecaster`."""
        return Forecast(np.repeat(inputs["past_target"][:, -1:], self.horizon, axis=1))


@dataclass(frozen=True)
class SeasonalNaive:
    """Every step ahead is the latest known value a whole number of seasons before it."""

    horizon: int
    season: int
    name: str = "seasonal naive"
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.season < 1:
            raise ConfigurationError(f"season = {self.season} must be at least 1")

    @property
    def lookback(self) -> int:
        """One season."""
        return self.season

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch, see `Forecaster`."""
        season = inputs["past_target"][:, -self.season :]
        return Forecast(season[:, np.arange(self.horizon) % self.season])


@dataclass(frozen=True)
class Drift:
    """The straight line through the first and the last value of the window, continued.

    The textbook draws it through the whole history; here a forecaster sees its window only.
    """

    horizon: int
    lookback: int
    name: str = "drift"
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.lookback < 2:
            raise ConfigurationError(f"drift needs a lookback of at least 2, not {self.lookback}")

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch, see `Forecaster`."""
        past = inputs["past_target"].astype(np.float64)
        slope = (past[:, -1:] - past[:, :1]) / (past.shape[1] - 1)
        steps = np.arange(1, self.horizon + 1)
        return Forecast((past[:, -1:] + slope * steps).astype(np.float32))


@dataclass(frozen=True)
class NLinear:
    """A linear map of the last-value-subtracted window, one for all series; see `fit_nlinear`.

    Args:
        weights: weights float64 [lookback, horizon] from scaled differences to scaled differences.
        bias: offsets float64 [horizon] of the scaled differences.
        scale: units float64 [series] in which the series are measured.
        ridge: ridge strength that the validation part chose, relative to the mean variance.
    """

    weights: Array
    bias: Array
    scale: Array
    ridge: float
    name: str = "NLinear"
    levels: tuple[float, ...] = ()

    @property
    def lookback(self) -> int:
        """Past steps that the map reads."""
        return len(self.weights)

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch, see `Forecaster`."""
        past, last, scale = _differences(inputs, self.scale)
        return Forecast(((past @ self.weights + self.bias) * scale + last).astype(np.float32))


def fit_nlinear(
    training: Iterable[Window],
    validation: Iterable[Window],
    scale: Array,
    lookback: int,
    horizon: int,
    strengths: Sequence[float] = RIDGE_STRENGTHS,
) -> NLinear:
    """Fits NLinear in closed form: ridge regression on sums over all windows of all series.

    The sums are [lookback + 1, lookback + 1 + horizon], so memory does not grow with the data.
    The bias is penalised no more than a direction of the mean variance; as the window's last value
    is 0, the bias is a drift. The strength chosen from `strengths` has the least squared error on
    the validation windows, computed from sums as well; without a validation window it is the
    smallest. A window counts if all of its true values were observed.

    Args:
        training, validation: windows of at least `lookback` past steps, each read once.
        scale: units float64 [series], such as the training part's standard deviation; 0 counts
            as 1.
        lookback: number of past time steps that the map reads.
        horizon: number of time steps to forecast.
        strengths: ridge strengths to choose from, relative to the mean variance.

    Raises:
        ConfigurationError: no training window has all of its true values.
    """
    unit = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)
    fitted = _Sums(lookback, horizon, unit)
    fitted.add(training)
    if fitted.count == 0:
        raise ConfigurationError("NLinear: no training window has all of its true values observed")
    chosen = _Sums(lookback, horizon, unit)
    chosen.add(validation)
    values, vectors = np.linalg.eigh(fitted.xx)
    projected = vectors.T @ fitted.xy
    # Rounding may leave eigenvalues slightly below 0.
    values = np.maximum(values, 0.0)
    mean = max(values.mean(), np.finfo(np.float64).tiny)
    best, solution = np.inf, np.zeros_like(fitted.xy)
    strength_chosen = 0.0
    for strength in strengths:
        candidate = vectors @ (projected / (values + strength * mean)[:, np.newaxis])
        error = chosen.squared_error(candidate) if chosen.count else strength
        if error < best:
            best, solution, strength_chosen = error, candidate, strength
    return NLinear(solution[:-1], solution[-1], unit, strength_chosen)


class _Sums:
    """X'X, X'Y and Y'Y of the scaled differences, with a last column of ones in X."""

    def __init__(self, lookback: int, horizon: int, scale: Array) -> None:
        self.lookback = lookback
        self.scale = scale
        self.xx = np.zeros((lookback + 1, lookback + 1))
        self.xy = np.zeros((lookback + 1, horizon))
        self.yy = 0.0
        self.count = 0

    def add(self, source: Iterable[Window]) -> None:
        for window in source:
            whole = (window.weights > 0).all(axis=1)
            if not whole.any():
                continue
            inputs = {
                "past_target": window.inputs["past_target"][whole, -self.lookback :],
                "series_index": window.series_index[whole],
            }
            past, last, scale = _differences(inputs, self.scale)
            x = np.concatenate([past, np.ones((len(past), 1))], axis=1)
            y = (window.truth[whole].astype(np.float64) - last) / scale
            self.xx += x.T @ x
            self.xy += x.T @ y
            self.yy += float((y * y).sum())
            self.count += len(x)

    def squared_error(self, solution: Array) -> float:
        """The sum of |Y - X solution|^2."""
        cross = float((solution * self.xy).sum())
        return self.yy - 2.0 * cross + float((solution * (self.xx @ solution)).sum())


def _differences(inputs: Inputs, scale: Array) -> tuple[Array, Array, Array]:
    """The window minus its last value in units of the series' scale, the last value, the scale."""
    past = np.asarray(inputs["past_target"], np.float64)
    last = past[:, -1:]
    index = inputs.get("series_index")
    rows = np.zeros(len(past), np.int64) if index is None else np.asarray(index).reshape(-1)
    unit = scale[rows][:, np.newaxis]
    return (past - last) / unit, last, unit
