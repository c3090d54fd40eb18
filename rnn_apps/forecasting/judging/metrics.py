"""Forecast errors: exact formulas, and sums to which any number of windows can be added.

Notation: y is the truth, f the point forecast, q_tau the forecast of the tau-quantile, w a weight
that is 0 where the truth is missing or the row is padding. Every mean is sum(w * term) / sum(w).

    MAE      |y - f|
    MSE      (y - f)^2, RMSE = sqrt(MSE)
    MASE     |y - f| / Q; Q = mean |y_t - y_{t-m}| over the series' training part with season m
             (Hyndman & Koehler 2006, "Another look at measures of forecast accuracy", section 3)
    sMAPE    200 |y - f| / (|y| + |f|), in per cent, 0 to 200 (Makridakis et al. 2020, M4)
    pinball  max(tau (y - q_tau), (tau - 1)(y - q_tau)) (Gneiting & Raftery 2007, section 6.1)
    weighted quantile loss  mean over tau of 2 sum(w pinball_tau) / sum(w |y|)
             (Salinas et al. 2020, "DeepAR", section 4; GluonTS's mean weighted quantile loss)
    coverage share of true values in [q_lower, q_upper], both ends included
    width    q_upper - q_lower

Division by zero: a term 0/0 of sMAPE counts as 0 (forecast and truth agree). NaN are a mean over no
observed value, a weighted quantile loss whose true values are all 0, and the MASE of a series whose
Q is 0 or unknown (a constant training part, or one shorter than the season); such a series is left
out of the MASE over all series, and is NaN in the table of series. Nothing is clipped or padded
with a small constant. `as_json` writes NaN as null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.base.errors import ConfigurationError, UserError

Array = NDArray[np.float64]

_POINT_TERMS = 10


def mean_absolute_error(
    truth: ArrayLike, forecast: ArrayLike, weights: ArrayLike | None = None, axis: Any = None
) -> Any:
    """MAE over `axis` (None for all; 0 of [windows, horizon] gives one figure per horizon step)."""
    return _mean(np.abs(_float(truth) - _float(forecast)), weights, axis)


def mean_squared_error(
    truth: ArrayLike, forecast: ArrayLike, weights: ArrayLike | None = None, axis: Any = None
) -> Any:
    """MSE over `axis`, as in `mean_absolute_error`."""
    return _mean(np.square(_float(truth) - _float(forecast)), weights, axis)


def root_mean_squared_error(
    truth: ArrayLike, forecast: ArrayLike, weights: ArrayLike | None = None, axis: Any = None
) -> Any:
    """The square root of the MSE over `axis`."""
    return np.sqrt(mean_squared_error(truth, forecast, weights, axis))


def mean_absolute_scaled_error(
    truth: ArrayLike,
    forecast: ArrayLike,
    scale: ArrayLike,
    weights: ArrayLike | None = None,
    axis: Any = None,
) -> Any:
    """MASE over `axis`; `scale` is `seasonal_naive_error` of the training part, broadcast to truth.

    Raises:
        ConfigurationError: a scale that is 0, negative or not finite.
    """
    divisor = _float(scale)
    if not (np.isfinite(divisor) & (divisor > 0)).all():
        raise ConfigurationError(
            "MASE is not defined: the seasonal naive error of the training part is 0 or unknown"
        )
    return _mean(np.abs(_float(truth) - _float(forecast)) / divisor, weights, axis)


def symmetric_mape(
    truth: ArrayLike, forecast: ArrayLike, weights: ArrayLike | None = None, axis: Any = None
) -> Any:
    """sMAPE over `axis` in per cent, from 0 to 200."""
    return _mean(_smape_terms(_float(truth), _float(forecast)), weights, axis)


def pinball(truth: ArrayLike, quantiles: ArrayLike, levels: Sequence[float]) -> Array:
    """The pinball loss of every value and level.

    Args:
        truth: true values [...] of any shape.
        quantiles: forecast quantiles [..., levels] in the order of `levels`.
        levels: quantile levels, within (0, 1).

    Returns:
        float64 [..., levels].
    """
    error = _float(truth)[..., np.newaxis] - _float(quantiles)
    tau = np.asarray(levels, np.float64)
    return np.maximum(tau * error, (tau - 1.0) * error)


def mean_pinball(
    truth: ArrayLike,
    quantiles: ArrayLike,
    levels: Sequence[float],
    weights: ArrayLike | None = None,
    axis: Any = None,
) -> Any:
    """The pinball loss averaged over `axis` of the truth and over the levels."""
    return _mean(pinball(truth, quantiles, levels).mean(axis=-1), weights, axis)


def weighted_quantile_loss(
    truth: ArrayLike,
    quantiles: ArrayLike,
    levels: Sequence[float],
    weights: ArrayLike | None = None,
) -> float:
    """Twice the pinball loss over the sum of |truth|, averaged over the levels."""
    y = _float(truth)
    w = np.ones_like(y) if weights is None else np.broadcast_to(_float(weights), y.shape)
    loss = (pinball(y, quantiles, levels).mean(axis=-1) * w).sum()
    return float(_ratio(2.0 * loss, (np.abs(y) * w).sum()))


def coverage(
    truth: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    weights: ArrayLike | None = None,
    axis: Any = None,
) -> Any:
    """The share of true values within [lower, upper], over `axis`."""
    y = _float(truth)
    return _mean(((y >= _float(lower)) & (y <= _float(upper))).astype(np.float64), weights, axis)


def interval_width(
    lower: ArrayLike, upper: ArrayLike, weights: ArrayLike | None = None, axis: Any = None
) -> Any:
    """The mean of upper - lower over `axis`, in the unit of the data."""
    return _mean(_float(upper) - _float(lower), weights, axis)


def seasonal_naive_error(
    target: ArrayLike, season: int, observed: ArrayLike | None = None
) -> float:
    """Mean |y_t - y_{t-season}| of one series' training part: the denominator of MASE.

    Only pairs whose values were both observed count; NaN if there is no such pair.
    """
    if season < 1:
        raise ConfigurationError(f"season = {season} must be at least 1")
    y = _float(target)
    if len(y) <= season:
        return float("nan")
    known = np.isfinite(y) if observed is None else np.asarray(observed, bool)
    pairs = known[season:] & known[:-season]
    if not pairs.any():
        return float("nan")
    return float(np.abs(y[season:] - y[:-season])[pairs].mean())


def intervals_of(levels: Sequence[float]) -> list[tuple[float, int, int]]:
    """The central intervals that `levels` hold: (nominal coverage, lower index, upper index).

    The widest comes last. Levels without a mirror image, as 0.1 has 0.9, belong to no interval.
    """
    intervals = []
    for i, lower in enumerate(levels):
        for j, upper in enumerate(levels):
            if lower < 0.5 and abs(lower + upper - 1.0) < 1e-9:
                intervals.append((round(upper - lower, 10), i, j))
    return sorted(intervals)


@dataclass(frozen=True)
class SeriesScales:
    """Statistics of every series' training part, each float64 [series].

    `seasonal_error` is the denominator of MASE, `standard_deviation` that of the scaled errors in
    papers on long-horizon forecasting (the mean cancels in an error). A series that training has
    not seen has the deviation of its rows before the first origin, and no seasonal error.
    """

    names: tuple[str, ...]
    seasonal_error: Array
    standard_deviation: Array


class ForecastMetrics:
    """Adds windows to sums: over all series, per series and per horizon step.

    Memory is (series + horizon) * (10 + 3 * levels) numbers for any number of windows.

    Args:
        scales: statistics of the training part for every series.
        horizon: number of time steps of a forecast.
        levels: quantile levels, ascending; () for point forecasts alone.
    """

    def __init__(self, scales: SeriesScales, horizon: int, levels: Sequence[float] = ()) -> None:
        self.scales = scales
        self.horizon = horizon
        self.levels = tuple(float(level) for level in levels)
        self.intervals = intervals_of(self.levels)
        self._inverse_seasonal, self._seasonal_known = _inverse(scales.seasonal_error)
        self._inverse_deviation, self._deviation_known = _inverse(scales.standard_deviation)
        columns = _POINT_TERMS + len(self.levels) + 2 * len(self.intervals)
        self._by_series = np.zeros((len(scales.names), columns))
        self._by_step = np.zeros((horizon, columns))
        self.windows = 0

    def update(
        self,
        truth: ArrayLike,
        weights: ArrayLike,
        series_index: ArrayLike,
        point: ArrayLike,
        quantiles: ArrayLike | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            truth, point: true values and point forecasts, each [batch, horizon].
            weights: weights [batch, horizon]; 0 where the truth is missing or the row is padding.
            series_index: position of each window's series, int [batch].
            quantiles: forecast quantiles [batch, horizon, levels]; required with levels.

        Raises:
            ValueError: a shape that does not fit.
            UserError: a forecast is not finite.
        """
        y, w, f = _float(truth), _float(weights), _float(point)
        index = np.asarray(series_index, np.int64)
        if not (y.shape == w.shape == f.shape == (len(index), self.horizon)):
            raise ValueError(
                f"truth {y.shape}, weights {w.shape}, point {f.shape} and series_index "
                f"{index.shape} do not describe windows of {self.horizon} steps"
            )
        y = np.where(w > 0, y, 0.0)
        terms = self._point_terms(y, f, w, index)
        if self.levels:
            if quantiles is None:
                raise ValueError(f"quantiles for the levels {self.levels} are missing")
            terms += self._quantile_terms(y, _float(quantiles), w)
        stacked = np.stack(terms, axis=-1)
        if not np.isfinite(stacked).all():
            row = int(np.argmin(np.isfinite(stacked).all(axis=(1, 2))))
            raise UserError(f"a forecast of series {self.scales.names[index[row]]!r} is not finite")
        np.add.at(self._by_series, index, stacked.sum(axis=1))
        self._by_step += stacked.sum(axis=0)
        self.windows += int((w.max(axis=1) > 0).sum())

    def _point_terms(self, y: Array, f: Array, w: Array, index: NDArray[np.int64]) -> list[Array]:
        error = np.abs(y - f)
        by_seasonal = self._inverse_seasonal[index, np.newaxis]
        by_deviation = self._inverse_deviation[index, np.newaxis]
        return [
            w,
            w * error,
            w * error**2,
            w * _smape_terms(y, f),
            w * np.abs(y),
            w * error * by_seasonal,
            w * self._seasonal_known[index, np.newaxis],
            w * error * by_deviation,
            w * (error * by_deviation) ** 2,
            w * self._deviation_known[index, np.newaxis],
        ]

    def _quantile_terms(self, y: Array, q: Array, w: Array) -> list[Array]:
        if q.shape != (*y.shape, len(self.levels)):
            raise ValueError(f"quantiles {q.shape} are not [*{y.shape}, {len(self.levels)}]")
        losses = pinball(y, q, self.levels) * w[..., np.newaxis]
        terms = list(np.moveaxis(losses, -1, 0))
        for _, lower, upper in self.intervals:
            terms.append(w * ((y >= q[..., lower]) & (y <= q[..., upper])))
            terms.append(w * (q[..., upper] - q[..., lower]))
        return terms

    def overall(self) -> dict[str, float]:
        """Every figure over all series and steps; each observed value counts once."""
        table = self._figures(self._by_series.sum(axis=0, keepdims=True))
        return {name: float(values[0]) for name, values in table.items()}

    def per_series(self) -> list[dict[str, Any]]:
        """One row per series with its name; NaN where a figure is not defined."""
        table = self._figures(self._by_series)
        return [
            {"series": name, **{key: float(values[i]) for key, values in table.items()}}
            for i, name in enumerate(self.scales.names)
        ]

    def per_step(self) -> dict[str, Array]:
        """Every figure per horizon step, float64 [horizon]."""
        return self._figures(self._by_step)

    def _figures(self, sums: Array) -> dict[str, Array]:
        weight = sums[:, 0]
        mse = _ratio(sums[:, 2], weight)
        figures = {
            "mae": _ratio(sums[:, 1], weight),
            "rmse": np.sqrt(mse),
            "mse": mse,
            "mase": _ratio(sums[:, 5], sums[:, 6]),
            "smape": _ratio(sums[:, 3], weight),
            "scaled_mse": _ratio(sums[:, 8], sums[:, 9]),
            "scaled_mae": _ratio(sums[:, 7], sums[:, 9]),
        }
        count = len(self.levels)
        if count:
            losses = sums[:, _POINT_TERMS : _POINT_TERMS + count].mean(axis=1)
            figures["weighted_quantile_loss"] = _ratio(2.0 * losses, sums[:, 4])
            figures["mean_pinball"] = _ratio(losses, weight)
        for i, (nominal, _, _) in enumerate(self.intervals):
            name, column = f"{100 * nominal:g}", _POINT_TERMS + count + 2 * i
            figures[f"coverage_{name}"] = _ratio(sums[:, column], weight)
            figures[f"width_{name}"] = _ratio(sums[:, column + 1], weight)
        return figures


