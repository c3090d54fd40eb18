"""What a model has to know about its data: the series, the covariates and their statistics.

It is computed from the training part alone, is written next to the run's config, and is all that
`build_model` needs to build the same model again without the data.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import DataError
from pipelines.series.splits import Split, part_rows
from pipelines.series.statistics import training_statistics
from pipelines.series.times.timestamps import STEP, show_time
from rnn_apps.forecasting.network.transforms import check_transformable, transformed

if TYPE_CHECKING:
    import numpy as np

    from pipelines.series.time_series import SeriesSet
    from rnn_apps.forecasting.config import ForecastingConfig


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """The training data as the model sees it.

    Attributes:
        series_names: names of the series; `series_index` counts in this order.
        location: numbers that scaling subtracts, one per series (0 for counts).
        scale: numbers above 0 that scaling divides by, one per series.
        step_minutes: number of minutes between two values; 0 for rows that are counted and have no
            date.
        span_minutes: number of minutes from the first training value to the last, of the longest
            series; 0 for rows that are counted and have no date.
        past_names: names of the past covariates; `past_location` and `past_scale` are their
            statistics.
        future_names: names of the known-future covariates, with statistics in the same way.
        static_names: names of the static covariates, with statistics in the same way.
        categories: names of the categories of each past or future covariate whose values are codes;
            such a covariate has location 0 and scale 1.
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
    categories: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Writes the description as JSON, atomically."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> DataDescription:
        """Reads what `save` wrote.

        Raises:
            DataError: the file is missing or does not hold a description.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in content.items()
            }
            lists = values.pop("categories", {})
            return cls(**values, categories={name: tuple(one) for name, one in lists.items()})
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", file=path) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"is not a description of data: {error}", file=path) from None


def describe(series_set: SeriesSet, split: Split, config: ForecastingConfig) -> DataDescription:
    """The description of the training part of `split`.

    Args:
        series_set: series that the model is trained on.
        split: training, validation and test part.
        config: configuration whose `output` decides between standardising and dividing by the
            mean (counts), and whose `transform` is applied before location and scale are taken.

    Raises:
        DataError: the output is for counts, and a series holds a value that is not a whole number
            of 0 or more; or a value has no logarithm and the transform takes one.
    """
    import numpy as np

    check_transformable(series_set, config.transform)
    statistics = training_statistics(_transformed(series_set, config.transform), split)
    counts = config.output == "negative_binomial"
    span, step = _training_extent(series_set, split)
    if counts:
        _check_counts(series_set)
    location = np.zeros_like(statistics.mean) if counts else statistics.mean
    scale = statistics.mean_absolute if counts else statistics.standard_deviation
    return DataDescription(
        series_names=tuple(series_set.names),
        location=_numbers(location),
        scale=_numbers(scale),
        step_minutes=step,
        span_minutes=span,
        past_names=tuple(series_set.past_names),
        past_location=_unless_codes(series_set, "past", statistics.past_mean, 0.0),
        past_scale=_unless_codes(series_set, "past", statistics.past_standard_deviation, 1.0),
        future_names=tuple(series_set.future_names),
        future_location=_unless_codes(series_set, "future", statistics.future_mean, 0.0),
        future_scale=_unless_codes(series_set, "future", statistics.future_standard_deviation, 1.0),
        static_names=tuple(series_set.static_names),
        static_location=_numbers(statistics.static_mean),
        static_scale=_numbers(statistics.static_standard_deviation),
        categories=dict(series_set.categories),
    )


def _unless_codes(
    series_set: SeriesSet, kind: str, statistics: np.ndarray, otherwise: float
) -> tuple[float, ...]:
    """Statistics of covariates; `otherwise` for those whose values are codes of categories."""
    names: tuple[str, ...] = getattr(series_set, f"{kind}_names")
    return tuple(
        otherwise if name in series_set.categories else float(value)
        for name, value in zip(names, statistics, strict=True)
    )


def _transformed(series_set: SeriesSet, transform: str) -> SeriesSet:
    """The set with its targets as the model sees them."""
    import numpy as np

    if transform == "none":
        return series_set
    changed = [
        dataclasses.replace(series, target=np.asarray(transformed(series.target, transform)))
        for series in series_set
    ]
    return dataclasses.replace(series_set, series=tuple(changed))


def _training_extent(series_set: SeriesSet, split: Split) -> tuple[float, float]:
    """The longest span and the step of the training part, in minutes."""
    import numpy as np

    span, step = 0.0, 0.0
    for series in series_set:
        start, stop = part_rows(split.train, series, series_set)
        times = series.times[start:stop].astype("datetime64[s]").astype(np.int64)
        if len(times) > 1 and series_set.frequency != STEP:
            span = max(span, float(times[-1] - times[0]) / 60.0)
            step = float(np.median(np.diff(times))) / 60.0
    return span, step


def _check_counts(series_set: SeriesSet) -> None:
    import numpy as np

    for series in series_set:
        wrong = np.flatnonzero(series.observed & ((series.target < 0) | (series.target % 1 != 0)))
        if len(wrong):
            when = show_time(series.times[wrong[0]], series_set.frequency)
            raise DataError(
                f"holds {series.target[wrong[0]]:g} at {when}; output = 'negative_binomial' is for "
                "counts: whole numbers of 0 or more",
                file=series_set.report.source,
                column=series.name,
                advice="Choose output = 'student_t' or 'gaussian'.",
            )


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
