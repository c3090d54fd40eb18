"""The formulas of the M4 benchmark, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.m4_scores import Forecasts, judge, mase, msis, naive2, seasonal_indices, smape


def test_smape_is_relative_to_the_mean_of_truth_and_forecast() -> None:
    assert smape(np.array([100.0, 50.0]), np.array([100.0, 150.0])) == pytest.approx(50.0)


def test_mase_divides_by_the_seasonal_error_within_the_series() -> None:
    insample = np.array([1.0, 10.0, 3.0, 14.0])
    # Two steps back: |3 - 1| and |14 - 10|, 3 on average.
    assert mase(np.array([5.0]), np.array([11.0]), insample, period=2) == pytest.approx(2.0)


def test_msis_charges_forty_times_what_lies_outside() -> None:
    insample = np.array([0.0, 2.0, 4.0])
    score = msis(np.array([5.0, 9.0]), np.array([4.0, 4.0]), np.array([6.0, 8.0]), insample, 1)
    assert score == pytest.approx(((2.0 + 0.0) + (4.0 + 40.0 * 1.0)) / 2.0 / 2.0)


def test_naive2_without_a_season_repeats_the_last_value() -> None:
    rng = np.random.default_rng(0)
    noise = 100.0 + rng.normal(size=200)
    assert seasonal_indices(noise, 24) is None
    np.testing.assert_array_equal(naive2(noise, 3, 24), noise[-1])
    np.testing.assert_array_equal(naive2(np.arange(1.0, 9.0), 2, 1), [8.0, 8.0])
    # Less than three seasons are not looked at.
    assert seasonal_indices(np.tile([1.0, 2.0], 2)[:5], 2) is None


@pytest.mark.parametrize("length", [96, 97, 100])
@pytest.mark.parametrize("season", [[4.0, 1.0, 2.0, 5.0], [1.0, 2.0, 6.0]])
def test_naive2_carries_a_multiplicative_season_on(season: list[float], length: int) -> None:
    factors = np.array(season) / np.mean(season)
    step = np.arange(length + 7)
    whole = 50.0 * factors[step % len(season)]
    found = seasonal_indices(whole[:length], len(season))
    assert found is not None
    np.testing.assert_allclose(found, factors, rtol=1e-10)
    np.testing.assert_allclose(naive2(whole[:length], 7, len(season)), whole[length:], rtol=1e-10)


def test_naive2_itself_has_an_owa_of_one() -> None:
    step = np.arange(120)
    series = 20.0 * (2.0 + np.sin(step * np.pi / 6)) + step
    past, truth = series[:-12], series[-12:]
    simple = naive2(past, 12, 12)
    scores = judge([past], [truth], [Forecasts(simple, simple - 1e3, simple + 1e3)], 12)
    assert scores["owa"] == pytest.approx(1.0)
    assert scores["coverage"] == 1.0
