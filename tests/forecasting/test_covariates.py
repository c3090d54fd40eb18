"""A run with categories, holidays and what is known of the future in a table of its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError, DataError, UserError
from rnn_apps import forecasting
from rnn_apps.application.command_line import main
from rnn_apps.edge import EdgeForecaster, load
from rnn_apps.forecasting import ForecastingConfig, Run
from rnn_apps.forecasting.run_data import with_policy
from rnn_apps.forecasting.series_ends import before
from rnn_apps.training.transfer import parts_of

holidays = pytest.importorskip("holidays")

LOOKBACK, HORIZON, ROWS, LATE = 14, 4, 160, 148
DAYS = pd.date_range("2024-01-01", periods=ROWS + HORIZON, freq="D")
SHOPS = ("north", "south", "west")


def _frame() -> pd.DataFrame:
    """Sales per day of three shops, with rows for the future whose sales are empty.

    The third shop opened two weeks ago.
    """
    random = np.random.default_rng(4)
    frames = []
    for number, shop in enumerate(SHOPS):
        weather = random.choice(["fog", "rain", "sun"], len(DAYS))
        sold = 50.0 + 20 * number + np.where(weather == "sun", 10.0, 0.0)
        sold = sold + random.normal(size=len(DAYS))
        sold[ROWS:] = np.nan
        frames.append(
            pd.DataFrame(
                {
                    "day": DAYS, "shop": shop, "sold": sold, "weather": weather,
                    "staff": random.choice(["few", "many"], len(DAYS)), "price": 2.0 + number,
                    "kind": ["small", "big", "big"][number],
                }
            )
        )  # fmt: skip
    frames[2] = frames[2].iloc[LATE:]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _trained(tmp_path_factory.mktemp("covariates"))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _trained(tmp_path_factory.mktemp("embedded"), category_embedding=3)


def _trained(folder: Path, **settings: Any) -> Run:
    _frame().to_csv(folder / "data.csv", index=False)
    config = ForecastingConfig(
        data=f"file:{folder / 'data.csv'}", run=str(folder / "run"),
        columns=("id=shop", "target=sold", "known=weather,price", "past=staff", "static=kind"),
        holidays="DE", short_series="pad", lookback=LOOKBACK, horizon=HORIZON, segment_length=2,
        units=8, epochs=1, stride=4, split="100,30,30", gradient_flow=False, **settings,
    )  # fmt: skip
    forecasting.train(config)
    return forecasting.load(folder / "run")


def test_the_run_keeps_columns_and_categories(run: Run) -> None:
    assert run.config.id_column == "shop" and run.config.categories == ("staff", "weather")
    assert run.description.categories == {
        "staff": ("few", "many"),
        "weather": ("fog", "rain", "sun"),
    }
    assert run.description.future_names == ("weather", "price", "holiday", "days_to_holiday")
    understood = " ".join(run.metrics["data"]["understood"])
    assert "weather (3 categories), price, holiday" in understood


def test_a_table_of_the_future_gives_what_rows_in_the_data_give(run: Run, tmp_path: Path) -> None:
    data = _frame()
    expected = run.predict(data)
    future = data[data["day"] >= DAYS[ROWS]][["day", "shop", "weather", "price"]]
    history = data[data["day"] < DAYS[ROWS]]
    pd.testing.assert_frame_equal(run.predict(history, future=future), expected)
    # On the command line, and with the run's own data; the table counts, not the data's rows.
    changed = future.assign(weather="sun")
    changed.to_csv(tmp_path / "future.csv", index=False)
    command = ["forecast", "predict", "--run", str(run.folder.path), "--to"]
    table = tmp_path / "forecast.csv"
    assert main([*command, str(table), "--future", f"file:{tmp_path / 'future.csv'}"]) == 0
    sunny = pd.read_csv(table)
    np.testing.assert_allclose(
        sunny["forecast"], run.predict(history, future=changed)["forecast"], rtol=1e-5
    )
    assert not np.allclose(sunny["forecast"], expected["forecast"])


def test_a_series_that_was_short_at_an_earlier_time_is_lengthened(run: Run) -> None:
    data, early = _frame(), DAYS[5]
    frame = run.predict(data, at=f"{early:%Y-%m-%d}")
    assert frame["series"].unique().tolist() == ["north", "south"]
    unknown = data[data["shop"] != "west"].copy()
    unknown.loc[unknown["day"] > early, "sold"] = np.nan
    until_then = run.predict(unknown[unknown["day"] <= early + pd.Timedelta(days=HORIZON)])
    np.testing.assert_allclose(frame["forecast"], until_then["forecast"], rtol=1e-5)
    came = data[(data["day"] > early) & (data["day"] <= early + pd.Timedelta(days=HORIZON))]
    truth = came[came["shop"] != "west"]["sold"]
    np.testing.assert_allclose(frame["truth"], truth, rtol=1e-6)


def test_a_forecast_needs_the_lookback_alone(run: Run) -> None:
    series_set = run.series(_frame())
    for rows, forecast in ((LOOKBACK, True), (LOOKBACK - 1, False)):
        cut = before(series_set, DAYS[rows].to_datetime64())
        strict = dataclasses.replace(run.config, short_series="refuse")
        with pytest.raises(DataError, match=f"lookback 14 \\+ horizon {HORIZON} time steps"):
            with_policy(cut, strict, forecast=False)
        if forecast:
            assert with_policy(cut, strict, forecast=True) is cut
        else:
            with pytest.raises(DataError, match="a window of lookback 14 time steps: north"):
                with_policy(cut, strict, forecast=True)


def test_what_a_table_of_the_future_lacks(run: Run) -> None:
    data = _frame()
    history, future = data[data["day"] < DAYS[ROWS]], data[data["day"] >= DAYS[ROWS]]
    future = future[["day", "shop", "weather", "price"]]
    for table, words in (
        (future[future["shop"] == "north"], "no row for the series south"),
        (future[future["day"] < DAYS[-1]], "must be known for 4 steps.*the data has 3"),
        (future[future["day"] != DAYS[ROWS + 1]], "no value for series 'north' at 2024-06-10, but"),
        (future.assign(weather="hail"), "the category 'hail' at 2024-06-09"),
        (future.drop(columns="price"), "there is no column 'price'"),
    ):
        with pytest.raises(DataError, match=words):
            run.predict(history, future=table)


def test_forecasts_beyond_the_horizon_know_their_holidays(run: Run) -> None:
    data = _frame()[lambda frame: frame["day"] < DAYS[100]]
    later = _frame()[lambda frame: frame["day"] >= DAYS[100]][["day", "shop", "weather", "price"]]
    with pytest.raises(Exception, match="nobody knows staff there"):
        run.predict(data, future=later, steps=6)
    series_set = run.series(data, later, reach=8)
    assert series_set[0].future_covariates.shape[1] == 4


@pytest.mark.parametrize("kind", ["run", pytest.param("embedded", marks=pytest.mark.slow)])
def test_the_device_gets_codes_by_a_stated_rule(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: Run = request.getfixturevalue(kind)
    run.export(tmp_path / "export", formats=("tflite",))
    contract = json.loads((tmp_path / "export/contract.json").read_text())
    assert contract["categories"]["weather"] == {
        "codes": {"fog": 0, "rain": 1, "sun": 2},
        "other": -1,
    }
    assert contract["holidays"] == "DE" and "at most 30" in contract["rule of holidays"]
    assert "the first value" in contract["rule of short series"]
    # A host that follows the contract gets what predict gives, for a short series too.
    data = _frame()
    device = EdgeForecaster(load(tmp_path / "export/model.tflite"))
    for shop in ("north", "west"):
        given = device(**_inputs(run, contract, data[data["shop"] == shop], shop))
        expected = run.predict(data)[lambda frame, shop=shop: frame["series"] == shop]
        np.testing.assert_allclose(given["forecast"], expected["forecast"], rtol=1e-4)


def test_categories_have_learnt_vectors(embedded: Run) -> None:
    kernels = {
        layer.name: layer.get_weights()[0]
        for layer in parts_of(embedded.model).values()
        if "_category_" in layer.name
    }
    assert {name: kernel.shape for name, kernel in kernels.items()} == {
        "past_category_1_embedding": (2, 3), "future_category_1_embedding": (3, 3),
    }  # fmt: skip
    # A category is its vector: with that of fog for the sun, sunny days are as foggy ones.
    data = _frame()
    foggy, sunny = (
        data.assign(weather=data["weather"].where(data["sold"].notna(), weather))
        for weather in ("fog", "sun")
    )
    assert not np.allclose(embedded.predict(sunny)["forecast"], embedded.predict(foggy)["forecast"])
    layer = parts_of(embedded.model)["future_category_1_embedding"]
    kernel = layer.get_weights()[0]
    try:
        layer.set_weights([kernel[[0, 1, 0]]])
        every_sun = data.assign(weather=data["weather"].replace("fog", "sun"))
        every_fog = data.assign(weather=data["weather"].replace("sun", "fog"))
        np.testing.assert_allclose(
            embedded.predict(every_sun)["forecast"], embedded.predict(every_fog)["forecast"]
        )
    finally:
        layer.set_weights([kernel])


def test_vectors_of_categories_need_categories(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _frame()[["day", "shop", "sold", "price"]].to_csv(tmp_path / "data.csv", index=False)
    command = [
        "forecast", "train", "--data", f"file:{tmp_path / 'data.csv'}", "--run",
        str(tmp_path / "run"), "--column", "target=sold", "--column", "known=price",
        "--lookback", "14", "--horizon", "4", "--segment-length", "2", "--split", "100,30,30",
    ]  # fmt: skip
    for flags, message in (
        (["--category-embedding", "3"], "no covariate that changes with time has categories"),
        (["--category-embedding", "-1"], "category_embedding = -1"),
    ):
        assert main([*command, *flags]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "embedded"])
@pytest.mark.parametrize(
    ("form", "tolerance"),
    [("saved_model", 1e-5), ("tflite_dynamic", 1e-4), ("c", 1e-5), ("c_int8", 2e-3)],
)
def test_every_file_takes_codes_and_holidays(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, form: str, tolerance: float
) -> None:
    run: Run = request.getfixturevalue(kind)
    written = run.export(tmp_path, formats=(form,))
    assert "not written" not in written
    contract = json.loads((tmp_path / "contract.json").read_text())
    # Christmas is ahead in what the files forecast, and the price leaves what training has seen.
    data = _frame()
    data["day"] += pd.Timestamp("2024-12-24") - DAYS[ROWS]
    data["price"] = data["price"] + 3.0
    for weather in ("fog", "sun"):
        data.loc[data["sold"].isna(), "weather"] = weather
        expected = run.predict(data)
        for shop in ("north", "west"):
            inputs = _inputs(run, contract, data[data["shop"] == shop], shop)
            assert inputs["future_covariates"][-HORIZON:, 2].tolist() == [0, 1, 1, 0]
            found = _forecast(Path(written["files"][0]), form, inputs)
            wanted = expected[expected["series"] == shop]["forecast"]
            np.testing.assert_allclose(found, wanted, rtol=tolerance)


def _forecast(path: Path, form: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The forecast of one window by an exported file, [horizon]."""
    if form == "saved_model":
        served = tf.saved_model.load(path).signatures["serving_default"]
        batch = {name: tf.constant(value[None]) for name, value in inputs.items()}
        return served(**batch)["forecast"][0].numpy()
    model = load(path, "c") if form.startswith("c") else load(path)
    return np.asarray(EdgeForecaster(model)(**inputs)["forecast"])


