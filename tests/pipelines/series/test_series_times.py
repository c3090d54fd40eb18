"""Time stamps: notations, zones, daylight saving, frequencies and their continuation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import DataError, SeriesSet, future_times, load_series
from pipelines.series.times.timestamps import infer_frequency, regular_times, wall_clock_minutes


def load(tmp_path: Path, times: list[str], **settings: object) -> SeriesSet:
    path = tmp_path / "data.csv"
    lines = [f'"{time}",{value}' for value, time in enumerate(times)]
    path.write_text("\n".join(["time,a", *lines]) + "\n")
    return load_series(f"file:{path}", **settings)


def refusal(tmp_path: Path, times: list[str], **settings: object) -> DataError:
    with pytest.raises(DataError) as caught:
        load(tmp_path, times, **settings)
    return caught.value


@pytest.mark.parametrize(
    ("times", "frequency", "first"),
    [
        (["2024-01-01", "2024-01-02", "2024-01-03"], "D", "2024-01-01"),
        (["2024-01-01T00:00:00.000", "2024-01-01T00:00:10"], "10s", "2024-01-01"),
        (["2024-01-01 9:00", "2024-01-01 10:00"], "h", "2024-01-01T09:00"),
        (["13/02/2024", "14/02/2024"], "D", "2024-02-13"),
        (["2/13/2024 1:30 PM", "2/13/2024 2:00 PM"], "30min", "2024-02-13T13:30"),
        (["13.02.2024 00:15", "13.02.2024 00:30"], "15min", "2024-02-13T00:15"),
        (["1998Q4", "1999Q1", "1999Q2"], "QS-OCT", "1998-10-01"),
        (["1998 Q1", "1998 Q2", "1998 Q3"], "QS-JAN", "1998-01-01"),
        (["2024-01", "2024-02", "2024-03"], "MS", "2024-01-01"),
        (["2024 Jan", "2024 Feb", "2024 Mar"], "MS", "2024-01-01"),
        (["1998", "1999", "2000"], "YS-JAN", "1998-01-01"),
        (["20240101", "20240102"], "D", "2024-01-01"),
        (["2024-01-31", "2024-02-29", "2024-03-31"], "ME", "2024-01-31"),
    ],
)
def test_notations(tmp_path: Path, times: list[str], frequency: str, first: str) -> None:
    series_set = load(tmp_path, times, time_column="time")
    assert series_set.frequency == frequency
    assert series_set["a"].times[0] == np.datetime64(first, "s")
    assert len(series_set["a"]) == len(times)


def test_an_ambiguous_notation_must_be_stated(tmp_path: Path) -> None:
    times = ["01/01/2024", "01/02/2024", "01/03/2024"]
    assert "State the time_format" in str(refusal(tmp_path, times))
    assert load(tmp_path, times, time_format="%d/%m/%Y").frequency == "MS"
    assert load(tmp_path, times, time_format="%m/%d/%Y").frequency == "D"


def test_unix_times_may_be_stated(tmp_path: Path) -> None:
    series_set = load(tmp_path, ["1700000000", "1700003600"], time_format="unix")
    assert (series_set.frequency, series_set.time_zone) == ("h", "UTC")
    assert series_set["a"].times[0] == np.datetime64("2023-11-14T22:13:20")
    same = load(tmp_path, ["1700000000000", "1700003600000"], time_format="unix_ms")
    assert np.array_equal(same["a"].times, series_set["a"].times)


@pytest.mark.parametrize("wrong", ["yesterday", "2024-01-32", "", "2024-02-30"])
def test_a_time_that_cannot_be_read_names_its_row(tmp_path: Path, wrong: str) -> None:
    error = refusal(tmp_path, ["2024-01-01", "2024-01-02", wrong, "2024-01-04"])
    assert (error.row, error.column) == (4, "time")


def test_the_31st_of_february_is_no_day_of_march(tmp_path: Path) -> None:
    assert refusal(tmp_path, ["28.02.2024", "31.02.2024"]).row == 3


def test_no_time_column(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y\nsoon,2\nlater,4\n")
    with pytest.raises(DataError, match="no column can be read as times among x, y"):
        load_series(f"file:{path}")
    path.write_text("x,y\n1,2\n3,4\n5,6\n")
    with pytest.raises(DataError, match="rises by equal steps"):
        load_series(f"file:{path}")


def test_times_out_of_order_are_sorted_and_reported(tmp_path: Path) -> None:
    times = ["2024-01-03", "2024-01-01", "2024-01-02"]
    series_set = load(tmp_path, times)
    assert series_set["a"].target.tolist() == [1, 2, 0]
    assert series_set.report.count("times out of order") == 1
    assert refusal(tmp_path, times, unsorted="error").row == 3


def test_duplicate_times_follow_the_policy(tmp_path: Path) -> None:
    times = ["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"]
    error = refusal(tmp_path, times)
    assert error.row == 4
    assert "first in row 3" in str(error)
    for policy, expected in (("first", 1), ("last", 2), ("mean", 1.5)):
        series_set = load(tmp_path, times, duplicates=policy)
        assert series_set["a"].target.tolist() == [0, expected, 3]
        assert series_set.report.count("duplicate times") == 1


def test_left_out_times_are_filled_and_counted(tmp_path: Path) -> None:
    times = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-07"]
    series_set = load(tmp_path, times)
    assert series_set["a"].target.tolist() == [0, 1, 2, 2, 2, 2, 3]
    assert series_set["a"].observed.tolist() == [True] * 3 + [False] * 3 + [True]
    assert series_set.report.count("left-out time steps") == 3
    assert refusal(tmp_path, times, gaps="error").row == 4
    assert load(tmp_path, times, missing="zero")["a"].target.tolist() == [0, 1, 2, 0, 0, 0, 3]
    assert load(tmp_path, times, missing="interpolate")["a"].target.tolist() == [
        0,
        1,
        2,
        2.25,
        2.5,
        2.75,
        3,
    ]
    assert "3 values in all" in str(refusal(tmp_path, times, missing="error"))


def test_irregular_times(tmp_path: Path) -> None:
    times = [
        "2024-01-01 00:00",
        "2024-01-01 01:00",
        "2024-01-01 02:00",
        "2024-01-01 02:20",
        "2024-01-01 03:00",
        "2024-01-01 04:00",
    ]
    assert refusal(tmp_path, times).row == 5
    series_set = load(tmp_path, times, irregular="mean")
    assert series_set["a"].target.tolist() == [0, 1, 2.5, 4, 5]
    assert series_set.report.count("times off the step") == 1


def test_no_common_step(tmp_path: Path) -> None:
    times = ["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-09", "2024-01-20"]
    assert "do not share a step of time" in str(refusal(tmp_path, times))
    assert len(load(tmp_path, times, frequency="D")["a"]) == 20


def test_a_mistyped_year_does_not_fill_the_memory(tmp_path: Path) -> None:
    times = [f"2024-01-01 00:00:{second:02d}" for second in range(10)] + ["2204-01-01 00:00:10"]
    error = refusal(tmp_path, times)
    assert error.row == 11
    assert "probably wrong" in str(error)


def test_one_offset_for_all_is_a_zone(tmp_path: Path) -> None:
    series_set = load(tmp_path, ["2024-01-01 00:00+02:00", "2024-01-01 01:00+02:00"])
    assert series_set.time_zone == "+02:00"
    assert series_set["a"].times[0] == np.datetime64("2023-12-31T22:00")
    minutes = series_set.wall_clock(series_set["a"].times)
    assert minutes[0] == np.datetime64("2024-01-01", "m").astype(int)
    assert load(tmp_path, ["2024-01-01T00:00Z", "2024-01-01T01:00Z"]).time_zone == "UTC"


def test_mixed_zones(tmp_path: Path) -> None:
    autumn = [
        "2024-10-27 01:00+02:00",
        "2024-10-27 02:00+02:00",
        "2024-10-27 02:00+01:00",
        "2024-10-27 03:00+01:00",
    ]
    error = refusal(tmp_path, autumn)
    assert error.row == 4
    assert "time_zone" in str(error)
    series_set = load(tmp_path, autumn, time_zone="Europe/Berlin")
    assert series_set.frequency == "h"
    assert len(series_set["a"]) == 4
    clock = series_set.wall_clock(series_set["a"].times)
    assert np.diff(clock).tolist() == [60, 0, 60]
    mixed = ["2024-01-01 00:00", "2024-01-01 01:00+01:00"]
    assert refusal(tmp_path, mixed).row == 3
    assert "some do not" in str(refusal(tmp_path, mixed[::-1]))
    assert "is not known" in str(refusal(tmp_path, autumn, time_zone="Europe/Atlantis"))


def test_wall_clock_times_over_daylight_saving(tmp_path: Path) -> None:
    autumn = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]
    assert "time_zone" in str(refusal(tmp_path, autumn))
    series_set = load(tmp_path, autumn, time_zone="Europe/Berlin")
    assert len(series_set["a"]) == 4
    assert series_set["a"].observed.all()
    spring = ["2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 03:00", "2024-03-31 04:00"]
    assert load(tmp_path, spring).report.count("left-out time steps") == 1
    zoned = load(tmp_path, spring, time_zone="Europe/Berlin")
    assert len(zoned["a"]) == 4
    assert zoned.report.count("left-out time steps") == 0
    never = ["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"]
    assert "clock in Europe/Berlin" in str(refusal(tmp_path, never, time_zone="Europe/Berlin"))


def test_days_in_a_zone_are_counted_on_the_calendar(tmp_path: Path) -> None:
    days = [f"2024-03-{day:02d} 00:00+{1 if day < 32 else 2:02d}:00" for day in range(29, 32)]
    days += ["2024-04-01 00:00+02:00", "2024-04-02 00:00+02:00"]
    series_set = load(tmp_path, days, time_zone="Europe/Berlin")
    assert (series_set.frequency, series_set.time_zone) == ("D", "")
    assert series_set["a"].times[0] == np.datetime64("2024-03-29")
    # A run reads later data as it read the first.
    again = load(tmp_path, days, **dataclasses.asdict(series_set.options))
    assert np.array_equal(again["a"].times, series_set["a"].times)
    assert load(tmp_path, days, time_zone="Europe/Berlin", frequency="D").time_zone == ""


FREQUENCIES = [
    "s",
    "10s",
    "min",
    "15min",
    "30min",
    "h",
    "6h",
    "D",
    "7D",
    "B",
    "MS",
    "ME",
    "QS-JAN",
    "QS-FEB",
    "QE-MAR",
    "YS-JAN",
    "YE-DEC",
    "2MS",
]


@settings(max_examples=80, deadline=None)
@given(
    frequency=st.sampled_from(FREQUENCIES),
    start=st.datetimes(
        pd.Timestamp("1980-01-01").to_pydatetime(), pd.Timestamp("2040-01-01").to_pydatetime()
    ),
    length=st.integers(8, 40),
)
def test_inferred_frequencies_continue_the_times(
    frequency: str, start: object, length: int
) -> None:
    first = pd.Timestamp(start).floor("D")
    whole = pd.date_range(first, periods=length + 12, freq=frequency).values.astype("datetime64[s]")
    times = whole[:length]
    inferred = infer_frequency(times)
    assert np.array_equal(regular_times(times[0], inferred, length), times)
    assert np.array_equal(future_times(times[-1], inferred, 12), whole[length:])


def test_gaps_do_not_disturb_the_frequency() -> None:
    times = pd.date_range("2020", periods=50, freq="MS").values.astype("datetime64[s]")
    assert infer_frequency(np.delete(times, [3, 17, 18])) == "MS"
    times = pd.date_range("2020", periods=50, freq="h").values.astype("datetime64[s]")
    assert infer_frequency(np.delete(times, [3, 17, 18])) == "h"
    assert infer_frequency(times[:1]) == ""


def test_business_days_skip_week_ends() -> None:
    friday = np.datetime64("2024-03-01T00:00:00")
    assert future_times(friday, "B", 2).astype("datetime64[D]").astype(str).tolist() == [
        "2024-03-04",
        "2024-03-05",
    ]


def test_unknown_frequencies() -> None:
    for wrong in ("fortnight", "500ms", "-1h"):
        with pytest.raises(DataError, match="frequency"):
            load_series(
                pd.DataFrame({"a": [1.0, 2]}, index=pd.date_range("2024", periods=2)),
                frequency=wrong,
            )
    with pytest.raises(DataError, match="does not belong"):
        future_times(np.datetime64("2024-03-02T00:00:00"), "B", 2)


def test_wall_clock_minutes_reach_far() -> None:
    times = np.array(["1900-01-01", "2100-01-01"], "datetime64[s]")
    assert wall_clock_minutes(times).tolist() == times.astype("datetime64[m]").astype(int).tolist()


def test_the_double_hour_is_read_by_the_order_of_the_rows() -> None:
    hours = pd.date_range("2024-10-26", "2024-10-28 23:00", freq="h", tz="Europe/Berlin")
    values = np.arange(float(len(hours)))
    frame = pd.DataFrame({"time": hours.tz_localize(None).astype(str), "y": values})
    for ordered in (frame, frame[::-1]):
        series_set = load_series(ordered, time_zone="Europe/Berlin")
        assert series_set["y"].target.tolist() == values.tolist()
    # Rows out of order elsewhere do not matter, but around the double hour they do.
    elsewhere = pd.concat([frame[40:], frame[:40]])
    assert load_series(elsewhere, time_zone="Europe/Berlin")["y"].target.tolist() == values.tolist()
    backwards = frame.iloc[np.r_[0:24, 29:23:-1, 30 : len(frame)]]
    with pytest.raises(DataError, match="02:00:00 occurs twice in Europe/Berlin, and the rows"):
        load_series(backwards, time_zone="Europe/Berlin")


@pytest.mark.parametrize("step", ["D", "MS"])
def test_local_days_that_are_stored_in_utc_need_their_zone(step: str) -> None:
    local = pd.date_range("2024-01-01", periods=100, freq=step, tz="Europe/Berlin")
    frame = pd.DataFrame({"y": np.arange(100.0)}, index=local.tz_convert("UTC"))
    with pytest.raises(DataError, match="State time_zone, the zone of that clock"):
        load_series(frame)
    stated = load_series(frame, time_zone="Europe/Berlin")
    for series_set in (stated, load_series(frame.set_index(local))):
        assert (series_set.frequency, len(series_set["y"])) == (step, 100)


def test_readings_at_two_hours_are_not_local_days() -> None:
    hours = np.random.default_rng(1).integers(7, 9, 300)
    times = pd.date_range("2024-01-01", periods=300, tz="UTC") + pd.to_timedelta(hours, unit="h")
    frame = pd.DataFrame({"y": np.arange(300.0)}, index=times)
    assert load_series(frame, frequency="h")["y"].observed.sum() == 300
    with pytest.raises(DataError) as caught:
        load_series(frame)
    assert "time_zone" not in str(caught.value)
    # A stated step of hours is that of the grid, also of days of a local clock.
    local = pd.date_range("2024-01-01", periods=300, tz="Europe/Berlin").tz_convert("UTC")
    assert load_series(frame.set_index(local), frequency="h")["y"].observed.sum() == 300
    with pytest.raises(DataError, match="if the times are meant as they are, choose irregular"):
        load_series(frame.set_index(local), frequency="D")
