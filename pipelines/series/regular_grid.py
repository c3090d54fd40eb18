"""Puts rows at arbitrary times on a regular grid: duplicates, gaps, irregular steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.options import SeriesOptions
from pipelines.series.times.timestamps import (
    STEP,
    common_divisor,
    fixed_seconds,
    infer_frequency,
    offset_of,
    regular_times,
    show_time,
)

Times = npt.NDArray[np.datetime64]

LONGEST_GAP = 1000
"""Number of steps that a gap may always have; a longer gap must not exceed ten times the number of
rows. Otherwise a mistyped year would fill the memory."""

_JITTER = 10
"""A row may be early by a step divided by this."""

_MOSTLY = 0.9
"""If at least this share of the rows is near regular times, the rows are meant to be regular."""


_PERIODS = re.compile(r"(C?B)?[MQY](?P<edge>[ES])(-[A-Z]{3})?")
"""Aliases of months, quarters and years that are named after their last or first day."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid, and the cell of the grid that each row falls into.

    Attributes:
        times: times of the grid, datetime64[s] [T], regular.
        cells: cell of each row, int64 [rows], ascending.
        combine: how several rows of a cell become one value: "first", "last" or "mean".
    """

    times: Times
    cells: npt.NDArray[np.int64]
    combine: str

    @property
    def is_identity(self) -> bool:
        """Whether every cell has exactly one row.

        Equal numbers of rows and cells do not suffice: a repeated time may hide a missing one.
        """
        return np.array_equal(self.cells, np.arange(len(self.times)))

    def spread(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Values [rows] on the grid, float32 [T], NaN in cells without a row."""
        if self.is_identity:
            return values
        result = np.full(len(self.times), np.nan, np.float32)
        if self.combine == "mean":
            known = ~np.isnan(values)
            sums = np.bincount(self.cells[known], values[known], len(result))
            counts = np.bincount(self.cells[known], minlength=len(result))
            filled = counts > 0
            result[filled] = sums[filled] / counts[filled]
        elif self.combine == "first":
            result[self.cells[::-1]] = values[::-1]
        else:
            result[self.cells] = values
        return result


@dataclass(frozen=True)
class Rows:
    """The rows of a series, for messages: its name, and the places of its rows in time order."""

    series: str
    file: Callable[[int], str]
    number: Callable[[int], int]

    def error(self, problem: str, i: int, advice: str) -> DataError:
        """A DataError about row i."""
        return DataError(problem, file=self.file(i), row=self.number(i), advice=advice)

    def place(self, i: int) -> str:
        """The place of row i, for a report."""
        series = f"series {self.series!r}, " if self.series else ""
        return f"{series}row {self.number(i)}"


@dataclass(frozen=True, eq=False)
class SourceRows:
    """The rows of a source that the times of a series come from.

    Attributes:
        grid: grid of the series before its ends without values are cut off.
        rows: places of the rows.
    """

    grid: Grid
    rows: Rows

    def number(self, time: np.datetime64) -> int | None:
        """The number of the row with a time in its file, the last if several have it, or None."""
        row = self._last_up_to(time)
        cell = self.grid.cells[row] if row >= 0 else -1
        return self.rows.number(row) if cell >= 0 and self.grid.times[cell] == time else None

    def gap(self, time: np.datetime64) -> str:
        """The place where a row with a time would be, such as "between row 4 and row 5"."""
        before = self._last_up_to(time)
        after = before + 1
        if before < 0:
            return f"before row {self.rows.number(after)}"
        if after == len(self.grid.cells):
            return f"after row {self.rows.number(before)}"
        return f"between row {self.rows.number(before)} and row {self.rows.number(after)}"

    @property
    def times(self) -> Times:
        """The times that have a row, datetime64[s] [T], ascending."""
        return self.grid.times[np.unique(self.grid.cells)]

    def _last_up_to(self, time: np.datetime64) -> int:
        cell = int(np.searchsorted(self.grid.times, time, side="right")) - 1
        return int(np.searchsorted(self.grid.cells, cell, side="right")) - 1


def counted_rows(times: Times, rows: Rows, finer: bool) -> Times:
    """The rows of a series counted from 0, as `STEP` stores them, datetime64[s] [rows].

    Args:
        times: times of the rows, datetime64[s] [rows], ascending.
        rows: places of the rows, for messages.
        finer: True if the times have fractions of a second, so that equal seconds are not equal
            times.

    Raises:
        DataError: two rows have the same time, so that one of them would count as a step.
    """
    repeated = np.flatnonzero(times[1:] == times[:-1]) + 1
    if len(repeated) and not finer:
        first = int(repeated[0])
        raise rows.error(
            f"the time {times[first]} of {rows.place(first - 1)} occurs again",
            first,
            "Remove one of the rows, or name the column that tells the series apart (id_column).",
        )
    return np.arange(len(times)).astype("datetime64[m]").astype("datetime64[s]")


