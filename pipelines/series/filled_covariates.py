"""Covariates on the grid of a series: gaps take the last value, earlier rows are cut off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.tables.missing_values import fill

Floats = npt.NDArray[np.float32]

_MOST_CUT = 0.5
"""Share of the rows of a series that may be cut off where its covariates begin later."""


@dataclass(frozen=True, eq=False)
class FilledCovariates:
    """Covariates of one kind.

    Attributes:
        values: values float32 [T, columns]; before `begin` they are not known and are not to be
            used, since they are those of a later row.
        begin: first row at which all columns are known.
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
        DataError: a column has no value at all, or a value is missing where that is refused.
    """
    begin, latest, end = 0, "", rows
    filled = []
    for name, values in columns.items():
        known = np.flatnonzero(~np.isnan(values))
        where = f"column {name!r}" + (f" of series {group!r}" if group else "")
        if not len(known):
            raise DataError(f"{where} has no value at all", file=report.source)
        first, holes = int(known[0]), rows - len(known)
        if holes and missing == "error":
            raise DataError(f"{where} lacks {holes} values", file=report.source)
        report.note("missing covariates", "forward_fill", where, holes - first)
        if first > begin:
            begin, latest = first, name
        end = min(end, int(known[-1]) + 1)
        filled.append(fill(values, "forward_fill"))
    if len(filled) == 1:
        # A view, since stacking would copy the only column.
        return FilledCovariates(filled[0][:, None], begin, latest, end)
    stacked = np.stack(filled, axis=1) if filled else np.empty((rows, 0), np.float32)
    return FilledCovariates(stacked, begin, latest, end)


def begin_with_covariates(
    known: npt.NDArray[np.intp],
    covariates: tuple[FilledCovariates, ...],
    times: npt.NDArray[np.datetime64],
    label: str,
    report: DataReport,
) -> int:
    """The row with the first observed target at which all covariates are known.

    A value from later would be a leak, and a model would learn that the covariate was constant.

    Args:
        known: rows with an observed target, ascending.
        covariates: all covariates of the series.
        times: times of the rows.
        label: name of the series.
        report: report that receives how many rows are cut off.

    Raises:
        DataError: more than half of the rows would be cut off.
    """
    last = max(covariates, key=lambda one: one.begin)
    if last.begin <= known[0]:
        return int(known[0])
    kept = known[known >= last.begin]
    rows = int(known[-1] - known[0]) + 1
    lost = int(kept[0] - known[0]) if len(kept) else rows
    begins = str(times[last.begin]).replace("T", " ").removesuffix(" 00:00:00")
    if lost > _MOST_CUT * rows:
        raise DataError(
            f"begins at {begins}, where {lost} of the {rows} rows of series {label!r} are over",
            file=report.source,
            column=last.latest,
            advice="Fill in what was known before, leave the column out, or leave out the rows.",
        )
    report.note(
        "rows before the first value of a covariate",
        "cut off",
        f"series {label!r}: column {last.latest!r} begins at {begins}",
        lost,
    )
    return int(kept[0])
