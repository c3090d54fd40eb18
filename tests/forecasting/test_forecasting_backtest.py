"""The backtest: against a plain loop, no window lost, nothing seen before its time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipelines import load_series, parse_split
from pipelines.base.errors import UserError
from pipelines.series.time_series import SeriesSet
from rnn_apps.application.reporting.report import Report
from rnn_apps.forecasting import run_report
from rnn_apps.forecasting.features.seasons import longer_season, season_of
from rnn_apps.forecasting.forecast import Forecast, Inputs, Window, windows
from rnn_apps.forecasting.judging.backtest import backtest
from rnn_apps.forecasting.judging.baselines import SeasonalNaive
from rnn_apps.forecasting.judging.charts import error_by_step
from rnn_apps.forecasting.judging.conditions import Conditions, own_caveat
from rnn_apps.forecasting.judging.conformal import Calibrated, Calibration
from rnn_apps.forecasting.judging.metrics import seasonal_naive_error
from rnn_apps.forecasting.judging.online_conformal import OnlineCalibrated, OnlineSettings
from rnn_apps.forecasting.judging.yardsticks import (
    Yardsticks,
    fit_yardsticks,
    rows_before_origins,
    training_scales,
)
from rnn_apps.forecasting.prediction import forecast_ends

if TYPE_CHECKING:
    from rnn_apps.forecasting.trained import TrainedForecaster

LEVELS = (0.1, 0.5, 0.9)
HORIZON, SEASON = 6, 24
_CALIBRATED = {"calibrated": True}
SPLIT = parse_split("0.6,0.2,0.2")


def _frame(rows: int = 500, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    hours = np.arange(rows)
    wave = np.sin(2 * np.pi * hours / SEASON)
    columns = {
        "low": wave + 0.3 * random.normal(size=rows),
        "high": 100 + 40 * wave + 12 * random.normal(size=rows),
    }
    return pd.DataFrame(columns, index=pd.date_range("2024-01-01", periods=rows, freq="h"))


def _yardsticks(series_set: SeriesSet) -> Yardsticks:
    model = SeasonalNaive(HORIZON, SEASON, name="judged")
    return fit_yardsticks(model, series_set, SPLIT, horizon=HORIZON, levels=LEVELS)


@pytest.fixture(scope="module")
def series_set() -> SeriesSet:
    return load_series(_frame())


@pytest.fixture(scope="module")
def yardsticks(series_set: SeriesSet) -> Yardsticks:
    return _yardsticks(series_set)


def _judged(yardsticks: Yardsticks) -> Calibrated:
    return yardsticks.calibrated(SeasonalNaive(HORIZON, SEASON, name="judged"))


def test_every_window_counts_and_the_figures_are_those_of_a_plain_loop(
    series_set: SeriesSet, yardsticks: Yardsticks
) -> None:
    found = backtest(
        [_judged(yardsticks), *yardsticks.baselines(SEASON)],
        series_set, yardsticks.scales, part=SPLIT.test, horizon=HORIZON,
    )  # fmt: skip
    frame = _frame().to_numpy(np.float32).astype(np.float64)
    errors, scaled, squares = [], [], []
    for column in range(2):
        y = frame[:, column]
        scale = seasonal_naive_error(y[:300], SEASON)
        for origin in range(400, 500 - HORIZON + 1):
            error = y[origin : origin + HORIZON] - y[origin - SEASON : origin - SEASON + HORIZON]
            errors.append(np.abs(error))
            scaled.append(np.abs(error) / scale)
            squares.append((error / y[:300].std()) ** 2)
    overall = found.metrics["judged"].overall()
    assert found.windows == len(errors) == 2 * 95
    assert overall["mae"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert overall["mase"] == pytest.approx(np.mean(scaled), rel=1e-5)
    assert overall["scaled_mse"] == pytest.approx(np.mean(squares), rel=1e-5)
    names = list(found.metrics)
    assert names[:2] == ["judged", "repeat last"]
    assert {"seasonal naive", "drift", "NLinear"} <= set(names)
    same = found.metrics["seasonal naive"].overall()
    assert {k: pytest.approx(v) for k, v in overall.items()} == same


def test_examples_are_the_worst_the_median_and_the_best_window(
    series_set: SeriesSet, yardsticks: Yardsticks
) -> None:
    found = backtest(
        [_judged(yardsticks)], series_set, yardsticks.scales, part=SPLIT.test, horizon=HORIZON
    )
    frame = _frame().to_numpy(np.float32)
    errors = [
        np.abs(frame[o : o + HORIZON, c] - frame[o - SEASON : o - SEASON + HORIZON, c]).mean()
        / frame[:300, c].std()
        for c in range(2)
        for o in range(400, 495)
    ]
    worst, median, best = found.examples
    assert (worst.label, median.label, best.label) == ("worst", "median", "best")
    assert worst.error == pytest.approx(max(errors), rel=1e-4)
    assert best.error == pytest.approx(min(errors), rel=1e-4)
    assert median.error == pytest.approx(np.median(errors), rel=0.05)
    number = int(np.argmax(errors))
    truth = frame[400 + number % 95 :, number // 95][:HORIZON]
    np.testing.assert_allclose(worst.window.truth[0], truth)


def test_a_stride_thins_the_origins(series_set: SeriesSet, yardsticks: Yardsticks) -> None:
    found = backtest(
        [_judged(yardsticks)], series_set, yardsticks.scales,
        part=SPLIT.test, horizon=HORIZON, stride=10,
    )  # fmt: skip
    assert found.windows == 2 * 10


def test_a_baseline_that_would_cost_windows_is_left_out_with_a_reason(
    series_set: SeriesSet, yardsticks: Yardsticks
) -> None:
    week = yardsticks.calibrations["seasonal naive, a week"]
    baseline = Calibrated(SeasonalNaive(HORIZON, 168, name="seasonal naive, a week"), week)
    found = backtest(
        [_judged(yardsticks), baseline], series_set, yardsticks.scales, part=None, horizon=HORIZON
    )
    assert list(found.metrics) == ["judged"]
    assert "168 past steps" in found.left_out["seasonal naive, a week"]
    assert found.windows == 2 * (500 - SEASON - HORIZON + 1)


def test_nothing_is_fitted_on_the_test_part(yardsticks: Yardsticks) -> None:
    """Other values in the test part change no scale, no weight and no calibration."""
    frame = _frame()
    frame.iloc[400:] = 1e3
    changed = _yardsticks(load_series(frame))
    np.testing.assert_array_equal(changed.scales.seasonal_error, yardsticks.scales.seasonal_error)
    assert changed.nlinear is not None and yardsticks.nlinear is not None
    np.testing.assert_array_equal(changed.nlinear.weights, yardsticks.nlinear.weights)
    for name, calibration in yardsticks.calibrations.items():
        np.testing.assert_array_equal(
            changed.calibrations[name].corrections, calibration.corrections
        )
    # And the training part alone decides scales: other validation values leave them as they are.
    frame.iloc[300:] = -1e3
    scales, _ = training_scales(load_series(frame), SPLIT, SEASON)
    np.testing.assert_array_equal(scales.seasonal_error, yardsticks.scales.seasonal_error)
    np.testing.assert_array_equal(scales.standard_deviation, yardsticks.scales.standard_deviation)


def test_yardsticks_survive_their_file_and_serve_other_series(
    yardsticks: Yardsticks, tmp_path: Path
) -> None:
    yardsticks.save(tmp_path / "yardsticks.npz")
    loaded = Yardsticks.load(tmp_path / "yardsticks.npz")
    other = load_series(_frame(seed=3).rename(columns={"low": "unseen"}))
    for stored in (yardsticks, loaded):
        moved = stored.for_series(other)
        assert moved.scales.names == ("unseen", "high")
        assert np.isnan(moved.scales.seasonal_error[0])
        assert moved.scales.seasonal_error[1] == yardsticks.scales.seasonal_error[1]
        unit = moved.calibrations["model"].scale
        assert unit[1] == pytest.approx(yardsticks.calibrations["model"].scale[1])
        # Where series are continued at their ends, all of their values are known.
        assert unit[0] == pytest.approx(_frame(seed=3)["low"].std(), rel=0.01)
    (tmp_path / "broken.npz").write_bytes(b"PK no")
    with pytest.raises(UserError, match=r"broken\.npz"):
        Yardsticks.load(tmp_path / "broken.npz")


def test_the_unit_of_a_series_that_training_has_not_seen_knows_nothing_of_what_is_judged(
    yardsticks: Yardsticks,
) -> None:
    calm = np.random.default_rng(5).normal(size=200).astype(np.float32)
    wild = np.where(np.arange(200) < 50, calm, 50 * calm)
    still = np.where(np.arange(200) < 50, np.float32(0.1), calm)
    days = pd.date_range("2024-01-01", periods=200, freq="h")
    other = load_series(pd.DataFrame({"calm": calm, "wild": wild, "still": still}, index=days))
    known = rows_before_origins(other, (50, 200), SEASON)
    assert known.tolist() == [50, 50, 50]
    assert rows_before_origins(other, None, SEASON).tolist() == [SEASON] * 3
    moved = yardsticks.for_series(other, known)
    assert moved.scales.standard_deviation[0] == pytest.approx(calm[:50].std(), rel=1e-5)
    # Rounding gives a constant series no unit of its own.
    assert moved.scales.standard_deviation[2] == 0 and moved.nlinear is not None
    past = np.stack([calm[:50], wild[:50]])
    inputs = {"past_target": past, "series_index": np.arange(2)}
    for forecaster in (_judged(moved), *moved.baselines(SEASON)):
        if forecaster.lookback <= 50:
            cropped = {**inputs, "past_target": past[:, -forecaster.lookback :]}
            quantiles = forecaster.forecast(cropped).quantiles
            assert quantiles is not None
            np.testing.assert_array_equal(quantiles[0], quantiles[1])


class _Run:
    """What a report needs of a run; its config and its folder are not read here."""

    def __init__(self, yardsticks: Yardsticks) -> None:
        self.yardsticks = yardsticks


def _page(
    series_set: SeriesSet, yardsticks: Yardsticks, conditions: Conditions, name: str = "judged"
) -> str:
    judged = yardsticks.calibrated(SeasonalNaive(HORIZON, SEASON, name=name))
    online = OnlineCalibrated(judged, yardsticks.scores, conditions.stride)
    found = backtest(
        [judged, _judged(yardsticks)], series_set, yardsticks.scales, part=(440, 470),
        horizon=HORIZON, stride=conditions.stride, online=None if conditions.every else online,
    )  # fmt: skip
    report, run = Report("A run"), cast("TrainedForecaster", _Run(yardsticks))
    table = {"title": conditions.title("about"), **found.table()}
    run_report._accuracy(report, run, found, table, conditions)
    run_report._intervals(report, run, found, conditions)
    return report.html()


def test_a_report_says_that_the_judged_windows_calibrated_the_intervals(
    series_set: SeriesSet, yardsticks: Yardsticks
) -> None:
    page = _page(
        series_set, yardsticks, Conditions("test", caveat=own_caveat("test", **_CALIBRATED))
    )
    windows = yardsticks.calibrations["model"].windows
    assert f"Calibrated on {windows} windows of the validation part" in page
    assert "No other row of the table uses anything of the tested part" in page
    assert "every window of this part of the data is forecast and counted, and no model" in page
    for part, told in (
        ("validation", "on the very windows that are judged here"),
        ("all", "on windows that are among those judged here"),
        ("train", "were trained on rows that are judged here"),
    ):
        caveat = own_caveat(part, **_CALIBRATED)
        page = _page(series_set, yardsticks, Conditions(part, caveat=caveat))
        # In the title of the table, and where the intervals are explained.
        assert told in caveat and page.count(told) == 2
        assert "uses anything of the tested part" not in page
    assert own_caveat("validation", calibrated=False) == own_caveat("test", **_CALIBRATED) == ""


def test_a_report_says_how_the_backtest_was_made(
    series_set: SeriesSet, yardsticks: Yardsticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []

    def draw(errors: dict[str, np.ndarray], label: str) -> Figure:
        drawn.append(list(errors))
        return error_by_step(errors, label)

    monkeypatch.setattr(run_report, "error_by_step", draw)
    page = _page(series_set, yardsticks, Conditions("test", 4))
    assert "about, stride 4" in page and "no model is fitted again" in page
    assert "one window in 4 of each series" in page and "every window" not in page
    fit = yardsticks.calibrations["model"]
    fits = (replace(fit, windows=40), replace(fit, windows=30))
    conditions = Conditions("test", 4, "file:a b.csv", every=3, begin="scratch", fits=fits)
    page = _page(series_set, yardsticks, conditions, "judged, fitted again every 3")
    assert "fitted again after every 3 origins" in page and "no model is fitted" not in page
    assert "Each fit is calibrated on 30 to 40 windows" in page and "Calibrated on" not in page
    assert "online intervals" not in page
    assert drawn == [["judged"], ["judged, fitted again every 3", "judged"]]
    assert conditions.command("runs/a").endswith(
        "--run runs/a --data 'file:a b.csv' --part test --stride 4 --refit 3 --refit-from scratch"
    )


def _stream(truth: np.ndarray) -> list[Window]:
    """Windows with every origin of one series, forecast as 0, in batches of 50."""
    horizon = 4
    rows = np.lib.stride_tricks.sliding_window_view(truth, horizon)
    inputs = {"past_target": np.zeros((len(rows), 1)), "series_index": np.zeros(len(rows), int)}
    return [
        Window({k: v[i : i + 50] for k, v in inputs.items()}, rows[i : i + 50],
               np.ones_like(rows[i : i + 50]))
        for i in range(0, len(rows), 50)
    ]  # fmt: skip


class _Zero:
    name, lookback, levels = "zero", 1, ()

    def forecast(self, inputs: dict[str, np.ndarray]) -> object:
        from rnn_apps.forecasting.forecast import Forecast

        return Forecast(np.zeros((len(inputs["past_target"]), 4), np.float32))


def _online(scores: np.ndarray, rate: float = 0.02) -> OnlineCalibrated:
    start = np.repeat(scores[:, None, None], 4, axis=1).repeat(3, axis=2)
    calibration = Calibration(LEVELS, np.zeros((4, 3)), np.ones(1), len(scores))
    settings = OnlineSettings(rate=rate, memory=200, refresh=10)
    return OnlineCalibrated(Calibrated(_Zero(), calibration), start, settings=settings)


def _quantiles(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    online = _online(scores)
    found = [online.follow(window).quantiles for window in _stream(truth)]
    return np.concatenate([q for q in found if q is not None])


def test_online_intervals_use_no_truth_before_its_time() -> None:
    random = np.random.default_rng(2)
    truth, scores = random.normal(size=400), random.normal(size=200)
    changed = truth.copy()
    changed[250:] += 50.0
    before, after = _quantiles(truth, scores), _quantiles(changed, scores)
    # The forecast at origin 250 may know rows up to 249, and those are the same in both.
    np.testing.assert_array_equal(before[:251], after[:251])
    assert not np.array_equal(before[251], after[251])


def test_online_intervals_find_back_to_their_coverage_where_static_ones_do_not() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=200)
    truth = 4.0 * random.normal(size=3000)
    quantiles = _quantiles(truth, scores)
    rows = np.lib.stride_tricks.sliding_window_view(truth, 4)
    inside = (rows >= quantiles[..., 0]) & (rows <= quantiles[..., 2])
    static = np.mean(np.abs(truth) <= np.quantile(np.abs(scores), 0.8))
    assert static < 0.5
    assert inside[300:].mean() == pytest.approx(0.8, abs=0.04)


def test_windows_can_be_had_again_by_their_step(series_set: SeriesSet) -> None:
    from pipelines import WindowBatches

    batches = WindowBatches(series_set, lookback=5, horizon=3, part=SPLIT.test, batch_size=32)
    every = list(windows(batches))
    again = next(windows(batches, start_step=every[2].step))
    np.testing.assert_array_equal(again.truth, every[2].truth)
    assert sum(len(window.truth) for window in every) == batches.examples


@pytest.mark.parametrize(
    ("frequency", "minutes", "season", "longer"),
    [("30min", 30, 48, 336), ("h", 60, 24, 168), ("D", 1440, 7, 0), ("B", 1440, 5, 0),
     ("W-SUN", 10080, 52, 0), ("MS", 43200, 12, 0), ("3MS", 131040, 4, 0),
     ("QE-DEC", 131040, 4, 0), ("YS-JAN", 525600, 1, 0), ("2D", 2880, 1, 0),
     ("7D", 10080, 52, 0), ("14D", 20160, 26, 0), ("28D", 40320, 13, 0), ("91D", 131040, 4, 0),
     ("365D", 525600, 1, 0), ("168h", 10080, 52, 0), ("24h", 1440, 7, 0), ("2W-MON", 20160, 26, 0),
     ("4W-SUN", 40320, 13, 0), ("30D", 43200, 12, 0), ("2MS", 86400, 6, 0), ("step", 0, 1, 0)],
)  # fmt: skip
def test_seasons(frequency: str, minutes: float, season: int, longer: int) -> None:
    assert season_of(frequency, minutes) == season
    assert longer_season(season, minutes) == longer


class Overflowing(SeasonalNaive):
    """Forecasts infinity for values above 100, as a network beyond float32 does."""

    def forecast(self, inputs: Inputs) -> Forecast:
        point = super().forecast(inputs).point
        return Forecast(np.where(point > 100, np.float32(np.inf), point))


def test_forecasts_that_are_not_finite_are_refused_by_series_and_time(
    series_set: SeriesSet, yardsticks: Yardsticks
) -> None:
    model = Overflowing(HORIZON, SEASON, name="judged")
    refused = r"forecast of judged for series 'high' at 2024-01-{}\b.* is not a finite number"
    with pytest.raises(UserError, match=refused.format(13)):
        fit_yardsticks(model, series_set, SPLIT, horizon=HORIZON, levels=LEVELS)
    with pytest.raises(UserError, match=refused.format(18)):
        backtest(
            [yardsticks.calibrated(model)], series_set, yardsticks.scales,
            part=SPLIT.test, horizon=HORIZON,
        )  # fmt: skip
    with pytest.raises(UserError, match=refused.format(21)):
        forecast_ends(model, series_set, HORIZON)
