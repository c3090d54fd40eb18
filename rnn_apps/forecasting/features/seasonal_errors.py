"""How much each series changes over a season: the unit in which MASE counts errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.series.splits import Split, part_rows
from pipelines.series.time_series import SeriesSet
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.seasons import season_of
from rnn_apps.forecasting.judging.metrics import seasonal_naive_error
from rnn_apps.forecasting.network.transforms import transformed


def seasonal_errors(
    series_set: SeriesSet, split: Split, config: ForecastingConfig, step_minutes: float
) -> npt.NDArray[np.float32]:
    """The mean error of the seasonal naive forecast within each series' training part.

    Args:
        series_set: series that the model is trained on.
        split: training, validation and test part.
        config: configuration whose `transform` is applied first and whose `season` counts, 0 for
            the season that the frequency suggests.
        step_minutes: number of minutes between two values; 0 for rows that are counted.

    Returns:
        Errors in the unit of the transformed target, float32 [series]; NaN where a series has no
        two observed values a season apart.
    """
    season = config.season or season_of(series_set.frequency, step_minutes)
    errors = []
    for series in series_set:
        start, stop = part_rows(split.train, series, series_set)
        target = np.asarray(transformed(series.target[start:stop], config.transform))
        errors.append(seasonal_naive_error(target, season, series.observed[start:stop]))
    return np.array(errors, np.float32)