def _inputs(run: Run, contract: dict, rows: pd.DataFrame, shop: str) -> dict[str, np.ndarray]:
    """The inputs of one shop as a host makes them of its latest rows."""
    rows = rows.iloc[-(LOOKBACK + HORIZON) :]
    missing = LOOKBACK + HORIZON - len(rows)
    place = np.maximum(np.arange(-missing, len(rows)), 0)
    days = rows["day"].iloc[0] + pd.to_timedelta(np.arange(-missing, len(rows)), "D")
    codes = {
        name: rows[name].map(contract["categories"][name]["codes"]).to_numpy()[place]
        for name in ("weather", "staff")
    }
    germany = holidays.country_holidays("DE", years=(2024, 2025))
    free = np.array(sorted(germany), "datetime64[D]")
    # The rows that are added repeat the covariates of the first row.
    own = rows["day"].to_numpy().astype("datetime64[D]")[place]
    ahead = np.minimum((free[np.searchsorted(free, own)] - own).astype(int), 30)
    known = np.stack([codes["weather"], rows["price"].to_numpy()[place], ahead == 0, ahead], axis=1)
    kind = f"kind={rows['kind'].iloc[0]}"
    inputs = {
        "past_target": rows["sold"].to_numpy()[place][:LOOKBACK].astype(np.float32),
        "past_covariates": codes["staff"][:LOOKBACK, None].astype(np.float32),
        "future_covariates": known.astype(np.float32),
        "static_covariates": np.array(
            [name == kind for name in run.description.static_names], np.float32
        ),
        "times": (days.to_numpy().astype("datetime64[m]").astype(np.int64)).astype(np.int32),
        "series_index": np.array(contract["series"].index(shop), np.int32),
    }
    return {name: inputs[name] for name in contract["inputs"]}


