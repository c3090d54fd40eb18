"""Makes regular series of the columns that were read."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.common_frequency import check_fractions, check_steps, common_frequency
from pipelines.series.filled_covariates import CutRows, FilledCovariates, filled_covariates
from pipelines.series.options import NONE, SeriesOptions
from pipelines.series.reading.column_roles import ColumnRoles
from pipelines.series.reading.table_reading import Columns
from pipelines.series.regular_grid import Grid, Rows, SourceRows, counted_rows, lay_on_grid
from pipelines.series.static_covariates import static_values
from pipelines.series.tables.missing_values import fill, likely_marker
from pipelines.series.time_series import SeriesSet, TimeSeries, refuse_equal_names
from pipelines.series.times.numeric_times import STEPS
from pipelines.series.times.time_zones import localize, seem_local_days
from pipelines.series.times.timestamps import (
    FINER_THAN_SECONDS,
    STEP,
    anchored,
    current_alias,
    fixed_seconds,
    wall_clock_minutes,
)

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.datetime64]
Chosen = slice | npt.NDArray[np.int64]
"""The rows of a series in time order: a slice, which avoids a copy, if they are consecutive."""

Group = tuple[str, Chosen, Times]


class SeriesAssembly:
    """Makes the series from the columns that were read; its methods are the steps, in order.

    Args:
        columns: columns that were read.
        roles: roles of the columns.
        options: treatment of what is irregular.
        report: report that receives the findings.
        keep_rows: True to keep the rows of the source that each series comes from.
    """

    def __init__(
        self,
        columns: Columns,
        roles: ColumnRoles,
        options: SeriesOptions,
        report: DataReport,
        keep_rows: bool = False,
    ) -> None:
        self.columns = columns
        self.roles = roles
        self.options = options
        self.report = report
        self.zone = columns.zone
        self.counted = False
        self.keep_rows = keep_rows

    def series_set(self) -> SeriesSet:
        """The series, on one grid or each on its own.

        Raises:
            DataError: the rows cannot be series, or two series would have the same name; the
                message names file, row and column.
        """
        groups = self._ordered_groups()
        self._check_local_days(groups)
        self.counted = self.columns.time_format == STEPS
        if self.options.gaps == "count" and not self.counted:
            groups = self._counted(groups)
        self._check_fractions(groups)
        frequency = self._frequency(groups)
        self._drop_empty_targets()
        groups = self._with_values(groups)
        statics, static_names = self._static_values(groups)
        series: list[TimeSeries] = []
        source_rows: dict[str, SourceRows] = {}
        rows = 0
        cut = CutRows(frequency, not self.roles.id, self.report)
        for number, (name, chosen, times) in enumerate(groups):
            where = self._rows(name, chosen)
            grid = lay_on_grid(times, frequency, self.options, where, self.report)
            rows = len(grid.times)
            made = self._series_of_group(name, grid, chosen, statics[number], cut)
            if self.keep_rows:
                source_rows |= {one.name: SourceRows(grid, where) for one in made}
            series += made
        cut.check()
        refuse_equal_names(series, self.report.source)
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
            categories=self.columns.categories,
            source_rows=source_rows,
        )

    def _counted(self, groups: list[Group]) -> list[Group]:
        """The groups with their rows counted in place of the times."""
        self.counted, self.zone = True, ""
        self.report.note("rows", "kept as they are and counted", self.roles.time)
        finer = self.columns.fractions is not None
        return [
            (name, chosen, counted_rows(times, self._rows(name, chosen), finer))
            for name, chosen, times in groups
        ]

    def _check_fractions(self, groups: list[Group]) -> None:
        fractions = self.columns.fractions
        if fractions is None or self.counted:
            return
        for name, chosen, times in groups:
            file = self._rows(name, chosen).file(0)
            check_fractions(times, fractions[chosen], file, self.roles.time, FINER_THAN_SECONDS)

    def _drop_empty_targets(self) -> None:
        """Drops empty columns of a wide table that were taken as targets by default."""
        targets = self.roles.targets
        if self.roles.id or self.options.targets:
            return
        filled = tuple(c for c in targets if not np.isnan(self.columns.numbers[c]).all())
        if not filled or len(filled) == len(targets):
            return
        for column in targets:
            if column not in filled:
                self.report.note("columns without any value", "left out", column)
        self.roles = dataclasses.replace(self.roles, targets=filled)

    def _with_values(self, groups: list[Group]) -> list[Group]:
        """The groups of a long table without those whose targets have no value."""
        if not self.roles.id:
            return groups
        kept = []
        for name, chosen, times in groups:
            known = (~np.isnan(self.columns.numbers[c][chosen]) for c in self.roles.targets)
            if all(values.any() for values in known):
                kept.append((name, chosen, times))
            else:
                self.report.note("series without any value", "left out", f"series {name!r}")
        if not kept:
            raise DataError("no series has a value", file=self.report.source)
        return kept

    def _settled(self, frequency: str) -> SeriesOptions:
        roles = self.roles
        return dataclasses.replace(
            self.options,
            layout="rows" if self.options.layout == "rows" else "long" if roles.id else "wide",
            time_column=roles.time,
            id_column=roles.id,
            targets=roles.targets,
            past_covariates=roles.past or NONE,
            future_covariates=roles.future or NONE,
            static_covariates=roles.static or NONE,
            categories=tuple(dict.fromkeys((*self.options.categories, *roles.categories))),
            frequency=frequency,
            time_zone=self.options.time_zone or self.zone,
            time_format=self.options.time_format
            or (self.columns.time_format if roles.time else ""),
            decimal=self.options.decimal or self.columns.decimal,
        )

    def _rows(self, name: str, chosen: Chosen) -> Rows:
        places = self.columns.places
        if isinstance(chosen, slice):
            start = chosen.start
            return Rows(name, lambda i: places.file(start + i), lambda i: places.number(start + i))
        return Rows(
            name, lambda i: places.file(int(chosen[i])), lambda i: places.number(int(chosen[i]))
        )

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
            times = localize(times, self.zone, self._rows(name, chosen).file(0))
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

    def _check_local_days(self, groups: list[Group]) -> None:
        """Refuses days of a local clock that are stored in UTC, where they are no regular steps."""
        options = self.options
        if not self.columns.aware or options.time_zone or options.gaps == "count":
            return
        seconds = fixed_seconds(current_alias(options.frequency)) if options.frequency else None
        if seconds is not None and seconds < 86400:
            return
        clocks = (wall_clock_minutes(times, self.zone) for *_, times in groups)
        if options.irregular == "mean" or not all(map(seem_local_days, clocks)):
            return
        raise DataError(
            "the times are an hour apart on the clock in summer and in winter, as days of a local "
            "clock are that were stored in UTC",
            file=self.report.source,
            column=self.roles.time,
            advice="State time_zone, the zone of that clock, such as Europe/Berlin; if the times "
            "are meant as they are, choose irregular 'mean'.",
        )

    def _frequency(self, groups: list[Group]) -> str:
        """The stated frequency, or the one that most rows belong to."""
        named = [(name, times) for name, _, times in groups]
        stated = current_alias(self.options.frequency)
        if self.counted:
            if stated not in ("", STEP):
                raise DataError(
                    f"frequency {stated!r} is for times, but the rows are counted without a date",
                    file=self.report.source,
                    column=self.roles.time,
                    advice="Leave out the frequency, or give a column of times.",
                )
            return check_steps(named, self.roles.time, self.report)
        if stated == STEP:
            raise DataError(
                "frequency 'step' is for rows that are counted, but these rows have times",
                file=self.report.source,
                column=self.roles.time,
                advice="Give data of the same form as in training, or leave out the frequency.",
            )
        seconds = fixed_seconds(stated) if stated else None
        if not stated or seconds is None or seconds % 86400 == 0:
            self._drop_zone_of_days(groups)
        if not stated:
            return common_frequency(
                [(name, times) for name, _, times in groups], self.roles.time, self.report
            )
        if stated != self.options.frequency:
            self.report.note("frequency", f"{self.options.frequency} is called {stated} today")
        longest = max((times for _, _, times in groups), key=len)
        return anchored(stated, longest)

    def _drop_zone_of_days(self, groups: list[Group]) -> None:
        """Removes the zone of daily data, since with a zone some days would last 23 or 25 hours."""
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
        codes_and_values = {
            column: (
                [self._constant(column, name, codes, rows) for name, rows, _ in groups],
                values,
            )
            for column, (codes, values) in self.columns.static.items()
        }
        return static_values(codes_and_values, len(groups), self.report, self.options.categories)

    def _constant(self, column: str, name: str, codes: npt.NDArray[np.int32], rows: Chosen) -> int:
        own = codes[rows]
        other = np.flatnonzero(own != own[0])
        if len(other):
            raise DataError(
                f"changes within series {name!r}, so it is not static",
                file=self._rows(name, rows).file(int(other[0])),
                row=self._rows(name, rows).number(int(other[0])),
                column=column,
                advice="State it as a past or future covariate.",
            )
        return int(own[0])

    def _series_of_group(
        self, name: str, grid: Grid, chosen: Chosen, static: Floats, cut: CutRows
    ) -> list[TimeSeries]:
        past = self._covariates(self.roles.past, name, grid, chosen)
        future = self._covariates(self.roles.future, name, grid, chosen)
        several = len(self.roles.targets) > 1
        made = []
        for column in self.roles.targets:
            label = (f"{name}/{column}" if several else name) if self.roles.id else column
            values = self._spread(column, grid, chosen)
            made.append(self._one_series(label, column, values, grid, past, future, static, cut))
        return [one for one in made if one is not None]

    def _one_series(
        self,
        label: str,
        column: str,
        values: Floats,
        grid: Grid,
        past: FilledCovariates,
        future: FilledCovariates,
        static: Floats,
        cut: CutRows,
    ) -> TimeSeries | None:
        """The series of a column; None if it has no row in which all covariates are known."""
        observed = ~np.isnan(values)
        known = np.flatnonzero(observed)
        if not len(known):
            raise DataError(
                f"series {label!r} has no value at all",
                file=self.report.source,
                column=column,
                advice="Leave it out: state the targets.",
            )
        first, stop = int(known[0]), int(known[-1]) + 1
        where = f"series {label!r}"
        start = cut.begin(known, (past, future), grid.times, label)
        if start is None:
            return None
        marker = likely_marker(values)
        if marker is not None:
            self.report.note(
                "values that look like markers of missing values",
                f"kept as numbers: state missing_markers {marker:g} if they are markers",
                where,
                int(np.count_nonzero(values == marker)),
            )
        self.report.note("missing values before the first", "cut off", where, first)
        self.report.note("missing values after the last", "cut off", where, len(values) - stop)
        holes = int(np.count_nonzero(~observed[start:stop]))
        if holes:
            place = f"{where} at {grid.times[start + int(np.argmin(observed[start:stop]))]}"
            if self.options.missing == "error":
                raise DataError(
                    f"a value is missing in {place}, {holes} values in all",
                    file=self.report.source,
                    column=column,
                    advice="Fill it in, or choose another treatment with missing.",
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
            past.values[start:stop],
            future.values[start : max(stop, future.end)],
            static,
            offset=0 if self.roles.id else start,
        )

    def _spread(self, column: str, grid: Grid, chosen: Chosen) -> Floats:
        """The values of a column on the grid; categories have no mean, so that the last counts."""
        if column in self.columns.categories and grid.combine == "mean":
            grid = dataclasses.replace(grid, combine="last")
        return grid.spread(self.columns.numbers[column][chosen])

    def _covariates(
        self, names: tuple[str, ...], group: str, grid: Grid, chosen: Chosen
    ) -> FilledCovariates:
        columns = {name: self._spread(name, grid, chosen) for name in names}
        return filled_covariates(columns, len(grid.times), group, self.options.missing, self.report)
