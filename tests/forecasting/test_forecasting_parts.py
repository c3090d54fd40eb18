"""Parts without truth, few calibration windows, short series: refused or said before training."""

from __future__ import annotations

import copy
import dataclasses
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import ConfigurationError, DataError, WindowBatches, load_series, parse_split
from rnn_apps import forecasting
from rnn_apps.forecasting import ForecastingConfig, Run
from rnn_apps.forecasting.device.calibrated_deployment import calibrated_deployment
from rnn_apps.forecasting.device.exporting import contract, farthest_series
from rnn_apps.forecasting.judging.conformal import unreached_levels
from rnn_apps.forecasting.judging.example_windows import read_examples, save_examples
from rnn_apps.forecasting.prediction_files import predict_to_files
from rnn_apps.forecasting.series_ends import until

DAYS = pd.date_range("2023-01-01", periods=400)


def config(run: Path, **changes: object) -> ForecastingConfig:
    settings: dict[str, object] = {
        "run": str(run), "lookback": 14, "horizon": 7, "model": "direct", "units": 4, "epochs": 1,
        "gradient_flow": False, "dropout": 0.0,
    }  # fmt: skip
    return ForecastingConfig(**{**settings, **changes})  # type: ignore[arg-type]


def week(rows: int = 400) -> np.ndarray:
    return np.arange(float(rows)) % 7


@pytest.mark.parametrize("stride", [1, 3])
def test_observed_truth_is_counted_as_the_weights_say(stride: int) -> None:
    values = np.where(np.random.default_rng(0).random(90) < 0.7, np.nan, 1.0)
    values[[0, 89]] = 1.0
    frame = pd.DataFrame({"date": DAYS[:90], "a": values, "b": values[::-1], "c": week(90)})
    batches = WindowBatches(load_series(frame), lookback=5, horizon=4, stride=stride)
    weights = np.concatenate([np.asarray(weight) for *_, weight in batches.epoch(0)])
    windows, by_step = batches.observed_truth()
    assert windows == int((weights.max(axis=1) > 0).sum()) < batches.examples
    assert by_step.tolist() == weights.sum(axis=0).astype(int).tolist()


@pytest.mark.parametrize(
    ("name", "outage"),
    [("test", slice(318, 396)), ("validation", slice(278, 325)), ("training", slice(1, 285))],
)
def test_a_part_inside_an_outage_is_refused_before_training(
    tmp_path: Path, name: str, outage: slice
) -> None:
    values = week()
    values[outage] = np.nan
    with pytest.raises(DataError, match=rf"the {name} part, from 2.* \d+ windows, and none has"):
        forecasting.train(
            config(tmp_path / "run", split="0.7,0.1,0.1"),
            data=pd.DataFrame({"date": DAYS, "y": values}),
        )
    assert not (tmp_path / "run").exists()


def test_a_horizon_step_that_is_never_seen_is_refused_before_training(tmp_path: Path) -> None:
    values = week()
    # Of the validation part, rows 280 to 299, only the first 5 are observed.
    values[285:300] = np.nan
    with pytest.raises(DataError, match="6 steps ahead, so intervals cannot be calibrated"):
        forecasting.train(
            config(tmp_path / "run", split="280,20,100"),
            data=pd.DataFrame({"date": DAYS, "y": values}),
        )
    assert not (tmp_path / "run").exists()


