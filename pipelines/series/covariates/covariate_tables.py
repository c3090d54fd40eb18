"""Covariates in a table of their own, joined with the series by id and time.

A table has the times and, if the values differ between the series, the id; each further column is a
covariate that is known ahead. It goes beyond the end of the series as far as the future is known.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.base.stated_columns import nearest_columns
from pipelines.data_report import DataReport
from pipelines.series.covariates.categories import UNKNOWN, new_codes, shown
from pipelines.series.options import NONE, SeriesOptions
from pipelines.series.regular_grid import SourceRows
from pipelines.series.tables.joined_columns import named_columns
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.timestamps import STEP, show_time

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.datetime64]

_MOST_NAMES = 5
_BUSINESS_DAY, _EVERY_DAY = "B", "D"


def table_options(
    options: SeriesOptions,
    columns: Sequence[str],
    frequency: str,
    names: tuple[str, ...],
    file: str = "",
) -> SeriesOptions:
    """The options with which a table of covariates is read: its covariates are what is read.

    Args:
        options: options with which the series were read, with the table's own delimiter and decimal
            mark.
        columns: names of the table's columns.
        frequency: step of the series.
        names: names of the covariates; empty for all columns without another role.
        file: name of the table, for messages.

    Raises:
        DataError: the table does not have one of these columns.
    """
    for name in names:
        if name not in columns:
            raise DataError(
                f"there is no column {name!r}, which is stated as known ahead: with a table of "
                "covariates, all that is known ahead comes from the table",
                file=file,
                advice=nearest_columns(name, columns),
            )

    def there(stated: str) -> str:
        return stated if stated and set(named_columns(stated, columns)) <= set(columns) else ""

    identity = there(options.id_column)
    return dataclasses.replace(
        options,
        layout="long" if identity else "auto",
        time_column=there(options.time_column),
        id_column=identity,
        targets=names,
        past_covariates=NONE,
        future_covariates=NONE,
        static_covariates=NONE,
        # A calendar of all days holds the business days.
        frequency=_EVERY_DAY if frequency == _BUSINESS_DAY else frequency,
        missing="forward_fill",
        gaps="count" if options.gaps == "count" else "fill",
        covariates="",
        categories=tuple(name for name in options.categories if name in (names or columns)),
    )


def joined(series_set: SeriesSet, table: SeriesSet) -> SeriesSet:
    """The series with the covariates of a table, which has to hold every time step of theirs.

    Args:
        series_set: series without covariates that are known ahead.
        table: covariates, read as series with `table_options`. Its `unknown_categories` says
            whether an empty cell of a category is refused or read as none of the known ones.

    Raises:
        DataError: the table lacks a series, or a value at a time step of the data or between later
            ones; or it has another time zone or the name of a target.
    """
    covariates = _Covariates(series_set, table, table.options.unknown_categories)
    taken = set(covariates.names) & {*series_set.options.targets, *series_set.past_names}
    if taken:
        raise DataError(
            f"has the column {min(taken)!r}, which the data has too",
            file=covariates.file,
            advice="Rename it, or state the targets and the covariates.",
        )
    series = [
        dataclasses.replace(
            one,
            future_covariates=np.concatenate([covariates.within(one), covariates.beyond(one)]),
        )
        for one in series_set
    ]
    return dataclasses.replace(
        series_set,
        series=tuple(series),
        future_names=covariates.names,
        categories={**series_set.categories, **table.categories},
    )


def continued(series_set: SeriesSet, table: SeriesSet, unknown: str = "error") -> SeriesSet:
    """The series with a table's values after their end, in place of what the data knows there.

    Args:
        series_set: series with covariates that are known ahead.
        table: values of the same covariates, read as series with `table_options`.
        unknown: treatment of a category that the series do not know, and of an empty cell of a
            category; see `categories.recoded`.

    Raises:
        DataError: see `joined`; or the table has other covariates.
    """
    table = _with_codes(table, series_set, unknown)
    covariates = _Covariates(series_set, table, unknown)
    if covariates.names != series_set.future_names:
        raise DataError(
            f"has the covariates {', '.join(covariates.names)}, the series have "
            f"{', '.join(series_set.future_names) or 'none'}",
            file=covariates.file,
            advice="Give the same columns.",
        )
    series = [
        dataclasses.replace(
            one,
            future_covariates=np.concatenate(
                [one.future_covariates[: len(one)], covariates.beyond(one)]
            ),
        )
        for one in series_set
    ]
    return dataclasses.replace(series_set, series=tuple(series))


def _with_codes(table: SeriesSet, series_set: SeriesSet, unknown: str) -> SeriesSet:
    """The table with the codes of the series' categories.

    Raises:
        DataError: a covariate has categories where the series have numbers, or a category that the
            series do not know.
    """
    surplus = [name for name in table.categories if name not in series_set.categories]
    if surplus:
        raise DataError(
            f"holds text ({shown(table.categories[surplus[0]])}), the series have numbers",
            file=table.report.source,
            column=surplus[0],
            advice="Write numbers, as in the training data.",
        )
    changed = []
    for one in table:
        _, name = _place(one.name, table.options)
        if name in series_set.categories:
            old, new = table.categories[name], series_set.categories[name]
            codes, strange = new_codes(one.target, old, new)
            if strange.any() and unknown == "error":
                row = int(np.argmax(strange))
                raise DataError(
                    f"holds the category {old[int(one.target[row])]!r} at "
                    f"{show_time(one.times[row], series_set.frequency)}, which the training part "
                    f"does not have; it has {shown(new)}",
                    file=table.report.source,
                    column=name,
                    advice="Correct it, or train with unknown_categories 'zeros'.",
                )
            one = dataclasses.replace(one, target=codes)
        changed.append(one)
    return dataclasses.replace(table, series=tuple(changed))


@dataclass(frozen=True)
class _Column:
    """The values of one covariate of one series, as far as the table has them.

    Attributes:
        times: times that have a value, datetime64[s] [T], ascending.
        values: their values, float32 [T].
        rows: rows of the table that they come from.
        category: True if the values are codes of categories.
    """

    times: Times
    values: Floats
    rows: SourceRows
    category: bool

    def at(self, times: Times) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Values float32 [times], and which of them the table has, bool [times]."""
        places = np.minimum(np.searchsorted(self.times, times), len(self.times) - 1)
        return self.values[places], self.times[places] == times


