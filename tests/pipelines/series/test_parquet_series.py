"""Parquet files with a series per row: the fields of GluonTS, and those of Chronos' data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipelines import load_series
from pipelines.base.errors import DataError
from pipelines.series.options import SeriesOptions

HOURS = pd.date_range("2024-03-01 05:00", periods=48, freq="h")
VALUES = np.arange(48.0)


def written(folder: Path, rows: list[dict[str, Any]]) -> str:
    pa.parquet.write_table(pa.Table.from_pylist(rows), folder / "series.parquet")
    return f"file:{folder / 'series.parquet'}"


def chronos(**changes: Any) -> list[dict[str, Any]]:
    first = {"id": "a", "timestamp": list(HOURS), "target": VALUES.tolist(), "category": "x"}
    second = {**first, "id": "b", "timestamp": list(HOURS[:30]), "target": VALUES[:30].tolist()}
    return [first, {**second, **changes}]


def test_the_fields_of_gluonts(tmp_path: Path) -> None:
    rows = [
        {"item_id": name, "start": HOURS[0].to_pydatetime(), "target": [*VALUES, float("nan")],
         "feat_dynamic_real": [[*VALUES, 1.0, 2.0]]}
        for name in "ab"
    ]  # fmt: skip
    source = written(tmp_path, rows)
    with pytest.raises(DataError, match="no frequency is known"):
        load_series(source)
    series_set = load_series(source, SeriesOptions(frequency="h"))
    assert (series_set.frequency, series_set.names) == ("h", ("a", "b"))
    assert series_set.future_names == ("feat_dynamic_real_0",)
    np.testing.assert_array_equal(series_set["b"].target[:48], VALUES)
    assert series_set["a"].times[0] == np.datetime64("2024-03-01T05:00")


def test_series_without_a_name_are_called_by_row_and_file(tmp_path: Path) -> None:
    rows = [{"target": [1.0, 2.0]}, {"target": [3.0, 4.0]}]
    assert load_series(written(tmp_path, rows)).names == ("row 1", "row 2")
    (tmp_path / "series.parquet").rename(tmp_path / "a.parquet")
    both = load_series(f"{written(tmp_path, rows[:1])},{tmp_path / 'a.parquet'}")
    assert both.names == ("series.parquet row 1", "a.parquet row 1", "a.parquet row 2")


@pytest.mark.parametrize("frequency", ["h", "15min", "D", "W-SUN", "MS"])
def test_the_fields_of_chronos(tmp_path: Path, frequency: str) -> None:
    times = pd.date_range("2024-03-03", periods=48, freq=frequency)
    rows = [
        {"id": name, "timestamp": list(times), "target": (VALUES + number).tolist()}
        for number, name in enumerate("ab")
    ]
    series_set = load_series(written(tmp_path, rows))
    assert series_set.names == ("a", "b")
    np.testing.assert_array_equal(series_set["b"].target, VALUES + 1)
    assert pd.Timestamp(series_set["a"].times[5]) == times[5]
    assert pd.Timestamp(series_set["a"].times[-1]) == times[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamp": list(HOURS[:29])}, r"row 2, column 'timestamp': has 29 times"),
        ({"timestamp": [*HOURS[:20], *HOURS[25:35]]}, "row 2, column 'timestamp, value 21'"),
        (
            {"timestamp": list(pd.date_range("2024-03-01", periods=30, freq="D"))},
            "row 2, column 'timestamp, value 2': the times .*: 2024-03-02T00:00:00 is where "
            "2024-03-01T01:00:00 should be",
        ),
        (
            {"timestamp": [*HOURS[:9], HOURS[10], HOURS[9], *HOURS[11:30]]},
            "row 2, column 'timestamp, value 10': the times do not rise by the step",
        ),
        ({"target": []}, "row 2, column 'target': is missing or is not a list of numbers"),
        ({"id": "a"}, "the series 'a' is already on line 1"),
    ],
)
def test_what_is_wrong_is_named_by_row(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_series(written(tmp_path, chronos(**changes)))
    assert len(load_series(written(tmp_path, chronos()))["b"]) == 30


def test_all_series_need_the_months_of_the_first(tmp_path: Path) -> None:
    months = list(pd.date_range("2024-03-01", periods=30, freq="MS"))
    [first, second] = chronos(timestamp=list(pd.date_range("2024-03-01", periods=30, freq="D")))
    first |= {"timestamp": months, "target": VALUES[:30].tolist()}
    with pytest.raises(DataError, match=r"row 2, column 'timestamp, value 2': the times do"):
        load_series(written(tmp_path, [first, second]))


def test_a_short_series_needs_no_step_of_its_own(tmp_path: Path) -> None:
    short = {"timestamp": list(HOURS[:2]), "target": [1.0, 2.0]}
    series_set = load_series(written(tmp_path, chronos(**short)))
    assert len(series_set["b"]) == 2


def test_days_without_a_time_and_lists_of_one_length(tmp_path: Path) -> None:
    days = pd.date_range("2024-03-01", periods=48, freq="D")
    columns = {
        "id": pa.array(["a"]),
        "timestamp": pa.array([days.date.tolist()]),
        "target": pa.array([VALUES.tolist()], pa.list_(pa.float64(), 48)),
    }
    pa.parquet.write_table(pa.table(columns), tmp_path / "days.parquet")
    series_set = load_series(f"file:{tmp_path / 'days.parquet'}")
    assert series_set.frequency == "D"
    assert series_set["a"].times[-1] == np.datetime64("2024-04-17")


def test_times_with_a_zone_are_utc(tmp_path: Path) -> None:
    """Summer time begins within them, so that the wall clock does not rise by equal steps."""
    local = pd.date_range("2024-03-30 12:00", periods=48, freq="h", tz="Europe/Berlin")
    kind = pa.list_(pa.timestamp("us", "Europe/Berlin"))
    table = pa.table({
        "id": ["a"], "target": [VALUES], "weather": ["fair"],
        "timestamp": pa.array([local.to_pydatetime().tolist()], kind),
    })  # fmt: skip
    pa.parquet.write_table(table, tmp_path / "zone.parquet")
    series_set = load_series(f"file:{tmp_path / 'zone.parquet'}")
    assert series_set["a"].times[0] == np.datetime64("2024-03-30T11:00")
    assert series_set["a"].times[-1] == np.datetime64("2024-04-01T10:00")
    assert {"not read: weather", "times with a zone are read in UTC"} <= {
        finding.kind for finding in series_set.report.findings
    }


@pytest.mark.parametrize("name", ["start", "timestamp"])
def test_fractions_of_a_second_are_not_lost(tmp_path: Path, name: str) -> None:
    late = HOURS + pd.Timedelta(milliseconds=250)
    row = {"id": "a", "target": VALUES.tolist(), name: late[0] if name == "start" else list(late)}
    with pytest.raises(DataError, match=r"row 1, column .*00\.25"):
        load_series(written(tmp_path, [row]), SeriesOptions(frequency="h"))


@pytest.mark.parametrize("times", [list(range(48)), [f"{time}" for time in HOURS]])
def test_lists_of_other_types_are_no_times(tmp_path: Path, times: list[Any]) -> None:
    rows = [{"id": "a", "timestamp": times, "target": VALUES.tolist()}]
    with pytest.raises(DataError, match=r"row 1, column 'timestamp, value 1': holds .*not a time"):
        load_series(written(tmp_path, rows))
