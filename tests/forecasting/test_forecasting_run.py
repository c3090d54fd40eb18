"""A forecasting run from end to end, from Python and from the command line, on tiny data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.base.errors import ConfigurationError, DataError, UserError
from rnn_apps import forecasting
from rnn_apps.application.command_line import main
from rnn_apps.forecasting import ForecastingConfig, Run
from rnn_apps.forecasting.judging.evaluation import check_own_series
from rnn_apps.forecasting.prediction_files import predict_to_files
from rnn_apps.forecasting.run_data import training_series

LOOKBACK, HORIZON, ROWS = 24, 6, 360
ZONE = "Europe/Berlin"


def _frame(rows: int = ROWS, future: int = HORIZON) -> pd.DataFrame:
    """Two series by the hour, a covariate known ahead, and `future` rows without a target."""
    random = np.random.default_rng(4)
    hours = np.arange(rows + future)
    holiday = (hours // 24 % 7 == 0).astype(float)
    wave = np.sin(2 * np.pi * hours / 24) + holiday
    index = pd.date_range("2024-03-20", periods=rows + future, freq="h", tz=ZONE, name="time")
    frame = pd.DataFrame(
        {
            "north": 50 + 10 * wave + random.normal(size=len(hours)),
            "south": 3 + 0.5 * wave + 0.1 * random.normal(size=len(hours)),
            "holiday": holiday,
        },
        index=index,
    )
    frame.loc[frame.index[rows:], ["north", "south"]] = np.nan
    return frame


def _config(folder: Path, **changes: object) -> ForecastingConfig:
    settings: dict[str, object] = {
        "run": str(folder), "lookback": LOOKBACK, "horizon": HORIZON, "segment_length": 6,
        "units": 8, "epochs": 2, "stride": 3, "split": "216,72,72", "learning_rate": 0.01,
        "future_covariates": ("holiday",), "targets": ("north", "south"),
    }  # fmt: skip
    return ForecastingConfig(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "frame"
    return forecasting.train(_config(folder), data=_frame())


@pytest.fixture(scope="module")
def reopened(run: Run) -> Run:
    return forecasting.load(run.folder.path)


def test_a_run_leaves_everything_behind(run: Run) -> None:
    folder = run.folder
    for path in (folder.config, folder.model, folder.metrics, folder.history, folder.report):
        assert path.stat().st_size > 0, path
    assert any(folder.checkpoints.iterdir())
    metrics = json.loads(folder.metrics.read_text(), parse_constant=pytest.fail)
    assert metrics["training"]["epochs"] == 2
    forecasters = metrics["test"]["forecasters"]
    assert next(iter(forecasters)) == "segment GRU"
    assert {"repeat last", "seasonal naive", "drift", "NLinear"} <= set(forecasters)
    # 72 test rows give 67 origins a series, and every one counts.
    assert metrics["test"]["windows"] == 2 * (72 - HORIZON + 1)
    for entry in forecasters.values():
        assert {"mae", "rmse", "mase", "smape", "weighted_quantile_loss", "coverage_80"} <= set(
            entry["overall"]
        )
        assert [row["series"] for row in entry["series"]] == ["north", "south"]
    page = folder.report.read_text()
    assert page.count("data:image/svg+xml") >= 5
    for word in ("Worst, median and best", "Learning curves", "dLoss/dh_t", "Coverage by horizon"):
        assert word in page
    steps = pd.read_csv(folder.path / "test_by_step.csv")
    assert (steps.groupby("forecaster").size() == HORIZON).all()


def test_the_forecast_goes_on_where_the_data_ends_across_a_clock_change(
    run: Run, reopened: Run
) -> None:
    data = _frame(rows=260)
    # 260 hours after March 20 is March 30, 20:00; the clocks go forward in the night after it.
    frame = reopened.predict(data)
    assert list(frame.columns) == [
        "series", "time", "forecast", "quantile_0.1", "quantile_0.5", "quantile_0.9",
    ]  # fmt: skip
    assert len(frame) == 2 * HORIZON
    expected = data.index[260 : 260 + HORIZON]
    for name in ("north", "south"):
        times = pd.DatetimeIndex(frame[frame["series"] == name]["time"])
        assert str(times.tz) == ZONE
        assert list(times) == list(expected)
    assert (frame["quantile_0.1"] <= frame["quantile_0.5"]).all()
    assert (frame["quantile_0.5"] <= frame["quantile_0.9"]).all()
    pd.testing.assert_frame_equal(frame, run.predict(data))
    # The two series live on scales of their own.
    assert frame[frame["series"] == "north"]["forecast"].mean() > 30
    assert frame[frame["series"] == "south"]["forecast"].mean() < 10


def test_predict_uses_the_latest_rows_and_the_known_future(reopened: Run) -> None:
    data = _frame(rows=100)
    whole = reopened.predict(data)
    pd.testing.assert_frame_equal(whole, reopened.predict(data[-LOOKBACK - HORIZON :]))
    changed = data.copy()
    changed.loc[changed.index[100:], "holiday"] = 1 - changed["holiday"].iloc[-1]
    assert not np.allclose(reopened.predict(changed)["forecast"], whole["forecast"])


def test_evaluation_again_gives_the_same_and_other_parts_are_others(
    run: Run, reopened: Run
) -> None:
    # What is not observed at the end is cut off, so the known rows alone are the same data.
    first = json.loads(run.folder.metrics.read_text())["test"]["forecasters"]
    again = reopened.evaluate(_frame(), part="test")
    assert again["mase"] == pytest.approx(first["segment GRU"]["overall"]["mase"], rel=1e-5)
    validation = reopened.evaluate(_frame(), part="validation", stride=5)
    assert validation["windows"] == 2 * len(range(0, 72 - HORIZON + 1, 5))
    # As it may be the run's own data, nothing says that its rows are new to the run.
    page = Path(validation["report"]).read_text()
    assert "trained or calibrated on" in validation["table"]["title"]
    assert "anything of the tested part" not in page and "--data SOURCE --part validation" in page
    own = run.evaluate(part="validation", stride=5)
    assert "stride 5. Intervals are calibrated on the very windows" in own["table"]["title"]
    assert "anything of the tested part" not in Path(own["report"]).read_text()
    assert "anything of the tested part" in run.folder.report.read_text()
    with pytest.raises(UserError, match="choose from train, validation, test, all"):
        reopened.evaluate(_frame(), part="tset")
    with pytest.raises(UserError, match="DataFrame, which is not kept"):
        forecasting.load(run.folder.path).evaluate()


def test_sample_paths_and_recent_calibration(reopened: Run) -> None:
    frame = reopened.predict(_frame(), samples=3, recent=20, seed=1)
    assert [name for name in frame.columns if name.startswith("sample")] == [
        "sample_1", "sample_2", "sample_3",
    ]  # fmt: skip
    assert np.isfinite(frame.filter(like="sample")).all().all()
    pd.testing.assert_frame_equal(frame, reopened.predict(_frame(), samples=3, recent=20, seed=1))
    plain = reopened.predict(_frame())
    np.testing.assert_allclose(frame["forecast"], plain["forecast"])
    assert not np.allclose(frame["quantile_0.9"], plain["quantile_0.9"])
    with pytest.raises(UserError, match="samples"):
        reopened.predict(_frame(), samples=-1)
    with pytest.raises(ConfigurationError, match="recent"):
        reopened.predict(_frame(), recent=-1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f[-HORIZON - 10 :], "look"),
        (lambda f: f[:-HORIZON], "holiday must be known for 6 steps after"),
        (lambda f: f[:-2], "holiday must be known for 6 steps after"),
        (lambda f: f.drop(columns="holiday"), "holiday"),
        (lambda f: f.rename(columns={"north": "west"}), "north"),
        (lambda f: f.assign(north=np.nan), "north"),
        (lambda f: f.assign(north="many"), "north"),
        (lambda f: f[:0], "no row"),
        (lambda f: f.resample("D").mean(), r"frequency|step|short|rows"),
    ],
)
def test_data_that_cannot_be_continued_is_refused(
    reopened: Run, spoil: object, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        reopened.predict(spoil(_frame()))  # type: ignore[operator]


def test_a_series_that_training_has_not_seen_is_refused_by_name(reopened: Run) -> None:
    from pipelines import load_series

    frame = _frame().rename(columns={"north": "west"})
    unseen = load_series(frame, targets=("west", "south"), future_covariates=("holiday",))
    with pytest.raises(DataError, match=r"does not know the series 'west'.*'north'"):
        reopened.predict(unseen)


def test_a_model_that_scales_by_the_window_serves_unseen_series(tmp_path: Path) -> None:
    config = _config(
        tmp_path / "run", scaling="window", epochs=1, stride=20, targets=(), gradient_flow=False
    )
    run = forecasting.train(config, data=_frame())
    frame = _frame().rename(columns={"north": "west"})
    predicted = forecasting.load(tmp_path / "run").predict(frame)
    assert set(predicted["series"]) == {"west", "south"}
    assert predicted[predicted["series"] == "west"]["forecast"].mean() > 30
    west = predicted[predicted["series"] == "west"]
    south = predicted[predicted["series"] == "south"]
    width = (west["quantile_0.9"] - west["quantile_0.1"]).mean()
    assert width > 5 * (south["quantile_0.9"] - south["quantile_0.1"]).mean()
    first = tmp_path / "first.csv"
    result = run.evaluate(frame, "test", forecasts=first)
    assert result["windows"] > 0 and result["mase"] is not None
    assert "Training has not seen west" in Path(result["report"]).read_text()
    # Other values after the first origin change nothing of what is forecast there.
    second = tmp_path / "second.csv"
    changed = frame.copy()
    changed.iloc[ROWS - 72 : ROWS, changed.columns.get_loc("west")] *= 50
    run.evaluate(changed, "test", forecasts=second)
    tables = [pd.read_csv(path).query("series == 'west'") for path in (first, second)]
    before, after = (table.filter(regex="forecast|quantile")[:HORIZON] for table in tables)
    pd.testing.assert_frame_equal(before, after)


def test_mistakes_are_said_before_a_folder_is_made(tmp_path: Path) -> None:
    cases = [
        (_config(tmp_path / "a", lookback=240, segment_length=24), _frame(), "no window"),
        (_config(tmp_path / "a", split="0.9,0.1"), _frame(), "split"),
        (_config(tmp_path / "a", units=0), _frame(), "units"),
        (_config(tmp_path / "a", split="0.98,0.01,0.01"), _frame(), "no window"),
        (_config(tmp_path / "a", targets=("east",)), _frame(), "east"),
    ]
    for config, data, message in cases:
        with pytest.raises(UserError, match=message):
            forecasting.train(config, data=data)
    with pytest.raises(UserError, match="no training data"):
        forecasting.train(_config(tmp_path / "a"))
    with pytest.raises(UserError, match="no run folder"):
        forecasting.train(_config(tmp_path / "a", run=""), data=_frame())
    assert not (tmp_path / "a").exists()


def test_a_run_is_resumed_only_with_its_own_data(run: Run) -> None:
    of_the_earlier_model = ("validation_by_series.csv", "all_by_step.csv", "other_data_by_step.csv")
    for name in of_the_earlier_model:
        (run.folder.path / name).write_text("forecaster")
    resumed = forecasting.train(_config(run.folder.path), resume=True, data=_frame())
    assert not any((run.folder.path / name).exists() for name in of_the_earlier_model)
    assert (run.folder.path / "test_by_series.csv").exists()
    for old, new in zip(run.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    other = _frame()
    other["north"] *= 2
    with pytest.raises(UserError, match="data is not what the run was started with"):
        forecasting.train(_config(run.folder.path), resume=True, data=other)


def test_folders_that_hold_no_good_run(run: Run, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(UserError, match="no run here"):
        forecasting.load(tmp_path)
    for name, content in (("model.keras", b"broken"), ("yardsticks.npz", b"broken"),
                          ("data.json", b"[1]"), ("config.toml", b"lookback = 'far'")):  # fmt: skip
        copied = tmp_path / name
        shutil.copytree(run.folder.path, copied)
        (copied / name).write_bytes(content)
        with pytest.raises(UserError, match=name.replace(".", r"\.") + "|lookback"):
            forecasting.load(copied)
    copied = tmp_path / "other"
    shutil.copytree(run.folder.path, copied)
    (copied / "run.json").write_text('{"application": "asr"}')
    with pytest.raises(UserError, match="'asr'"):
        forecasting.load(copied)


def test_the_picture_has_a_known_format(reopened: Run, tmp_path: Path) -> None:
    _frame().to_csv(tmp_path / "data.csv")
    source = f"file:{tmp_path / 'data.csv'}"
    with pytest.raises(UserError, match="png"):
        predict_to_files(reopened, source, str(tmp_path / "f.csv"), str(tmp_path / "f.bmp"))
    predict_to_files(reopened, source, str(tmp_path / "f.csv"), str(tmp_path / "f.svg"))
    assert (tmp_path / "f.svg").read_text().startswith("<?xml")


def test_the_exported_file_gives_on_the_device_what_predict_gives(
    reopened: Run, tmp_path: Path
) -> None:
    """Raw windows into the TFLite file, raw calibrated forecasts out: the numbers of `predict`."""
    from ai_edge_litert.interpreter import Interpreter

    from pipelines import latest_windows

    result = reopened.export(tmp_path, formats=("tflite",))
    contract = json.loads((tmp_path / "contract.json").read_text())
    assert contract["series"] == ["north", "south"] and contract["horizon"] == HORIZON
    data = reopened.series(_frame())
    inputs = latest_windows(data, LOOKBACK, HORIZON)
    expected = reopened.predict(_frame())
    call = Interpreter(model_path=result["files"][0]).get_signature_runner()
    assert set(call.get_input_details()) == set(contract["inputs"])
    for row, name in enumerate(data.names):
        one = {key: inputs[key][row : row + 1] for key in contract["inputs"]}
        outputs = call(**one)
        rows = expected[expected["series"] == name]
        quantiles = rows.filter(like="quantile_").to_numpy()
        scale = 1e-4 * np.abs(quantiles).max()
        np.testing.assert_allclose(outputs["forecast"][0], rows["forecast"], atol=scale)
        np.testing.assert_allclose(outputs["quantiles"][0], quantiles, atol=scale)


def test_exports_that_cannot_be(reopened: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="onnx"):
        reopened.export(tmp_path, formats=("onnx",))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        reopened.export(tmp_path / "file")


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    naive = _frame().tz_convert("UTC").tz_localize(None)
    naive.to_csv(tmp_path / "data.csv")
    source, folder = f"file:{tmp_path / 'data.csv'}", str(tmp_path / "run")

    def json_of(*arguments: str) -> dict[str, object]:
        assert main(["forecast", *arguments, "--json"]) == 0
        return dict(json.loads(capfd.readouterr().out))

    trained = json_of(
        "train", "--data", source, "--run", folder, "--lookback", "24", "--horizon", "6",
        "--model", "direct", "--cell", "lstm", "--units", "8", "--epochs", "1", "--stride", "10",
        "--split", "216,72,72", "--future-covariates", "holiday", "--output", "gaussian",
        "--no-gradient-flow",
    )  # fmt: skip
    assert Path(str(trained["report"])).exists()
    evaluated = json_of("evaluate", "--run", folder)
    assert evaluated["windows"] == 2 * (72 - HORIZON + 1)
    target = tmp_path / "forecasts.csv"
    predicted = json_of("predict", "--run", folder, "--to", str(target), "--samples", "2")
    frame = pd.read_csv(target, parse_dates=["time"])
    assert (tmp_path / "forecasts.png").read_bytes().startswith(b"\x89PNG")
    assert list(pd.DatetimeIndex(frame["time"][:HORIZON])) == list(naive.index[ROWS:])
    assert predicted["series"] == 2 and "sample_2" in frame
    assert main(["forecast", "predict", "--run", folder, "--data", "file:none.csv",
                 "--to", str(target)]) == 2  # fmt: skip
    assert "none.csv" in capfd.readouterr().err


def test_a_refused_resume_changes_nothing(run: Run) -> None:
    def contents() -> dict[Path, bytes]:
        files = (path for path in run.folder.path.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    before = contents()
    other = _frame()
    other["north"] *= 2
    for changes, data in (({"units": 9}, _frame()), ({"targets": ("north",)}, _frame()),
                          ({"epochs": 3}, other)):  # fmt: skip
        with pytest.raises(UserError):
            forecasting.train(_config(run.folder.path, **changes), resume=True, data=data)
        assert contents() == before


def test_own_data_that_has_changed_is_said_or_refused(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = _frame()
    changed["north"] *= 2
    series_set, _ = training_series(run.config, changed)
    check_own_series(run, series_set)
    assert "has changed since the run was trained on it" in capsys.readouterr().err
    series_set, _ = training_series(run.config, _frame())
    check_own_series(run, series_set)
    assert "changed" not in capsys.readouterr().err
    shorter = forecasting.load(run.folder.path)
    shorter.config = replace(shorter.config, split="100,72,72")
    with pytest.raises(UserError, match="its training part is shorter"):
        check_own_series(shorter, series_set)
