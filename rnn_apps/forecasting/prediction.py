"""Forecasts beyond the end of the data, as a table with time stamps, a CSV and a plot."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import ConfigurationError, UserError
from pipelines.series.time_series import SeriesSet, TimeSeries, latest_windows
from pipelines.series.times.timestamps import STEP, step_numbers
from pipelines.series.windows import WindowBatches
from rnn_apps.forecasting.forecast import Forecast, Forecaster, windows
from rnn_apps.forecasting.judging.conformal import (
    Calibrated,
    calibrate,
    unreached_levels,
)

if TYPE_CHECKING:
    import pandas as pd

    from rnn_apps.forecasting.run import Run

_log = logging.getLogger(__name__)

BATCH_SIZE = 256
PAST_SHOWN = 3


def forecast_ends(forecaster: Forecaster, series_set: SeriesSet, horizon: int) -> Forecast:
    """Forecasts what follows the end of every series; one row per series.

    Raises:
        DataError: a series is too short, or its known-future covariates do not reach far enough.
    """
    inputs = latest_windows(series_set, forecaster.lookback, horizon)
    parts = []
    for start in range(0, len(series_set), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        parts.append(forecaster.forecast({name: value[rows] for name, value in inputs.items()}))
    quantiles = [part.quantiles for part in parts if part.quantiles is not None]
    return Forecast(
        np.concatenate([part.point for part in parts]),
        np.concatenate(quantiles) if quantiles else None,
    )


def recalibrated(
    calibrated: Calibrated, series_set: SeriesSet, horizon: int, count: int
) -> Calibrated:
    """The forecaster calibrated again on the latest windows of every series.

    So intervals that were calibrated long ago follow data that has drifted since. The true values
    of these windows are known, so nothing of the future is used.

    Args:
        calibrated: forecaster with its earlier calibration.
        series_set: series whose latest windows are used.
        horizon: number of time steps to forecast.
        count: number of windows per series, at least 1. Levels that this many windows cannot
            calibrate keep their earlier calibration.

    Raises:
        DataError: no series is long enough for a single such window.
    """
    if count < 1:
        raise ConfigurationError(f"recent = {count} windows to calibrate on must be at least 1")
    rows = calibrated.lookback + horizon + count - 1
    tails = dataclasses.replace(
        series_set, series=tuple(_tail(one, rows) for one in series_set), rows=0
    )
    batches = WindowBatches(
        tails, lookback=calibrated.lookback, horizon=horizon, batch_size=BATCH_SIZE
    )
    old = calibrated.calibration
    new, _ = calibrate(calibrated.base, windows(batches), old.levels, old.scale)
    kept = np.isin(old.levels, unreached_levels(old.levels, new.windows))
    if kept.any():
        shown = ", ".join(f"{level:g}" for level in np.asarray(old.levels)[kept])
        _log.warning(
            f"{new.windows} recent windows are too few to calibrate the quantiles {shown}: they "
            "keep the calibration of the validation part."
        )
    corrections = np.where(kept, old.corrections, new.corrections)
    count = old.windows if kept.any() else new.windows
    return Calibrated(
        calibrated.base, dataclasses.replace(old, corrections=corrections, windows=count)
    )


def as_frame(series_set: SeriesSet, forecast: Forecast, levels: tuple[float, ...]) -> pd.DataFrame:
    """One row per series and step: series, time, forecast, one column per quantile and sample path.

    The times continue where each series ends, in its frequency and its time zone.
    """
    import pandas as pd

    horizon = forecast.point.shape[1]
    frames = []
    for row, one in enumerate(series_set):
        columns: dict[str, Any] = {
            "series": one.name,
            "time": local_times(series_set, series_set.future_times(one, horizon)),
            "forecast": forecast.point[row],
        }
        if forecast.quantiles is not None:
            for i, level in enumerate(levels):
                columns[f"quantile_{level:g}"] = forecast.quantiles[row, :, i]
        if forecast.samples is not None:
            for i, path in enumerate(forecast.samples[row]):
                columns[f"sample_{i + 1}"] = path
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def local_times(series_set: SeriesSet, times: np.ndarray) -> pd.Index:
    """Times in the data's own time zone, if it has one.

    Rows that are counted and have no date give their row numbers.
    """
    import pandas as pd

    if series_set.frequency == STEP:
        return pd.Index(step_numbers(times))
    index = pd.DatetimeIndex(times)
    if series_set.time_zone:
        return index.tz_localize("UTC").tz_convert(series_set.time_zone)
    return index


def predict_to_files(
    run: Run, source: str, csv: str, plot: str = "", *, samples: int = 0, recent: int = 0
) -> dict[str, Any]:
    """Writes forecasts as CSV and draws them; what `rnn-apps forecast predict` does.

    Args:
        run: trained run.
        source: source of the data to continue; "" for the run's own data.
        csv: file for the table.
        plot: file for the picture, .png or .svg; "" for a PNG next to the CSV.
        samples: number of sample paths to add, see `Run.predict`.
        recent: number of latest windows to calibrate on again, see `Run.predict`.

    Returns:
        The paths of the files, and the first and the last time of the forecast.
    """
    table = Path(csv)
    picture = Path(plot) if plot else table.with_suffix(".png")
    if picture.suffix.lower() not in (".png", ".svg"):
        raise UserError(f"--plot {picture}: write a .png or a .svg file")
    if picture == table:
        raise UserError(f"--to {table}: name the table .csv; the picture is written next to it")
    series_set = run.series(source or None)
    frame = run.predict(series_set, samples=samples, recent=recent)
    with atomic_path(table) as beside:
        frame.to_csv(beside, index=False)
    _draw(run, series_set, frame, picture)
    forecast = set(frame["series"])
    left_out = [name for name in series_set.names if name not in forecast]
    note = run.calibration_note
    return {
        "forecasts": str(table),
        "plot": str(picture),
        "series": len(forecast),
        **({"left out": left_out} if left_out else {}),
        **({"intervals": note.removeprefix("Intervals: ")} if note else {}),
        "horizon": run.config.horizon,
        "from": str(frame["time"].min()),
        "to": str(frame["time"].max()),
    }


def _draw(run: Run, series_set: SeriesSet, frame: pd.DataFrame, path: Path) -> None:
    from rnn_apps.forecasting.judging.charts import prediction_chart

    names = [name for name in frame.columns if name.startswith("quantile_")]
    levels = tuple(float(name.removeprefix("quantile_")) for name in names)
    past = PAST_SHOWN * run.config.horizon
    panels = []
    forecast = set(frame["series"])
    for one in [one for one in series_set if one.name in forecast][:8]:
        rows = frame[frame["series"] == one.name]
        panels.append(
            {
                "title": one.name,
                "past_times": wall_clock(local_times(series_set, one.times[-past:])),
                "past": np.where(one.observed, one.target, np.nan)[-past:],
                "times": wall_clock(rows["time"]),
                "point": rows["forecast"].to_numpy(),
                "quantiles": rows[names].to_numpy() if names else None,
            }
        )
    figure = prediction_chart(panels, levels)
    with atomic_path(path) as beside:
        figure.savefig(beside, format=path.suffix[1:].lower(), dpi=120)


def wall_clock(times: Any) -> np.ndarray:
    """Local wall-clock times without their time zone, or row numbers, for the axis of a chart."""
    import pandas as pd

    if pd.api.types.is_integer_dtype(times):
        return np.asarray(times)
    index = pd.DatetimeIndex(times)
    return np.asarray(index.tz_localize(None) if index.tz is not None else index)


def _tail(one: TimeSeries, rows: int) -> TimeSeries:
    start = max(0, len(one) - rows)
    return dataclasses.replace(
        one,
        times=one.times[start:],
        target=one.target[start:],
        observed=one.observed[start:],
        past_covariates=one.past_covariates[start:],
        future_covariates=one.future_covariates[start : len(one)],
        offset=0,
    )
