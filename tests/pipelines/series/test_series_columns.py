"""Which columns together are the time or the id, and which say nothing new."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines import DataError, load_series
from pipelines.series.tables.joined_columns import as_text

HOURS = pd.date_range("2024-01-01", periods=400, freq="h")
VALUES = np.arange(400.0) % 7
TIMES = HOURS.values.astype("datetime64[s]")


@pytest.mark.parametrize(
    ("date", "clock"),
    [("%d/%m/%Y", "%H:%M:%S"), ("%d.%m.%Y", "%H.%M.%S"), ("%m/%d/%Y", "%I:%M %p"),
     ("%Y-%m-%d", "%H:%M")],
)  # fmt: skip
def test_a_date_and_its_clock_are_one_time(tmp_path: Path, date: str, clock: str) -> None:
    frame = pd.DataFrame(
        {"Time": HOURS.strftime(clock), "Date": HOURS.strftime(date), "power": VALUES}
    )
    frame.to_csv(tmp_path / "data.csv", sep=";", index=False)
    series_set = load_series(f"file:{tmp_path / 'data.csv'}")
    assert series_set.names == ("power",)
    assert np.array_equal(series_set["power"].times, TIMES)
    assert load_series(frame, series_set.options).options == series_set.options


def test_clock_objects_hours_and_stated_columns() -> None:
    for frame, settings in (
        (pd.DataFrame({"day": HOURS.normalize(), "at": HOURS.time}), {}),
        (pd.DataFrame({"date": HOURS.strftime("%Y-%m-%d"), "hour": HOURS.hour}), {}),
        (
            pd.DataFrame({"tag": HOURS.strftime("%Y-%m-%d"), "zeit": HOURS.strftime("%H:%M")}),
            {"time_column": "tag,zeit"},
        ),
    ):
        series_set = load_series(frame.assign(y=VALUES), **settings)
        assert (series_set.names, series_set.frequency) == (("y",), "h")
        assert np.array_equal(series_set["y"].times, TIMES)
    late = pd.DataFrame({"date": HOURS.strftime("%Y-%m-%d"), "hour": HOURS.hour + 1, "y": VALUES})
    with pytest.raises(DataError, match="hours up to 24"):
        load_series(late)


@pytest.mark.parametrize("settings", [{}, {"time_column": "date,hour"}])
def test_a_date_with_a_zone_is_the_local_day(settings: dict[str, str]) -> None:
    days = HOURS.normalize().tz_localize("Europe/Berlin")
    frame = pd.DataFrame({"date": days, "hour": HOURS.hour, "y": VALUES})
    assert np.array_equal(load_series(frame, **settings)["y"].times, TIMES)


def test_fractions_of_a_clock_time_are_not_lost() -> None:
    halves = pd.date_range("2024-01-15", periods=60, freq="500ms")
    frame = pd.DataFrame({"date": halves.normalize(), "time": halves.time, "y": np.arange(60.0)})
    with pytest.raises(DataError, match="Time stamps are kept to the second"):
        load_series(frame)


def test_a_number_or_a_clock_time_that_describes_a_day_is_no_part_of_the_time() -> None:
    days = pd.date_range("2010-02-05", periods=100)
    frame = pd.DataFrame({"date": days, "y": [f"{i % 20}.{30 + i % 9}" for i in range(100)]})
    assert load_series(frame).names == ("y",)
    stores = pd.concat([frame.assign(store=i) for i in (1, 2)])
    assert len(load_series(stores, id_column="store")) == 2
    with pytest.raises(DataError, match="holds a clock time") as caught:
        load_series(frame.assign(sunrise="06:45"))
    assert caught.value.column == "sunrise"


def test_parts_of_a_date_are_one_time() -> None:
    parts = pd.DataFrame({"year": HOURS.year, "month": HOURS.month, "day": HOURS.day})
    hourly = load_series(parts.assign(hour=HOURS.hour, y=VALUES))
    assert np.array_equal(hourly["y"].times, TIMES)
    months = pd.date_range("2015-01-01", periods=400, freq="MS")
    monthly = load_series(pd.DataFrame({"Year": months.year, "Month": months.month, "y": VALUES}))
    assert (monthly.frequency, len(monthly["y"])) == ("MS", 400)
    parts.loc[30, "day"] = 31
    parts.loc[30, "month"] = 2
    with pytest.raises(DataError, match="2024-02 has no day 31") as caught:
        load_series(parts.assign(hour=HOURS.hour, y=VALUES))
    assert caught.value.row == 31


def test_names_of_months_and_columns_that_are_called_after_periods() -> None:
    months = pd.date_range("2015-01-01", periods=400, freq="MS")
    for form in ("%b", "%B"):
        frame = pd.DataFrame({"year": months.year, "month": months.strftime(form), "y": VALUES})
        assert load_series(frame).frequency == "MS"
    periods = pd.period_range("2015-01", periods=400, freq="M")
    assert load_series(pd.DataFrame({"date": periods, "y": VALUES})).frequency == "MS"


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("at", HOURS.strftime("%Hh%M"), "a clock time"),
        ("slot", HOURS.strftime("%H:00 - %H:59"), "a clock time"),
        ("Time", HOURS.hour * 100, "a time"),
        ("week", np.arange(400) % 24, "a week"),
        ("HE", HOURS.hour + 1, "an hour"),
        ("half", HOURS.strftime("%p"), "AM or PM"),
    ],
)
def test_what_tells_a_time_of_day_never_names_a_series(
    name: str, values: object, words: str
) -> None:
    frame = pd.DataFrame({"date": HOURS.strftime("%Y-%m-%d"), name: values, "y": VALUES})
    with pytest.raises(DataError, match=rf"{name!r} has {words}.*one column with the whole time"):
        load_series(frame)


def test_labels_of_a_frame_that_say_something_are_not_lost() -> None:
    days = pd.date_range("2024-01-01", periods=400)
    for index in (days.strftime("%Y-%m-%d"), pd.Index(days.date)):
        assert load_series(pd.DataFrame({"y": VALUES}, index=index)).frequency == "D"
    frame = pd.DataFrame({"y": VALUES})
    assert load_series(frame).frequency == "step"
    with pytest.raises(DataError, match="numbers of the rows have gaps"):
        load_series(frame[frame["y"] != 3])
    with pytest.raises(DataError, match="has durations and not times"):
        load_series(frame.set_axis(pd.to_timedelta(np.arange(400), "h")))
    wide = pd.DataFrame(np.ones((5, 12)), columns=[f"2024-{month:02}" for month in range(1, 13)])
    with pytest.raises(DataError, match="Transpose the table"):
        load_series(wide)
    named = wide.set_axis([f"1/{day}/20" for day in range(11, 23)], axis=1).assign(country="x")
    with pytest.raises(DataError, match=r"named after times \(1/11/20, 1/12/20"):
        load_series(named)


def test_columns_that_only_repeat_the_time_are_no_targets() -> None:
    frame = pd.DataFrame(
        {
            "unix": HOURS.astype("datetime64[s]").astype("int64"),
            "date": HOURS.astype(str),
            "year": HOURS.year,
            "month": HOURS.month,
            "weekday": HOURS.dayofweek,
            "y": VALUES,
        }
    )
    series_set = load_series(frame)
    assert series_set.names == ("y",)
    assert series_set.report.count("columns that only repeat the time") == 4
    assert load_series(frame, targets=("y", "month")).names == ("y", "month")


def sales() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=100)
    parts = [
        pd.DataFrame({"id": np.arange(100) + 100 * i, "date": days, "store": s, "item": item,
                      "sold": np.arange(100.0) + 1000 * i})
        for i, (s, item) in enumerate([(1, "a"), (1, "b"), (2, "a")])
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_several_columns_name_a_series_together() -> None:
    with pytest.raises(DataError, match=r"item,store tells them apart. State id_column"):
        load_series(sales())
    series_set = load_series(sales(), id_column="store,item", targets=("sold",))
    assert series_set.names == ("1/a", "1/b", "2/a")
    assert series_set["2/a"].target[0] == 2000
    again = load_series(sales(), series_set.options)
    assert again.options == series_set.options
    numbered = sales().drop(columns="id").assign(item=lambda f: (f["item"] == "b").astype(int))
    with pytest.raises(DataError, match="store,item"):
        load_series(numbered)


def test_times_in_a_name_have_their_clock_and_numbers_one_text() -> None:
    runs = pd.to_datetime(["2024-01-01 08:00", "2024-01-01 20:00", "2024-01-02 00:00"])
    frame = pd.DataFrame(
        {"run": np.repeat(runs, 20), "s": "a", "step": np.tile(np.arange(20), 3), "y": range(60)}
    )
    settings = {"id_column": "run,s", "time_column": "step", "targets": ("y",)}
    names = load_series(frame, **settings).names
    assert names == ("2024-01-01 08:00:00/a", "2024-01-01 20:00:00/a", "2024-01-02/a")
    berlin = frame.assign(run=frame["run"].dt.tz_localize("Europe/Berlin"))
    assert load_series(berlin, **settings).names[1:] == (
        "2024-01-01 20:00:00+0100/a",
        "2024-01-02/a",
    )
    finer = frame.assign(run=frame["run"] + pd.Timedelta("250ms"))
    assert load_series(finer, **settings).names[0] == "2024-01-01 08:00:00.25/a"
    # Whether a number is whole is no matter of the rows that are read along with it.
    assert as_text(pa.array([123456789012.0, 2.5])).to_pylist() == ["123456789012", "2.5"]


def test_series_whose_names_would_be_the_same_are_not_joined() -> None:
    table = sales().drop(columns="id")[:200]
    second = table["item"] == "b"
    table["store"] = np.where(second, "north/east", "north")
    table["item"] = np.where(second, "tea", "east/tea")
    # Their times differ, so that they would look like one series.
    table["date"] += pd.to_timedelta(np.where(second, 100, 0), unit="D")
    message = (
        r"column 'store,item': the series 'north/east/tea' has the name of another one, in row"
    )
    with pytest.raises(DataError, match=message):
        load_series(table, id_column="store,item")
    table["item"] = np.where(second, "tea", "east/coffee")
    assert load_series(table, id_column="store,item").names == (
        "north/east/coffee", "north/east/tea",
    )  # fmt: skip


def test_a_counter_that_is_called_id_is_no_id() -> None:
    frame = sales()[:100]
    series_set = load_series(frame.drop(columns=["store", "item"]))
    assert (len(series_set), len(series_set[0])) == (1, 100)
    assert series_set.report.count("columns that only count the rows") == 1


def test_series_of_another_step_are_refused_and_named() -> None:
    frame = pd.concat(
        [
            pd.DataFrame({"id": "a", "date": HOURS, "y": VALUES}),
            pd.DataFrame({"id": "b", "date": HOURS[::24], "y": VALUES[::24]}),
        ]
    )
    with pytest.raises(DataError, match="series 'b' has a step of D, most rows one of h"):
        load_series(frame)
    assert len(load_series(frame, frequency="h")) == 2


def test_a_series_without_a_value_does_not_stop_the_others() -> None:
    frame = pd.concat(
        [
            pd.DataFrame({"id": "a", "date": HOURS, "y": VALUES}),
            pd.DataFrame({"id": "b", "date": HOURS, "y": np.nan}),
        ]
    )
    series_set = load_series(frame)
    assert series_set.names == ("a",)
    assert series_set.report.count("series without any value") == 1
    with pytest.raises(DataError, match="no series has a value"):
        load_series(frame[400:])


def test_names_that_are_nearly_the_same_are_reported() -> None:
    frame = pd.concat(
        [pd.DataFrame({"id": name, "date": HOURS, "y": VALUES}) for name in ("a b", "A  b", "c")]
    )
    series_set = load_series(frame)
    assert len(series_set) == 3
    assert series_set.report.count("names that differ only by case or blanks") == 1


def test_numbers_of_many_digits_are_names() -> None:
    frame = pd.concat(
        [
            pd.DataFrame({"id": name, "date": HOURS, "y": VALUES, "site": 100_000_000 + i,
                          "code": f"0{i}", "size": i})
            for i, name in enumerate("abc")
        ]
    )  # fmt: skip
    series_set = load_series(frame, targets=["y"], static_covariates=["site", "code", "size"])
    assert series_set.static_names == (
        "site=100000000", "site=100000001", "site=100000002", "code=00", "code=01", "code=02",
        "size",
    )  # fmt: skip
    assert series_set["b"].static_covariates.tolist() == [0, 1, 0, 0, 1, 0, 1]
