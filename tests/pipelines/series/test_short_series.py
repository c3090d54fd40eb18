"""Series that are too short for a window; series as rows of a DataFrame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines import DataError, WindowBatches, load_series, parse_split, training_statistics
from pipelines.series import SeriesSet
from pipelines.series.short_series import treated

LOOKBACK, HORIZON = 8, 3


def series_set(frequency: str = "D") -> SeriesSet:
    """One long series, one that lacks a window and one with fewer rows than the horizon."""
    frames = []
    for name, rows in (("long", 40), ("short", 7), ("tiny", 2)):
        times = pd.date_range("2024-01-31", periods=rows, freq=frequency)
        frames.append(
            pd.DataFrame(
                {"time": times, "id": name, "value": 5.0 + np.arange(rows), "known": 1.0 * rows}
            )
        )
    return load_series(
        pd.concat(frames), id_column="id", targets="value", future_covariates="known",
        frequency=frequency,
    )  # fmt: skip


def lengthened(**settings: object) -> SeriesSet:
    return treated(series_set(**settings), "pad", lookback=LOOKBACK, horizon=HORIZON)


def test_series_are_left_out_or_refused() -> None:
    plain = series_set()
    assert treated(plain, "skip", lookback=LOOKBACK, horizon=HORIZON) is plain
    batches = WindowBatches(plain, lookback=LOOKBACK, horizon=HORIZON)
    assert batches.series_without_windows == ("short", "tiny")
    with pytest.raises(
        DataError,
        match=r"2 of 3 series are too short for a window of lookback 8 "
        r"\+ horizon 3 time steps: short, tiny",
    ):
        treated(plain, "refuse", lookback=LOOKBACK, horizon=HORIZON)


@pytest.mark.parametrize("frequency", ["D", "ME"])
def test_rows_that_lengthen_a_series_have_its_first_value(frequency: str) -> None:
    plain, padded = series_set(frequency), lengthened(frequency=frequency)
    short = padded["short"]
    assert short.padding == LOOKBACK - 1 and padded["long"].padding == 0
    assert short.target[:9].tolist() == [5.0] * 8 + [6.0]
    assert short.observed.tolist() == [False] * 7 + [True] * 7
    assert short.future_covariates[:, 0].tolist() == [7.0] * 14
    times = pd.DatetimeIndex(short.times)
    assert pd.infer_freq(times) == frequency
    np.testing.assert_array_equal(short.times[7:], plain["short"].times)
    # A series is lengthened once, and the report counts it.
    assert treated(padded, "pad", lookback=LOOKBACK, horizon=HORIZON) is not None
    assert padded.report.count("series too short for a window") == 2


def test_added_rows_count_for_nothing() -> None:
    plain, padded = series_set(), lengthened()
    split = parse_split("0.7,0.1,0.2")
    np.testing.assert_array_equal(
        training_statistics(plain, split).mean, training_statistics(padded, split).mean
    )
    batches = WindowBatches(padded, lookback=LOOKBACK, horizon=HORIZON)
    assert batches.series_without_windows == ("tiny",)
    index, origins = batches.origins()
    # At least one row of the past is the series' own, and all that is forecast was observed.
    assert origins[index == 1].tolist() == [8, 9, 10, 11]
    for _, targets, weights in batches.epoch(0):
        chosen = np.asarray(weights) > 0
        assert (np.asarray(targets)[chosen] > 5.0).all() and chosen.any(axis=1).all()
    # Borders in rows or shares count the series' own rows.
    train = WindowBatches(padded, lookback=LOOKBACK, horizon=HORIZON, part=(0, 5))
    index, origins = train.origins()
    assert origins[index == 1].tolist() == [8, 9]


def test_series_as_rows_of_a_frame() -> None:
    frame = pd.DataFrame(
        {"name": ["M1", "M2"], "kind": ["macro", "micro"], "V1": [1.0, 9.0], "V2": [2, 8],
         "V3": [3.0, np.nan]}
    )  # fmt: skip
    rows = load_series(frame, layout="rows", static_covariates="kind")
    assert rows.names == ("M1", "M2") and rows.frequency == "step"
    assert rows["M1"].target.tolist() == [1, 2, 3] and rows["M2"].target.tolist() == [9, 8]
    assert rows.static_names == ("kind=macro", "kind=micro")
    # An index of names; columns that are times; and a run's options read a frame of columns too.
    named = frame.drop(columns="kind").set_index("name")
    assert load_series(named, layout="rows")["M2"].target.tolist() == [9, 8]
    months = named.set_axis(["2024-01", "2024-02", "2024-03"], axis=1)
    dated = load_series(months, layout="rows")
    assert dated.frequency == "MS"
    long = pd.DataFrame({"name": "M1", "value": [1.0, 2.0, 4.0]})
    assert load_series(long, load_series(named, layout="rows").options)[0].target[2] == 4
    with pytest.raises(DataError, match="the rows are not series"):
        load_series(pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), layout="rows")
