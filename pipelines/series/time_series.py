"""Time series in memory: float32 arrays on a regular grid of times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.options import SeriesOptions
from pipelines.series.regular_grid import SourceRows
from pipelines.series.times.timestamps import future_times as continue_times
from pipelines.series.times.timestamps import show_time, wall_clock_minutes

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TimeSeries:
    """One series of T rows on a regular grid.

    Attributes:
        name: the column's name, the id, or "id/column".
        times: times of the rows, datetime64[s] [T]: UTC if the set has a time zone, else local
            wall-clock time.
        target: values to forecast, float32 [T], without NaN: missing values are filled by the
            policy of the set.
        observed: False for each row whose target was missing, bool [T].
        past_covariates: covariates known up to the present only, float32 [T, P].
        future_covariates: covariates known ahead, float32 [T + E, F]; E >= 0 rows are known beyond
            the end of the target.
        static_covariates: covariates that do not change with time, float32 [S].
        offset: number of rows of the common grid before the first observation of this series.
            Borders in rows or shares refer to the common grid, so that the training part of one
            column never reaches into the test period of another.
        padding: number of rows at the beginning that were added and are not observed; see
            `pipelines.series.short_series`. They belong to no part of a split.
    """

    name: str
    times: npt.NDArray[np.datetime64]
    target: Floats
    observed: npt.NDArray[np.bool_]
    past_covariates: Floats
    future_covariates: Floats
    static_covariates: Floats
    offset: int = 0
    padding: int = 0

    def __len__(self) -> int:
        return len(self.target)

    def __repr__(self) -> str:
        if not len(self):
            return f"TimeSeries({self.name!r}, empty)"
        return f"TimeSeries({self.name!r}, {len(self)} rows, {self.times[0]} to {self.times[-1]})"


def refuse_equal_names(series: Sequence[TimeSeries], source: str) -> None:
    """Refuses two series of the same name, of which only the first one could be named.

    Args:
        series: series of a set.
        source: name of their source, for messages.

    Raises:
        DataError: two series have the same name.
    """
    names: set[str] = set()
    for one in series:
        if one.name in names:
            raise DataError(
                f"two series have the name {one.name!r}, as '/' stands between id and column and "
                "in them",
                file=source,
                advice="Write another sign than / in the ids or in the names of the columns.",
            )
        names.add(one.name)


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Series for one global model, with the same frequency, covariates and time zone.

    Attributes:
        series: the series, in order.
        frequency: a pandas offset alias ("h", "30min", "D", "B", "MS", ...).
        past_names, future_names, static_names: names of the covariates, in the order of columns.
        time_zone: zone of the local wall clock if the times are instants (UTC), else "".
        missing: the policy by which missing targets were filled (`SeriesOptions.missing`).
        rows: length of the common grid of a wide table; 0 for a long table, whose series differ in
            length.
        report: what was unusual in the data, and how it was treated.
        options: the options with which the set was read, with all detected values filled in, so
            that other data can be read in the same way.
        categories: names of the categories of each covariate whose values are codes, places in this
            list; see `pipelines.series.covariates.categories`.
        source_rows: rows of the source that each series comes from, by its name, for messages; kept
            for tables of covariates only.
    """

    series: tuple[TimeSeries, ...]
    frequency: str
    past_names: tuple[str, ...] = ()
    future_names: tuple[str, ...] = ()
    static_names: tuple[str, ...] = ()
    time_zone: str = ""
    missing: str = "forward_fill"
    rows: int = 0
    report: DataReport = field(default_factory=DataReport)
    options: SeriesOptions = field(default_factory=SeriesOptions)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source_rows: Mapping[str, SourceRows] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[TimeSeries]:
        return iter(self.series)

    def __getitem__(self, key: int | str) -> TimeSeries:
        """A series by position or by name."""
        if isinstance(key, str):
            return self.series[self.index(key)]
        return self.series[key]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the series, in order."""
        return tuple(series.name for series in self.series)

    def shown(self, time: np.datetime64) -> str:
        """A time for a message, as the data has it: in local time where there is a time zone."""
        if self.time_zone:
            minutes = self.wall_clock(np.array([time]))[0]
            time = np.datetime64(int(minutes), "m").astype("datetime64[s]")
        return show_time(time, self.frequency)

    def index(self, name: str) -> int:
        """The position of the series called `name`.

        Raises:
            DataError: there is no such series.
        """
        for position, series in enumerate(self.series):
            if series.name == name:
                return position
        known = ", ".join(self.names[:10])
        known += f" and {len(self) - 10} more" if len(self) > 10 else ""
        raise DataError(
            f"no series is called {name!r}", file=self.report.source, advice=f"Available: {known}."
        )

    def select(self, names: tuple[str, ...]) -> SeriesSet:
        """The set of the named series only, in the order of `names`."""
        return replace(self, series=tuple(self[name] for name in names))

    def future_times(self, series: TimeSeries, horizon: int) -> npt.NDArray[np.datetime64]:
        """The `horizon` time stamps after the end of `series`, datetime64[s] [horizon]."""
        return continue_times(series.times[-1], self.frequency, horizon)

    def wall_clock(self, times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int32]:
        """Minutes since 1970-01-01 00:00 in local wall-clock time, int32 [times]."""
        return wall_clock_minutes(times, self.time_zone)


def latest_windows(
    series_set: SeriesSet, lookback: int, horizon: int
) -> dict[str, npt.NDArray[np.generic]]:
    """The inputs with which a model forecasts beyond the end of every series.

    Args:
        series_set: the series to continue.
        lookback: number of past rows that the model reads.
        horizon: number of rows to forecast.

    Returns:
        The inputs that `WindowBatches` yields, with one row per series: "past_target" float32
        [series, lookback], "times" int32 [series, lookback + horizon], "series_index" int32
        [series], and the covariates that the set has.

    Raises:
        DataError: a series is shorter than `lookback`, or its known-future covariates do not
            reach `horizon` rows beyond its end.
    """
    rows: dict[str, list[npt.NDArray[np.generic]]] = {}
    for series in series_set:
        error = _reach_error(series, series_set, lookback, horizon)
        if error is not None:
            raise error
        times = np.concatenate([series.times[-lookback:], series_set.future_times(series, horizon)])
        rows.setdefault("past_target", []).append(series.target[-lookback:])
        rows.setdefault("times", []).append(series_set.wall_clock(times))
        if series_set.past_names:
            rows.setdefault("past_covariates", []).append(series.past_covariates[-lookback:])
        if series_set.future_names:
            start = len(series) - lookback
            window = series.future_covariates[start : len(series) + horizon]
            rows.setdefault("future_covariates", []).append(window)
        if series_set.static_names:
            rows.setdefault("static_covariates", []).append(series.static_covariates)
    inputs = {key: np.stack(values) for key, values in rows.items()}
    inputs["series_index"] = np.arange(len(series_set), dtype=np.int32)
    return inputs


def with_reach(
    series_set: SeriesSet, lookback: int, horizon: int
) -> tuple[SeriesSet, dict[str, str]]:
    """The series whose end can be forecast, and the reason for each other series, by name.

    Args:
        series_set: the series to continue.
        lookback: number of past rows that the model reads.
        horizon: number of rows to forecast.

    Raises:
        DataError: no series can be forecast; the error is that of the first series.
    """
    reached: list[TimeSeries] = []
    errors: dict[str, DataError] = {}
    for series in series_set:
        error = _reach_error(series, series_set, lookback, horizon)
        if error is None:
            reached.append(series)
        else:
            errors[series.name] = error
    if not reached:
        raise next(iter(errors.values()))
    reasons = {name: error.problem for name, error in errors.items()}
    return (replace(series_set, series=tuple(reached)) if errors else series_set), reasons


def _reach_error(
    series: TimeSeries, series_set: SeriesSet, lookback: int, horizon: int
) -> DataError | None:
    source = series_set.report.source
    if len(series) < lookback:
        return DataError(
            f"series {series.name!r} has {len(series)} time steps, the model looks back on "
            f"{lookback}",
            file=source,
            advice="Give a longer history.",
        )
    known = len(series.future_covariates) - len(series)
    if series_set.future_names and known < horizon:
        names = ", ".join(series_set.future_names)
        last = show_time(series.times[-1], series_set.frequency)
        return DataError(
            f"{names} must be known for {horizon} steps after {last}, the end of series "
            f"{series.name!r}; the data has {known}",
            file=source,
            advice="Add rows with these times, the known columns filled and the target left empty.",
        )
    return None
