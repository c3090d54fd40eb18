"""Forecast metrics: by hand, against other implementations, streamed, and in Keras."""

from __future__ import annotations

import json
import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.judging import metrics
from rnn_apps.forecasting.judging.metrics import ForecastMetrics, SeriesScales

TRUTH = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 5.0]])
POINT = np.array([[2.0, 2.0, 2.0], [0.0, 3.0, 9.0]])
WEIGHTS = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])


def test_point_errors_by_hand() -> None:
    assert metrics.mean_absolute_error(TRUTH, POINT, WEIGHTS) == pytest.approx((1 + 2 + 4) / 5)
    assert metrics.mean_squared_error(TRUTH, POINT, WEIGHTS) == pytest.approx((1 + 4 + 16) / 5)
    assert metrics.root_mean_squared_error(TRUTH, POINT) == pytest.approx(
        math.sqrt((1 + 4 + 36 + 16) / 6)
    )
    smape = (200 / 3 + 0 + 400 / 6 + 0 + 800 / 14) / 5
    assert metrics.symmetric_mape(TRUTH, POINT, WEIGHTS) == pytest.approx(smape)
    assert metrics.mean_absolute_error(TRUTH, POINT, WEIGHTS, axis=0) == pytest.approx([0.5, 0, 3])


def test_mase_divides_by_the_training_parts_seasonal_naive_error() -> None:
    # |4-1|, |6-2|, |1-4| over three pairs two steps apart.
    scale = metrics.seasonal_naive_error([1.0, 2.0, 4.0, 6.0, 1.0], 2)
    assert scale == pytest.approx(10 / 3)
    assert metrics.mean_absolute_scaled_error(TRUTH[0], POINT[0], scale) == pytest.approx(1 / scale)
    observed = [True, True, True, False, True]
    assert metrics.seasonal_naive_error([1.0, 2.0, 4.0, 6.0, 1.0], 2, observed) == pytest.approx(3)
    assert math.isnan(metrics.seasonal_naive_error([1.0, 2.0], 2))
    for undefined in (0.0, float("nan")):
        with pytest.raises(ConfigurationError, match="not defined"):
            metrics.mean_absolute_scaled_error(TRUTH, POINT, undefined)


def test_quantile_losses_by_hand_and_against_sklearn() -> None:
    quantiles = np.stack([POINT - 1, POINT, POINT + 2], axis=-1)
    levels = (0.1, 0.5, 0.8)
    by_hand = np.maximum(0.1 * (TRUTH - POINT + 1), -0.9 * (TRUTH - POINT + 1))
    np.testing.assert_allclose(metrics.pinball(TRUTH, quantiles, levels)[..., 0], by_hand)
    sklearn = pytest.importorskip("sklearn.metrics")
    expected = np.mean(
        [
            sklearn.mean_pinball_loss(TRUTH.ravel(), quantiles[..., i].ravel(), alpha=tau)
            for i, tau in enumerate(levels)
        ]
    )
    assert metrics.mean_pinball(TRUTH, quantiles, levels) == pytest.approx(expected)
    wql = 2 * expected * TRUTH.size / np.abs(TRUTH).sum()
    assert metrics.weighted_quantile_loss(TRUTH, quantiles, levels) == pytest.approx(wql)


def test_the_pinball_loss_of_the_median_is_half_the_absolute_error() -> None:
    loss = metrics.mean_pinball(TRUTH, POINT[..., np.newaxis], (0.5,), WEIGHTS)
    assert 2 * loss == pytest.approx(metrics.mean_absolute_error(TRUTH, POINT, WEIGHTS))


def test_coverage_includes_both_ends_and_width_is_the_mean() -> None:
    lower, upper = np.array([1.0, 2.0, 5.0]), np.array([3.0, 2.0, 9.0])
    assert metrics.coverage(TRUTH[0], lower, upper) == pytest.approx(2 / 3)
    assert metrics.interval_width(lower, upper) == pytest.approx(2.0)


def test_intervals_are_the_pairs_of_mirrored_levels() -> None:
    assert metrics.intervals_of((0.025, 0.1, 0.3, 0.5, 0.9, 0.975)) == [(0.8, 1, 4), (0.95, 0, 5)]
    assert metrics.intervals_of((0.5,)) == []


