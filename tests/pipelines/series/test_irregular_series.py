"""Rows at irregular times: whole steps of the clock, loggers that jitter, and what advice says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines import DataError, load_series

SECOND = np.timedelta64(1, "s")


@pytest.mark.parametrize("phase", [0, 150, 297])
def test_a_row_of_a_jittering_logger_stands_at_its_own_time(phase: int) -> None:
    generator = np.random.default_rng(0)
    meant = np.datetime64("2024-01-01T00:00:00") + (np.arange(500) * 300 + phase) * SECOND
    times = meant + generator.integers(-9, 10, 500) * SECOND
    frame = pd.DataFrame({"date": times, "y": np.arange(500.0)})
    with pytest.raises(DataError, match="about 5min apart: state frequency 5min and irregular"):
        load_series(frame)
    one = load_series(frame, frequency="5min", irregular="mean")[0]
    assert one.observed.all()
    assert np.array_equal(one.target, np.arange(500.0))
    assert np.abs(one.times - meant).max() <= 9 * SECOND
    if not phase:
        assert np.array_equal(one.times, meant)


@pytest.mark.parametrize(("frequency", "unit"), [("D", "D"), ("h", "h"), ("MS", "M")])
def test_events_are_averaged_in_whole_steps_of_the_clock(frequency: str, unit: str) -> None:
    generator = np.random.default_rng(1)
    seconds = np.unique(generator.integers(0, 100 * 86400, 4000))
    times = np.datetime64("2010-11-28T09:37:20") + seconds * SECOND
    frame = pd.DataFrame({"date": times, "y": generator.random(len(times))})
    one = load_series(frame, frequency=frequency, irregular="mean")[0]
    means = frame.groupby(times.astype(f"datetime64[{unit}]").astype("datetime64[s]"))["y"].mean()
    assert np.array_equal(one.times[one.observed], means.index.values.astype("datetime64[s]"))
    assert np.allclose(one.target[one.observed], means, atol=1e-6)


@pytest.mark.parametrize(
    ("frequency", "times", "steps"),
    [
        ("ME", ["2024-01-31", "2024-02-28", "2024-03-31"], ["01-31", "02-29", "03-31"]),
        ("ME", ["2024-01-15", "2024-02-15", "2024-03-31 12:00"], ["01-31", "02-29", "03-31"]),
        ("QE", ["2024-03-29", "2024-06-28", "2024-09-30"], ["03-31", "06-30", "09-30"]),
        ("YE-MAR", ["2022-05-01", "2024-03-31 09:00"], ["2023-03-31", "03-31"]),
        # The last business day of March is the 29th, the first one of June the 3rd.
        ("BME", ["2024-02-29", "2024-03-31", "2024-04-02"], ["02-29", "03-29", "04-30"]),
        ("BMS", ["2024-04-01", "2024-05-07", "2024-06-01"], ["04-01", "05-01", "06-03"]),
        ("QS", ["2024-02-15", "2024-06-30", "2024-07-01"], ["01-01", "04-01", "07-01"]),
    ],
)
def test_rows_belong_to_the_months_they_lie_in(
    frequency: str, times: list[str], steps: list[str]
) -> None:
    values = np.arange(1.0, len(times) + 1)
    frame = pd.DataFrame({"date": pd.to_datetime(times, format="mixed"), "y": values})
    one = load_series(frame, frequency=frequency, irregular="mean")[0]
    expected = [step if len(step) > 5 else f"2024-{step}" for step in steps]
    assert one.times.astype("datetime64[D]").astype(str).tolist() == expected
    assert one.target.tolist() == values.tolist() and one.observed.all()


def test_one_row_off_the_clock_does_not_move_the_others() -> None:
    times = (
        pd.date_range("2024-01-01 00:00:02", periods=100, freq="h").to_series().to_numpy(copy=True)
    )
    times[1:] -= np.timedelta64(2, "s")
    one = load_series(
        pd.DataFrame({"date": times, "y": np.arange(100.0)}), frequency="h", irregular="mean"
    )[0]
    assert np.array_equal(one.target, np.arange(100.0))
    assert one.times[0] == np.datetime64("2024-01-01T00:00:00")


def test_days_with_sales_only_and_three_days_a_week() -> None:
    days = pd.date_range("2024-01-01", periods=300)
    some = days[np.sort(np.random.default_rng(2).choice(300, 90, replace=False))]
    three = days[days.weekday.isin([0, 2, 4])]
    for chosen in (some, three):
        frame = pd.DataFrame({"date": chosen, "y": 1.0})
        with pytest.raises(DataError, match="state frequency D, which treats"):
            load_series(frame)
        one = load_series(frame, frequency="D")[0]
        assert np.array_equal(one.times[one.observed], chosen.values.astype("datetime64[s]"))


@pytest.mark.parametrize("frequency", ["BME", "BMS"])
def test_business_days_at_the_edges_of_months(frequency: str) -> None:
    months = pd.date_range("2010-01-01", periods=60, freq=frequency)
    series_set = load_series(pd.DataFrame({"date": months, "y": np.arange(60.0)}))
    assert series_set.frequency == frequency
    gap = series_set.future_times(series_set[0], 1)[0]
    assert gap == (months[-1] + months.freq).to_datetime64().astype("datetime64[s]")
    holes = load_series(pd.DataFrame({"date": months.delete([7, 20]), "y": np.arange(58.0)}))
    assert (holes.frequency, len(holes[0])) == (frequency, 60)


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["2019-01-01 00:00:00 UTC", "2019-01-01 01:00:00 UTC"], "2019-01-01T00"),
        (["2006-04-01 00:00:00.000 +0200", "2006-04-01 01:00:00.000 +0200"], "2006-03-31T22"),
        (["20190101 00:00", "20190101 01:00"], "2019-01-01T00"),
        (["2019M01", "2019M02", "2019M03"], "2019-01-01T00"),
        (["Q1 2000", "Q2 2000", "Q3 2000"], "2000-01-01T00"),
    ],
)
def test_notations_of_public_data(texts: list[str], first: str) -> None:
    series_set = load_series(pd.DataFrame({"date": texts, "y": np.arange(float(len(texts)))}))
    assert series_set[0].times[0] == np.datetime64(first)
    assert len(series_set[0]) == len(texts)
