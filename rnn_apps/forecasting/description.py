"""What a model has to know of its data: how many series, which covariates, their statistics.

It is computed from the training part alone, is written beside the run's config, and is all that
`build_model` needs to build the same model again without the data.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.atomic_files import write_json
from pipelines.errors import DataError
from pipelines.splits import Split, part_rows
from pipelines.statistics import training_statistics
from pipelines.timestamps import STEP

if TYPE_CHECKING:
    import numpy as np

    from pipelines.time_series import SeriesSet
    from rnn_apps.forecasting.config import ForecastingConfig


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """The training data as the model sees it.

    Attributes:
        series_names: one name a series; `series_index` counts in this order.
        location: what scaling subtracts, a number a series (0 for counts).
        scale: what scaling divides by, a number above 0 a series.
        step_minutes: minutes between two values; 0 for rows that are counted and have no date.
        span_minutes: minutes from the first training value to the last, of the longest series;
            0 likewise.
        past_names: past covariates, with their statistics in `past_location`, `past_scale`.
        future_names: known-future covariates, likewise.
        static_names: static covariates, likewise.
    """

    series_names: tuple[str, ...]
    location: tuple[float, ...]
    scale: tuple[float, ...]
    step_minutes: float
    span_minutes: float
    past_names: tuple[str, ...] = ()
    past_location: tuple[float, ...] = ()
    past_scale: tuple[float, ...] = ()
    future_names: tuple[str, ...] = ()
    future_location: tuple[float, ...] = ()
    future_scale: tuple[float, ...] = ()
    static_names: tuple[str, ...] = ()
    static_location: tuple[float, ...] = ()
    static_scale: tuple[float, ...] = ()

    def save(self, path: str | Path) -> None:
        """Writes the description as JSON, atomically."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> DataDescription:
        """Reads what `save` wrote.

        Raises:
            DataError: the file is missing or is no description.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in content.items()
            }
            return cls(**values)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", file=path) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"is no description of data: {error}", file=path) from None


def describe(series_set: SeriesSet, split: Split, config: ForecastingConfig) -> DataDescription:
    """The description of the training part of `split`.

    Args:
        config: its `output` decides between standardising and dividing by the mean (counts).

    Raises:
        DataError: the training part holds a negative value and the output is for counts.
    """
    import numpy as np

    statistics = training_statistics(series_set, split)
    counts = config.output == "negative_binomial"
    smallest, span, step = _training_extent(series_set, split)
    if counts:
        _refuse_negative(series_set, smallest)
    location = np.zeros_like(statistics.mean) if counts else statistics.mean
    scale = statistics.mean_absolute if counts else statistics.standard_deviation
    return DataDescription(
        series_names=tuple(series_set.names),
        location=_numbers(location),
        scale=_numbers(scale),
        step_minutes=step,
        span_minutes=span,
        past_names=tuple(series_set.past_names),
        past_location=_numbers(statistics.past_mean),
        past_scale=_numbers(statistics.past_standard_deviation),
        future_names=tuple(series_set.future_names),
        future_location=_numbers(statistics.future_mean),
        future_scale=_numbers(statistics.future_standard_deviation),
        static_names=tuple(series_set.static_names),
        static_location=_numbers(statistics.static_mean),
        static_scale=_numbers(statistics.static_standard_deviation),
    )


def _training_extent(series_set: SeriesSet, split: Split) -> tuple[list[float], float, float]:
    """The least observed value of each series, the longest span and the step, in minutes."""
    import numpy as np

    smallest, span, step = [], 0.0, 0.0
    for one in series_set:
        start, stop = part_rows(split.train, one, series_set)
        values = one.target[start:stop][one.observed[start:stop]]
        smallest.append(float(values.min()) if len(values) else 0.0)
        times = one.times[start:stop].astype("datetime64[s]").astype(np.int64)
        if len(times) > 1 and series_set.frequency != STEP:
            span = max(span, float(times[-1] - times[0]) / 60.0)
            step = float(np.median(np.diff(times))) / 60.0
    return smallest, span, step


def _refuse_negative(series_set: SeriesSet, smallest: list[float]) -> None:
    for name, value in zip(series_set.names, smallest, strict=True):
        if value < 0:
            raise DataError(
                f"holds {value:g}; output = 'negative_binomial' is for counts, 0 and above",
                file=series_set.report.source,
                column=name,
                advice="Choose output = 'student_t' or 'gaussian'.",
            )


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
