"""From tables to series: layouts, roles of columns, covariates, built-in data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import (
    ConfigurationError,
    DataError,
    SeriesOptions,
    latest_windows,
    load_series,
    parse_split,
)
from pipelines.series.options import series_options
from pipelines.series.splits import part_rows


def long_frame() -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=4, freq="D")
    return pd.DataFrame(
        {
            "shop": ["b"] * 4 + ["a"] * 3,
            "date": [*times, *times[1:]],
            "sold": [1.0, 2, 3, 4, 10, 20, 30],
            "price": [9.0, 9, 8, 8, 5, 5, 4],
            "size": ["big"] * 4 + ["small"] * 3,
            "staff": [7] * 4 + [3] * 3,
        }
    )


def test_long_tables_become_a_series_an_id() -> None:
    series_set = load_series(
        long_frame(),
        targets=("sold",),
        future_covariates=("price",),
        static_covariates=("size", "staff"),
        id_column="shop",
    )
    assert series_set.names == ("b", "a")
    assert series_set.frequency == "D"
    assert series_set["a"].target.tolist() == [10, 20, 30]
    assert series_set["a"].times[0] == np.datetime64("2024-01-02")
    assert series_set["a"].future_covariates.tolist() == [[5], [5], [4]]
    assert series_set.static_names == ("size=big", "size=small", "staff")
    assert series_set["a"].static_covariates.tolist() == [0, 1, 3]
    assert series_set["b"].static_covariates.tolist() == [1, 0, 7]
    assert series_set.rows == 0


def test_the_order_of_the_rows_does_not_matter() -> None:
    frame = long_frame()[["shop", "date", "sold"]]
    ordered = load_series(frame)
    mixed = load_series(frame.sample(frac=1, random_state=0))
    assert set(mixed.names) == {"a", "b"}
    for name in mixed.names:
        assert np.array_equal(mixed[name].target, ordered[name].target)


def test_several_targets_of_an_id_are_named_after_both() -> None:
    series_set = load_series(long_frame()[["shop", "date", "sold", "price"]])
    assert series_set.names == ("b/sold", "b/price", "a/sold", "a/price")


def test_targets_of_two_ids_never_have_the_same_name() -> None:
    frame = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=5), "b/a": 1.0, "a": 2.0})
    table = pd.concat([frame.assign(id=name) for name in ("s", "s/b")])
    with pytest.raises(DataError, match="two series have the name 's/b/a'"):
        load_series(table, id_column="id", targets=("b/a", "a"))
    assert load_series(table, id_column="id", targets=("a",)).names == ("s", "s/b")


@pytest.mark.parametrize("several", [("s", "t"), ["s", "t"], "s,t"])
def test_several_columns_are_stated_as_a_text_or_a_list(several: object) -> None:
    frame = pd.DataFrame(
        {"s": 1, "t": "x", "time": pd.date_range("2024-01-01", periods=5), "y": 1.0}
    )
    assert load_series(frame, id_column=several).names == ("1/x",)
    assert SeriesOptions(id_column=several) == SeriesOptions(id_column="s,t")
    assert SeriesOptions(time_column=["a, b"]).time_column == "a, b"


def test_the_only_text_column_is_an_id_only_if_times_repeat() -> None:
    frame = long_frame()[["date", "sold"]][:4].assign(weather=["sun", "rain", "sun", "sun"])
    with pytest.raises(DataError) as caught:
        load_series(frame)
    assert caught.value.column == "weather"
    assert load_series(frame, targets=("sold",)).names == ("sold",)
    assert load_series(frame[:1].assign(weather="sun"), frequency="D").names == ("sun",)


def test_layouts_that_are_stated() -> None:
    frame = long_frame()[["date", "sold"]][:4]
    with pytest.raises(DataError, match="no column names the series"):
        load_series(frame, layout="long")
    numbered = frame.assign(id=5)
    assert load_series(numbered).names == ("5",)
    assert load_series(numbered, layout="wide").names == ("sold", "id")


def test_long_rows_without_id_column_are_duplicates_with_advice() -> None:
    frame = long_frame()[["date", "sold"]]
    with pytest.raises(DataError, match="state id_column"):
        load_series(frame)


def test_an_empty_id_names_its_row() -> None:
    frame = long_frame()
    frame.loc[2, "shop"] = None
    with pytest.raises(DataError) as caught:
        load_series(frame, id_column="shop", targets=("sold",))
    assert (caught.value.row, caught.value.column) == (3, "shop")


def test_static_covariates_that_change_name_their_row() -> None:
    frame = long_frame()
    frame.loc[5, "size"] = "big"
    with pytest.raises(DataError) as caught:
        load_series(frame, id_column="shop", targets=("sold",), static_covariates=("size",))
    assert (caught.value.row, caught.value.column) == (6, "size")
    with pytest.raises(DataError, match="need a long table"):
        load_series(frame[:4], layout="wide", targets=("sold",), static_covariates=("size",))


def wide_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "load": [1.0, 2, np.nan, 4, np.nan, np.nan],
            "other": [np.nan, 5.0, 6, 7, 8, 9],
            "temperature": [np.nan, 20.0, np.nan, 22, 23, np.nan],
            "holiday": [0, 0, 1, 0, 0, 1],
        },
        index=pd.date_range("2024-01-01", periods=6, freq="D", name="time"),
    )


def test_series_are_cut_to_what_is_observed_and_covariates_reach_on() -> None:
    series_set = load_series(
        wide_frame(), past_covariates=("temperature",), future_covariates=("holiday",)
    )
    assert series_set.names == ("load", "other")
    load, other = series_set
    # The first value of load stands before the first temperature, which nobody knew then.
    assert load.target.tolist() == [2, 2, 4]
    assert load.observed.tolist() == [True, False, True]
    assert load.past_covariates.ravel().tolist() == [20, 20, 22]
    assert load.future_covariates.ravel().tolist() == [0, 1, 0, 0, 1]
    assert (load.offset, other.offset, len(other), len(other.future_covariates)) == (1, 1, 5, 5)
    assert series_set.rows == 6
    counts = {finding.kind: finding.count for finding in series_set.report.findings}
    assert counts == {
        "missing covariates": 2,
        "rows before the first value of a covariate": 1,
        "missing values": 1,
        "missing values before the first": 1,
        "missing values after the last": 2,
    }
    json.dumps(series_set.report.as_dict(), allow_nan=False)
    assert "missing values: 1, forward_fill (series 'load' at 2024-01-03" in str(series_set.report)


@pytest.mark.parametrize("kind", ["past_covariates", "future_covariates"])
def test_a_covariate_that_begins_late_leaks_nothing_from_later(kind: str) -> None:
    frame = wide_frame().assign(load=[1.0, 2, np.nan, 4, 5, 6], other=[np.nan, np.nan, 7, 8, 9, 9])
    load = load_series(frame[["load", "other"]], targets="load", **{kind: "other"})
    # Rows begin where the covariate and the target are both known.
    assert load["load"].target.tolist() == [4, 5, 6] and load["load"].observed.all()
    assert getattr(load["load"], kind).ravel().tolist() == [8, 9, 9]
    assert "series 'load': column 'other' begins at 2024-01-03" in str(load.report)
    late = frame.assign(other=[np.nan] * 5 + [9.0])
    with pytest.raises(DataError, match=r"begins at 2024-01-06, where 5 of the 6 rows of .*'load'"):
        load_series(late[["load", "other"]], targets="load", **{kind: "other"})


def test_a_series_of_a_long_table_with_a_late_covariate_does_not_cost_the_others() -> None:
    def rows(name: str, length: int, first: int) -> pd.DataFrame:
        days = pd.date_range("2024-01-01", periods=length)
        price = np.where(np.arange(length) < first, np.nan, 2.5)
        return pd.DataFrame({"id": name, "date": days, "y": np.arange(length) + 0.5, "p": price})

    table = pd.concat([rows("a", 40, 3), rows("b", 10, 7), rows("c", 5, 5)])
    series_set = load_series(table, targets="y", past_covariates="p")
    assert [(one.name, len(one)) for one in series_set] == [("a", 37), ("b", 3)]
    assert series_set.report.count("rows before the first value of a covariate") == 10
    assert "left out (series 'c': column 'p' has no value)" in str(series_set.report)
    with pytest.raises(DataError, match="begins at step 30, where 30 of the 40 rows"):
        counted = pd.concat([rows("a", 40, 30), rows("b", 10, 2)], ignore_index=True)
        counted = counted.drop(columns="date")
        load_series(counted, id_column="id", targets="y", past_covariates="p")
    with pytest.raises(DataError, match=r"'b' are over, and 12 of the 15 rows of all series"):
        late = pd.concat([rows("b", 10, 7), rows("c", 5, 5)])
        load_series(late, targets="y", past_covariates="p")


def test_missing_covariates_are_refused_if_so_wished() -> None:
    with pytest.raises(DataError, match="'temperature' lacks 3 values"):
        load_series(
            wide_frame(), targets=("other",), past_covariates=("temperature",), missing="error"
        )


def test_options_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="missing = 'guess'"):
        load_series(wide_frame(), missing="guess")
    with pytest.raises(TypeError):
        load_series(wide_frame(), no_such_option=1)


def test_options_come_from_any_config_with_such_fields() -> None:
    class Config:
        targets = ("a",)
        missing = "zero"
        batch_size = 3

    assert series_options(Config()) == SeriesOptions(targets=("a",), missing="zero")


def test_builtin_demand_has_its_covariates() -> None:
    series_set = load_series("builtin:elecdemand")
    assert (len(series_set["Demand"]), series_set.frequency) == (17520, "30min")
    assert (series_set.past_names, series_set.future_names) == (("Temperature",), ("WorkDay",))
    known = load_series("builtin:elecdemand", future_covariates=("WorkDay", "Temperature"))
    assert (known.past_names, known.future_names) == ((), ("WorkDay", "Temperature"))
    bare = load_series("builtin:elecdemand", past_covariates=("none",), future_covariates=("none",))
    assert (bare.names, bare.past_names, bare.future_names) == (("Demand",), (), ())


def test_builtin_panels_make_one_set_of_many_series() -> None:
    houses = load_series("builtin:txhousing")
    assert (len(houses), houses.frequency) == (46, "MS")
    assert houses.report.count("missing values") > 100
    pizzas = load_series("builtin:pizzaplace")
    assert (len(pizzas), pizzas.frequency) == (32, "D")
    assert len(pizzas.static_names) == 4
    assert all(one.static_covariates.sum() == 1 for one in pizzas)
    total = sum(one.target[one.observed].sum() for one in pizzas)
    assert total == 49574


def test_a_set_is_read_by_name_and_position() -> None:
    series_set = load_series(wide_frame(), targets=("load", "other"))
    assert series_set["other"] is series_set[1]
    assert series_set.select(("other",)).names == ("other",)
    with pytest.raises(DataError, match=r"no series is called 'others'\. Available: load, other\."):
        series_set["others"]


def test_real_data_is_read_as_published(real_data: Path) -> None:
    series_set = load_series(f"file:{real_data / 'ETTh1.csv'}")
    assert series_set.names == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert (series_set.rows, series_set.frequency) == (17420, "h")
    assert series_set.report.findings == []


def test_frames_with_period_and_plain_indices() -> None:
    index = pd.period_range("2024-01", periods=3, freq="M")
    periods = pd.DataFrame({"a": [1.0, 2, 3]}, index=index)
    assert load_series(periods).frequency == "MS"
    numbered = wide_frame().reset_index().set_axis([5, 3, 1, 7, 9, 11])
    assert load_series(numbered, targets=("other",)).names == ("other",)


def test_frames_with_zones_keep_them() -> None:
    times = pd.date_range("2024-10-27", periods=30, freq="h", tz="Europe/Berlin")
    series_set = load_series(pd.DataFrame({"a": range(30)}, index=times))
    assert (series_set.time_zone, series_set.frequency) == ("Europe/Berlin", "h")
    assert series_set["a"].times[0] == np.datetime64("2024-10-26T22:00")
    split = parse_split("2024-10-27T12:00,2024-10-28")
    # The clock shows 12:00 for the first time 13 hours after midnight.
    assert part_rows(split.validation, series_set["a"], series_set) == (13, 25)


def test_covariates_that_end_before_the_horizon_are_not_invented() -> None:
    frame = wide_frame()[["load", "holiday"]].astype(float)
    frame.loc["2024-01-06", "holiday"] = np.nan
    series_set = load_series(frame, future_covariates=("holiday",))
    assert len(series_set["load"].future_covariates) == 5
    with pytest.raises(DataError, match=r"holiday must be known for 2 steps .* the data has 1"):
        latest_windows(series_set, 2, 2)


def test_numbers_are_no_times() -> None:
    for values in ([0.5, 1.5, 2.5], [123456, 123457, 123458]):
        frame = pd.DataFrame({"time": values, "a": [1.0, 2, 3]})
        with pytest.raises(DataError) as caught:
            load_series(frame)
        assert caught.value.column == "time"


def test_the_options_of_a_set_read_it_again() -> None:
    frame = long_frame()
    series_set = load_series(
        frame,
        id_column="shop",
        targets=("sold",),
        future_covariates=("price",),
        static_covariates=("size",),
    )
    again = load_series(frame, series_set.options)
    assert again.names == series_set.names
    assert again.options == series_set.options
    assert series_set.options.time_column == "date"
    assert series_set.options.past_covariates == ("none",)
