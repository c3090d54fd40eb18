"""Windows of time series as batches: `lookback` past rows and `horizon` rows to forecast."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.batches import IndexedBatches
from pipelines.series.splits import Part, part_rows
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.timestamps import show_time

if TYPE_CHECKING:
    import tensorflow as tf

Array = npt.NDArray[Any]


class WindowBatches(IndexedBatches):
    """Every (series, origin) of a part as one univariate example, for one global model.

    The origin is the first row to forecast. A window belongs to a part if all its targets do; its
    past may reach back across the border. All windows are full: none starts before the series.

    Yields (inputs, targets, weights), all of them unscaled:
        inputs: dict of "past_target" float32 [batch, lookback], "times" int32
            [batch, lookback + horizon] (minutes since 1970-01-01 in local wall-clock time),
            "series_index" int32 [batch] and, if the set has them, "past_covariates" float32
            [batch, lookback, P], "future_covariates" float32 [batch, lookback + horizon, F],
            "static_covariates" float32 [batch, S].
        targets: float32 [batch, horizon]. Where the truth is missing it is the value before, or 0
            where zeros fill what is missing; never one that is interpolated.
        weights: float32 [batch, horizon], 0 where the truth is missing and in rows of padding.

    Args:
        series_set: the series to cut into windows.
        lookback: number of past rows in a window.
        horizon: number of rows to forecast.
        part: borders (start, stop) of the part, see `pipelines.series.splits.Part`; None for all
            rows.
        batch_size: number of windows in a batch.
        shuffle: True for a new order of the windows in every epoch.
        seed: seed of the order, at least 0.
        stride: number of rows from one origin to the next.

    Raises:
        DataError: no series is long enough for a single window.
    """

    def __init__(
        self,
        series_set: SeriesSet,
        *,
        lookback: int,
        horizon: int,
        part: Part | None = None,
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        stride: int = 1,
    ) -> None:
        for name, value in (("lookback", lookback), ("horizon", horizon), ("stride", stride)):
            if value < 1:
                raise ConfigurationError(f"{name} = {value} must be at least 1")
        self.series_set = series_set
        self.lookback = lookback
        self.horizon = horizon
        self.stride = stride
        self.part = part
        parts = [part_rows(part, series, series_set) for series in series_set]
        self.first_origins = np.array([max(start, lookback) for start, _ in parts], np.int64)
        last = np.array([stop - horizon for _, stop in parts], np.int64)
        self.windows_per_series = np.maximum((last - self.first_origins) // stride + 1, 0)
        if not self.windows_per_series.sum():
            raise _no_window(series_set, parts, lookback, horizon)
        super().__init__(
            int(self.windows_per_series.sum()), batch_size=batch_size, shuffle=shuffle, seed=seed
        )
        self._gather: Callable[..., Any] | None = None

    @property
    def series_without_windows(self) -> tuple[str, ...]:
        """The names of the series that are too short for a window in this part."""
        names = self.series_set.names
        return tuple(names[i] for i in np.flatnonzero(self.windows_per_series == 0))

    def origins(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Series index, int32, and row of the origin, int64, of every example, unshuffled."""
        counts = self.windows_per_series
        index = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        ends = np.cumsum(counts)
        number = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        return index, self.first_origins[index] + number * self.stride

    def observed_truth(self) -> tuple[int, npt.NDArray[np.int64]]:
        """The number of windows with any observed target, and with one at each horizon step.

        Returns:
            The number of windows, and int64 [horizon].
        """
        windows = 0
        by_step = np.zeros(self.horizon, np.int64)
        steps = np.arange(self.horizon)
        for series, first, count in zip(
            self.series_set, self.first_origins, self.windows_per_series, strict=True
        ):
            if not count:
                continue
            known = np.concatenate([[0], np.cumsum(series.observed)])
            origins = first + np.arange(count) * self.stride
            windows += int(np.count_nonzero(known[origins + self.horizon] > known[origins]))
            if self.stride == 1:
                by_step += known[first + count + steps] - known[first + steps]
            else:
                by_step += series.observed[origins[:, None] + steps].sum(axis=0)
        return windows, by_step

    def gather(self, numbers: tf.Tensor, real: tf.Tensor) -> tuple[Any, Any, Any]:
        """See `IndexedBatches.gather`."""
        if self._gather is None:
            self._gather = _window_gatherer(self)
        return self._gather(numbers, real)


def _no_window(
    series_set: SeriesSet, parts: list[tuple[int, int]], lookback: int, horizon: int
) -> DataError:
    longest = max(range(len(parts)), key=lambda i: parts[i][1] - parts[i][0])
    start, stop = parts[longest]
    series = series_set[longest]
    extent = f"{stop - start} of its {len(series)} time steps"
    if stop > start:
        first, last = (show_time(series.times[i], series_set.frequency) for i in (start, stop - 1))
        extent += f", {first} to {last}"
    return DataError(
        f"no window of lookback {lookback} + horizon {horizon} time steps fits: the longest part, "
        f"of series {series.name!r}, has {extent}",
        file=series_set.report.source,
        advice="Give more data, another split, or a smaller lookback or horizon.",
    )


