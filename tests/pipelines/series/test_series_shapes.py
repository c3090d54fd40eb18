"""Tables of the shapes that people have: read as a person would, or refused by what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import DataError, load_series

DAYS = pd.date_range("2023-01-01", periods=120)
HOURS = pd.date_range("2023-01-01", periods=200, freq="h")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def refusal(frame: pd.DataFrame, **settings: object) -> str:
    with pytest.raises(DataError) as caught:
        load_series(frame, **settings)
    return str(caught.value)


def values(count: int) -> np.ndarray:
    return np.arange(float(count)) % 7


@pytest.mark.parametrize(
    ("time", "start", "columns", "said"),
    [
        ("Year", "year", MONTHS, "the months of a year"),
        ("YEAR", "year", [*(m.upper() for m in MONTHS), "Annual"], "the months of a year"),
        ("year", "year", [str(i) for i in range(1, 13)], "the months of a year"),
        ("Year", "year", ["Q1", "Q2", "Q3", "Q4"], "the quarters of a year"),
        ("week", "day", WEEKDAYS, "the days of a week"),
        ("Date", "day", [f"{i:02}:00" for i in range(24)], "the times of a day"),
        ("Date", "day", [f"H{i}" for i in range(1, 25)], "the hours of a day"),
        ("Date", "day", [f"HE {i}" for i in range(1, 25)], "the hours of a day"),
        ("Date", "day", [str(i) for i in range(24)], "the hours of a day"),
    ],
)
def test_columns_that_are_parts_of_the_time_are_no_series(
    time: str, start: str, columns: list[str], said: str
) -> None:
    first = DAYS if start == "day" else range(1880, 2000)
    frame = pd.DataFrame({time: first} | {column: values(120) for column in columns})
    assert said in refusal(frame)
    assert load_series(frame, targets=tuple(columns)).names == tuple(columns)


@pytest.mark.parametrize(
    "columns",
    [["May", "June", "April"], [str(i) for i in range(1, 13)], ["Q1", "Q2"], ["H1", "H2"]],
)
def test_some_names_that_are_like_times_stay_series(columns: list[str]) -> None:
    frame = pd.DataFrame({"date": DAYS} | {column: values(120) for column in columns})
    assert load_series(frame).names == tuple(columns)


def test_rows_that_are_series_are_said_to_be_so() -> None:
    wide = pd.DataFrame(np.ones((3, 20)), columns=[f"d_{i}" for i in range(1, 21)])
    wide.insert(0, "id", ["A", "B", "C"])
    wide.insert(1, "dept", "x")
    assert "each row seems to be a series" in refusal(wide)


def test_two_digit_years_are_not_of_the_far_future() -> None:
    months = pd.date_range("1949-01-01", "1975-12-01", freq="MS")
    for form in ("%b-%y", "%d-%b-%y", "%m/%d/%y", "%y-%m-%d"):
        frame = pd.DataFrame({"Month": months.strftime(form), "Passengers": values(len(months))})
        one = load_series(frame)[0]
        assert np.array_equal(one.times, months.values.astype("datetime64[s]")), form
        assert np.array_equal(one.target, frame["Passengers"]), form
    # What begins today stays where it is, however long it is known ahead.
    ahead = pd.date_range(pd.Timestamp.now().normalize().replace(day=1), periods=200, freq="MS")
    frame = pd.DataFrame({"Month": ahead.strftime("%b-%y"), "y": values(200)})
    assert np.array_equal(load_series(frame)[0].times, ahead.values.astype("datetime64[s]"))


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "stamps"])
def test_the_end_of_each_step_is_neither_a_target_nor_a_name(form: str) -> None:
    ends = HOURS + pd.Timedelta("1h")
    if form != "stamps":
        ends = ends.strftime(form)
    frame = pd.DataFrame(
        {"from": HOURS.strftime("%Y-%m-%d %H:%M"), "to": ends, "load": values(200)}
    )
    series_set = load_series(frame)
    assert series_set.names == ("load",)
    assert series_set.report.count("further columns of times") == 1
    made = frame.assign(to="2024-02-02 10:00:00")
    assert load_series(made).names == ("load",)
    two = pd.DataFrame({"timestamp": HOURS.values.astype("datetime64[s]").astype(np.int64)})
    two = two.assign(datetime=HOURS.strftime("%Y-%m-%d %H:%M:%S"), load=values(200))
    assert np.array_equal(load_series(two)["load"].times, HOURS.values.astype("datetime64[s]"))


def test_numbers_as_text_are_no_further_times() -> None:
    for text in ([f"{i}.0" for i in range(120)], [str(20_230_000 + i) for i in range(120)]):
        assert load_series(pd.DataFrame({"date": DAYS, "v": text})).names == ("v",)


def test_what_numbers_the_rows_is_no_target() -> None:
    frame = pd.DataFrame({"instant": range(1, 121), "date": DAYS, "cnt": values(120)})
    assert load_series(frame).names == ("cnt",)
    both = pd.concat([frame.assign(shop=shop, kind=kind) for shop in (1, 2) for kind in "ab"])
    both = both.drop(columns="instant").assign(id=range(480))
    series_set = load_series(both, id_column="shop,kind")
    assert series_set.names == ("1/a", "1/b", "2/a", "2/b")
    # The sensors of a table that is ordered by time are not its rows' numbers.
    sensors = pd.DataFrame(
        {"date": np.repeat(DAYS, 110), "no": np.tile(range(1, 111), 120), "y": values(13200)}
    )
    assert len(load_series(sensors, id_column="no")) == 110
    assert "no" in refusal(sensors)


@pytest.mark.parametrize(
    "names", [("S1", "S2"), ("A12", "B7"), ("Shop 1", "Shop 2"), ("T1", "T10")]
)
def test_a_letter_and_a_number_name_a_series(names: tuple[str, str]) -> None:
    frame = pd.concat(
        [pd.DataFrame({"date": DAYS, "store": name, "y": values(120)}) for name in names]
    )
    assert load_series(frame).names == names
    assert "without" not in refusal(frame.assign(category=[name + "x" for name in frame["store"]]))


def test_marks_of_missing_values_and_columns_without_any(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    for mark in (".", "..", ":", "--", "n/a", "<NA>", "#NA"):
        rows = [f"{day:%Y-%m-%d},{mark if i == 5 else i},{mark}" for i, day in enumerate(DAYS)]
        path.write_text("\n".join(["date,y,snow", *rows]))
        series_set = load_series(f"file:{path}")
        assert series_set.names == ("y",), mark
        assert not series_set["y"].observed[5]
        assert series_set.report.count("columns without any value") == 1
    with pytest.raises(DataError, match="no value at all"):
        load_series(f"file:{path}", targets=("y", "snow"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("\u22125", "write -5"),
        ("(5.5)", "write -5.5"),
        ("5-", "write -5"),
        ("rain", "name it in categories"),
        ("EUR 5", "without 'EUR'"),
        ("5 kW", "without 'kW'"),
    ],
)  # fmt: skip
def test_advice_knows_what_a_text_is(text: str, advice: str) -> None:
    column = [str(i) for i in range(120)]
    column[7] = text
    assert advice in refusal(pd.DataFrame({"date": DAYS, "y": column}))


def test_lines_around_the_table(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    rows = [f"{day:%Y-%m-%d},1" for day in DAYS]
    for lines, advice in (
        (["Report of sales", "date,y", *rows], "Remove lines above the names"),
        (["date,y", *(row + "," for row in rows)], "ends with a delimiter"),
    ):
        path.write_text("\n".join(lines))
        with pytest.raises(DataError, match=advice):
            load_series(f"file:{path}")


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%d/%m/%Y"])
def test_the_first_days_of_months_are_months(form: str) -> None:
    months = pd.date_range("2015-01-01", periods=60, freq="MS")
    frame = pd.DataFrame({"date": months.strftime(form), "y": values(60)})
    series_set = load_series(frame)
    assert series_set.frequency == "MS"
    assert np.array_equal(series_set[0].times, months.values.astype("datetime64[s]"))
    # Twelve of them are as well the first days of January.
    assert "State the time_format" in refusal(frame[:12])
