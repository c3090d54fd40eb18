"""The M4 competition's formulas: sMAPE, MASE, OWA against Naive2, and MSIS.

Makridakis, Spiliotis and Assimakopoulos, "The M4 Competition: 100,000 time series and 61
forecasting methods", 2020, and the organisers' programs (repository Mcompetitions/M4-methods):
figures are means over the steps of a series, then over the series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
INTERVAL_LEVEL = 0.95


def seasonal_indices(insample: Values, period: int) -> Values | None:
    """The seasonal factors of the organisers' Naive2, float64 [period]; None without a season.

    The season counts if the autocorrelation at its lag is significant at 90 % (Bartlett's
    formula); the factors come from a classical multiplicative decomposition, the first one
    belonging to the first value of `insample`.
    """
    if period == 1 or len(insample) < 3 * period:
        return None
    centred = insample - insample.mean()
    variance = float(centred @ centred)
    if variance == 0.0:
        return None
    correlations = np.array(
        [float(centred[:-lag] @ centred[lag:]) / variance for lag in range(1, period + 1)]
    )
    limit = 1.645 / np.sqrt(len(insample)) * np.sqrt(1.0 + 2.0 * np.sum(correlations[:-1] ** 2))
    if abs(correlations[-1]) <= limit:
        return None
    weights = np.ones(period) if period % 2 else np.r_[0.5, np.ones(period - 1), 0.5]
    trend = np.convolve(insample, weights / period, mode="valid")
    start = (len(insample) - len(trend)) // 2
    ratios = np.full(len(insample), np.nan)
    ratios[start : start + len(trend)] = insample[start : start + len(trend)] / trend
    factors = np.array([np.nanmean(ratios[phase::period]) for phase in range(period)])
    scaled: Values = factors / factors.mean()
    return scaled


def naive2(insample: Values, horizon: int, period: int) -> Values:
    """The last value without its season, with the season of the steps to come, [horizon]."""
    factors = seasonal_indices(insample, period)
    if factors is None:
        return np.full(horizon, insample[-1])
    places = np.arange(len(insample) - 1, len(insample) + horizon) % period
    season = factors[places]
    return insample[-1] / season[0] * season[1:]


def smape(truth: Values, forecast: Values) -> float:
    """The symmetric mean absolute percentage error of a series, in percent from 0 to 200."""
    return float(np.mean(200.0 * np.abs(truth - forecast) / (np.abs(truth) + np.abs(forecast))))


def seasonal_error(insample: Values, period: int) -> float:
    """The mean absolute error of the seasonal naive forecast within a series."""
    return float(np.mean(np.abs(insample[period:] - insample[:-period])))


def mase(truth: Values, forecast: Values, insample: Values, period: int) -> float:
    """The mean absolute error of a series over `seasonal_error`."""
    return float(np.mean(np.abs(truth - forecast))) / seasonal_error(insample, period)


def msis(truth: Values, lower: Values, upper: Values, insample: Values, period: int) -> float:
    """The mean scaled interval score of a series' 95 % interval (Gneiting and Raftery 2007)."""
    penalty = 2.0 / (1.0 - INTERVAL_LEVEL)
    below, above = np.maximum(lower - truth, 0.0), np.maximum(truth - upper, 0.0)
    score = upper - lower + penalty * (below + above)
    return float(np.mean(score)) / seasonal_error(insample, period)


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one series, each float64 [horizon]; the bounds are those of the 95 % interval.

    Args:
        point: forecast that sMAPE and MASE judge.
        lower: lower bound of the interval.
        upper: upper bound of the interval.
    """

    point: Values
    lower: Values
    upper: Values


def judge(
    insample: Sequence[Values], truth: Sequence[Values], forecasts: Sequence[Forecasts], period: int
) -> dict[str, float]:
    """All figures of the competition for one set of series.

    Args:
        insample: values before the forecast, one array per series.
        truth: values that were forecast, one array [horizon] per series.
        forecasts: forecasts of every series, in the same order.
        period: steps per season: 24 for hourly series, 1 for weekly ones.

    Returns:
        "smape", "mase", "owa", "msis", "coverage" (share of the truth inside the interval), and
        Naive2's "naive2_smape" and "naive2_mase".
    """
    rows = []
    for past, actual, forecast in zip(insample, truth, forecasts, strict=True):
        simple = naive2(past, len(actual), period)
        inside = (actual >= forecast.lower) & (actual <= forecast.upper)
        rows.append(
            {
                "smape": smape(actual, forecast.point),
                "mase": mase(actual, forecast.point, past, period),
                "msis": msis(actual, forecast.lower, forecast.upper, past, period),
                "coverage": float(np.mean(inside)),
                "naive2_smape": smape(actual, simple),
                "naive2_mase": mase(actual, simple, past, period),
            }
        )
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    ratios = (means["smape"] / means["naive2_smape"], means["mase"] / means["naive2_mase"])
    return {**means, "owa": sum(ratios) / 2.0}
