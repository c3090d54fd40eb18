"""Rows at arbitrary times laid on a regular grid: order, duplicates, gaps, irregular steps."""

from __future__ import annotations

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
"""Steps that a gap may always have; a longer one must not exceed ten times the series' rows. A
mistyped year would otherwise fill the memory."""

_JITTER = 10
"""A row may be a tenth of a step early."""

_MOSTLY = 0.9
"""Share of the rows near regular times from which on they are taken to be meant so."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid and the cell of it that each row falls into.

    Attributes:
        times: datetime64[s] [T], regular.
        cells: int64 [rows], ascending.
        combine: which of several rows in a cell counts: "first", "last" or "mean".
    """

    times: Times
    cells: npt.NDArray[np.int64]
    combine: str

    @property
    def is_identity(self) -> bool:
        """Whether every cell has exactly one row.

        As many rows as cells are not enough: a repeated time may make up for one that is left out.
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
    """The rows of a series for messages: its name, and the place of row i in time order."""

    series: str
    file: Callable[[int], str]
    number: Callable[[int], int]

    def error(self, problem: str, i: int, advice: str) -> DataError:
        """A DataError about row i."""
        return DataError(problem, file=self.file(i), row=self.number(i), advice=advice)

    def place(self, i: int) -> str:
        """Where row i is, for a report."""
        series = f"series {self.series!r}, " if self.series else ""
        return f"{series}row {self.number(i)}"


def lay_on_grid(
    times: Times, frequency: str, options: SeriesOptions, rows: Rows, report: DataReport
) -> Grid:
    """Finds the grid of a series' rows and treats what does not fit it as the options say.

    Args:
        times: datetime64[s] [rows], ascending, duplicates allowed.

    Raises:
        DataError: duplicate times, steps off the frequency or gaps, where the options say so; or a
            gap so long that one of the time stamps around it must be wrong.
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
    causes = ["If the rows are of several series, state id_column (several columns: a,b)"]
    if frequency != STEP and (fixed_seconds(frequency) or 86400) < 86400:
        causes.append("if clocks were put back, state time_zone")
    advice = "; ".join([*causes, "else choose duplicates first, last or mean"]) + "."
    shown = show_time(times[row], frequency)
    return rows.error(f"the time {shown} is there twice, before in {before}", row, advice)


def _off_the_step(times: Times, off: npt.NDArray[np.intp], frequency: str, rows: Rows) -> DataError:
    row = int(off[0])
    advice = "Mend the time stamp, or choose irregular 'mean' to average within each step."
    if 4 * len(off) > len(times):
        # Many rows are off: the frequency is wrong and not the rows.
        own = infer_frequency(np.unique(times))
        days = np.unique(times.astype("datetime64[D]") - times.astype("datetime64[M]"))
        if len(days) == 1:
            advice = (
                f"The rows stand on day {days[0].astype(int) + 1} of a month: state frequency MS "
                "and irregular 'mean', which puts them on the first day."
            )
        elif own == frequency or not own:
            finer = common_divisor([times])
            if finer and finer != frequency:
                advice = f"All rows lie on a grid of {finer}: state frequency {finer}, which takes "
                advice += "the times between them as missing."
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
            f"{jumps[first] - 1} time steps are left out after {after}",
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
    """Where irregular rows' grid begins, and how many seconds early a row may be for its cell.

    Rows that lie around regular times, as a logger's do, make the grid of these times: each row
    belongs to the nearest, if it is not more than a tenth of a step early. Rows that lie anywhere
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
    start = pd.Timestamp(times[0])
    if not offset.is_on_offset(start):
        start = offset.rollback(start)
    clocks = (times - times.astype("datetime64[D]")).astype(np.int64)
    if options.irregular == "mean" and np.any(clocks != clocks[0]):
        # A step of the calendar begins at 0:00, at whatever hour its first row is.
        start = start.normalize()
    # Steps are at least a day long, so this bounds the length before anything is made.
    days = (times - times[0]).astype(np.int64) // 86400
    _check_gaps(days // 366, times, rows)
    dates = pd.date_range(start, pd.Timestamp(times[-1]), freq=offset)
    grid = np.asarray(dates.values.astype("datetime64[s]"))
    cells = np.searchsorted(grid, times, side="right") - 1
    return grid, cells, np.flatnonzero(grid[cells] != times)


def _check_gaps(cells: npt.NDArray[np.int64], times: Times, rows: Rows) -> None:
    jumps = np.diff(cells)
    if len(jumps) and jumps.max() > max(LONGEST_GAP, 10 * len(cells)):
        worst = int(np.argmax(jumps))
        raise rows.error(
            f"{jumps[worst]} time steps lie between {times[worst]} and {times[worst + 1]}, more "
            f"than all {len(cells)} rows cover",
            worst,
            "One of the two time stamps is likely wrong; else state a longer frequency.",
        )