def lay_on_grid(
    times: Times, frequency: str, options: SeriesOptions, rows: Rows, report: DataReport
) -> Grid:
    """Finds the grid of a series, and treats rows that do not fit it according to the options.

    Args:
        times: times of the rows, datetime64[s] [rows], ascending; duplicates are allowed.
        frequency: pandas alias of the step of the grid.
        options: treatment of duplicates, irregular times and gaps.
        rows: places of the rows, for messages.
        report: report that receives the findings.

    Raises:
        DataError: the options refuse duplicate times, times off the step or gaps, and there are
            some; or a gap is so long that a time stamp next to it must be wrong.
    """
    doubles = np.flatnonzero(times[1:] == times[:-1]) + 1
    combine = options.duplicates
    if len(doubles):
        if combine == "error":
            raise _repeated(times, int(doubles[0]), frequency, rows)
        report.note("duplicate times", combine, rows.place(int(doubles[0])), len(doubles))
    grid_times, cells, off = _cells(times, frequency, options, rows)
    if len(off):
        if options.irregular == "error":
            raise _off_the_step(times, off, frequency, rows)
        report.note("times off the step", "averaged", rows.place(int(off[0])), len(off))
        combine = "mean"
    grid = Grid(grid_times, cells, combine)
    _report_gaps(grid, times, frequency, options, rows, report)
    return grid


def _repeated(times: Times, row: int, frequency: str, rows: Rows) -> DataError:
    before = f"row {rows.number(row - 1)}"
    if rows.file(row - 1) != rows.file(row):
        before += f" of {rows.file(row - 1)}"
    causes = ["If the rows belong to several series, state id_column (several columns: a,b)"]
    if frequency != STEP and (fixed_seconds(frequency) or 86400) < 86400:
        causes.append("if clocks were put back, state time_zone")
    advice = "; ".join([*causes, "else choose duplicates first, last or mean"]) + "."
    shown = show_time(times[row], frequency)
    return rows.error(f"the time {shown} occurs twice, first in {before}", row, advice)


def _off_the_step(times: Times, off: npt.NDArray[np.intp], frequency: str, rows: Rows) -> DataError:
    row = int(off[0])
    advice = "Correct the time stamp, or choose irregular 'mean' to average within each step."
    if 4 * len(off) > len(times):
        # Many rows are off the step, so the frequency is wrong and not the rows.
        own = infer_frequency(np.unique(times))
        days = np.unique(times.astype("datetime64[D]") - times.astype("datetime64[M]"))
        if len(days) == 1:
            advice = (
                f"The rows are on day {days[0].astype(int) + 1} of a month: state frequency MS "
                "and irregular 'mean', which puts them on the first day."
            )
        elif own == frequency or not own:
            finer = common_divisor([times])
            if finer and finer != frequency:
                advice = f"All rows lie on a grid of {finer}: state frequency {finer}, "
                advice += "which treats the times between them as missing."
        elif own not in ("", frequency):
            advice = f"The rows themselves step by {own}: state frequency {own}."
    return rows.error(
        f"the time {show_time(times[row], frequency)} is off the step {frequency!r} that begins "
        f"at {show_time(times[0], frequency)}",
        row,
        advice,
    )


def _report_gaps(
    grid: Grid,
    times: Times,
    frequency: str,
    options: SeriesOptions,
    rows: Rows,
    report: DataReport,
) -> None:
    jumps = np.diff(grid.cells)
    gaps = np.flatnonzero(jumps > 1)
    if not len(gaps):
        return
    first = int(gaps[0])
    if options.gaps == "error":
        after = show_time(times[first], frequency)
        raise rows.error(
            f"{jumps[first] - 1} time steps are missing after {after}",
            first,
            "Add the rows, or choose gaps 'fill'.",
        )
    missing = int((jumps[gaps] - 1).sum())
    report.note("left-out time steps", "added as missing", rows.place(first), missing)


