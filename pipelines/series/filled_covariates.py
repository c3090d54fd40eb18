"""Covariates on the grid of a series: gaps take the last value, earlier rows are cut off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.tables.missing_values import fill
from pipelines.series.times.timestamps import show_time

Floats = npt.NDArray[np.float32]

_MOST_CUT = 0.5
"""Share of the rows that may be cut off where covariates begin later: of each series of a wide
table, of all series of a long one."""


@dataclass(frozen=True, eq=False)
class FilledCovariates:
    """Covariates of one kind.

    Attributes:
        values: values float32 [T, columns]; before `begin` they are not known and are not to be
            used, since they are those of a later row.
        begin: first row at which all columns are known; T if one of them has no value.
        latest: column that begins last.
        end: row up to which all columns are known.
    """

    values: Floats
    begin: int
    latest: str
    end: int


def filled_covariates(
    columns: Mapping[str, Floats], rows: int, group: str, missing: str, report: DataReport
) -> FilledCovariates:
    """Stacks columns whose gaps take the last known value.

    Args:
        columns: values [T] by name, NaN where they are missing.
        rows: number of rows T.
        group: name of the series in a long table, for messages; "" in a wide one.
        missing: treatment of missing values; "error" refuses them.
        report: report that receives the gaps.

    Raises:
        DataError: a column of a wide table has no value at all, or a value is missing where that is
            refused.
    """
    begin, latest, end = 0, "", rows
    filled = []
    for name, values in columns.items():
        known = np.flatnonzero(~np.isnan(values))
        where = f"column {name!r}" + (f" of series {group!r}" if group else "")
        if not len(known) and not group:
            raise DataError(f"{where} has no value at all", file=report.source)
        first, holes = int(known[0]) if len(known) else rows, rows - len(known)
        if holes and missing == "error":
            raise DataError(f"{where} lacks {holes} values", file=report.source)
        report.note("missing covariates", "forward_fill", where, holes - first)
        if first > begin:
            begin, latest = first, name
        end = min(end, int(known[-1]) + 1 if len(known) else rows)
        filled.append(fill(values, "forward_fill"))
    if len(filled) == 1:
        # A view, since stacking would copy the only column.
        return FilledCovariates(filled[0][:, None], begin, latest, end)
    stacked = np.stack(filled, axis=1) if filled else np.empty((rows, 0), np.float32)
    return FilledCovariates(stacked, begin, latest, end)


class CutRows:
    """Rows that are cut off where a covariate begins later, counted over all series of a set.

    Args:
        frequency: step of the times, for messages.
        wide: switch for the series of a wide table, none of which may lose most of its rows or be
            left out.
        report: report that receives how many rows are cut off.
    """

    def __init__(self, frequency: str, wide: bool, report: DataReport) -> None:
        self._frequency = frequency
        self._wide = wide
        self._report = report
        self._lost = self._rows = 0
        self._most: tuple[int, str, str] = (0, "", "")

    def begin(
        self,
        known: npt.NDArray[np.intp],
        covariates: tuple[FilledCovariates, ...],
        times: npt.NDArray[np.datetime64],
        label: str,
    ) -> int | None:
        """The row with the first observed target at which all covariates are known.

        A value from later would be a leak, and a model would learn that the covariate was constant.

        Args:
            known: rows with an observed target, ascending.
            covariates: all covariates of the series.
            times: times of the rows.
            label: name of the series.

        Returns:
            The row; None if there is none, so that the series is left out.

        Raises:
            DataError: more than half of the rows of a series of a wide table would be cut off.
        """
        last = max(covariates, key=lambda one: one.begin)
        kept = known[known >= last.begin]
        rows = int(known[-1] - known[0]) + 1
        lost = int(kept[0] - known[0]) if len(kept) else rows
        self._lost += lost
        self._rows += rows
        if not lost:
            return int(known[0])
        begins = "has no value"
        if last.begin < len(times):
            begins = f"begins at {show_time(times[last.begin], self._frequency)}"
        if lost > self._most[0]:
            problem = f"{begins}, where {lost} of the {rows} rows of series {label!r} are over"
            if last.begin == len(times):
                problem = f"{begins} in the {rows} rows of series {label!r}"
            self._most = (lost, problem, last.latest)
        if self._wide and lost > _MOST_CUT * rows:
            raise self._refusal()
        place = f"series {label!r}: column {last.latest!r} {begins}"
        if not len(kept):
            self._report.note("series without a row that has all covariates", "left out", place)
            return None
        self._report.note("rows before the first value of a covariate", "cut off", place, lost)
        return int(kept[0])

    def check(self) -> None:
        """Refuses series that lost more than half of all their rows.

        Raises:
            DataError: they did; the message names the series that lost most.
        """
        if self._lost > _MOST_CUT * self._rows:
            raise self._refusal()

    def _refusal(self) -> DataError:
        lost, problem, column = self._most
        if lost < self._lost:
            problem += f", and {self._lost} of the {self._rows} rows of all series would be cut off"
        return DataError(
            problem,
            file=self._report.source,
            column=column,
            advice="Fill in what was known before, leave the column out, or leave out the rows.",
        )
