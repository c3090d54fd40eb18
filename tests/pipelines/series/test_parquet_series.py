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
        ({"timestamp": [*HOURS[:20], *HOURS[25:35]]}, "row 2, column 'timestamp': the times do"),
        (
            {"timestamp": list(pd.date_range("2024-03-01", periods=30, freq="D"))},
            r"row 2, column 'timestamp': has 30 times up to 2024-03-30",
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


@pytest.mark.parametrize("times", [list(range(48)), [f"{time}" for time in HOURS]])
def test_lists_of_other_types_are_no_times(tmp_path: Path, times: list[Any]) -> None:
    rows = [{"id": "a", "timestamp": times, "target": VALUES.tolist()}]
    with pytest.raises(DataError, match=r"row 1, column 'timestamp': holds .*which is not a time"):
        load_series(written(tmp_path, rows))