def test_parts_without_rows_are_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": DAYS, "y": week()})
    with pytest.raises(DataError, match="the validation part of the split has no rows"):
        forecasting.train(config(tmp_path / "run", split="0.799,0.001,0.2"), data=frame)
    assert parse_split("0.9,0.1,0").has_test is parse_split("350,50,0").has_test is False
    assert parse_split("2023-06-01,2023-07-01").has_test


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, pd.DataFrame]:
    """Counts of four items, one of them too short, with all data used for training."""
    random = np.random.default_rng(0)
    frame = pd.concat(
        [
            pd.DataFrame({"item": name, "date": DAYS[:rows],
                          "sold": random.poisson(3 * scale, rows)})
            for name, rows, scale in (("a", 200, 1), ("b", 200, 40), ("short", 10, 1))
        ]
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("counts") / "run"
    settings = config(
        folder, model="deepar", output="negative_binomial", normalisation="none", epochs=2,
        split="0.9,0.1,0",
    )  # fmt: skip
    return forecasting.train(settings, data=frame), frame


def test_a_run_without_a_test_part_is_judged_on_the_validation_part(
    counts: tuple[Run, pd.DataFrame],
) -> None:
    run, _ = counts
    assert run.judged_part == "validation"
    assert run.metrics["validation"]["series_without_windows"] == ["short"]
    assert "validation part" in run.metrics["table"]["title"]
    assert "on the very windows that are judged here" in run.metrics["table"]["title"]
    assert "no test part" in run.folder.report.read_text()
    assert run.metrics["held_out"] == ["validation"]
    told = run.metrics["data"]["understood"]
    assert any("3 series (a, b, short), a step of D, 2023-01-01 to" in line for line in told)
    assert any("too short: short" in line for line in told)


def test_paths_of_counts_are_whole_numbers_on_the_scale_of_each_series(
    counts: tuple[Run, pd.DataFrame],
) -> None:
    run, frame = counts
    paths = run.predict(frame, samples=50).set_index("series").filter(like="sample")
    values = paths.to_numpy()
    assert values.min() >= 0
    assert np.array_equal(values, np.round(values))
    assert 1 < paths.loc["a"].to_numpy().mean() < 6
    assert 60 < paths.loc["b"].to_numpy().mean() < 240


def test_intervals_of_counts_are_not_negative(counts: tuple[Run, pd.DataFrame]) -> None:
    run, frame = counts
    assert run.yardsticks.calibrations["model"].smallest == 0
    assert run.predict(frame).filter(like="quantile").to_numpy().min() >= 0


@pytest.mark.parametrize("value", [-1.0, 2.5])
def test_what_is_no_count_is_refused_with_its_time(tmp_path: Path, value: float) -> None:
    values = week()
    values[390] = value
    with pytest.raises(DataError, match=f"holds {value:g} at 2024-01-26; .* for counts"):
        forecasting.train(
            config(tmp_path / "run", output="negative_binomial", normalisation="none"),
            data=pd.DataFrame({"date": DAYS, "y": values}),
        )
    assert not (tmp_path / "run").exists()


def test_a_short_series_is_named_and_does_not_stop_the_others(
    counts: tuple[Run, pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, frame = counts
    assert set(run.predict(frame)["series"]) == {"a", "b"}
    told = capsys.readouterr().err
    assert "1 of 3 series left out: series 'short' has 10 time steps" in told
    assert "Data: 2 series (a, b), a step of D, 2023-01-01 to 2023-07-19, 400 observed" in told
    gone = frame.copy()
    gone.loc[(gone["item"] == "a") & gone["date"].between("2023-07-06", "2023-07-18"), "sold"] = (
        np.nan
    )
    run.predict(gone.astype({"sold": float}))
    assert "Mostly missing in the last 14 time steps" in capsys.readouterr().err
    frame.to_csv(tmp_path / "data.csv", index=False)
    result = predict_to_files(run, f"file:{tmp_path / 'data.csv'}", str(tmp_path / "f.csv"))
    assert (result["series"], result["left out"]) == (2, ["short"])
    with pytest.raises(DataError, match="series 'short' has 10 time steps"):
        run.predict(frame[frame["item"] == "short"])


def test_levels_need_as_many_windows_as_conformal_prediction_says() -> None:
    levels = (0.05, 0.25, 0.5, 0.9)
    for windows, expected in ((2, (0.05, 0.25, 0.9)), (3, (0.05, 0.9)), (9, (0.05,)), (19, ())):
        assert unreached_levels(levels, windows) == expected


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, pd.DataFrame]:
    """Months whose validation part has three windows, with a column that is known ahead."""
    months = pd.date_range("1990-01-01", periods=144, freq="MS")
    level = np.arange(144.0) + 20 * np.sin(np.pi * np.arange(144) / 6)
    frame = pd.DataFrame({"date": months, "y": level, "price": np.arange(144) % 5})
    settings = config(
        tmp_path_factory.mktemp("few") / "run", lookback=24, horizon=12, epochs=2,
        quantiles=(0.05, 0.25, 0.5, 0.75, 0.95), future_covariates=("price",),
    )  # fmt: skip
    return forecasting.train(settings, data=frame), frame


def ahead(frame: pd.DataFrame) -> pd.DataFrame:
    more = pd.date_range(frame["date"].iloc[-1], periods=13, freq="MS")[1:]
    return pd.concat([frame, pd.DataFrame({"date": more, "y": np.nan, "price": 1})])


def test_quantiles_that_few_windows_cannot_calibrate_stay_as_trained(
    few: tuple[Run, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    run, frame = few
    calibration = run.yardsticks.calibrations["model"]
    assert (calibration.windows, calibration.unreached) == (3, (0.05, 0.95))
    assert not calibration.corrections[:, [0, 4]].any()
    assert calibration.corrections[:, [1, 3]].all()
    from pipelines import latest_windows

    inputs = latest_windows(run.series(ahead(frame)), 24, 12)
    names = [tensor.name for tensor in run.deployed.inputs]
    trained = run.deployed({name: inputs[name] for name in names})["quantiles"].numpy()[0]
    predicted = run.predict(ahead(frame)).filter(like="quantile").to_numpy()
    outer = np.array([trained[:, 0], trained[:, 4]]).T
    widened = np.array([predicted[:, 1], predicted[:, 3]]).T
    expected = np.stack(
        [np.minimum(outer[:, 0], widened[:, 0]), np.maximum(outer[:, 1], widened[:, 1])], axis=1
    )
    np.testing.assert_allclose(predicted[:, [0, 4]], expected, rtol=1e-5)
    exported = calibrated_deployment(run.deployed, run.config, calibration)
    served = exported({name: inputs[name] for name in names})["quantiles"].numpy()[0]
    np.testing.assert_allclose(served, predicted, rtol=1e-4)
    assert "3 validation windows are too few" in capsys.readouterr().err


def test_too_few_windows_are_said_everywhere(few: tuple[Run, pd.DataFrame]) -> None:
    run, _ = few
    note = "3 validation windows are too few to calibrate the quantiles 0.05, 0.95 (19 are needed)"
    assert note in run.calibration_note
    assert note in run.metrics["table"]["title"]
    assert any(note in line for line in run.metrics["data"]["understood"])
    assert note in run.folder.report.read_text()
    exported = contract(run, run.deployed)["outputs"]["quantiles"]
    assert exported["not calibrated"] == [0.05, 0.95] and note in exported["note"]


def test_files_that_serve_any_series_have_intervals_as_trained(
    few: tuple[Run, pd.DataFrame],
) -> None:
    run, _ = few
    by_window = copy.copy(run)
    by_window.config = dataclasses.replace(run.config, scaling="window")
    calibration = run.yardsticks.calibrations["model"]
    exported = calibrated_deployment(run.deployed, by_window.config, calibration)
    told = contract(by_window, exported)
    assert exported is run.deployed
    assert told["outputs"]["quantiles"]["meaning"] == "raw quantiles, as trained"
    assert "not in the files: they serve any series" in told["rule of intervals"]
    assert "rule of intervals" not in contract(run, run.deployed)


def test_a_column_that_ends_with_the_data_is_said_before_training(
    few: tuple[Run, pd.DataFrame],
) -> None:
    run, frame = few
    told = run.metrics["data"]["understood"]
    assert any("price: the data has 0 values after its last target" in line for line in told)
    with pytest.raises(DataError, match="price must be known for 12 steps after 2001-12-01"):
        run.predict(frame)


def test_recent_windows_that_are_too_few_leave_the_calibration(
    few: tuple[Run, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    run, frame = few
    plain = run.predict(ahead(frame))
    recent = run.predict(ahead(frame), recent=4)
    assert "4 recent windows are too few to calibrate" in capsys.readouterr().err
    assert not np.allclose(plain["quantile_0.25"], recent["quantile_0.25"])
    assert np.all(recent["quantile_0.05"] <= recent["quantile_0.25"])


def test_a_series_that_begins_after_the_training_part_is_named_and_scaled() -> None:
    from pipelines import training_statistics
    from rnn_apps.forecasting.training_parts import training_parts
    from rnn_apps.forecasting.understood import understood, understood_for_use

    late = np.where(np.arange(400) < 300, np.nan, 1e6 + 1000 * week())
    still = np.where(np.arange(400) < 300, 5.0, 5.0 + week())
    gone = np.where(np.arange(400) < 380, week(), np.nan)
    frame = pd.DataFrame({"date": DAYS, "y": week(), "late": late, "still": still, "gone": gone})
    series_set, settings = load_series(frame), config(Path("unused"))
    split = parse_split(settings.split)
    statistics = training_statistics(series_set, split)
    assert statistics.mean[1] == pytest.approx(np.nanmean(late), rel=1e-6)
    assert statistics.standard_deviation[1] == pytest.approx(np.nanstd(late), rel=1e-5)
    told = understood(series_set, split, settings, training_parts(series_set, split, settings))
    assert any("late: no value in the training part" in line for line in told)
    assert any("still: constant in the training part only" in line for line in told)
    used = understood_for_use(series_set, 14)
    assert "Ends before 2024-02-04, and is forecast from its own end: gone." in used


def test_counted_rows_have_no_calendar_and_are_numbered_on() -> None:
    from rnn_apps.forecasting.features.description import describe
    from rnn_apps.forecasting.forecast import Forecast
    from rnn_apps.forecasting.judging.yardsticks import step_minutes_of
    from rnn_apps.forecasting.network.capabilities import calendar_features
    from rnn_apps.forecasting.prediction import as_frame

    series_set = load_series(pd.DataFrame({"ds": range(1, 401), "y": week()}))
    settings = config(Path("unused"))
    description = describe(series_set, parse_split(settings.split), settings)
    assert (description.step_minutes, step_minutes_of(series_set)) == (0, 0)
    assert calendar_features(settings, description) == ()
    with pytest.raises(ConfigurationError, match="counted and have no date"):
        calendar_features(config(Path("unused"), calendar=("day_of_week",)), description)
    frame = as_frame(series_set, Forecast(np.zeros((1, 3), np.float32)), ())
    assert frame["time"].tolist() == [401, 402, 403]
    with pytest.raises(DataError, match="the split names the time"):
        WindowBatches(
            series_set, lookback=2, horizon=1, part=parse_split("2024-01-01,2024-02-01").test
        )


def test_shares_in_per_cent_are_no_numbers_of_time_steps(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": DAYS, "y": week()})
    with pytest.raises(DataError, match=r"100 of the 400 .*Write shares as 0.7,0.1,0.2"):
        forecasting.train(config(tmp_path / "run", split="70,10,20"), data=frame)
    assert not (tmp_path / "run").exists()


def test_data_is_told_that_is_left_out_or_was_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"date": DAYS.strftime("%d.%m.%Y"), "y": week()})
    run = forecasting.train(config(tmp_path / "run", split="220,40,40"), data=frame)
    assert "The last 100 time steps are in no part." in capsys.readouterr().err
    run.evaluate(frame)
    told = capsys.readouterr().err
    assert "trained and calibrated on data up to 2023-09-17, and y of DataFrame begins" in told
    run.evaluate(frame[260 - 14 :])
    assert "begins before" not in capsys.readouterr().err
    # The year first cannot be mistaken, whatever notation the training data had.
    for form in ("%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d %H:%M"):
        other = frame.assign(date=DAYS.strftime(form))
        assert run.predict(other)["time"][0] == pd.Timestamp("2024-02-05"), form
    with pytest.raises(DataError, match=r"write the times as in the training data: %d.%m.%Y"):
        run.predict(frame.assign(date=DAYS.strftime("%b %d, %Y")))


def test_a_time_with_an_offset_is_an_instant() -> None:
    hours = pd.date_range("2024-06-01", periods=200, freq="h", tz="Europe/Berlin")
    local = load_series(pd.DataFrame({"y": np.arange(200.0)}, index=hours))
    for at in ("2024-06-05 13:00", "2024-06-05T13:00+02:00", "2024-06-05 11:00:00Z"):
        assert len(until(local, at)[0]) == 4 * 24 + 13 + 1
    plain = load_series(pd.DataFrame({"y": np.arange(200.0)}, index=hours.tz_localize(None)))
    with pytest.raises(ConfigurationError, match=r"at = .* has an offset .* 2024-06-05 13:00:00"):
        until(plain, "2024-06-05T13:00+02:00")
    with pytest.raises(ConfigurationError, match="at = 'noon': write a time such as"):
        until(local, "noon")


@pytest.mark.parametrize("missing", ["forward_fill", "interpolate", "zero"])
def test_what_was_known_at_a_time_is_the_window_of_the_backtest(missing: str) -> None:
    frame = pd.DataFrame({"a": [9, 5, np.nan, np.nan, 7, 8, 9, 3]}, index=DAYS[:8])
    series_set = load_series(frame, missing=missing)
    inputs, _, _ = next(iter(WindowBatches(series_set, lookback=4, horizon=2).epoch(0)))
    known = until(series_set, "2023-01-04")[0].target
    assert known.tolist() == np.asarray(inputs["past_target"])[0].tolist()
    assert known.tolist() == ([9, 5, 0, 0] if missing == "zero" else [9, 5, 5, 5])


def test_every_series_is_among_the_example_windows(tmp_path: Path) -> None:
    rows = np.arange(300.0)[:, None] + 1000 * np.arange(40)
    frame = pd.DataFrame(rows, index=DAYS[:300]).add_prefix("s")
    save_examples(tmp_path / "many", load_series(frame), (0.8, 1.0), 24, 12)
    assert read_examples(tmp_path / "many")["series_index"].tolist() == list(range(40))
    save_examples(tmp_path / "one", load_series(frame[["s0"]]), (0.8, 1.0), 24, 12)
    firsts = read_examples(tmp_path / "one")["past_target"][:, 0]
    # The first and the last origin of the part, and even distances between them.
    assert (firsts[0], firsts[-1], len(firsts)) == (240 - 24, 300 - 12 - 24, 32)
    assert set(np.diff(firsts)) <= {1.0, 2.0}


def test_a_small_series_is_not_hidden_by_a_large_one() -> None:
    scale = np.array([[1.0], [1.0], [1000.0], [1000.0]])
    expected = scale * np.array([[1.0, 2.0, 3.0]])
    found = expected.copy()
    found[:2] = 0.0
    index = np.array([0, 0, 1, 1])
    assert farthest_series(expected / scale, expected / scale, index) == 0.0
    assert farthest_series(found / scale, expected / scale, index) > 1.0
    # A series that moves more than the others is measured by what it moves.
    assert farthest_series(expected * 1.02, expected, index) < 0.06


@pytest.mark.parametrize("transform, least", [("log", "above 0"), ("log1p", "of 0 or more")])
def test_the_contract_tells_how_values_are_filled_and_which_are_refused(
    transform: str, least: str, few: tuple[Run, pd.DataFrame]
) -> None:
    run = few[0]
    plain = contract(run, run.deployed)
    assert "last one before it" in plain["rule of missing values"]
    assert "transform" not in plain
    other = types.SimpleNamespace(
        config=dataclasses.replace(run.config, transform=transform, missing="interpolate"),
        description=run.description, yardsticks=run.yardsticks, deployed=run.deployed,
        calibration_note=run.calibration_note,
    )  # fmt: skip
    told = contract(other, run.deployed)  # type: ignore[arg-type]
    assert "after the last observed value, with the last value" in told["rule of missing values"]
    assert told["transform"] == transform
    assert least in told["rule of values"]
