"""What a run understood of its data, in a few lines to read before training."""

from __future__ import annotations

import numpy as np

from pipelines.series.splits import Split, part_rows
from pipelines.series.time_series import SeriesSet
from pipelines.series.times.timestamps import STEP, show_time
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.judging.conformal import unreached_levels
from rnn_apps.forecasting.network.network import find_network
from rnn_apps.forecasting.training_parts import TrainingParts, part_times, rows_after

_MOST_NAMES = 5


def understood(
    series_set: SeriesSet, split: Split, config: ForecastingConfig, parts: TrainingParts
) -> list[str]:
    """Series, step, times, columns, parts, findings, and what will be missing later."""
    lines = [_series(series_set), _columns(series_set, config), _parts(series_set, split, parts)]
    for finding in series_set.report.findings:
        lines.append(f"Found: {finding}.")
    lines += [_scales(series_set, split), _known_ahead(series_set, config)]
    lines.append(_calibration(config, parts))
    return [line for line in lines if line]


def understood_for_use(series_set: SeriesSet, lookback: int) -> list[str]:
    """What was understood of new data for a trained run."""
    lines = [_series(series_set)]
    lines += [f"Found: {finding}." for finding in series_set.report.findings]
    blind = [
        series.name for series in series_set if 2 * series.observed[-lookback:].sum() < lookback
    ]
    last = np.max([series.times[-1] for series in series_set])
    early = [series.name for series in series_set if series.times[-1] < last]
    if early:
        lines.append(
            f"Ends before {show_time(last, series_set.frequency)}, and is forecast from its own "
            f"end: {listed(early)}."
        )
    if blind:
        lines.append(
            f"Mostly missing in the last {lookback} time steps, from which the forecast is made: "
            f"{listed(blind)}."
        )
    return lines


def listed(names: tuple[str, ...] | list[str]) -> str:
    """The first few names, and the number of further ones."""
    shown = ", ".join(names[:_MOST_NAMES])
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _series(series_set: SeriesSet) -> str:
    frequency = series_set.frequency
    first = show_time(np.min([series.times[series.padding] for series in series_set]), frequency)
    last = show_time(np.max([series.times[-1] for series in series_set]), frequency)
    step = "rows counted without a date" if frequency == STEP else f"a step of {frequency}"
    zone = f" UTC, local time of {series_set.time_zone}" if series_set.time_zone else ""
    values = sum(int(series.observed.sum()) for series in series_set)
    rows = sum(len(series) - series.padding for series in series_set)
    return (
        f"Data: {len(series_set)} series ({listed(series_set.names)}), {step}, {first} to "
        f"{last}{zone}, {values} observed values and {rows - values} missing."
    )


def _columns(series_set: SeriesSet, config: ForecastingConfig) -> str:
    options = series_set.options
    named = [
        (f"time {options.time_column}" if options.time_column else ""),
        (f"series by {options.id_column}" if options.id_column else ""),
        f"forecast {listed(config.targets or series_set.names)}",
    ]
    for words, names in (
        ("known up to the present", series_set.past_names),
        ("known ahead", series_set.future_names),
        ("constant", series_set.static_names),
    ):
        told = [_with_categories(name, series_set) for name in names]
        named.append(f"{words} {listed(told)}" if names else "")
    return f"Columns: {'; '.join(text for text in named if text)}."


def _with_categories(name: str, series_set: SeriesSet) -> str:
    categories = series_set.categories.get(name)
    return name if categories is None else f"{name} ({len(categories)} categories)"


def _parts(series_set: SeriesSet, split: Split, parts: TrainingParts) -> str:
    told = []
    for name, part, batches in (
        ("training", split.train, parts.training),
        ("validation", split.validation, parts.validation),
        ("test", split.test, parts.test),
    ):
        if batches is None:
            continue
        first, last = part_times(series_set, part)
        text = f"{name} {first} to {last} ({batches.examples} windows"
        short = batches.series_without_windows
        text += f"; too short: {listed(short)})" if short else ")"
        told.append(text)
    rest = rows_after(series_set, split)
    unused = f" The last {rest} time steps are in no part." if rest else ""
    return f"Parts: {', '.join(told)}.{unused}"


def _scales(series_set: SeriesSet, split: Split) -> str:
    """The series whose scale the training part does not show."""
    unseen, still = [], []
    for series in series_set:
        start, stop = part_rows(split.train, series, series_set)
        values = series.target[start:stop][series.observed[start:stop]]
        if not len(values):
            unseen.append(series.name)
        elif values.min() == values.max() and not np.all(series.target == values[0]):
            still.append(series.name)
    told = []
    if unseen:
        told.append(
            f"{listed(unseen)}: no value in the training part, so the model learns nothing about "
            "it; it is scaled by its later values"
        )
    if still:
        told.append(f"{listed(still)}: constant in the training part only, and scaled by 1")
    return f"Scales: {'; '.join(told)}." if told else ""


def _known_ahead(series_set: SeriesSet, config: ForecastingConfig) -> str:
    if not series_set.future_names:
        return ""
    known = min(len(series.future_covariates) - len(series) for series in series_set)
    if known >= config.horizon:
        return ""
    return (
        f"{listed(series_set.future_names)}: the data has {known} values after its last target, "
        f"and a forecast needs {config.horizon}. To predict, give data with rows for the future "
        "time steps, these columns filled and the target left empty."
    )


def _calibration(config: ForecastingConfig, parts: TrainingParts) -> str:
    levels = unreached_levels(config.quantiles, parts.calibration_windows)
    if not levels:
        return ""
    trained = find_network(config.model).capability.quantiles(config.output)
    return calibration_note(levels, parts.calibration_windows, trained)


def calibration_note(levels: tuple[float, ...], windows: int, trained: bool) -> str:
    """A note on quantile levels that too few windows calibrate; "" if there are none.

    Args:
        levels: quantile levels that are not calibrated.
        windows: number of calibration windows.
        trained: switch between a model with quantiles of its own and a point forecaster.
    """
    if not levels:
        return ""
    if not windows:
        return (
            "Intervals: without a validation part they are not calibrated: they stay as trained, "
            "without a guarantee."
            if trained
            else "Intervals: there are none without a validation part to calibrate them on."
        )
    needed = int(np.ceil(1 / min(min(level, 1 - level) for level in levels) - 1e-9)) - 1
    kept = (
        "they stay as trained, without a guarantee"
        if trained
        else "the largest errors seen are used instead, which cover less than the levels say"
    )
    return (
        f"Intervals: {windows} validation windows are too few to calibrate the quantiles "
        f"{', '.join(f'{level:g}' for level in levels)} ({needed} are needed): {kept}."
    )
