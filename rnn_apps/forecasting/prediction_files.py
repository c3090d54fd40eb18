"""Forecasts as files: a CSV of what follows the data, and a picture of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import UserError
from pipelines.base.stated_columns import Stated
from pipelines.series.time_series import SeriesSet
from rnn_apps.forecasting.judging.charts import prediction_chart
from rnn_apps.forecasting.prediction import local_times, predict
from rnn_apps.forecasting.series_ends import until
from rnn_apps.forecasting.trained import TrainedForecaster

if TYPE_CHECKING:
    import pandas as pd

PAST_SHOWN = 3


def predict_to_files(
    run: TrainedForecaster,
    source: str,
    csv: str,
    plot: str = "",
    *,
    samples: int = 0,
    recent: int = 0,
    at: str = "",
    steps: int = 0,
    future: str = "",
    columns: Stated = (),
) -> dict[str, Any]:
    """Writes forecasts as CSV and draws them; what `rnn-apps forecast predict` does.

    Args:
        run: trained forecaster with its folder.
        source: source of the series to continue; "" for the run's own.
        csv: file for the table.
        plot: file for the picture, .png or .svg; "" for a PNG next to the CSV.
        samples: number of sample paths to add; see `Run.predict`.
        recent: number of the latest windows to calibrate on; see `Run.predict`.
        at: time of the last row that counts as known; see `Run.predict`.
        steps: number of steps to forecast; see `Run.predict`.
        future: source of what is known of the future; see `Run.predict`.
        columns: columns of `source` by role; see `Run.predict`.

    Returns:
        The paths of the files, and the first and the last time of the forecast.
    """
    table = Path(csv)
    picture = Path(plot) if plot else table.with_suffix(".png")
    if picture.suffix.lower() not in (".png", ".svg"):
        raise UserError(f"--plot {picture}: write a .png or a .svg file")
    if picture == table:
        raise UserError(f"--to {table}: name the table .csv; the picture is written next to it")
    series_set = run.series(source or None, future or None, steps or run.config.horizon, columns)
    frame = predict(run, series_set, samples=samples, recent=recent, at=at, steps=steps)
    with atomic_path(table) as beside:
        frame.to_csv(beside, index=False)
    _draw(run, until(series_set, at) if at else series_set, frame, picture)
    forecast = set(frame["series"])
    left_out = [name for name in series_set.names if name not in forecast]
    note = run.calibration_note
    return {
        "forecasts": str(table),
        "plot": str(picture),
        "series": len(forecast),
        **({"left out": left_out} if left_out else {}),
        **({"intervals": note.removeprefix("Intervals: ")} if note else {}),
        "horizon": steps or run.config.horizon,
        "from": str(frame["time"].min()),
        "to": str(frame["time"].max()),
    }


def _draw(run: TrainedForecaster, series_set: SeriesSet, frame: pd.DataFrame, path: Path) -> None:
    names = [name for name in frame.columns if name.startswith("quantile_")]
    levels = tuple(float(name.removeprefix("quantile_")) for name in names)
    past = PAST_SHOWN * run.config.horizon
    panels = []
    forecast = set(frame["series"])
    for series in [series for series in series_set if series.name in forecast][:8]:
        rows = frame[frame["series"] == series.name]
        panels.append(
            {
                "title": series.name,
                "past_times": wall_clock(local_times(series_set, series.times[-past:])),
                "past": np.where(series.observed, series.target, np.nan)[-past:],
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
