"""The windows of a run's parts; a part that cannot serve its purpose is refused before training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.base.errors import DataError
from pipelines.series.splits import Part, Split, part_rows
from pipelines.series.time_series import SeriesSet
from pipelines.series.times.timestamps import STEP, show_time
from pipelines.series.windows import WindowBatches
from rnn_apps.forecasting.config import ForecastingConfig

_PURPOSES = {
    "training": "the model learns from it",
    "validation": "it chooses the best epoch and calibrates the intervals; with a share of 0 the "
    "last epoch is kept and intervals stay as trained",
    "test": "the run is judged on it; with a test part of 0 it is judged on the validation part",
}


@dataclass(frozen=True)
class TrainingParts:
    """The windows of each part; None for a part that the split does not have.

    Attributes:
        training, validation, test: windows of the part.
        calibration_windows: number of validation windows with an observed value, at the horizon
            step that has the fewest; 0 without a validation part.
    """

    training: WindowBatches
    validation: WindowBatches | None
    test: WindowBatches | None
    calibration_windows: int


def training_parts(series_set: SeriesSet, split: Split, config: ForecastingConfig) -> TrainingParts:
    """The windows of the parts, each part with observed values to forecast.

    Raises:
        DataError: a part is too short for a window or has no window with an observed value to
            forecast, or the validation part has none for some horizon step.
    """

    def windows(name: str, part: Part, *, shuffle: bool = False, stride: int = 1) -> WindowBatches:
        _check_rows(series_set, name, part)
        batches = WindowBatches(
            series_set, lookback=config.lookback, horizon=config.horizon, part=part,
            batch_size=config.batch_size, shuffle=shuffle, seed=config.example_seed, stride=stride,
        )  # fmt: skip
        _check_truth(batches, name)
        return batches

    _check_percentages(series_set, split)
    training = windows("training", split.train, shuffle=True, stride=config.stride)
    validation = windows("validation", split.validation) if split.has_validation else None
    test = windows("test", split.test) if split.has_test else None
    if validation is None:
        return TrainingParts(training, None, test, 0)
    _, by_step = validation.observed_truth()
    if not by_step.min():
        raise DataError(
            f"no window of the validation part has an observed value {int(by_step.argmin()) + 1} "
            f"steps ahead, so intervals cannot be calibrated; of {validation.examples} windows, "
            f"the step seen most often has {by_step.max()}",
            file=series_set.report.source,
            advice="Choose another split, whose validation part is not an outage.",
        )
    return TrainingParts(training, validation, test, int(by_step.min()))


def trained_until(series_set: SeriesSet, split: Split) -> str:
    """The last time of the training and the validation part over all series, in ISO 8601.

    UTC where the series have a time zone; "" for rows that are counted.
    """
    if series_set.frequency == STEP:
        return ""
    stops = [(series, part_rows(split.validation, series, series_set)[1]) for series in series_set]
    return str(np.max([series.times[stop - 1] for series, stop in stops if stop]))


def rows_after(series_set: SeriesSet, split: Split) -> int:
    """The number of rows of the longest series after all parts of the split."""
    last = split.test[1]
    return max(
        len(series) - part_rows((None, last), series, series_set)[1] for series in series_set
    )


def part_times(series_set: SeriesSet, part: Part) -> tuple[str, str]:
    """The first and the last time of a part over all series, for a message."""
    firsts, lasts = [], []
    for series in series_set:
        start, stop = part_rows(part, series, series_set)
        if stop > start:
            firsts.append(series.times[start])
            lasts.append(series.times[stop - 1])
    frequency = series_set.frequency
    return show_time(np.min(firsts), frequency), show_time(np.max(lasts), frequency)


def _check_percentages(series_set: SeriesSet, split: Split) -> None:
    """Refuses three numbers of rows that add up to 100 if there are more rows: shares are meant."""
    borders = (split.train[1], split.validation[1], split.test[1])
    if all(isinstance(border, int) for border in borders) and borders[2] == 100:
        rows = max(series_set.rows, *(len(series) for series in series_set))
        if rows > 100:
            raise DataError(
                f"the three whole numbers of the split count time steps, 100 of the {rows} that "
                "the data has",
                file=series_set.report.source,
                advice="Write shares as 0.7,0.1,0.2; to use 100 time steps, give data with 100.",
            )


def _check_rows(series_set: SeriesSet, name: str, part: Part) -> None:
    rows = [part_rows(part, series, series_set) for series in series_set]
    if all(stop <= start for start, stop in rows):
        raise DataError(
            f"the {name} part of the split has no rows",
            file=series_set.report.source,
            advice=f"Give it some: {_PURPOSES[name]}.",
        )


def _check_truth(batches: WindowBatches, name: str) -> None:
    known, _ = batches.observed_truth()
    if known:
        return
    first, last = part_times(batches.series_set, batches.part or (None, None))
    raise DataError(
        f"the {name} part, from {first} to {last}, has {batches.examples} windows, and none has an "
        "observed value to forecast",
        file=batches.series_set.report.source,
        advice=f"Choose another split, so that the part is not an outage: {_PURPOSES[name]}.",
    )
