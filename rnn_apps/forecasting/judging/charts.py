"""The pictures of the report and of `predict`, as matplotlib figures (no pyplot, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rnn_apps.forecasting.judging.metrics import intervals_of

_TRUTH, _FORECAST = "#222222", "#1f6fb4"


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
    """Draws what was known, the forecast with its intervals, and the truth where it is given.

    Args:
        past_times, past: [past steps]; times, point, truth: [horizon].
        quantiles: [horizon, levels], the darker the nearer to the median.
    """
    axes.plot(past_times, past, color=_TRUTH, linewidth=1)
    intervals = intervals_of(levels) if quantiles is not None else []
    for nominal, lower, upper in reversed(intervals):
        assert quantiles is not None
        axes.fill_between(
            times,
            quantiles[:, lower],
            quantiles[:, upper],
            color=_FORECAST,
            alpha=0.18,
            linewidth=0,
            label=f"{100 * nominal:g} % interval",
        )
    axes.plot(times, point, color=_FORECAST, linewidth=1.5, label="forecast")
    if truth is not None:
        axes.plot(times, truth, color=_TRUTH, linewidth=1, linestyle="--", label="truth")
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)


def fan_charts(windows: Sequence[Mapping[str, Any]], levels: Sequence[float]) -> Figure:
    """One fan chart below another.

    Args:
        windows: mappings with "title", "past_times", "past", "times", "point", "quantiles" (or
            None) and "truth", see `draw_fan`.
    """
    figure = Figure(figsize=(9, 2.6 * len(windows)), layout="constrained")
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
    grid[0, 0].legend(fontsize=8, loc="upper left")
    return figure


def error_by_step(errors: Mapping[str, ArrayLike], label: str) -> Figure:
    """One line for each forecaster: an error against the horizon step, counted from 1."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for number, (name, values) in enumerate(errors.items()):
        steps = np.arange(1, len(np.asarray(values)) + 1)
        axes.plot(steps, values, label=name, linewidth=2.2 if number == 0 else 1.1)
    axes.set_xlabel("horizon step")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return figure


def coverage_by_step(coverages: Mapping[str, ArrayLike]) -> Figure:
    """The share of the truth inside each interval against the horizon step, with its aim dashed.

    Args:
        coverages: "80" -> [horizon] shares, by the nominal coverage in per cent.
    """
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for number, (nominal, values) in enumerate(coverages.items()):
        steps = np.arange(1, len(np.asarray(values)) + 1)
        axes.plot(steps, values, color=f"C{number}", label=f"{nominal} % interval")
        axes.axhline(float(nominal) / 100, color=f"C{number}", linestyle=":", linewidth=1)
    axes.set_xlabel("horizon step")
    axes.set_ylabel("coverage")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower left")
    return figure


def prediction_chart(
    panels: Sequence[Mapping[str, Any]], levels: Sequence[float], most_series: int = 8
) -> Figure:
    """The forecasts that `predict` gives, after the end of the data; the first few series."""
    return fan_charts([{**panel, "truth": None} for panel in panels[:most_series]], levels)