class _Covariates:
    """The covariates of a table by series, at the times of the series."""

    def __init__(self, series_set: SeriesSet, table: SeriesSet, unknown: str) -> None:
        self.file = table.report.source
        self._set = series_set
        if series_set.time_zone != table.time_zone:
            raise DataError(
                f"has times {_zone(table)}, the data has times {_zone(series_set)}",
                file=self.file,
                advice="Write the times of both in the same way, or state time_zone.",
            )
        self.names: tuple[str, ...] = table.options.targets
        self._by_group = _columns(table, unknown, series_set.report)
        self._alike = not table.options.id_column
        absent = {_group(one.name, series_set.options) for one in series_set} - set(self._by_group)
        if absent and not self._alike:
            raise self._lacks(sorted(absent))
        surplus = set(self._by_group) - {_group(one.name, series_set.options) for one in series_set}
        if surplus and not self._alike:
            series_set.report.note(
                "series of the table of covariates that the data does not have", "left out",
                self.file, len(surplus),
            )  # fmt: skip

    def within(self, series: TimeSeries) -> Floats:
        """The values at the time steps of a series, float32 [T, covariates]."""
        values, known = self._at(series, series.times)
        if not known.all():
            step, column = np.argwhere(~known)[0]
            missing = int((~known[:, column]).sum())
            raise self._no_value(
                series,
                series.times[step],
                int(column),
                f", nor at {missing - 1} further of the {len(series)} time steps of the data",
            )
        return values

    def beyond(self, series: TimeSeries) -> Floats:
        """The values after the end of a series as far as all are known, float32 [E, covariates]."""
        later = max(
            int((column.times > series.times[-1]).sum()) for column in self._columns(series)
        )
        times = self._set.future_times(series, later) if later else series.times[:0]
        values, known = self._at(series, times)
        whole = known.all(axis=1)
        end = later if whole.all() else int(np.argmin(whole))
        if known[end:].any():
            column = int(np.argmin(known[end]))
            raise self._no_value(series, times[end], column, ", but later values")
        return values[:end]

    def _no_value(
        self, series: TimeSeries, time: np.datetime64, column: int, further: str
    ) -> DataError:
        """The error of a value that is missing: an empty cell of a row, or no row at all."""
        name = self.names[column]
        there = self._columns(series)[column]
        row = there.rows.number(time)
        problem = (
            f"has no value for series {series.name!r} at "
            f"{show_time(time, self._set.frequency)}{further}"
        )
        if row is None:
            problem += f": there is no such row {there.rows.gap(time)}"
            advice = "Add a row for every time step."
        else:
            problem += ": the cell is empty"
            advice = "Fill in the cell" + (
                ", or choose unknown_categories 'zeros', which reads it as none of the known "
                "categories."
                if there.category
                else "."
            )
        return DataError(problem, file=self.file, row=row, column=name, advice=advice)

    def _columns(self, series: TimeSeries) -> list[_Column]:
        group = "" if self._alike else _group(series.name, self._set.options)
        return [self._by_group[group][name] for name in self.names]

    def _at(self, series: TimeSeries, times: Times) -> tuple[Floats, npt.NDArray[np.bool_]]:
        found = [column.at(times) for column in self._columns(series)]
        return (
            np.stack([values for values, _ in found], axis=1),
            np.stack([known for _, known in found], axis=1),
        )

    def _lacks(self, unknown: list[str]) -> DataError:
        near = difflib.get_close_matches(unknown[0], self._by_group, 1)
        shown = ", ".join(unknown[:_MOST_NAMES])
        if len(unknown) > _MOST_NAMES:
            shown += f" and {len(unknown) - _MOST_NAMES} more"
        return DataError(
            f"has no row for the series {shown}",
            file=self.file,
            advice=f"Did you mean {near[0]}?"
            if near
            else "Give rows for every series of the data.",
        )