def _scales(names: tuple[str, ...] = ("a", "b", "c")) -> SeriesScales:
    return SeriesScales(names, np.array([2.0, 0.5, 1.0])[: len(names)], np.ones(len(names)))


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(seed=st.integers(0, 2**31), cut=st.integers(1, 39))
def test_streaming_equals_the_formulas_on_everything_at_once(seed: int, cut: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.normal(size=(40, 5))
    point = truth + random.normal(size=truth.shape)
    offsets = np.sort(random.normal(size=(40, 5, 5)), axis=-1)
    quantiles = point[..., np.newaxis] + offsets
    weights = (random.random(truth.shape) < 0.7).astype(float)
    index = random.integers(0, 3, size=40)
    levels = (0.05, 0.1, 0.5, 0.9, 0.95)
    stream = ForecastMetrics(_scales(), 5, levels)
    hidden = np.where(weights > 0, truth, np.nan)
    for part in (slice(0, cut), slice(cut, None)):
        stream.update(hidden[part], weights[part], index[part], point[part], quantiles[part])
    overall = stream.overall()
    scale = _scales().seasonal_error[index][:, np.newaxis]
    expected = {
        "mae": metrics.mean_absolute_error(truth, point, weights),
        "rmse": metrics.root_mean_squared_error(truth, point, weights),
        "smape": metrics.symmetric_mape(truth, point, weights),
        "mase": metrics.mean_absolute_scaled_error(truth, point, scale, weights),
        "weighted_quantile_loss": metrics.weighted_quantile_loss(truth, quantiles, levels, weights),
        "mean_pinball": metrics.mean_pinball(truth, quantiles, levels, weights),
        "coverage_80": metrics.coverage(truth, quantiles[..., 1], quantiles[..., 3], weights),
        "width_90": metrics.interval_width(quantiles[..., 0], quantiles[..., 4], weights),
    }
    for name, value in expected.items():
        assert overall[name] == pytest.approx(value), name
    step = stream.per_step()
    np.testing.assert_allclose(step["mae"], metrics.mean_absolute_error(truth, point, weights, 0))
    for i, row in enumerate(stream.per_series()):
        own = index == i
        if weights[own].sum():
            mse = metrics.mean_squared_error(truth[own], point[own], weights[own])
            assert row["mse"] == pytest.approx(mse)
    assert stream.windows == int((weights.max(axis=1) > 0).sum())


def test_a_constant_series_has_no_mase_and_leaves_the_others_alone() -> None:
    scales = SeriesScales(("flat", "live"), np.array([0.0, 2.0]), np.array([0.0, 4.0]))
    stream = ForecastMetrics(scales, 1)
    stream.update([[1.0], [1.0]], [[1.0], [1.0]], [0, 1], [[3.0], [2.0]])
    flat, live = stream.per_series()
    assert math.isnan(flat["mase"]) and live["mase"] == pytest.approx(0.5)
    assert stream.overall()["mase"] == pytest.approx(0.5)
    assert stream.overall()["scaled_mse"] == pytest.approx(1 / 16)
    assert stream.overall()["mae"] == pytest.approx(1.5)
    assert json.dumps(metrics.as_json(flat), allow_nan=False).count("null") >= 1


def test_nothing_observed_is_nan_and_not_zero() -> None:
    stream = ForecastMetrics(_scales(), 2)
    stream.update([[np.nan, np.nan]], [[0.0, 0.0]], [0], [[1.0, 1.0]])
    assert all(math.isnan(value) for value in stream.overall().values())
    assert stream.windows == 0


def test_a_forecast_that_is_not_finite_is_refused() -> None:
    stream = ForecastMetrics(_scales(), 1)
    with pytest.raises(ValueError, match="not finite"):
        stream.update([[1.0]], [[1.0]], [0], [[np.nan]])
    with pytest.raises(ValueError, match="windows of 1 steps"):
        stream.update([[1.0, 2.0]], [[1.0, 1.0]], [0], [[1.0, 1.0]])


def test_keras_metrics_agree_and_survive_saving() -> None:
    import keras

    from rnn_apps.forecasting.judging.keras_metrics import Coverage, WeightedQuantileLoss

    levels = (0.1, 0.5, 0.9)
    quantiles = np.stack([POINT - 1, POINT, POINT + 1], axis=-1)
    loss = WeightedQuantileLoss(levels)
    inside = Coverage(0, 2)
    for metric in (loss, inside):
        copied = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        for row in range(2):
            rows = slice(row, row + 1)
            metric.update_state(TRUTH[rows], quantiles[rows], WEIGHTS[rows])
        copied.update_state(TRUTH, quantiles, WEIGHTS)
        assert float(copied.result()) == pytest.approx(float(metric.result()), rel=1e-6)
    expected = metrics.weighted_quantile_loss(TRUTH, quantiles, levels, WEIGHTS)
    assert float(loss.result()) == pytest.approx(expected, rel=1e-6)
    expected = metrics.coverage(TRUTH, quantiles[..., 0], quantiles[..., 2], WEIGHTS)
    assert float(inside.result()) == pytest.approx(expected, rel=1e-6)
