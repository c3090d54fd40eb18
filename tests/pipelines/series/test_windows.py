"""Windows: exact counts, no leak between parts, what each tensor holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import (
    ConfigurationError,
    DataError,
    SeriesSet,
    TimeSeries,
    WindowBatches,
    forecasting_datasets,
    latest_windows,
    load_series,
    parse_split,
    training_statistics,
)
from pipelines.series.splits import part_rows
from pipelines.series.windows import last_values, next_observed


def make_set(lengths: list[int], missing: str = "forward_fill", holes: bool = False) -> SeriesSet:
    """Series s whose value in row t is 1000 s + t; covariates tell the row as well."""
    series = []
    for number, length in enumerate(lengths):
        rows = np.arange(length, dtype=np.float32)
        times = np.datetime64("2024-01-01T00:00:00") + np.arange(length) * np.timedelta64(3600, "s")
        observed = np.ones(length, bool)
        if holes:
            observed[2::5] = False
            observed[3::5] = False
        series.append(
            TimeSeries(
                f"s{number}",
                times,
                1000 * number + rows,
                observed,
                np.stack([rows, -rows], 1),
                rows[:, None] + 0.5,
                np.array([number], np.float32),
            )
        )
    return SeriesSet(
        tuple(series),
        "h",
        ("p", "q"),
        ("f",),
        ("static",),
        missing=missing,
    )


def gather(dataset: Any) -> tuple[dict[str, Any], Any, Any]:
    batches = list(dataset.as_numpy_iterator())
    inputs = {key: np.concatenate([b[0][key] for b in batches]) for key in batches[0][0]}
    return inputs, np.concatenate([b[1] for b in batches]), np.concatenate([b[2] for b in batches])


def test_every_tensor_holds_what_it_says() -> None:
    series_set = make_set([10, 7])
    batches = WindowBatches(series_set, lookback=3, horizon=2, batch_size=4)
    inputs, targets, weights = gather(batches.epoch(0))
    index, origins = batches.origins()
    assert batches.examples == len(targets) == (10 - 4) + (7 - 4)
    assert inputs["series_index"].tolist() == index.tolist()
    for row, (number, origin) in enumerate(zip(index, origins, strict=True)):
        past, whole = np.arange(origin - 3, origin), np.arange(origin - 3, origin + 2)
        assert inputs["past_target"][row].tolist() == (1000 * number + past).tolist()
        assert targets[row].tolist() == [1000 * number + origin, 1000 * number + origin + 1]
        assert inputs["past_covariates"][row].tolist() == [[t, -t] for t in past]
        assert inputs["future_covariates"][row].ravel().tolist() == (whole + 0.5).tolist()
        assert inputs["static_covariates"][row].tolist() == [number]
        start = np.datetime64("2024-01-01").astype("datetime64[m]").astype(int)
        assert inputs["times"][row].tolist() == (start + 60 * whole).tolist()
    assert weights.min() == 1
    assert {key: value.dtype.name for key, value in inputs.items()} == {
        "past_target": "float32",
        "times": "int32",
        "series_index": "int32",
        "past_covariates": "float32",
        "future_covariates": "float32",
        "static_covariates": "float32",
    }


def test_absent_covariates_have_no_key() -> None:
    frame = pd.DataFrame({"a": np.arange(9.0)}, index=pd.date_range("2024", periods=9, freq="D"))
    batches = WindowBatches(load_series(frame), lookback=3, horizon=2)
    assert set(gather(batches.epoch(0))[0]) == {"past_target", "times", "series_index"}


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    lookback=st.integers(1, 8),
    horizon=st.integers(1, 6),
    stride=st.integers(1, 4),
    cuts=st.tuples(st.floats(0.1, 0.8), st.floats(0.0, 0.5)),
)
def test_parts_share_no_target_and_count_every_window(
    lengths: list[int], lookback: int, horizon: int, stride: int, cuts: tuple[float, float]
) -> None:
    series_set = make_set(lengths)
    train, validation = cuts[0], min(cuts[1], 1 - cuts[0])
    split = parse_split(f"{train},{validation},{1 - train - validation}")
    seen: dict[tuple[int, int], int] = {}
    for number, part in enumerate(split):
        try:
            batches = WindowBatches(
                series_set, lookback=lookback, horizon=horizon, part=part, stride=stride
            )
        except DataError:
            continue
        index, origins = batches.origins()
        assert len(index) == batches.examples
        assert len(set(zip(index.tolist(), origins.tolist(), strict=True))) == len(index)
        borders = [0.0, train, train + validation, 1.0]
        for one, origin in zip(index.tolist(), origins.tolist(), strict=True):
            start, stop = (round(border * lengths[one]) for border in borders[number : number + 2])
            assert start <= origin and origin + horizon <= stop and origin >= lookback
            for row in range(origin, origin + horizon):
                assert seen.setdefault((one, row), number) == number
        if stride == 1:
            expected = 0
            for length in lengths:
                start, stop = (round(b * length) for b in borders[number : number + 2])
                expected += max(0, stop - horizon - max(start, lookback) + 1)
            assert batches.examples == expected


def test_ett_counts_as_the_literature_counts() -> None:
    series_set = make_set([17420])
    split = parse_split("8640,2880,2880")
    for lookback, horizon in ((96, 96), (720, 336)):
        counts = [
            WindowBatches(series_set, lookback=lookback, horizon=horizon, part=part).examples
            for part in split
        ]
        assert counts == [8640 - lookback - horizon + 1, 2880 - horizon + 1, 2880 - horizon + 1]


def test_times_split_at_the_same_moment_for_all_series() -> None:
    series_set = make_set([72, 60])
    split = parse_split("2024-01-02,2024-01-03T00:00")
    batches = WindowBatches(series_set, lookback=2, horizon=1, part=split.test)
    assert batches.windows_per_series.tolist() == [24, 12]
    batches = WindowBatches(series_set, lookback=2, horizon=1, part=split.train)
    assert batches.windows_per_series.tolist() == [22, 22]


def test_columns_that_begin_later_are_cut_at_the_common_row() -> None:
    frame = pd.DataFrame(
        {"a": np.arange(20.0), "b": [np.nan] * 8 + list(range(12))},
        index=pd.date_range("2024", periods=20, freq="D"),
    )
    series_set = load_series(frame)
    for text in ("10,5,5", "0.5,0.25,0.25"):
        batches = WindowBatches(series_set, lookback=1, horizon=1, part=parse_split(text).train)
        assert batches.windows_per_series.tolist() == [9, 1]
    _, targets, _ = gather(
        WindowBatches(series_set, lookback=2, horizon=5, part=parse_split("10,5,5").test).epoch(0)
    )
    assert targets.tolist() == [[15, 16, 17, 18, 19], [7, 8, 9, 10, 11]]


def test_missing_truth_has_no_weight_and_is_never_nan() -> None:
    frame = pd.DataFrame(
        {"a": [1, 2, np.nan, 4, 5, np.nan, 7, 8]},
        index=pd.date_range("2024", periods=8, freq="D"),
    )
    inputs, targets, weights = gather(
        WindowBatches(load_series(frame), lookback=3, horizon=2).epoch(0)
    )
    assert inputs["past_target"].tolist() == [[1, 2, 2], [2, 2, 4], [2, 4, 5], [4, 5, 5]]
    assert weights.tolist() == [[1, 1], [1, 0], [0, 1], [1, 1]]
    assert np.isfinite(targets).all()


@settings(max_examples=15, deadline=None)
@given(holes=st.sets(st.integers(1, 18)), change=st.floats(100, 200))
def test_interpolation_lets_no_future_value_into_the_past(holes: set[int], change: float) -> None:
    values = np.arange(20.0)
    values[list(holes)] = np.nan
    times = pd.date_range("2024", periods=20, freq="D")
    split = 12
    later = values.copy()
    later[split:] += change
    pasts = []
    for column in (values, later):
        series_set = load_series(pd.DataFrame({"a": column}, index=times), missing="interpolate")
        batches = WindowBatches(series_set, lookback=4, horizon=2)
        inputs, _, _ = batches.gather(tf.range(batches.examples, dtype=tf.int64), tf.ones(14 + 1))
        pasts.append(inputs["past_target"].numpy()[batches.origins()[1] <= split])
    assert np.array_equal(*pasts)


def test_interpolation_inside_the_past_is_a_straight_line() -> None:
    frame = pd.DataFrame(
        {"a": [0, np.nan, 4, 5, np.nan, 9, 1]}, index=pd.date_range("2024", periods=7, freq="D")
    )
    batches = WindowBatches(load_series(frame, missing="interpolate"), lookback=5, horizon=1)
    inputs, _, _ = gather(batches.epoch(0))
    assert inputs["past_target"].tolist() == [[0, 2, 4, 5, 5], [2, 4, 5, 7, 9]]


def test_next_and_last_observed() -> None:
    observed = np.array([True, False, True, False, False])
    assert next_observed(observed).tolist() == [0, 2, 2, 5, 5]
    series = make_set([5], holes=True)[0]
    assert last_values(series).tolist() == [0, 1, 1, 1, 4]


def test_statistics_know_the_training_part_only() -> None:
    series_set = make_set([100, 50], holes=True)
    split = parse_split("0.5,0.2,0.3")
    statistics = training_statistics(series_set, split)
    for number, length in ((0, 50), (1, 25)):
        one = series_set[number]
        values = one.target[:length][one.observed[:length]].astype(np.float64)
        assert statistics.mean[number] == pytest.approx(values.mean())
        assert statistics.standard_deviation[number] == pytest.approx(values.std(), rel=1e-6)
        assert statistics.mean_absolute[number] == pytest.approx(np.abs(values).mean())
    rows = np.concatenate([np.arange(50.0), np.arange(25.0)])
    assert statistics.past_mean == pytest.approx([rows.mean(), -rows.mean()])
    assert statistics.future_standard_deviation == pytest.approx([rows.std()])
    assert statistics.static_mean == pytest.approx([0.5])


def test_statistics_of_constant_and_unobserved_series() -> None:
    times = pd.date_range("2024", periods=10, freq="D")
    frame = pd.DataFrame(
        {"a": 0.1, "b": [np.nan] * 8 + [3.0, 4.0], "c": np.arange(10.0)}, index=times
    )
    statistics = training_statistics(load_series(frame), parse_split("0.5,0.2,0.3"))
    assert statistics.constant.tolist() == [True, False, False]
    # The second has no value in the training part, and is measured on those that it has.
    assert statistics.standard_deviation[:2].tolist() == [1, 0.5]
    assert statistics.mean.tolist() == pytest.approx([0.1, 3.5, 2])
    assert statistics.mean_absolute.tolist() == pytest.approx([0.1, 3.5, 2])


def test_too_short_series_are_named() -> None:
    with pytest.raises(DataError) as caught:
        WindowBatches(make_set([9, 8]), lookback=6, horizon=4)
    assert "lookback 6 + horizon 4" in str(caught.value)
    assert "'s0'" in str(caught.value)
    batches = WindowBatches(make_set([10, 8]), lookback=6, horizon=4)
    assert batches.series_without_windows == ("s1",)


@pytest.mark.parametrize("name", ["lookback", "horizon", "stride", "batch_size"])
def test_sizes_must_be_positive(name: str) -> None:
    sizes = {"lookback": 2, "horizon": 2, name: 0}
    with pytest.raises(ConfigurationError, match=name):
        WindowBatches(make_set([10]), **sizes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.7",
        "0.7,0.3",
        "a,b,c",
        "0.7,0.2,0.2",
        "-0.1,0.5,0.5",
        "0,1,2",
        "1,2,3,4",
        "2024-02-01,2024-01-01",
        "nan,0.5,0.5",
    ],
)
def test_splits_that_cannot_be(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_split(text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("0.7,0.2,0.2", "at most 1 together"),
        ("0.0,0.5,0.5", "the share of training must be above 0"),
        ("0,1,2", "the training part of the split has no rows"),
        ("2024-02-01,2024-01-01", "the times of the split must ascend"),
        ("2024-01-01,2024-02-01,0", "no part is left out by times"),
        ("0.7,0.3", "write three shares such as 0.7,0.1,0.2, three numbers of rows"),
        ("2024-01-01T00:00Z,2024-02-01", "with and without an offset from UTC"),
    ],
)
def test_a_split_that_cannot_be_is_refused_with_its_own_cause(text: str, cause: str) -> None:
    with pytest.raises(ConfigurationError, match=cause):
        parse_split(text)


def test_times_of_a_split_with_an_offset_are_instants() -> None:
    hours = pd.date_range("2024-06-01", periods=200, freq="h", tz="Europe/Berlin")
    series_set = load_series(pd.DataFrame({"y": np.arange(200.0)}, index=hours))
    borders = [
        part_rows(parse_split(text).validation, series_set[0], series_set)
        for text in (
            "2024-06-05 00:00,2024-06-07 00:00",
            "2024-06-05T00:00+02:00,2024-06-07T00:00+0200",
            "2024-06-04 22:00Z,2024-06-06T22Z",
            "2024-06-04T17:00-05,2024-06-06T17:00:00-05:00",
        )
    ]
    assert set(borders) == {(96, 144)}
    with pytest.raises(ConfigurationError, match=r"split = .* has an offset .* have no time zone"):
        WindowBatches(
            make_set([20]), lookback=2, horizon=1,
            part=parse_split("2024-01-02T00:00Z,2024-01-03T00:00Z").test,
        )  # fmt: skip


def test_a_split_beyond_the_data_is_named() -> None:
    with pytest.raises(DataError, match="asks for 30 time steps, the data has 20"):
        WindowBatches(make_set([20]), lookback=2, horizon=1, part=parse_split("10,10,10").test)


def test_the_latest_windows_continue_every_series() -> None:
    series_set = make_set([10, 7])
    with pytest.raises(DataError, match="f must be known for 2 steps"):
        latest_windows(series_set, 3, 2)
    frame = pd.DataFrame(
        {"a": [1.0, 2, 3, np.nan, np.nan], "known": [0.0, 1, 2, 3, 4]},
        index=pd.date_range("2024-01-31", periods=5, freq="ME"),
    )
    inputs = latest_windows(load_series(frame, future_covariates=("known",)), 2, 2)
    assert inputs["past_target"].tolist() == [[2, 3]]
    assert inputs["future_covariates"].ravel().tolist() == [1, 2, 3, 4]
    days = inputs["times"].astype("datetime64[m]").astype("datetime64[D]").astype(str).tolist()
    assert days == [["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]]
    with pytest.raises(DataError, match="has 3 time steps, the model looks back on 4"):
        latest_windows(load_series(frame, future_covariates=("known",)), 4, 2)


def test_plain_datasets_for_a_loop_of_ones_own() -> None:
    train, validation, test = forecasting_datasets(
        make_set([100]), lookback=4, horizon=2, batch_size=16, split="0.6,0.2,0.2"
    )
    assert [sum(len(y) for _, y, _ in part) for part in (train, validation, test)] == [55, 19, 19]
    first, second = (gather(train)[1][:, 0].tolist() for _ in range(2))
    assert first != second and sorted(first) == sorted(second)
    assert max(first) < 60


def test_a_keras_model_fits_on_the_plain_datasets() -> None:
    import keras

    train, validation, _ = forecasting_datasets(
        pd.DataFrame({"a": np.sin(np.arange(200) / 5)}, index=pd.date_range("2024", periods=200)),
        lookback=8,
        horizon=2,
    )
    past = keras.Input((8,), name="past_target")
    outputs = keras.layers.Reshape((2, 1))(keras.layers.Dense(2)(past))
    model = keras.Model({"past_target": past}, outputs)
    model.compile("adam", "mse")
    train, validation = (
        part.map(lambda inputs, y, w: ({"past_target": inputs["past_target"]}, y[..., None], w))
        for part in (train, validation)
    )
    history = model.fit(train, validation_data=validation, epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]


def test_missing_targets_do_not_tell_the_next_value() -> None:
    """A DeepAR is fed them in training, as if they had been observed."""
    none = np.nan
    values = [3, 5, none, 9, 4, 8, 2, 7, none, 1, none, 6, none, 2]
    frame = pd.DataFrame({"a": values}, index=pd.date_range("2024", periods=14, freq="D"))
    batches = WindowBatches(load_series(frame, missing="interpolate"), lookback=6, horizon=6)
    _, targets, weights = gather(batches.epoch(0))
    assert targets[1].tolist() == [7, 7, 1, 1, 6, 6]
    assert weights[1].tolist() == [1, 0, 1, 0, 1, 0]