def _columns(table: SeriesSet, unknown: str, report: DataReport) -> dict[str, dict[str, _Column]]:
    """The columns of a table by group of series and by name; missing values are left out.

    Args:
        table: table of covariates.
        unknown: treatment of an empty cell of a category: "error" to leave it out, as a missing
            value, or "zeros" for the code of a category that is not known.
        report: report that receives what is read so.
    """
    groups: dict[str, dict[str, _Column]] = {}
    for one in table:
        group, name = _place(one.name, table.options)
        rows, category = table.source_rows[one.name], name in table.categories
        times, values = one.times[one.observed], one.target[one.observed]
        if category and unknown == "zeros":
            times, values = _with_unknown(times, values, rows)
            empty = np.setdiff1d(times, one.times[one.observed])
            if len(empty):
                report.note(
                    "empty cells of categories in the table of covariates",
                    "read as none of the known ones",
                    f"{table.report.source}, row {rows.number(empty[0])}, column {name!r}",
                    len(empty),
                )
        groups.setdefault(group, {})[name] = _Column(times, values, rows, category)
    return groups


def _with_unknown(times: Times, values: Floats, rows: SourceRows) -> tuple[Times, Floats]:
    """The codes at all times that have a row, with that of an unknown category in empty cells."""
    every = rows.times
    codes = np.full(len(every), UNKNOWN, np.float32)
    codes[np.searchsorted(every, times)] = values
    return every, codes


def _place(name: str, options: SeriesOptions) -> tuple[str, str]:
    """The group of series and the covariate that a series of a table belongs to."""
    if not options.id_column:
        return "", name
    group = _group(name, options)
    several = len(options.targets) > 1
    return group, name.removeprefix(f"{group}/") if several else options.targets[0]


def _group(name: str, options: SeriesOptions) -> str:
    """The id of a series, whose name ends in its target where there are several of them."""
    if not options.id_column or len(options.targets) < 2:
        return name
    ends: Mapping[str, int] = {f"/{target}": len(target) for target in options.targets}
    end = max((end for end in ends if name.endswith(end)), key=len)
    return name.removesuffix(end)


def _zone(series_set: SeriesSet) -> str:
    if series_set.frequency == STEP:
        return "that are counted"
    return f"of the zone {series_set.time_zone}" if series_set.time_zone else "without a zone"
