"""Values stand at their own times, and numbers that are not what they seem are said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import DataError, load_series
from pipelines.series.loading import in_own_notation

DAYS = pd.date_range("2023-06-01", periods=60)
GROUPED = "numbers with three digits after the mark, which could group thousands"


@settings(max_examples=60, deadline=None)
@given(
    repeated=st.lists(st.integers(1, 58), max_size=4),
    left_out=st.sets(st.integers(1, 58), max_size=4),
    policy=st.sampled_from(["first", "last", "mean"]),
)
def test_each_value_stands_at_its_own_time(
    repeated: list[int], left_out: set[int], policy: str
) -> None:
    """As many repeats as gaps included, which leave as many rows as there are times."""
    numbers = sorted([n for n in range(60) if n not in left_out] + repeated)
    frame = pd.DataFrame({"date": DAYS[numbers], "y": np.array(numbers, float)})
    one = load_series(frame, duplicates=policy)["y"]
    assert len(one) == 60
    there = np.isin(np.arange(60), numbers)
    assert np.array_equal(one.observed, there)
    assert np.array_equal(one.target[there], np.arange(60.0)[there])


def test_a_year_of_wall_clock_hours_is_not_shifted_all_summer() -> None:
    instants = pd.date_range("2023-01-01", "2023-12-31 23:00", freq="h", tz="Europe/Berlin")
    wall = instants.tz_localize(None)
    values = wall.hour + 100.0 * wall.month
    frame = pd.DataFrame({"time": wall, "y": np.asarray(values, float)})
    one = load_series(frame, duplicates="first")["y"]
    clock = pd.DatetimeIndex(one.times)
    expected = np.asarray(clock.hour + 100.0 * clock.month, float)
    assert int((~one.observed).sum()) == 1
    assert np.array_equal(one.target[one.observed], expected[one.observed])


def test_the_second_file_is_named_with_its_own_row(tmp_path: Path) -> None:
    days = [str(day) for day in DAYS.date]
    days[50] += " 05:00"
    for name, part in (("a", slice(0, 30)), ("b", slice(30, 60))):
        pd.DataFrame({"date": days[part], "y": 1.0}).to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(DataError, match="off the step") as caught:
        load_series(f"file:{tmp_path / 'a.csv'},{tmp_path / 'b.csv'}")
    assert caught.value.file == str(tmp_path / "b.csv")
    assert caught.value.row == 22


def test_values_that_float32_runs_together_are_reported() -> None:
    hours = pd.date_range("2024-01-01", periods=600, freq="h")
    for meter, found in ((123_456_000 + 0.5 * np.arange(600), 600), (0.5 * np.arange(600), 0)):
        report = load_series(pd.DataFrame({"date": hours, "kWh": meter})).report
        assert report.count("values too large for their steps") == found
    for kind in (np.int32, np.int64):
        whole = pd.DataFrame({"date": hours, "kWh": 10**8 + np.arange(600, dtype=kind)})
        assert load_series(whole).report.count("values too large for their steps") == 600
    long = pd.concat(
        [
            pd.DataFrame({"id": name, "date": hours, "kWh": start + 0.5 * np.arange(600)})
            for name, start in (("a", 123_456_000), ("b", 987_654_000), ("c", 0))
        ]
    ).sort_values("date")
    assert load_series(long).report.count("values too large for their steps") == 1200


def test_marks_of_missing_values_are_reported_and_can_be_stated() -> None:
    values = np.where(np.arange(60) % 9 == 4, -999.0, np.arange(60.0) % 7)
    frame = pd.DataFrame({"date": DAYS, "y": values})
    report = load_series(frame).report
    assert report.count("values that look like markers of missing values") == 7
    one = load_series(frame, missing_markers=(-999,))["y"]
    assert one.target.min() == 0 and int((~one.observed).sum()) == 7
    plain = load_series(frame.assign(y=np.arange(60.0) % 7)).report
    assert plain.findings == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["1,467", "2,001", "998"], "digits follow every comma"),
        (["1,467,001", "2,001"], "',' groups thousands here"),
        (["1,467.5", "2,001.5"], "',' groups thousands here"),
        (["1,5", "2,25"], "decimal mark, state decimal"),
        (["$12", "$13"], "without '\\$'"),
        (["12 %", "13 %"], "without '%'"),
        (["12 kWh", "13 kWh"], "without 'kWh'"),
        (["1 467", "2 001"], "Blanks or apostrophes group thousands"),
        (["1'467.5", "998"], "Blanks or apostrophes group thousands"),
    ],
)
def test_the_advice_about_a_number_knows_the_cause(
    tmp_path: Path, values: list[str], words: str
) -> None:
    repeated = (values * 30)[:60]
    pd.DataFrame({"date": DAYS, "y": repeated}).to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(DataError, match=f"(?i){words}"):
        load_series(f"file:{tmp_path / 'data.csv'}")


def semicolons(tmp_path: Path, show: Callable[[int], str]) -> str:
    lines = [f"{day.date()};{show(i)}" for i, day in enumerate(DAYS)]
    (tmp_path / "data.csv").write_text("date;y\n" + "\n".join(lines))
    return f"file:{tmp_path / 'data.csv'}"


def test_three_digits_after_every_mark_may_be_thousands(tmp_path: Path) -> None:
    for mark in (",", "."):
        source = semicolons(tmp_path, lambda i, mark=mark: f"{1 + i}{mark}467" if i % 9 else "998")
        with pytest.raises(DataError, match="grouped thousands or one with three decimals"):
            load_series(source)
        assert load_series(source, decimal=mark)["y"].target[1] == pytest.approx(2.467)
    assert load_series(semicolons(tmp_path, lambda i: f"0,{100 + i}"))["y"].target[0] < 1
    assert load_series(semicolons(tmp_path, lambda i: f"{i},25"))["y"].target[3] == 3.25


def test_grouped_thousands_are_seen_beyond_the_first_lines(tmp_path: Path) -> None:
    late = semicolons(tmp_path, lambda i: str(940 + i) if i < 58 else f"1.05{i - 50}")
    with pytest.raises(DataError, match="grouped thousands or one with three decimals") as caught:
        load_series(late)
    assert (caught.value.row, caught.value.column) == (60, "y")
    assert load_series(late, decimal=".")["y"].target[-1] == pytest.approx(1.059)


def test_grouped_thousands_between_commas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": DAYS, "y": [*map(str, range(950, 1000)), *(["1.005"] * 10)]})
    frame.to_csv(tmp_path / "data.csv", index=False)
    source = f"file:{tmp_path / 'data.csv'}"
    with pytest.raises(DataError, match=r"'1.005' may be a number with grouped thousands"):
        load_series(source)
    # A number that is not grouped, in any column, proves that the point is the decimal mark.
    frame.assign(price="0.5").to_csv(tmp_path / "data.csv", index=False)
    assert load_series(source, targets="y")["y"].target[-1] == pytest.approx(1.005)


def test_sensors_with_three_decimals_are_read(tmp_path: Path) -> None:
    source = f"file:{tmp_path / 'data.csv'}"
    for low, findings in ((0, 0), (1000, 59)):
        values = [f"{(low + 250 * i) / 1000:.3f}" for i in range(59)] + ["-999"]
        pd.DataFrame({"date": DAYS, "y": values}).to_csv(tmp_path / "data.csv", index=False)
        series = load_series(source, missing_markers=(-999,))
        assert series["y"].target[1] == pytest.approx((low + 250) / 1000)
        assert series.report.count(GROUPED) == findings


def test_whole_numbers_beside_three_decimals_are_read(tmp_path: Path) -> None:
    source = f"file:{tmp_path / 'data.csv'}"
    for others in (["121.125"], ["121.125", "998.875"] * 5, ["12.345"] * 40):
        values = [*others, *(["120"] * (60 - len(others)))]
        pd.DataFrame({"date": DAYS, "y": values}).to_csv(tmp_path / "data.csv", index=False)
        series = load_series(source)
        assert series["y"].target[0] == pytest.approx(float(others[0]))
        assert series.report.count(GROUPED) == len(others)


def test_later_files_are_read_with_the_mark_that_earlier_ones_proved(tmp_path: Path) -> None:
    learned = load_series(semicolons(tmp_path, lambda i: f"{i}.125")).options
    assert learned.decimal == "."
    source = semicolons(tmp_path, lambda i: f"{1 + i}.125")
    assert load_series(source, in_own_notation(source, learned))["y"].target[0] == 1.125
    # A file may prove another mark; a clock time beside decimal commas does not.
    source = semicolons(tmp_path, lambda i: f"{i},5")
    assert load_series(source, in_own_notation(source, learned))["y"].target[1] == 1.5
    source = semicolons(tmp_path, lambda i: f"{i},5" if i % 2 else "12.30")
    assert in_own_notation(source, replace(learned, decimal=",")).decimal == ","
    # Whole numbers prove none.
    assert load_series(semicolons(tmp_path, str)).options.decimal == ""


def test_a_stated_mark_is_that_of_the_covariates_too(tmp_path: Path) -> None:
    lines = [f"{day.date()};{1 + i},125" for i, day in enumerate(DAYS)]
    (tmp_path / "plan.csv").write_text("date;temperature\n" + "\n".join(lines))
    source, plan = semicolons(tmp_path, lambda i: f"{1 + i},467"), f"file:{tmp_path / 'plan.csv'}"
    series = load_series(source, decimal=",", covariates=plan)["y"]
    assert series.future_covariates[:2, 0].tolist() == [1.125, 2.125]


def test_rows_of_grouped_thousands_are_refused(tmp_path: Path) -> None:
    header = "item;" + ";".join(str(day.date()) for day in DAYS)
    rows = [f"i{k};" + ";".join(["1.234"] * len(DAYS)) for k in range(3)]
    (tmp_path / "rows.csv").write_text("\n".join([header, *rows]))
    with pytest.raises(DataError, match=r"'1.234' may be a number with grouped thousands"):
        load_series(f"file:{tmp_path / 'rows.csv'}")
    assert load_series(f"file:{tmp_path / 'rows.csv'}", decimal=".")["i1"].target[0] < 2


def test_lists_and_single_names_are_taken_for_tuples() -> None:
    frame = pd.DataFrame({"date": DAYS, "load": 1.0, "other": 2.0})
    for targets in (["load"], "load", ("load",)):
        assert load_series(frame, targets=targets).names == ("load",)


def test_a_line_for_spreadsheets_is_called_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("sep=;\ndate;y\n2024-01-01;1\n2024-01-02;2\n")
    with pytest.raises(DataError, match="is for spreadsheets") as caught:
        load_series(f"file:{tmp_path / 'data.csv'}")
    assert caught.value.row == 1
