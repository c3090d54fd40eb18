"""Guesses about times that succeed are plausible too: years, epochs, weeks, counted rows."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines import ConfigurationError, DataError, SeriesSet, load_series
from pipelines.series.times.time_formats import COMPACT, FORMATS

DAYS = pd.date_range("2024-01-01", periods=60)
VALUES = np.arange(60.0) % 7


def of_times(times: object, **settings: object) -> SeriesSet:
    return load_series(pd.DataFrame({"date": times, "y": VALUES}), **settings)


@pytest.mark.parametrize(
    "form",
    ["%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%y-%m-%d", "%d-%b-%y", "%y%m%d", "%b %d, %Y"],
)
def test_years_of_two_digits_are_read(form: str) -> None:
    series_set = of_times(DAYS.strftime(form))
    assert series_set.frequency == "D"
    assert np.array_equal(series_set["y"].times, DAYS.values.astype("datetime64[s]"))


@settings(max_examples=60, deadline=None)
@given(
    form=st.sampled_from([*FORMATS, *COMPACT]),
    frequency=st.sampled_from(["30min", "h", "6h", "D", "B", "7D", "MS", "ME", "QS"]),
    start=st.datetimes(
        pd.Timestamp("1970-01-01").to_pydatetime(), pd.Timestamp("2030-01-01").to_pydatetime()
    ),
    length=st.integers(3, 80),
)
def test_a_notation_is_read_as_it_was_meant_or_refused(
    form: str, frequency: str, start: datetime.datetime, length: int
) -> None:
    times = pd.date_range(pd.Timestamp(start).floor("D"), periods=length, freq=frequency)
    texts = times.strftime(form)
    meant = pd.to_datetime(pd.Series(texts), format=form)
    assume(meant.is_unique)
    try:
        one = load_series(pd.DataFrame({"date": texts, "y": 1.0}), time_column="date")["y"]
    except DataError:
        return
    expected = np.sort(meant.values.astype("datetime64[s]"))
    assert np.array_equal(one.times[one.observed], expected)


def test_months_with_two_digit_years_are_no_days_of_the_year_1() -> None:
    months = pd.date_range("2015-01-01", periods=60, freq="MS")
    series_set = of_times(months.strftime("%d.%m.%y"))
    assert series_set.frequency == "MS"
    assert series_set["y"].times[-1] == np.datetime64("2019-12-01")


def test_a_year_that_is_implausible_is_refused() -> None:
    with pytest.raises(
        DataError, match="0015-01-01T00:00:00 is not in the years 1500 to 2299"
    ) as caught:
        of_times(["0015-01-01", *DAYS[1:].strftime("%Y-%m-%d")], time_column="date")
    assert caught.value.row == 1
    with pytest.raises(DataError):
        of_times(DAYS.strftime("%d.%m.%y"), time_format="%d.%m.%Y")


def test_days_and_months_that_may_be_exchanged_are_refused() -> None:
    for form in ("%d-%m-%Y", "%d/%m/%Y", "%d.%m.%y"):
        frame = pd.DataFrame({"date": DAYS[:12].strftime(form), "y": VALUES[:12]})
        with pytest.raises(DataError, match=r"may be .* or .*State the time_format"):
            load_series(frame)
        assert load_series(frame, time_format=form).frequency == "D"


@pytest.mark.parametrize(
    ("name", "unit"), [("unix", 1), ("unix_ms", 10**3), ("unix_us", 10**6), ("unix_ns", 10**9)]
)
@pytest.mark.parametrize("kind", [np.int64, np.float64, str])
def test_an_epoch_tells_its_unit(name: str, unit: int, kind: type) -> None:
    stamps = (1_609_459_200 + 3600 * np.arange(60)) * unit
    series_set = of_times(stamps.astype(kind))
    assert (series_set.frequency, series_set.time_zone) == ("h", "UTC")
    assert series_set["y"].times[0] == np.datetime64("2021-01-01")
    assert series_set.options.time_format == name
    other = "unix_ms" if name != "unix_ms" else "unix"
    with pytest.raises(DataError, match=f"State time_format {name}, which fits all values"):
        of_times(stamps.astype(kind), time_format=other)


def test_floats_of_seconds_in_a_file_are_an_epoch(tmp_path: Path) -> None:
    lines = [f"{1_609_459_200.0 + 60 * i},{i % 5}" for i in range(20)]
    path = tmp_path / "data.csv"
    path.write_text("timestamp,close\n" + "\n".join(lines))
    series_set = load_series(f"file:{path}")
    assert (series_set.frequency, series_set.names) == ("min", ("close",))


def test_days_of_a_spreadsheet_must_be_stated() -> None:
    serial = np.arange(45_292, 45_352)
    with pytest.raises(DataError, match="begin on 2024-01-01, state time_format excel"):
        of_times(serial)
    assert np.array_equal(
        of_times(serial, time_format="excel")["y"].times, DAYS.values.astype("datetime64[s]")
    )


def test_years_with_decimals_are_called_so() -> None:
    with pytest.raises(DataError, match="years with decimals"):
        of_times(1949 + np.arange(60) / 12, time_column="date")


def test_weeks_and_days_of_the_year() -> None:
    weeks = pd.date_range("2023-01-02", periods=60, freq="W-MON")
    for form, stated in (
        ("%G-W%V", ""),
        ("%G-W%V", "%G-W%V"),
        ("%GW%V", "%GW%V"),
        ("%G-W%V-%u", "%G-W%V-%u"),
        ("%Y-W%W", "%Y-W%W"),
        ("%Y-%j", "%Y-%j"),
        ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f"),
    ):
        series_set = load_series(
            pd.DataFrame({"week": weeks.strftime(form), "y": VALUES}),
            time_format=stated,
            time_column="week",
        )
        assert np.array_equal(series_set["y"].times, weeks.values.astype("datetime64[s]")), form


def test_formats_that_are_none_are_refused() -> None:
    for wrong, message in (("YYYY-MM-DD", "has no %"), ("%Q", "bad directive")):
        with pytest.raises(ConfigurationError, match=message):
            of_times(DAYS.astype(str), time_format=wrong)


def test_iso_times_are_read_though_a_run_keeps_another_format() -> None:
    series_set = of_times(DAYS.strftime("%Y-%m-%d"), time_format="%d.%m.%Y")
    assert series_set["y"].times[0] == np.datetime64("2024-01-01")
    assert series_set.report.count("time format") == 1


def test_a_guessed_format_is_kept_for_data_to_come() -> None:
    learned = of_times(DAYS.strftime("%m/%d/%Y"))
    later = pd.DataFrame({"date": DAYS[:12].strftime("%m/%d/%Y"), "y": VALUES[:12]})
    assert load_series(later, learned.options).frequency == "D"


def test_counted_rows() -> None:
    for first in (0, 1):
        series_set = of_times(np.arange(first, first + 60))
        assert (series_set.frequency, len(series_set["y"])) == ("step", 60)
        assert load_series(
            pd.DataFrame({"date": np.arange(40, 50), "y": VALUES[:10]}), series_set.options
        )["y"].times[0] == np.datetime64("1970-01-01T00:40")
    with pytest.raises(DataError, match="rise by 10"):
        of_times(10 * np.arange(60))
    with pytest.raises(DataError, match="counted without a date"):
        of_times(np.arange(60), frequency="D")


def test_an_empty_row_between_counted_rows_is_a_step_without_a_value(tmp_path: Path) -> None:
    values = [1.0, 2.0, np.nan, np.nan, *range(5, 11)]
    one = load_series(pd.DataFrame({"value": values}))["value"]
    assert one.observed.tolist() == [True, True, False, False, *[True] * 6]
    assert one.target[4:].tolist() == list(range(5, 11))
    # Rows below the last value, as spreadsheets write them, are none of the next file either.
    for name, text in (("a", "1,2\n,\n3,4\n,\n,\n"), ("b", "5,6\n7,8\n,\n")):
        (tmp_path / f"{name}.csv").write_text("x,y\n" + text)
    both = load_series(f"file:{tmp_path / 'a.csv'},{tmp_path / 'b.csv'}")
    assert both["x"].observed.tolist() == [True, False, True, True, True]
    assert both.report.count("empty rows") == 3


def test_rows_without_a_time_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("y\n" + "\n".join(str(i % 7) for i in range(60)))
    alone = load_series(f"file:{path}")
    assert (alone.frequency, alone.names, len(alone["y"])) == ("step", ("y",), 60)
    long = pd.DataFrame({"unique_id": ["a", "b"] * 30, "y": VALUES})
    assert [len(one) for one in load_series(long)] == [30, 30]
    timed = pd.DataFrame({"t": 0.02 * np.arange(60), "y": VALUES})
    with pytest.raises(DataError, match="rises by equal steps") as caught:
        load_series(timed)
    assert caught.value.column == "t"


@pytest.mark.parametrize("frequency", ["20ms", "1500ms"])
def test_steps_that_are_no_whole_seconds_are_refused(frequency: str) -> None:
    times = pd.date_range("2024-01-01", periods=60, freq=frequency)
    for options in ({}, {"duplicates": "mean"}):
        with pytest.raises(DataError, match="s apart"):
            of_times(times, **options)
        with pytest.raises(DataError, match="s apart"):
            of_times(times.strftime("%Y-%m-%d %H:%M:%S.%f"), **options)


def test_jitter_around_seconds_is_cut_off_and_counted() -> None:
    jitter = pd.to_timedelta(np.random.default_rng(0).integers(1, 50, 60), "ms")
    series_set = of_times(pd.date_range("2024-01-01", periods=60, freq="s") + jitter)
    assert (series_set.frequency, len(series_set["y"])) == ("s", 60)
    assert series_set.report.count("fractions of a second") == 60


def test_old_names_of_frequencies_and_weeks_of_any_day() -> None:
    quarters = pd.date_range("2024-01-01", periods=60, freq="15min")
    assert of_times(quarters, frequency="15T").frequency == "15min"
    for day in range(7):
        weeks = pd.date_range("2024-01-01", periods=60, freq="7D") + pd.Timedelta(day, "D")
        series_set = of_times(weeks, frequency="W")
        assert len(series_set["y"]) == 60
        assert series_set["y"].times[0] == weeks[0]
    with pytest.raises(DataError, match="ME or MS"):
        of_times(DAYS, frequency="M")
    months = [f"2023-{month:02}-15" for month in range(1, 13)]
    with pytest.raises(DataError, match="day 15 of a month: state frequency MS"):
        load_series(pd.DataFrame({"date": months, "y": VALUES[:12]}))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("date", "header line"), ("Total 2024", "totals"), ("2024-01-05 24:00", "next day")],
)
def test_a_line_that_is_no_data_is_called_what_it_is(wrong: str, words: str) -> None:
    times = [str(day.date()) for day in DAYS]
    times[9] = wrong
    with pytest.raises(DataError, match=words) as caught:
        of_times(times)
    assert caught.value.row == 10