def as_json(value: Any) -> Any:
    """`value` with arrays as lists and NaN as None, fit for strict JSON."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _float(values: ArrayLike) -> Array:
    return np.asarray(values, np.float64)


def _smape_terms(y: Array, f: Array) -> Array:
    size = np.abs(y) + np.abs(f)
    return np.where(size > 0, 200.0 * np.abs(y - f) / np.where(size > 0, size, 1.0), 0.0)


def _mean(terms: Array, weights: ArrayLike | None, axis: Any) -> Any:
    if weights is None:
        return terms.mean(axis=axis)
    w = np.broadcast_to(_float(weights), terms.shape)
    # The truth may be NaN where the weight is 0, and NaN * 0 is NaN.
    return _ratio(np.where(w > 0, terms * w, 0.0).sum(axis=axis), w.sum(axis=axis))


def _inverse(scale: Array) -> tuple[Array, Array]:
    """1 / scale, 0 where it is 0 or unknown; and 1 where it is known, 0 elsewhere."""
    known = np.isfinite(scale) & (scale > 0)
    return np.where(known, 1.0 / np.where(known, scale, 1.0), 0.0), known.astype(np.float64)


def _ratio(numerator: Any, denominator: Any) -> Any:
    """numerator / denominator, NaN where the denominator is 0."""
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    known = below > 0
    result = np.where(known, above / np.where(known, below, 1.0), np.nan)
    return result if result.ndim else float(result)
