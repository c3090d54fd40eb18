"""From any source to a set of regular time series."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.column_roles import ColumnRoles, find_roles
from pipelines.data_report import DataReport
from pipelines.errors import ConfigurationError, DataError, UserError
from pipelines.missing_values import fill
from pipelines.regular_grid import Grid, Rows, lay_on_grid
from pipelines.series_options import NONE, SeriesOptions
from pipelines.sources import Source, parse_source
from pipelines.table_reading import Columns, read_columns
from pipelines.tables import FrameTable, Table, open_table
from pipelines.time_columns import localize
from pipelines.time_series import SeriesSet, TimeSeries
from pipelines.timestamps import infer_frequency, offset_of, wall_clock_minutes

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.datetime64]
Chosen = slice | npt.NDArray[np.int64]
"""The rows of a series in time order: a slice, which copies nothing, where they lie so."""

Group = tuple[str, Chosen, Times]


def load_series(
    source: str | Source | pd.DataFrame,
    options: SeriesOptions | None = None,
    *,
    data_dir: str = "",
    **settings: Any,
) -> SeriesSet:
    """Loads time series, checked and laid on a regular grid.

    Args:
        source: "file:PATH[,PATH]", "builtin:NAME", "tfds:NAME[/CONFIG]" or a DataFrame, wide (a
            time column or index, one column a series) or long (id, time, value).
        options: which column is what and how data is treated; `settings` change single fields of
            it: `load_series(frame, targets=("load",), missing="interpolate")`.
        data_dir: where prepared TensorFlow datasets lie (tfds sources).

    Raises:
        DataError: the data cannot be used; the message names file, row and column.
    """
    chosen = dataclasses.replace(options or SeriesOptions(), **settings)
    _check_choices(chosen)
    report = DataReport()
    tables, chosen = _open(source, chosen, report, data_dir)
    roles = find_roles(tables[0], chosen, report)
    for table in tables:
        for note in table.notes:
            report.note(note, "taken so", table.name)
    columns = read_columns(tables, roles, chosen, report)
    return _Assembly(columns, roles, chosen, report).series_set()


def _check_choices(options: SeriesOptions) -> None:
    for field in dataclasses.fields(options):
        choices = field.metadata.get("choices")
        value = getattr(options, field.name)
        if choices and value not in choices:
            raise ConfigurationError(
                f"{field.name} = {value!r}: choose from {', '.join(filter(None, choices))}"
            )
    if options.frequency:
        offset_of(options.frequency)


def _open(
    source: str | Source | pd.DataFrame, options: SeriesOptions, report: DataReport, data_dir: str
) -> tuple[list[Table], SeriesOptions]:
    """The tables of a source, and the options completed by what the source knows of itself."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        report.source = "DataFrame"
        return [FrameTable(source)], options
    if not isinstance(source, str | os.PathLike | Source):
        raise UserError(
            f"data of type {type(source).__name__} cannot be read: give the name of a source, "
            "such as 'file:PATH', or a pandas DataFrame"
        )
    named = source if isinstance(source, Source) else parse_source(str(source))
    report.source = str(named)
    if named.kind == "file":
        return [open_table(path, options) for path in named.paths], options
    if named.kind == "builtin":
        from pipelines.builtin import builtin_data

        data = builtin_data(named.name, "forecasting")
        frame, defaults = data.load()
        return [FrameTable(frame, str(named))], complete(options, defaults)
    from pipelines.tensorflow_datasets import series_frame

    frame, defaults = series_frame(named, data_dir or None)
    return [FrameTable(frame, str(named))], complete(options, defaults)


def complete(options: SeriesOptions, defaults: SeriesOptions) -> SeriesOptions:
    """`options` with the fields that the user left alone taken from `defaults`.

    A column that the user gives a role to loses its default role.
    """
    plain = SeriesOptions()
    roles = ("targets", "past_covariates", "future_covariates", "static_covariates")
    claimed = {column for role in roles for column in getattr(options, role)}
    values = {}
    for field in dataclasses.fields(SeriesOptions):
        given, default = getattr(options, field.name), getattr(defaults, field.name)
        if given != getattr(plain, field.name):
            values[field.name] = given
        elif field.name in roles:
            values[field.name] = tuple(column for column in default if column not in claimed)
        else:
            values[field.name] = default
    return SeriesOptions(**values)


