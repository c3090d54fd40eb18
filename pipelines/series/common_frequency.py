"""The common frequency of all series of a table, and the series that differ from it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.times.timestamps import (
    STEP,
    common_divisor,
    fixed_seconds,
    infer_frequency,
    step_numbers,
    usual_step,
)

Times = npt.NDArray[np.datetime64]


def common_frequency(series: list[tuple[str, Times]], column: str, report: DataReport) -> str:
    """The frequency that most rows follow.

    Args:
        series: name and ascending times of each series.
        column: name of the column of times, for messages.
        report: report whose source is named in messages.

    Raises:
        DataError: most rows do not share a step of time, or a series has a longer step.
    """
    votes: Counter[str] = Counter()
    own: dict[str, str] = {}
    for name, times in series:
        distinct = times if np.all(times[1:] > times[:-1]) else np.unique(times)
        own[name] = infer_frequency(distinct)
        votes[own[name]] += len(distinct)
    votes.pop("", None)
    if not votes:
        several = any(len(times) > 1 for _, times in series)
        raise DataError(
            "most rows do not share a step of time"
            if several
            else "a single time stamp does not tell the step of time",
            file=report.source,
            column=column,
            advice=_advice([times for _, times in series]),
        )
    if "B" in votes and "D" in votes:
        del votes["B"]
    chosen = votes.most_common(1)[0][0]
    _check_others(own, dict(series), chosen, column, report)
    return chosen


def _advice(series: list[Times]) -> str:
    """Advice on what to state if most rows do not share a step."""
    divisor = common_divisor(series)
    if divisor:
        return (
            f"All times lie on a grid of {divisor}: state frequency {divisor}, which treats the "
            "times between them as missing."
        )
    usual = usual_step(series)
    if usual:
        return f"The times are about {usual} apart: state frequency {usual} and irregular 'mean'."
    return "State the frequency (and irregular 'mean'), or correct the time stamps."


def check_steps(series: list[tuple[str, Times]], column: str, report: DataReport) -> str:
    """`STEP`, the frequency of rows that are counted.

    Args:
        series: name and ascending times of each series; its steps are kept as times.
        column: name of the column of row numbers, for messages.
        report: report whose source is named in messages.

    Raises:
        DataError: the numbers usually rise by more than 1.
    """
    for name, times in series:
        steps, counts = np.unique(np.diff(np.unique(step_numbers(times))), return_counts=True)
        if len(steps) and steps[np.argmax(counts)] != 1:
            where = f" of series {name!r}" if name else ""
            raise DataError(
                f"the numbers of the rows{where} rise by {steps[np.argmax(counts)]}",
                file=report.source,
                column=column,
                advice="Rows that are counted rise by 1; if the numbers are times, state the "
                "time_format.",
            )
    return STEP


def check_fractions(
    times: Times, fractions: npt.NDArray[np.int32], file: str, column: str, advice: str
) -> None:
    """Refuses a series whose steps are not whole seconds; jitter around whole seconds is allowed.

    Args:
        times: times of one series, in any order, cut to seconds, datetime64[s] [rows].
        fractions: microseconds that were cut off from each time.
        file, column: file and column of the times, for messages.
        advice: sentence that says what to do about such times.

    Raises:
        DataError: the usual step is below a second or is not a whole number of seconds.
    """
    exact = np.sort(times.astype("datetime64[us]").astype(np.int64) + fractions)
    steps = np.diff(exact)
    steps = steps[steps > 0]
    if not len(steps):
        return
    values, counts = np.unique(steps, return_counts=True)
    usual = int(values[np.argmax(counts)]) if 2 * counts.max() > len(steps) else 0
    if np.median(steps) < 1_000_000 - 100_000 or usual % 1_000_000:
        step = usual or float(np.median(steps))
        raise DataError(
            f"the times are {step / 1e6:g} s apart",
            file=file,
            column=column,
            advice=advice,
        )


def _check_others(
    own: dict[str, str], times: dict[str, Times], chosen: str, column: str, report: DataReport
) -> None:
    """Refuses a series with a longer step, which would be mostly gaps on the grid of the others."""
    seconds = fixed_seconds(chosen)
    for name, frequency in own.items():
        if not frequency or frequency == chosen or len(times[name]) < 5:
            continue
        usual = float(np.median(np.diff(times[name]).astype("timedelta64[s]").astype(np.int64)))
        if (seconds is not None and usual >= 2 * seconds) or _longer(frequency, chosen):
            raise DataError(
                f"series {name!r} has a step of {frequency}, most rows one of {chosen}",
                file=report.source,
                column=column,
                advice="Forecast series with different steps in separate runs; to put all of them "
                f"on one grid, with missing values between, state frequency {chosen}.",
            )


def _longer(frequency: str, chosen: str) -> bool:
    """Whether both are calendar steps and the first is longer, as quarters are than months."""
    order = ("B", "W", "M", "Q", "Y")

    def place(alias: str) -> int:
        letters = alias.lstrip("0123456789")[:1]
        return order.index(letters) if letters in order else -1

    return place(chosen) >= 0 and place(frequency) > place(chosen)