def _cells(
    times: Times, frequency: str, options: SeriesOptions, rows: Rows
) -> tuple[Times, npt.NDArray[np.int64], npt.NDArray[Any]]:
    """The grid's times, each row's cell, and the rows that lie off the grid."""
    seconds = fixed_seconds(frequency)
    if seconds is None:
        return _calendar_cells(times, frequency, options, rows)
    elapsed = (times - times[0]).astype(np.int64)
    cells, rest = np.divmod(elapsed, int(seconds))
    first = times[0]
    off = np.flatnonzero(rest)
    if len(off) and options.irregular == "mean":
        first, early = _phase(times, int(seconds))
        cells = ((times - first).astype(np.int64) + early) // int(seconds)
        off = np.flatnonzero(first + cells * np.timedelta64(int(seconds), "s") != times)
    _check_gaps(cells, times, rows)
    grid = regular_times(first, frequency, int(cells[-1]) + 1)
    if np.array_equal(grid, times):
        grid = times
    return grid, cells, off


def _phase(times: Times, seconds: int) -> tuple[np.datetime64, int]:
    """The start of the grid of irregular rows, and how many seconds early a row may be.

    Rows that lie around regular times, like those of a logger, define a grid of these times: each
    row belongs to the nearest, if it is at most a tenth of a step early. Rows at any other times
    are counted in whole steps of the clock: days begin at 0:00, hours at the full hour.
    """
    tolerance = seconds // _JITTER
    midnight = times[0].astype("datetime64[D]").astype("datetime64[s]")
    phases = (times - midnight).astype(np.int64) % seconds
    values, counts = np.unique(phases, return_counts=True)
    usual = int(values[np.argmax(counts)])

    def share_around(phase: int) -> float:
        return float(np.mean((phases - phase + tolerance) % seconds <= 2 * tolerance))

    if 2 * counts.max() <= len(times):
        mean = np.angle(np.exp(2j * np.pi * phases / seconds).mean()) / (2 * np.pi)
        usual = round(float(mean) * seconds) % seconds
        if share_around(0) >= _MOSTLY:
            usual = 0
        elif share_around(usual) < _MOSTLY:
            usual, tolerance = 0, 0
    before = (int(phases[0]) - usual + tolerance) % seconds - tolerance
    first = times[0] - np.timedelta64(before, "s")
    return first, tolerance


def _calendar_cells(
    times: Times, frequency: str, options: SeriesOptions, rows: Rows
) -> tuple[Times, npt.NDArray[np.int64], npt.NDArray[Any]]:
    import pandas as pd

    offset = offset_of(frequency)
    period = _PERIODS.fullmatch(offset.rule_code)
    start = pd.Timestamp(times[0])
    if period:
        start = _label(start, offset, period["edge"])
    elif not offset.is_on_offset(start):
        start = offset.rollback(start)
    clocks = (times - times.astype("datetime64[D]")).astype(np.int64)
    if options.irregular == "mean" and np.any(clocks != clocks[0]):
        # A step of the calendar begins at 0:00, whatever the hour of its first row.
        start = start.normalize()
    # Steps are at least a day long, so this limits the length before anything is allocated.
    days = (times - times[0]).astype(np.int64) // 86400
    _check_gaps(days // 366, times, rows)
    stop = pd.Timestamp(times[-1]) + 2 * offset if period else pd.Timestamp(times[-1])
    dates = pd.date_range(start, stop, freq=offset)
    grid = np.asarray(dates.values.astype("datetime64[s]"))
    cells = _cells_of_periods(grid, times, period["edge"] if period else "")
    grid = grid[: int(cells[-1]) + 1]
    return grid, cells, np.flatnonzero(grid[cells] != times)


def _label(moment: Any, offset: Any, edge: str) -> Any:
    """The day that names the period of a time: its last or its first one.

    The last business day of a month can lie before a time in it, and the first one behind.
    """
    if edge == "E":
        return offset.rollforward(moment.replace(day=1))
    return offset.rollback(moment.replace(day=moment.days_in_month))


def _cells_of_periods(grid: Times, times: Times, edge: str) -> npt.NDArray[np.int64]:
    """The cell of each time: its period of whole months if `edge` is "E" or "S", the end or start.

    Without an edge, cells begin at the times of the grid.
    """
    months = grid.astype("datetime64[M]")
    if edge == "E":
        return np.searchsorted((months + 1).astype(times.dtype), times, side="right")
    begins = months.astype(times.dtype) if edge else grid
    return np.searchsorted(begins, times, side="right") - 1


def _check_gaps(cells: npt.NDArray[np.int64], times: Times, rows: Rows) -> None:
    jumps = np.diff(cells)
    if len(jumps) and jumps.max() > max(LONGEST_GAP, 10 * len(cells)):
        worst = int(np.argmax(jumps))
        raise rows.error(
            f"{jumps[worst]} time steps lie between {times[worst]} and {times[worst + 1]}, too "
            f"many for a series of {len(cells)} rows",
            worst,
            "One of the two time stamps is probably wrong; otherwise state a longer frequency.",
        )