class _Assembly:
    """Makes the series from the columns that were read; its methods are the steps, in order."""

    def __init__(
        self, columns: Columns, roles: ColumnRoles, options: SeriesOptions, report: DataReport
    ) -> None:
        self.columns = columns
        self.roles = roles
        self.options = options
        self.report = report
        self.zone = columns.zone

    def series_set(self) -> SeriesSet:
        groups = self._ordered_groups()
        frequency = self.options.frequency or self._common_frequency(groups)
        statics, static_names = self._static_values(groups)
        series: list[TimeSeries] = []
        rows = 0
        for number, (name, chosen, times) in enumerate(groups):
            where = self._rows(name, chosen)
            grid = lay_on_grid(times, frequency, self.options, where, self.report)
            rows = len(grid.times)
            series += self._series_of_group(name, grid, chosen, statics[number])
        return SeriesSet(
            tuple(series),
            frequency,
            self.roles.past,
            self.roles.future,
            static_names,
            time_zone=self.zone,
            missing=self.options.missing,
            rows=0 if self.roles.id else rows,
            report=self.report,
            options=self._settled(frequency),
        )

    def _settled(self, frequency: str) -> SeriesOptions:
        roles = self.roles
        return dataclasses.replace(
            self.options,
            layout="long" if roles.id else "wide",
            time_column=roles.time,
            id_column=roles.id,
            targets=roles.targets,
            past_covariates=roles.past or NONE,
            future_covariates=roles.future or NONE,
            static_covariates=roles.static or NONE,
            frequency=frequency,
            time_zone=self.options.time_zone or self.zone,
        )

    def _rows(self, name: str, chosen: Chosen) -> Rows:
        places = self.columns.places
        if isinstance(chosen, slice):
            start = chosen.start
            return Rows(name, places.file(start), lambda i: places.number(start + i))
        return Rows(name, places.file(int(chosen[0])), lambda i: places.number(int(chosen[i])))

    def _ordered_groups(self) -> list[Group]:
        """Name, rows in time order and times of every series."""
        columns = self.columns
        ids = columns.ids
        if not self.roles.id:
            return [self._ordered("", slice(0, len(ids)), columns.times)]
        grouped = bool(np.all(ids[1:] >= ids[:-1]))
        order = None if grouped else np.argsort(ids, kind="stable")
        ascending = ids if order is None else ids[order]
        borders = np.searchsorted(ascending, np.arange(len(columns.id_names) + 1))
        groups = []
        for code, name in enumerate(columns.id_names):
            part = slice(int(borders[code]), int(borders[code + 1]))
            chosen = part if order is None else order[part]
            groups.append(self._ordered(name, chosen, columns.times[chosen]))
        return groups

    def _ordered(self, name: str, chosen: Chosen, times: Times) -> Group:
        if self.zone and not self.columns.aware:
            times = localize(times, self.zone, self._rows(name, chosen).file)
        descents = np.flatnonzero(times[1:] < times[:-1]) + 1
        if len(descents):
            rows, first = self._rows(name, chosen), int(descents[0])
            if self.options.unsorted == "error":
                raise rows.error(
                    f"the time {times[first]} comes after the later {times[first - 1]}",
                    first,
                    "Sort the rows, or choose unsorted 'sort'.",
                )
            self.report.note("times out of order", "sorted", rows.place(first), len(descents))
            order = np.argsort(times, kind="stable")
            chosen = chosen.start + order if isinstance(chosen, slice) else chosen[order]
            times = times[order]
        return name, chosen, times

    def _common_frequency(self, groups: list[Group]) -> str:
        """The frequency that most rows belong to."""
        self._drop_zone_of_days(groups)
        votes: Counter[str] = Counter()
        for _, _, times in groups:
            distinct = times if np.all(times[1:] > times[:-1]) else np.unique(times)
            votes[infer_frequency(distinct)] += len(distinct)
        several = any(len(times) > 1 for _, _, times in groups)
        votes.pop("", None)
        if not votes:
            raise DataError(
                "no step of time is shared by most rows"
                if several
                else "a single time stamp tells no step of time",
                file=self.report.source,
                column=self.roles.time,
                advice="State the frequency (and irregular 'mean'), or mend the time stamps.",
            )
        if "B" in votes and "D" in votes:
            del votes["B"]
        return votes.most_common(1)[0][0]

    def _drop_zone_of_days(self, groups: list[Group]) -> None:
        """Days are counted on the calendar: with a zone some would last 23 or 25 hours."""
        if not self.zone:
            return
        clocks = [wall_clock_minutes(times, self.zone) for _, _, times in groups]
        times_of_day = {int(minute) for clock in clocks for minute in np.unique(clock % 1440)}
        if len(times_of_day) > 1 or all(len(clock) < 2 for clock in clocks):
            return
        for number, (name, chosen, _) in enumerate(groups):
            days = clocks[number].astype("datetime64[m]").astype("datetime64[s]")
            groups[number] = (name, chosen, days)
        self.report.note("days with a time zone", "counted on the calendar of " + self.zone)
        self.zone = ""

    def _static_values(self, groups: list[Group]) -> tuple[Floats, tuple[str, ...]]:
        """Static covariates float32 [groups, S]: numbers as they are, categories as one of K."""
        parts: list[Floats] = []
        names: list[str] = []
        for column, (codes, values) in self.columns.static.items():
            found = [self._constant(column, name, codes, rows) for name, rows, _ in groups]
            numbers = _as_numbers(values)
            if numbers is not None:
                parts.append(numbers[found][:, None])
                names.append(column)
            else:
                kinds = sorted(values)
                hot = np.array([[values[code] == kind for kind in kinds] for code in found])
                parts.append(hot.astype(np.float32))
                names += [f"{column}={kind}" for kind in kinds]
        empty = np.zeros((len(groups), 0), np.float32)
        return np.concatenate([empty, *parts], axis=1, dtype=np.float32), tuple(names)

    def _constant(self, column: str, name: str, codes: npt.NDArray[np.int32], rows: Chosen) -> int:
        own = codes[rows]
        other = np.flatnonzero(own != own[0])
        if len(other):
            raise DataError(
                f"changes within series {name!r}, so it is not static",
                file=self._rows(name, rows).file,
                row=self._rows(name, rows).number(int(other[0])),
                column=column,
                advice="State it as a past or future covariate.",
            )
        return int(own[0])

    def _series_of_group(
        self, name: str, grid: Grid, chosen: Chosen, static: Floats
    ) -> list[TimeSeries]:
        past, _ = self._covariates(self.roles.past, name, grid, chosen)
        future, known = self._covariates(self.roles.future, name, grid, chosen)
        several = len(self.roles.targets) > 1
        made = []
        for column in self.roles.targets:
            label = (f"{name}/{column}" if several else name) if self.roles.id else column
            values = grid.spread(self.columns.numbers[column][chosen])
            made.append(self._one_series(label, column, values, grid, past, future, known, static))
        return made

    def _one_series(
        self,
        label: str,
        column: str,
        values: Floats,
        grid: Grid,
        past: Floats,
        future: Floats,
        known_future: int,
        static: Floats,
    ) -> TimeSeries:
        observed = ~np.isnan(values)
        known = np.flatnonzero(observed)
        if not len(known):
            raise DataError(
                f"series {label!r} has no value at all",
                file=self.report.source,
                column=column,
                advice="Leave it out: state the targets.",
            )
        start, stop = int(known[0]), int(known[-1]) + 1
        where = f"series {label!r}"
        self.report.note("missing values before the first", "cut off", where, start)
        self.report.note("missing values after the last", "cut off", where, len(values) - stop)
        holes = stop - start - len(known)
        if holes:
            place = f"{where} at {grid.times[start + int(np.argmin(observed[start:stop]))]}"
            if self.options.missing == "error":
                raise DataError(
                    f"{place} a value is missing, {holes} in all",
                    file=self.report.source,
                    column=column,
                    advice="Fill it, or choose another treatment of missing.",
                )
            self.report.note("missing values", self.options.missing, place, holes)
        target = fill(values[start:stop], self.options.missing)
        if target.min() == target.max():
            self.report.note("constant series", "kept, scaled by 1", where)
        return TimeSeries(
            label,
            grid.times[start:stop],
            target,
            observed[start:stop],
            past[start:stop],
            future[start : max(stop, known_future)],
            static,
            offset=0 if self.roles.id else start,
        )

    def _covariates(
        self, names: tuple[str, ...], group: str, grid: Grid, chosen: Chosen
    ) -> tuple[Floats, int]:
        """Covariates on the grid, float32 [T, len(names)], their holes filled from behind.

        Also the row up to which all of them are known.
        """
        known = len(grid.times)
        filled = []
        for name in names:
            values = grid.spread(self.columns.numbers[name][chosen])
            holes = int(np.count_nonzero(np.isnan(values)))
            where = f"column {name!r}" + (f" of series {group!r}" if group else "")
            if holes == len(values):
                raise DataError(f"{where} has no value at all", file=self.report.source)
            if holes and self.options.missing == "error":
                raise DataError(f"{where} lacks {holes} values", file=self.report.source)
            self.report.note("missing covariates", "forward_fill", where, holes)
            known = min(known, int(np.flatnonzero(~np.isnan(values))[-1]) + 1)
            filled.append(fill(values, "forward_fill"))
        if len(filled) == 1:
            # A view: stacking would copy the only column.
            return filled[0][:, None], known
        empty = np.empty((len(grid.times), 0), np.float32)
        return (np.stack(filled, axis=1) if filled else empty), known


def _as_numbers(values: list[str]) -> Floats | None:
    try:
        return np.array([float(value) for value in values], np.float32)
    except ValueError:
        return None