class _FlatRows:
    """Arrays of all series in one array, each distinct array once, and the row where each begins.

    In a wide table all series share the covariates and times; repeated for every series they would
    fill the memory.
    """

    def __init__(self, arrays: list[Array]) -> None:
        starts: dict[tuple[Any, ...], int] = {}
        distinct: list[Array] = []
        places = []
        size = 0
        for array in arrays:
            key = (array.__array_interface__["data"][0], array.shape, array.strides)
            if key not in starts:
                starts[key] = size
                distinct.append(array)
                size += len(array)
            places.append(starts[key])
        self.rows = distinct[0] if len(distinct) == 1 else np.concatenate(distinct)
        self.places = np.array(places, np.int64)


def _window_gatherer(batches: WindowBatches) -> Callable[..., Any]:
    """A function of (numbers, real) that gathers windows from tensors held in memory."""
    import tensorflow as tf

    series_set = batches.series_set
    lookback, horizon = batches.lookback, batches.horizon
    # Outside of any graph being traced, so that the tensors are made once for all epochs.
    with tf.init_scope(), tf.device("CPU:0"):
        counts = batches.windows_per_series
        ends, before = tf.constant(np.cumsum(counts)), tf.constant(np.cumsum(counts) - counts)
        first_origins = tf.constant(batches.first_origins)
        take_past = _past_taker(series_set)
        take_truth = _truth_taker(series_set)
        take_observed = _taker([series.observed for series in series_set])
        take_times = _taker(_wall_clocks(series_set))
        # Without covariates the arrays have no columns, and nothing is taken from them.
        take_past_covariates = _taker([series.past_covariates for series in series_set])
        take_future_covariates = _taker([series.future_covariates for series in series_set])
        static = tf.constant(np.stack([series.static_covariates for series in series_set]))

    def gather(numbers: tf.Tensor, real: tf.Tensor) -> tuple[Any, Any, Any]:
        index = tf.searchsorted(ends, numbers, side="right", out_type=tf.int64)
        origin = tf.gather(first_origins, index)
        origin += (numbers - tf.gather(before, index)) * batches.stride
        past = origin[:, None] + tf.range(-lookback, 0, dtype=tf.int64)
        future = origin[:, None] + tf.range(horizon, dtype=tf.int64)
        whole = tf.concat([past, future], axis=1)
        inputs = {
            "past_target": take_past(index, past, origin),
            "times": take_times(index, whole),
            "series_index": tf.cast(index, tf.int32),
        }
        if series_set.past_names:
            inputs["past_covariates"] = take_past_covariates(index, past)
        if series_set.future_names:
            inputs["future_covariates"] = take_future_covariates(index, whole)
        if series_set.static_names:
            inputs["static_covariates"] = tf.gather(static, index)
        weights = tf.cast(take_observed(index, future), tf.float32) * real[:, None]
        return inputs, take_truth(index, future), weights

    return gather


def _taker(arrays: list[Array]) -> Callable[..., Any]:
    """A function of (index [batch], rows [batch, n]) that gathers rows of the indexed arrays."""
    import tensorflow as tf

    flat = _FlatRows(arrays)
    rows, places = tf.constant(flat.rows), tf.constant(flat.places)

    def take(index: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        return tf.gather(rows, tf.gather(places, index)[:, None] + positions)

    return take


def _past_taker(series_set: SeriesSet) -> Callable[..., Any]:
    """As `_taker`, for the past of the target, which must not contain anything after the origin.

    A value interpolated between two observed values leaks the later one into the past if that one
    is after the origin. In this case the last observed value is taken instead.
    """
    import tensorflow as tf

    take_target = _taker([series.target for series in series_set])
    if series_set.missing != "interpolate" or all(series.observed.all() for series in series_set):
        return lambda index, rows, origin: take_target(index, rows)
    take_next = _taker([next_observed(series.observed) for series in series_set])
    take_last = _taker([last_values(series) for series in series_set])

    def take(index: tf.Tensor, rows: tf.Tensor, origin: tf.Tensor) -> tf.Tensor:
        leaks = take_next(index, rows) >= origin[:, None]
        return tf.where(leaks, take_last(index, rows), take_target(index, rows))

    return take


def _truth_taker(series_set: SeriesSet) -> Callable[..., Any]:
    """As `_taker`, for the targets: a value between two observed ones would tell the next one."""
    if series_set.missing == "interpolate":
        return _taker([last_values(series) for series in series_set])
    return _taker([series.target for series in series_set])


def next_observed(observed: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The first observed row at or after every row, or the length if there is none, int64 [T]."""
    rows = np.where(observed, np.arange(len(observed)), len(observed))
    return np.minimum.accumulate(rows[::-1])[::-1]


def last_values(series: TimeSeries) -> npt.NDArray[np.float32]:
    """The target with missing values replaced by the last observed value, float32 [T]."""
    rows = np.where(series.observed, np.arange(len(series)), 0)
    return series.target[np.maximum.accumulate(rows)]


def _wall_clocks(series_set: SeriesSet) -> list[Array]:
    """Wall-clock minutes of each series; series that share their times share the result."""
    minutes: dict[tuple[Any, ...], Array] = {}
    clocks = []
    for series in series_set:
        times = series.times
        key = (times.__array_interface__["data"][0], times.shape, times.strides)
        if key not in minutes:
            minutes[key] = series_set.wall_clock(times)
        clocks.append(minutes[key])
    return clocks
