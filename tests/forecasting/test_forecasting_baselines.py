"""The baselines: by hand, NLinear against least squares, and its leave to be fitted in pieces."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.forecast import Window, crop
from rnn_apps.forecasting.judging.baselines import Drift, RepeatLast, SeasonalNaive, fit_nlinear

PAST = np.array([[1.0, 2.0, 4.0, 7.0], [5.0, 5.0, 4.0, 2.0]], np.float32)


def test_naive_forecasts_by_hand() -> None:
    inputs = {"past_target": PAST}
    np.testing.assert_allclose(RepeatLast(2).forecast(inputs).point, [[7, 7], [2, 2]])
    np.testing.assert_allclose(
        SeasonalNaive(5, season=2).forecast(inputs).point, [[4, 7, 4, 7, 4], [4, 2, 4, 2, 4]]
    )
    np.testing.assert_allclose(
        Drift(2, lookback=4).forecast(inputs).point, [[9, 11], [1, 0]], rtol=1e-6
    )


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="season"):
        SeasonalNaive(4, season=0)
    with pytest.raises(ConfigurationError, match="lookback"):
        Drift(4, lookback=1)


def test_crop_keeps_the_latest_past_and_the_whole_horizon() -> None:
    inputs = {
        "past_target": PAST,
        "times": np.arange(12).reshape(2, 6),
        "static_covariates": np.ones((2, 3)),
    }
    cropped = crop(inputs, 2)
    np.testing.assert_array_equal(cropped["past_target"], PAST[:, 2:])
    np.testing.assert_array_equal(cropped["times"], [[2, 3, 4, 5], [8, 9, 10, 11]])
    assert cropped["static_covariates"].shape == (2, 3)
    with pytest.raises(ValueError, match="no 5 past steps"):
        crop(inputs, 5)


def _windows(seed: int, count: int, noise: float = 0.0) -> list[Window]:
    """Windows of two series in different units whose next differences are linear in the past."""
    random = np.random.default_rng(seed)
    past = random.normal(size=(count, 6))
    future = past[:, -1:] + (past - past[:, -1:]) @ MAP + noise * random.normal(size=(count, 3))
    index = random.integers(0, 2, size=count)
    unit = np.array([1.0, 50.0])[index][:, np.newaxis]
    return [
        Window(
            {"past_target": past[rows] * unit[rows], "series_index": index[rows]},
            future[rows] * unit[rows],
            np.ones((len(future[rows]), 3)),
        )
        for rows in (slice(0, count // 3), slice(count // 3, None))
    ]


MAP = np.random.default_rng(5).normal(size=(6, 3))
SCALE = np.array([1.0, 50.0])


def test_nlinear_finds_a_linear_law_and_the_units_do_not_matter() -> None:
    model = fit_nlinear(_windows(0, 300), _windows(1, 60), SCALE, 6, 3, strengths=(1e-9,))
    for window in _windows(2, 30):
        np.testing.assert_allclose(
            model.forecast(window.inputs).point, window.truth, rtol=1e-3, atol=1e-3
        )


def test_nlinear_is_ridge_regression_and_validation_chooses_its_strength() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    training, validation = _windows(3, 24, noise=3.0), _windows(4, 600, noise=3.0)
    strengths = (1e-6, 1e-3, 1e-1, 1.0, 10.0)

    def stacked(windows: list[Window]) -> tuple[np.ndarray, np.ndarray]:
        unit = np.concatenate([SCALE[w.series_index] for w in windows])[:, np.newaxis]
        past = np.concatenate([w.inputs["past_target"] for w in windows]) / unit
        truth = np.concatenate([w.truth for w in windows]) / unit
        ones = np.ones((len(past), 1))
        return np.concatenate([past - past[:, -1:], ones], axis=1), truth - past[:, -1:]

    x, y = stacked(training)
    x_validation, y_validation = stacked(validation)
    mean = np.trace(x.T @ x) / x.shape[1]
    errors, fits = [], []
    for strength in strengths:
        ridge = linear_model.Ridge(alpha=strength * mean, fit_intercept=False).fit(x, y)
        fits.append(ridge.coef_.T)
        errors.append(np.square(y_validation - ridge.predict(x_validation)).sum())
    best = int(np.argmin(errors))
    model = fit_nlinear(training, validation, SCALE, 6, 3, strengths)
    assert model.ridge == strengths[best]
    assert best > 0, "the noise must make some regularisation pay, or this test shows nothing"
    # The last value minus itself is 0, so its coefficient is 0 in both.
    np.testing.assert_allclose(model.weights, fits[best][:-1], atol=1e-9)
    np.testing.assert_allclose(model.bias, fits[best][-1], atol=1e-9)


def test_nlinear_leaves_out_windows_with_missing_truth() -> None:
    clean = _windows(0, 300)
    spoiled = []
    for window in clean:
        truth, weights = window.truth.copy(), window.weights.copy()
        truth[::4, 1], weights[::4, 1] = 1e6, 0.0
        spoiled.append(Window(window.inputs, truth, weights))
    model = fit_nlinear(spoiled, [], SCALE, 6, 3, strengths=(1e-9,))
    window = _windows(2, 30)[0]
    point = model.forecast(window.inputs).point
    np.testing.assert_allclose(point, window.truth, rtol=1e-3, atol=1e-3)
    blind = [Window(w.inputs, w.truth, np.zeros_like(w.weights)) for w in clean]
    with pytest.raises(ConfigurationError, match="observed"):
        fit_nlinear(blind, [], SCALE, 6, 3)