def test_an_unknown_category_is_refused_unless_the_run_reads_zeros(run: Run) -> None:
    data = _frame()
    data.loc[150, "weather"] = "hail"
    with pytest.raises(DataError, match="'weather': holds the category 'hail' in series 'north'"):
        run.predict(data)


def test_other_names_of_columns_are_stated_by_role(run: Run, tmp_path: Path) -> None:
    data = _frame()
    names = {"day": "Tag", "shop": "Filiale", "sold": "Menge", "weather": "Wetter",
             "staff": "Personal", "kind": "Art"}  # fmt: skip
    other = data.rename(columns=names).assign(note=1.0)
    columns = ["time=Tag", "id=Filiale", "target=Menge", "known=Wetter,price", "past=Personal",
               "static=Art"]  # fmt: skip
    expected = run.predict(data)
    pd.testing.assert_frame_equal(run.predict(other, columns=columns), expected)
    # A table of the future has the names of the data that it continues.
    future = other[other["Tag"] >= DAYS[ROWS]][["Tag", "Filiale", "Wetter", "price"]]
    history = other[other["Tag"] < DAYS[ROWS]]
    by_role = dict(one.split("=") for one in columns) | {"known": ("Wetter", "price")}
    pd.testing.assert_frame_equal(run.predict(history, future=future, columns=by_role), expected)
    table = tmp_path / "other.csv"
    other.to_csv(table, index=False)
    command = ["forecast", "predict", "--run", str(run.folder.path), "--data", f"file:{table}"]
    flags = [flag for column in columns for flag in ("--column", column)]
    assert main([*command, *flags, "--to", str(tmp_path / "forecast.csv")]) == 0
    written = pd.read_csv(tmp_path / "forecast.csv")
    np.testing.assert_allclose(written["forecast"], expected["forecast"], rtol=1e-5)
    figures = run.evaluate(other, "test", stride=8, columns=columns)
    assert figures["mae"] == pytest.approx(run.evaluate(data, "test", stride=8)["mae"], rel=1e-6)


def test_columns_that_do_not_fit_the_run(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _frame()
    for columns, error, words in (
        (["known=weather"], ConfigurationError, "1 in place of the 2 columns .*weather, price"),
        (["place=x"], ConfigurationError, "The roles are time"),
        (["past=Personal"], DataError, "no column 'Personal'"),
        (["target=sold,price"], ConfigurationError, "2 in place of the 1 columns"),
    ):
        with pytest.raises(error, match=words):
            run.predict(data, columns=columns)
    with pytest.raises(UserError, match="name data"):
        run.predict(columns=["target=sold"])
    with pytest.raises(UserError, match="a set of series"):
        run.predict(run.series(), columns=["target=sold"])
    _frame().to_csv(tmp_path / "data.csv", index=False)
    command = ["forecast", "evaluate", "--run", str(run.folder.path), "--column", "past=a,b"]
    assert main([*command, "--data", f"file:{tmp_path / 'data.csv'}"]) == 2
    assert "2 in place of the 1 columns" in capsys.readouterr().err
