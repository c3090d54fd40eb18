"""Forecasts beyond the end of the data, as a table with time stamps."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError, UserError
from pipelines.base.stated_columns import Stated
from pipelines.series.time_series import SeriesSet, TimeSeries, latest_windows, with_reach
from pipelines.series.times.timestamps import STEP, show_time, step_numbers
from pipelines.series.windows import WindowBatches
from rnn_apps.forecasting.forecast import Forecast, Forecaster, require_finite, windows
from rnn_apps.forecasting.judging.conformal import (
    Calibrated,
    calibrate,
    unreached_levels,
)
from rnn_apps.forecasting.run_data import positions, with_policy
from rnn_apps.forecasting.sampling.sample_paths import RankTrajectories, sample_paths
from rnn_apps.forecasting.series_ends import lengthened, until
from rnn_apps.forecasting.trained import TRAJECTORIES, TrainedForecaster
from rnn_apps.forecasting.understood import understood_for_use

if TYPE_CHECKING:
    import pandas as pd

    from rnn_apps.forecasting.run_data import Data

_log = logging.getLogger(__name__)

BATCH_SIZE = 256
MOST_SAMPLES = 10_000
MOST_REASONS = 5


def predict(
    run: TrainedForecaster,
    data: Data | None = None,
    *,
    samples: int = 0,
    recent: int = 0,
    seed: int = 0,
    at: str = "",
    steps: int = 0,
    future: Data | None = None,
    columns: Stated = (),
) -> pd.DataFrame:
    """See `Run.predict`."""
    config = run.config
    steps = steps or config.horizon
    # The model forecasts whole horizons, so covariates have to be known for as many.
    reach = -(-max(steps, 1) // config.horizon) * config.horizon
    everything = run.series(data, future, reach, columns)
    _check_steps(run, everything, steps, samples)
    whole = everything
    if at:
        everything = with_policy(until(whole, at), config, forecast=True)
        _tell_of_training(run, everything)
    series_set, left_out = with_reach(everything, config.lookback, reach)
    if left_out:
        reasons = [*list(left_out.values())[:MOST_REASONS], "..."][: len(left_out)]
        _log.warning(f"{len(left_out)} of {len(everything)} series left out: {'; '.join(reasons)}.")
    for line in understood_for_use(series_set, config.lookback):
        _log.info(line)
    if run.calibration_note and not recent:
        _log.info(run.calibration_note)
    calibrated = run.forecaster(series_set)
    if recent:
        calibrated = recalibrated(calibrated, series_set, config.horizon, recent)
    forecast = forecast_ends(calibrated, series_set, config.horizon, steps)
    if samples:
        paths = _paths(run, series_set, samples, seed)
        drawn = Forecast(forecast.point, None, paths[:, :, :steps])
        require_finite(drawn, "the sample paths", _places(series_set, 0, steps))
        forecast = Forecast(forecast.point, forecast.quantiles, drawn.samples)
    frame = as_frame(series_set, forecast, calibrated.levels)
    if at:
        frame.insert(2, "truth", _what_came(whole, series_set, steps))
    return frame


def _tell_of_training(run: TrainedForecaster, known: SeriesSet) -> None:
    """Says that the run was trained on what it is to forecast."""
    until_then = run.metrics.get("data", {}).get("trained_until", "")
    last = np.max([series.times[-1] for series in known])
    if until_then and last < np.datetime64(until_then):
        shown = show_time(np.datetime64(until_then), known.frequency)
        _log.warning(
            f"The run was trained and calibrated on data up to {shown}: if it is the same data, "
            "the model has seen what it forecasts, and the forecast is too good."
        )


def _what_came(whole: SeriesSet, known: SeriesSet, steps: int) -> NDArray[np.float32]:
    """The observed values after the end of each series of `known`, NaN where there are none.

    Returns:
        Values float32 [series * steps], in the order of `as_frame`.
    """
    truth = np.full((len(known), steps), np.nan, np.float32)
    for row, series in enumerate(known):
        later = whole[series.name]
        # A series that has become too short is lengthened at its beginning.
        end = len(series) - series.padding + later.padding
        after = slice(end, end + steps)
        values = np.where(later.observed[after], later.target[after], np.nan)
        truth[row, : len(values)] = values
    return truth.reshape(-1)


def _check_steps(run: TrainedForecaster, data: SeriesSet, steps: int, samples: int) -> None:
    horizon = run.config.horizon
    if steps < 1:
        raise UserError(f"steps = {steps} must be at least 1")
    if steps <= horizon:
        return
    if samples:
        raise UserError(
            f"steps = {steps} is beyond the horizon of {horizon}, where there are no sample paths: "
            "leave out samples, or train with a longer horizon"
        )
    if data.past_names:
        raise UserError(
            f"steps = {steps} is beyond the horizon of {horizon}, and nobody knows "
            f"{', '.join(data.past_names)} there: train with a longer horizon"
        )
    _log.warning(
        f"Beyond step {horizon}, the horizon of the run, the model reads its own forecasts as if "
        "they had been observed. There are no quantiles there, since they would be too narrow."
    )


def forecast_ends(
    forecaster: Forecaster, series_set: SeriesSet, horizon: int, steps: int = 0
) -> Forecast:
    """Forecasts what follows the end of every series, one row per series.

    Args:
        forecaster: forecaster of `horizon` steps.
        series_set: series to continue.
        horizon: number of steps that the forecaster gives at a time.
        steps: number of steps wanted; 0 for the horizon. With more, point forecasts follow that are
            made from forecasts, and quantiles that are not a number.

    Raises:
        DataError: a series is too short, or its known-future covariates do not reach far enough.
        UserError: a forecast is not finite.
    """
    steps = steps or horizon
    first = _one_horizon(forecaster, series_set, horizon)
    points = [first.point]
    for _ in range(horizon, steps, horizon):
        series_set = lengthened(series_set, points[-1])
        points.append(_one_horizon(forecaster, series_set, horizon).point)
    point, quantiles = np.concatenate(points, axis=1)[:, :steps], first.quantiles
    if quantiles is not None:
        beyond = ((0, 0), (0, max(0, steps - horizon)), (0, 0))
        quantiles = np.pad(quantiles, beyond, constant_values=np.nan)[:, :steps]
    return Forecast(point, quantiles)


def _one_horizon(forecaster: Forecaster, series_set: SeriesSet, horizon: int) -> Forecast:
    inputs = latest_windows(series_set, forecaster.lookback, horizon)
    parts = []
    for start in range(0, len(series_set), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        part = forecaster.forecast({name: value[rows] for name, value in inputs.items()})
        require_finite(part, forecaster.name, _places(series_set, start, horizon))
        parts.append(part)
    quantiles = [part.quantiles for part in parts if part.quantiles is not None]
    return Forecast(
        np.concatenate([part.point for part in parts]),
        np.concatenate(quantiles) if quantiles else None,
    )


def _places(series_set: SeriesSet, start: int, horizon: int) -> Callable[[int, int], str]:
    """Names the series, counted from number `start`, and the time of a step after its end."""

    def place(row: int, step: int) -> str:
        series = series_set[start + row]
        time = series_set.future_times(series, horizon)[step]
        return f"series {series.name!r} at {series_set.shown(time)}"

    return place


def recalibrated(
    calibrated: Calibrated, series_set: SeriesSet, horizon: int, count: int
) -> Calibrated:
    """The forecaster calibrated again on the latest windows of every series.

    So intervals that were calibrated long ago follow data that has drifted since. The true values
    of these windows are known, so nothing of the future is used.

    Args:
        calibrated: forecaster with the calibration that is replaced.
        series_set: series whose latest windows are used.
        horizon: number of steps that are forecast.
        count: number of windows of each series, at least 1. Levels that this many windows are too
            few to calibrate keep their calibration.

    Raises:
        DataError: no series is long enough for a single such window.
    """
    if count < 1:
        raise ConfigurationError(f"recent = {count} windows to calibrate on must be at least 1")
    rows = calibrated.lookback + horizon + count - 1
    tails = dataclasses.replace(
        series_set, series=tuple(_tail(series, rows) for series in series_set), rows=0
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
            f"{_without_calibration(calibrated)}."
        )
    corrections = np.where(kept, old.corrections, new.corrections)
    count = old.windows if kept.any() else new.windows
    return Calibrated(
        calibrated.base, dataclasses.replace(old, corrections=corrections, windows=count)
    )


def _without_calibration(calibrated: Calibrated) -> str:
    """What becomes of quantiles that cannot be calibrated anew."""
    if calibrated.calibration.windows:
        return "keep the calibration of the validation part"
    return "stay as trained" if calibrated.base.levels else "are left out, as all are"


def as_frame(series_set: SeriesSet, forecast: Forecast, levels: tuple[float, ...]) -> pd.DataFrame:
    """One row per series and step: series, time, forecast, one column per quantile and sample path.

    The times continue where each series ends, in its frequency and its time zone.
    """
    import pandas as pd

    horizon = forecast.point.shape[1]
    frames = []
    for row, series in enumerate(series_set):
        columns: dict[str, Any] = {
            "series": series.name,
            "time": local_times(series_set, series_set.future_times(series, horizon)),
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


def _paths(
    run: TrainedForecaster, series_set: SeriesSet, samples: int, seed: int
) -> NDArray[np.float32]:
    if not 0 < samples <= MOST_SAMPLES:
        raise UserError(f"samples = {samples} must be from 0 to {MOST_SAMPLES}")
    inputs = latest_windows(series_set, run.config.lookback, run.config.horizon)
    inputs["series_index"] = positions(series_set, run.config, run.description)
    trajectories = run.folder.path / TRAJECTORIES
    return sample_paths(
        run.model, run.config, run.description, inputs, paths=samples, seed=seed,
        trajectories=RankTrajectories.load(trajectories) if trajectories.exists() else None,
    )  # fmt: skip


def _tail(series: TimeSeries, rows: int) -> TimeSeries:
    start = max(0, len(series) - rows)
    return dataclasses.replace(
        series,
        times=series.times[start:],
        target=series.target[start:],
        observed=series.observed[start:],
        past_covariates=series.past_covariates[start:],
        future_covariates=series.future_covariates[start : len(series)],
        offset=0,
        padding=max(0, series.padding - start),
    )
