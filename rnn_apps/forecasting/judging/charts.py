"""The pictures of the report and of `predict`, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rnn_apps.application.reporting.charts import (
    MODEL_COLOUR,
    TRUTH_COLOUR,
    WIDTH,
    chart,
    plain_look,
)
from rnn_apps.forecasting.judging.metrics import intervals_of

_STEP = "horizon step (time steps after the origin)"


def draw_fan(
    axes: Axes,
    past_times: ArrayLike,
    past: ArrayLike,
    times: ArrayLike,
    point: ArrayLike,
    *,
    quantiles: NDArray[Any] | None = None,
    levels: Sequence[float] = (),
    truth: ArrayLike | None = None,
) -> None:
    """Draws the known past, the forecast with its intervals, and the truth where it is known.

    Args:
        axes: axes to draw on.
        past_times, past: times and values before the forecast [past steps].
        times, point: times and values of the forecast [horizon].
        quantiles: forecast quantiles [horizon, levels]; intervals are darker towards the median.
        levels: levels of the quantiles, between 0 and 1.
        truth: true values at `times` [horizon], where they are known.
    """
    axes.plot(past_times, past, color=TRUTH_COLOUR, linewidth=1)
    intervals = intervals_of(levels) if quantiles is not None else []
    for nominal, lower, upper in reversed(intervals):
        assert quantiles is not None
        axes.fill_between(
            times,
            quantiles[:, lower],
            quantiles[:, upper],
            color=MODEL_COLOUR,
            alpha=0.18,
            linewidth=0,
            label=f"{100 * nominal:g} % interval",
        )
    axes.plot(times, point, color=MODEL_COLOUR, linewidth=1.5, label="forecast")
    if truth is not None:
        axes.plot(times, truth, color=TRUTH_COLOUR, linewidth=1, linestyle="--", label="truth")
    plain_look(axes)


def fan_charts(windows: Sequence[Mapping[str, Any]], levels: Sequence[float]) -> Figure:
    """One fan chart below another.

    Args:
        windows: mappings with "title", "past_times", "past", "times", "point", "quantiles" (or
            None) and "truth", see `draw_fan`; and, if it is known, the "label" of the vertical axis
            with the unit of the series.
        levels: levels of the quantiles, between 0 and 1.
    """
    figure = Figure(figsize=(WIDTH, 2.6 * len(windows)), layout="constrained")
    grid = figure.subplots(len(windows), 1, squeeze=False)
    for axes, window in zip(grid[:, 0], windows, strict=True):
        draw_fan(
            axes,
            window["past_times"],
            window["past"],
            window["times"],
            window["point"],
            quantiles=window["quantiles"],
            levels=levels,
            truth=window["truth"],
        )
        axes.set_title(window["title"], fontsize=9, loc="left")
        axes.set_ylabel(window.get("label", "value (unit of the data)"))
    grid[-1, 0].set_xlabel(_time_label(windows[-1]["times"]))
    grid[0, 0].legend(fontsize=9, loc="upper left")
    return figure


def _time_label(times: ArrayLike) -> str:
    dated = np.asarray(times).dtype.kind == "M"
    return "time" if dated else "time step"


def error_by_step(errors: Mapping[str, ArrayLike], label: str) -> Figure:
    """An error against the horizon step, counted from 1; one line per forecaster.

    Args:
        errors: errors of each forecaster [horizon], by its name.
        label: label of the vertical axis, with the unit of the error.
    """
    figure, axes = chart(_STEP, label)
    for number, (name, values) in enumerate(errors.items()):
        steps = np.arange(1, len(np.asarray(values)) + 1)
        axes.plot(steps, values, label=name, linewidth=2.2 if number == 0 else 1.1)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=9)
    return figure


def coverage_by_step(coverages: Mapping[str, ArrayLike]) -> Figure:
    """The share of true values inside each interval per horizon step; dotted, the nominal share.

    Args:
        coverages: shares [horizon] by the nominal coverage in per cent, such as "80".
    """
    figure, axes = chart(_STEP, "share of true values inside (0 to 1)")
    for number, (nominal, values) in enumerate(coverages.items()):
        steps = np.arange(1, len(np.asarray(values)) + 1)
        axes.plot(steps, values, color=f"C{number}", label=f"{nominal} % interval")
        axes.axhline(float(nominal) / 100, color=f"C{number}", linestyle=":", linewidth=1)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=9, loc="lower left")
    return figure


def prediction_chart(
    panels: Sequence[Mapping[str, Any]], levels: Sequence[float], most_series: int = 8
) -> Figure:
    """The forecasts that `predict` gives, after the end of the data; the first few series."""
    return fan_charts([{**panel, "truth": None} for panel in panels[:most_series]], levels)
