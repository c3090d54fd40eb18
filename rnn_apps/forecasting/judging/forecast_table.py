"""The forecasts of a backtest as a table: one row per series, origin and step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import UserError
from pipelines.series.time_series import SeriesSet
from rnn_apps.forecasting.forecast import Forecast, Inputs, Window
from rnn_apps.forecasting.prediction import local_times

if TYPE_CHECKING:
    from typing import TextIO

    from pipelines.series.windows import WindowBatches


def check_table_path(path: str | Path) -> Path:
    """The path of a table.

    Raises:
        UserError: it is not a .csv file, or its folder does not exist.
    """
    table = Path(path)
    if table.suffix.lower() != ".csv":
        raise UserError(f"forecasts {table}: name a .csv file")
    if not table.parent.is_dir():
        raise UserError(f"forecasts {table}: there is no folder {table.parent}")
    return table


class ForecastTable:
    """Writes forecasts while a backtest makes them, so that they need no memory.

    The columns are series; origin, the time of the last known value; step, from 1; time; truth,
    empty where it is missing; forecast; and one column per quantile, calibrated.

    Args:
        file: opened file that the table is written to.
        series_set: series of the backtest.
        levels: levels of the forecaster's quantiles.
        fits: function that gives the number of the fit that forecasts each window, for a column
            `fit`; None for no such column.
    """

    def __init__(
        self,
        file: TextIO,
        series_set: SeriesSet,
        levels: tuple[float, ...],
        fits: Callable[[Inputs], NDArray[np.int64]] | None = None,
    ) -> None:
        self._file = file
        self._series_set = series_set
        self._levels = levels
        self._fits = fits
        self._begun = False
        self._origins: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, batches: WindowBatches, window: Window, forecast: Forecast) -> None:
        """Writes the forecasts of one batch of windows.

        Args:
            batches: batches that the window comes from.
            window: batch of windows.
            forecast: forecasts of these windows.
        """
        import pandas as pd

        if self._origins is None:
            self._origins = batches.origins()
        places, rows = (values[window.numbers] for values in self._origins)
        horizon = window.truth.shape[1]
        names = np.array(self._series_set.names, object)
        series = [self._series_set[int(place)] for place in places]
        before = [one.times[row - 1] for one, row in zip(series, rows, strict=True)]
        times = [one.times[row : row + horizon] for one, row in zip(series, rows, strict=True)]
        columns = {
            "series": np.repeat(names[places], horizon),
            "origin": local_times(self._series_set, np.repeat(before, horizon)),
            "step": np.tile(np.arange(1, horizon + 1), len(rows)),
            "time": local_times(self._series_set, np.concatenate(times)),
            "truth": np.where(window.weights > 0, window.truth, np.nan).reshape(-1),
            "forecast": forecast.point.reshape(-1),
        }
        if forecast.quantiles is not None:
            for i, level in enumerate(self._levels):
                columns[f"quantile_{level:g}"] = forecast.quantiles[:, :, i].reshape(-1)
        if self._fits is not None:
            columns["fit"] = np.repeat(self._fits(window.inputs), horizon)
        pd.DataFrame(columns).to_csv(self._file, index=False, header=not self._begun)
        self._begun = True
