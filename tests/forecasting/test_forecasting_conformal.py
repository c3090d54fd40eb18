"""Conformal calibration: the rule by hand, its guarantee, and its files."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.forecast import Forecast, Inputs, Window
from rnn_apps.forecasting.judging.conformal import Calibrated, Calibration, calibrate

LEVELS = (0.1, 0.5, 0.9)


class Zero:
    """Forecasts 0, or the same too narrow quantiles, whatever the inputs."""

    name = "zero"
    lookback = 2

    def __init__(self, horizon: int, offsets: tuple[float, ...] = ()) -> None:
        self.horizon = horizon
        self.offsets = offsets
        self.levels = LEVELS if offsets else ()

    def forecast(self, inputs: Inputs) -> Forecast:
        point = np.zeros((len(inputs["past_target"]), self.horizon), np.float32)
        if not self.offsets:
            return Forecast(point)
        return Forecast(point, point[..., np.newaxis] + np.array(self.offsets, np.float32))


def _window(truth: np.ndarray, index: np.ndarray | None = None) -> Window:
    rows = np.zeros(len(truth), np.int64) if index is None else index
    inputs = {"past_target": np.zeros((len(truth), 2)), "series_index": rows}
    return Window(inputs, truth, np.ones_like(truth))


def test_order_statistics_by_hand() -> None:
    # Nine scores 1..9: tau (n + 1) is 1 and 9 exactly, so the ends are the least and the greatest.
    truth = np.arange(1.0, 10.0)[::-1, np.newaxis]
    calibration, _ = calibrate(Zero(1), [_window(truth)], LEVELS, np.ones(1))
    np.testing.assert_allclose(calibration.corrections, [[1.0, 0.0, 9.0]])
    assert not calibration.unreached and calibration.windows == 9
    # With eight scores the guarantee would need a ninth: the extremes are taken and it is said.
    calibration, _ = calibrate(Zero(1), [_window(truth[1:])], LEVELS, np.ones(1))
    np.testing.assert_allclose(calibration.corrections, [[1.0, 0.0, 8.0]])
    assert calibration.unreached == (0.1, 0.9)


@pytest.mark.parametrize("offsets", [(), (-0.1, 0.0, 0.05), (-9.0, 0.0, 20.0)])
def test_coverage_holds_on_exchangeable_data(offsets: tuple[float, ...]) -> None:
    """Mean coverage over many draws lies at its nominal value, for point, narrow and wide bases."""
    random = np.random.default_rng(7)
    covered = []
    for _ in range(300):
        draws = random.standard_t(3, size=(2, 60, 2)) * np.array([1.0, 4.0])
        base = Zero(2, offsets)
        calibration, _ = calibrate(base, [_window(draws[0])], LEVELS, np.ones(1))
        quantiles = Calibrated(base, calibration).forecast(_window(draws[1]).inputs).quantiles
        assert quantiles is not None
        inside = (draws[1] >= quantiles[..., 0]) & (draws[1] <= quantiles[..., 2])
        covered.append(inside.mean(axis=0))
    # Each end has at least 0.9; with 60 scores at most 1/61 more. Three standard errors beside.
    mean = np.mean(covered, axis=0)
    slack = 3 * np.std(covered, axis=0) / np.sqrt(len(covered))
    assert (mean >= 0.8 - slack).all()
    assert (mean <= 0.8 + 2 / 61 + slack).all()


def test_scores_are_in_units_of_each_series() -> None:
    random = np.random.default_rng(0)
    index = np.arange(400) % 2
    truth = random.normal(size=(400, 1)) * np.array([1.0, 1000.0])[index][:, np.newaxis]
    scale = np.array([1.0, 1000.0])
    calibration, _ = calibrate(Zero(1), [_window(truth, index)], LEVELS, scale)
    quantiles = Calibrated(Zero(1), calibration).forecast(_window(truth, index).inputs).quantiles
    assert quantiles is not None
    width = (quantiles[:, 0, 2] - quantiles[:, 0, 0])[:2]
    assert width[1] == pytest.approx(1000 * width[0], rel=1e-5)


def test_missing_truth_is_no_score_and_quantiles_never_cross() -> None:
    truth = np.array([[1.0], [2.0], [1e9]])
    window = _window(truth)
    hidden = Window(window.inputs, truth, np.array([[1.0], [1.0], [0.0]]))
    calibration, _ = calibrate(Zero(1, (-1.0, 0.0, 1.0)), [hidden], LEVELS, np.ones(1))
    assert calibration.windows == 2
    # All truth is above the median here, so the raw lower end would cross it.
    forecast = Zero(1, (-1.0, 0.0, 1.0)).forecast(window.inputs)
    quantiles = calibration.apply(forecast, np.zeros(3, int))
    assert quantiles.quantiles is not None
    assert (np.diff(quantiles.quantiles, axis=-1) >= 0).all()


def test_more_windows_than_kept_are_thinned_evenly() -> None:
    truth = np.arange(1000.0)[:, np.newaxis]
    chunks = [_window(truth[i : i + 70]) for i in range(0, 1000, 70)]
    calibration, rows = calibrate(Zero(1), chunks, LEVELS, np.ones(1), most_windows=100)
    assert 50 <= calibration.windows <= 100
    assert len(np.unique(np.diff(rows[:, 0, 0]))) == 1
    assert calibration.corrections[0, 2] == pytest.approx(900, abs=20)


def test_a_calibration_is_plain_arrays() -> None:
    calibration = Calibration(LEVELS, np.array([[-1.0, 0.0, 2.0]]), np.array([3.0]), 12)
    copied = Calibration.from_arrays(calibration.arrays("model_"), "model_")
    assert copied.levels == LEVELS and copied.windows == 12
    np.testing.assert_array_equal(copied.corrections, calibration.corrections)


def test_what_cannot_be_calibrated_is_refused() -> None:
    window = _window(np.ones((3, 1)))
    with pytest.raises(ConfigurationError, match="rise"):
        calibrate(Zero(1), [window], (0.9, 0.1), np.ones(1))
    with pytest.raises(ConfigurationError, match="zero has quantiles"):
        calibrate(Zero(1, (-1.0, 0.0, 1.0)), [window], (0.2, 0.8), np.ones(1))
    with pytest.raises(ConfigurationError, match="no validation window"):
        calibrate(Zero(1), [], LEVELS, np.ones(1))


@pytest.mark.parametrize("levels", [(0.1, 0.5, 0.9), (0.1, 0.9), (0.05, 0.2, 0.6)])
def test_the_layer_that_is_exported_corrects_as_the_calibration_does(
    levels: tuple[float, ...],
) -> None:
    from rnn_apps.forecasting.device.calibrated_deployment import ConformalCorrection

    random = np.random.default_rng(0)
    corrections = random.normal(size=(4, len(levels)))
    calibration = Calibration(levels, corrections, np.array([1.0, 50.0]), 99)
    layer = ConformalCorrection(levels, corrections.tolist(), [1.0, 50.0])
    layer = ConformalCorrection.from_config(layer.get_config())
    index = np.array([0, 1, 1, 0, 1], np.int32)
    point = random.normal(size=(5, 4)).astype(np.float32)
    quantiles = np.sort(random.normal(size=(5, 4, len(levels))), axis=-1).astype(np.float32)
    for base, forecast in (
        (quantiles, Forecast(point, quantiles)),
        (point[..., np.newaxis], Forecast(point)),
    ):
        expected = calibration.apply(forecast, index).quantiles
        np.testing.assert_allclose(layer(base, index).numpy(), expected, rtol=1e-5, atol=1e-5)
    counted = Calibration(levels, corrections, np.array([3.0]), 99, smallest=0.0)
    layer = ConformalCorrection(levels, corrections.tolist(), [3.0], 0.0)
    layer = ConformalCorrection.from_config(layer.get_config())
    expected = counted.apply(Forecast(point), np.zeros(5, np.int64)).quantiles
    assert expected is not None and expected.min() == 0
    found = layer(point[..., np.newaxis]).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    alone = Calibration(levels, corrections, np.array([3.0]), 99)
    layer = ConformalCorrection(levels, corrections.tolist(), [3.0])
    expected = alone.apply(Forecast(point), np.zeros(5, np.int64)).quantiles
    found = layer(point[..., np.newaxis]).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
