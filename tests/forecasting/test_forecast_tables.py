"""Forecasts as tables: of a backtest, from an earlier time, beyond the horizon."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.base.errors import DataError, UserError
from rnn_apps import forecasting
from rnn_apps.application.command_line import main
from rnn_apps.forecasting import ForecastingConfig, Run

LOOKBACK, HORIZON, ROWS = 24, 6, 300
QUANTILES = ["quantile_0.1", "quantile_0.5", "quantile_0.9"]


def _frame() -> pd.DataFrame:
    """Two series by the hour, one with missing values in its last rows."""
    random = np.random.default_rng(4)
    hours = np.arange(ROWS)
    wave = np.sin(2 * np.pi * hours / 24)
    times = pd.date_range("2024-03-20", periods=ROWS, freq="h", tz="Europe/Berlin")
    north = 50 + 10 * wave + random.normal(size=ROWS)
    north[-20:-15] = np.nan
    return pd.DataFrame({"time": times, "north": north, "south": 3 + 0.5 * wave})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tables")
    _frame().to_csv(folder / "data.csv", index=False)
    config = ForecastingConfig(
        data=f"file:{folder / 'data.csv'}", run=str(folder / "run"), lookback=LOOKBACK,
        horizon=HORIZON, segment_length=6, units=8, epochs=1, stride=6, split="180,60,60",
        gradient_flow=False, time_zone="Europe/Berlin",
    )  # fmt: skip
    forecasting.train(config)
    return forecasting.load(folder / "run")


def test_every_forecast_of_a_backtest_is_a_row(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "forecasts.csv"
    command = ["forecast", "evaluate", "--run", str(run.folder.path), "--forecasts", str(path)]
    assert main([*command, "--stride", "5"]) == 0
    table = pd.read_csv(path)
    assert list(table.columns) == [
        "series", "origin", "step", "time", "truth", "forecast", *QUANTILES,
    ]  # fmt: skip
    origins = len(range(0, 60 - HORIZON + 1, 5))
    assert len(table) == 2 * origins * HORIZON
    # Truth and forecast are those that the figures were made of.
    figures = run.evaluate(stride=5)
    error = (table["forecast"] - table["truth"]).abs()
    assert error.mean() == pytest.approx(figures["mae"], rel=1e-5)
    assert table["truth"].isna().sum() > 0
    data = _frame().set_index("time")
    times = pd.to_datetime(table["time"], utc=True)
    for name in ("north", "south"):
        rows = table["series"] == name
        expected = data[name].loc[times[rows]].to_numpy()
        np.testing.assert_allclose(table[rows]["truth"], expected, rtol=1e-6)
    hours = (times - pd.to_datetime(table["origin"], utc=True)) / pd.Timedelta("1h")
    np.testing.assert_array_equal(hours, table["step"])
    assert (table["quantile_0.1"] <= table["quantile_0.9"]).all()


def test_a_forecast_from_an_earlier_time_is_that_of_the_backtest(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run.evaluate(stride=6, forecasts=tmp_path / "all.csv")
    table = pd.read_csv(tmp_path / "all.csv")
    origin = table["origin"].unique()[3]
    wall = origin[:16]
    earlier = run.predict(at=wall)
    rows = table[table["origin"] == origin].reset_index(drop=True)
    np.testing.assert_allclose(earlier["forecast"], rows["forecast"], rtol=1e-4)
    np.testing.assert_allclose(earlier[QUANTILES], rows[QUANTILES], rtol=1e-4)
    np.testing.assert_allclose(earlier["truth"], rows["truth"], rtol=1e-6)
    # What came later makes no difference.
    changed = _frame()
    late = changed["time"] > pd.Timestamp(origin)
    changed.loc[late, ["north", "south"]] *= 3
    np.testing.assert_array_equal(run.predict(changed, at=wall)["forecast"], earlier["forecast"])
    with caplog.at_level(logging.WARNING):
        run.predict(at="2024-03-25 12:00")
    assert "has seen what it forecasts" in caplog.text


def test_times_that_the_data_does_not_hold_are_refused(run: Run) -> None:
    for late in ("2025-01-01", "2023-01-01"):
        with pytest.raises(DataError, match=r"the data goes from 2024-03-20.* to 2024-04-01"):
            run.predict(at=late)
    with pytest.raises(UserError, match="write a time such as"):
        run.predict(at="soon")
    with pytest.raises(DataError, match="looks back on 24"):
        run.predict(at="2024-03-20 05:00")


def test_steps_beyond_the_horizon_read_forecasts(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "long.csv"
    command = ["forecast", "predict", "--run", str(run.folder.path), "--to", str(path)]
    assert main([*command, "--steps", "15"]) == 0
    long = pd.read_csv(path)
    assert (long.groupby("series").size() == 15).all()
    with caplog.at_level(logging.WARNING):
        plain = run.predict()
    assert "Beyond step" not in caplog.text
    for name in ("north", "south"):
        rows, first = long[long["series"] == name], plain[plain["series"] == name]
        np.testing.assert_allclose(rows["forecast"][:HORIZON], first["forecast"], rtol=1e-4)
        assert rows[QUANTILES][:HORIZON].notna().all().all()
        assert rows[QUANTILES][HORIZON:].isna().all().all()
    # The second horizon is the forecast of data that ends with the first.
    known = _frame().rename(columns={"time": "date"})
    following = plain.pivot(index="time", columns="series", values="forecast").reset_index()
    longer = pd.concat([known, following.rename(columns={"time": "date"})], ignore_index=True)
    second = run.predict(longer.rename(columns={"date": "time"}))
    for name in ("north", "south"):
        rows = long[long["series"] == name]["forecast"][HORIZON : 2 * HORIZON]
        np.testing.assert_allclose(rows, second[second["series"] == name]["forecast"], rtol=1e-4)
    assert len(run.predict(steps=2)) == 4
    with pytest.raises(UserError, match="leave out samples"):
        run.predict(steps=7, samples=2)
    with pytest.raises(UserError, match="must be at least 1"):
        run.predict(steps=-1)


def test_files_that_cannot_be_written_are_refused_before_the_backtest(
    run: Run, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"name a \.csv file"):
        run.evaluate(forecasts=tmp_path / "all.json")
    with pytest.raises(UserError, match="there is no folder"):
        run.evaluate(forecasts=tmp_path / "none" / "all.csv")


def test_a_run_on_series_as_rows_serves_rows_and_long_tables(tmp_path: Path) -> None:
    def row(name: str, count: int) -> str:
        wave = 20 + 5 * np.sin(np.arange(count) / 4)
        return ",".join([name, *(f"{value:.3f}" for value in wave), *[""] * (120 - count)])

    header = ",".join(f"V{i}" for i in range(1, 122))
    (tmp_path / "train.csv").write_text("\n".join([header, row("M1", 120), row("M2", 100), ""]))
    (tmp_path / "new.csv").write_text("\n".join([header, row("M3", 40), row("M4", 10), ""]))
    long = "".join(f"S,{5 + i % 7}\n" for i in range(30))
    (tmp_path / "long.csv").write_text("series,value\n" + long)
    config = ForecastingConfig(
        data=f"file:{tmp_path / 'train.csv'}", run=str(tmp_path / "run"), lookback=12, horizon=6,
        segment_length=6, units=4, epochs=1, stride=6, scaling="window", gradient_flow=False,
    )  # fmt: skip
    forecasting.train(config)
    for name, series, first in (("new", "M3", 40), ("long", "S", 30)):
        path = tmp_path / f"{name}-forecasts.csv"
        command = ["forecast", "predict", "--run", config.run, "--to", str(path)]
        assert main([*command, "--data", f"file:{tmp_path / name}.csv"]) == 0
        table = pd.read_csv(path)
        # M4 has fewer rows than the lookback, and is left out.
        assert set(table["series"]) == {series}
        assert list(table["time"]) == list(range(first, first + 6))
