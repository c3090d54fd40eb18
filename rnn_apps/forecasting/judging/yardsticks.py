"""What a run is judged by; fitted once on its training and validation part, kept in its folder.

The scales of the metrics, the season, the fitted NLinear, and the interval calibrations of the
model and of every baseline: enough to judge the run on other data without its training data.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import DataError, UserError
from pipelines.series.splits import Part, Split, part_rows
from pipelines.series.statistics import training_statistics
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.timestamps import STEP
from pipelines.series.windows import WindowBatches
from rnn_apps.forecasting.features.seasons import longer_season, season_of
from rnn_apps.forecasting.forecast import Forecaster, windows
from rnn_apps.forecasting.judging.baselines import (
    Drift,
    NLinear,
    RepeatLast,
    SeasonalNaive,
    fit_nlinear,
)
from rnn_apps.forecasting.judging.conformal import Calibrated, Calibration, Calibrator
from rnn_apps.forecasting.judging.metrics import SeriesScales, seasonal_naive_error

Array = NDArray[np.float64]

BATCH_SIZE = 512
# NLinear is fitted on sums over windows; beyond this many, further windows hardly change it.
MOST_FITTING_WINDOWS = 400_000
# Number of scores from which online intervals start; about six weeks of half-hours.
MOST_SCORES_KEPT = 2_000
_MODEL = "model"


@dataclass(frozen=True)
class Yardsticks:
    """See the module.

    Args:
        season: number of time steps of the season of MASE and the seasonal naive forecast.
        longer: number of time steps of a second season with a naive forecast of its own; 0 for no
            second season.
        horizon: number of time steps to forecast.
        scales: statistics of the training part for every series.
        nlinear: fitted linear baseline; None if the training part is too short for it.
        calibrations: calibrations by the forecaster's name, ``model`` for the model itself.
        scores: scores of the model on the validation part, from which online intervals start; none
            without a validation part.
    """

    season: int
    longer: int
    horizon: int
    scales: SeriesScales
    nlinear: NLinear | None
    calibrations: dict[str, Calibration]
    scores: Array

    def baselines(self, lookback: int) -> list[Calibrated]:
        """The calibrated baselines; drift looks back over `lookback` steps."""
        baselines = naive_baselines(self.horizon, lookback, self.season, self.longer)
        if self.nlinear is not None:
            baselines.append(self.nlinear)
        return [
            Calibrated(baseline, self.calibrations[baseline.name])
            for baseline in baselines
            if baseline.name in self.calibrations
        ]

    def calibrated(self, model: Forecaster) -> Calibrated:
        """The model with its calibration."""
        return Calibrated(model, self.calibrations[_MODEL])

    def for_series(
        self, series_set: SeriesSet, known: NDArray[np.int64] | None = None
    ) -> Yardsticks:
        """The same for other series: known by name, or else measured on their known rows.

        A series that training has not seen has no MASE; its intervals and its scaled errors are in
        units of the standard deviation of its known rows. Where these are constant, intervals are
        in units of their level, or of the median of the training series' units where that is 0.

        Args:
            series_set: series to serve.
            known: number of rows of each series that are known before its first forecast, int64
                [series], see `rows_before_origins`; None where all of them are.
        """
        trained = {name: i for i, name in enumerate(self.scales.names)}
        seasonal = np.full(len(series_set), np.nan)
        deviation, unit = np.zeros(len(series_set)), np.ones(len(series_set))
        units = self.calibrations[_MODEL].scale
        for i, series in enumerate(series_set):
            if series.name in trained:
                old = trained[series.name]
                seasonal[i] = self.scales.seasonal_error[old]
                deviation[i], unit[i] = self.scales.standard_deviation[old], units[old]
            else:
                rows = None if known is None else int(known[i])
                deviation[i] = _deviation(series, rows)
                # A constant beginning has no deviation, and the series need not be of units of 1.
                unit[i] = deviation[i] or _level(series, rows) or float(np.median(units))
        scales = SeriesScales(series_set.names, seasonal, deviation)
        calibrations = {
            name: dataclasses.replace(calibration, scale=unit)
            for name, calibration in self.calibrations.items()
        }
        nlinear = self.nlinear and dataclasses.replace(self.nlinear, scale=unit)
        return dataclasses.replace(self, scales=scales, calibrations=calibrations, nlinear=nlinear)

    def save(self, path: str | Path) -> None:
        """Writes an .npz file (plain arrays, nothing pickled) atomically."""
        arrays: dict[str, Any] = {
            "season": self.season,
            "longer": self.longer,
            "horizon": self.horizon,
            "names": np.asarray(self.scales.names),
            "seasonal_error": self.scales.seasonal_error,
            "standard_deviation": self.scales.standard_deviation,
            "scores": self.scores.astype(np.float32),
            "calibrated": np.asarray(list(self.calibrations)),
        }
        for i, calibration in enumerate(self.calibrations.values()):
            arrays.update(calibration.arrays(f"calibration_{i}_"))
        if self.nlinear is not None:
            arrays["nlinear_weights"] = self.nlinear.weights
            arrays["nlinear_bias"] = self.nlinear.bias
            arrays["nlinear_scale"] = self.nlinear.scale
            arrays["nlinear_ridge"] = self.nlinear.ridge
        with atomic_path(path) as beside, open(beside, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Yardsticks:
        """Reads what `save` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls._from_arrays(arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: the run's yardsticks cannot be read: {error}") from None

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Yardsticks:
        nlinear = None
        if "nlinear_weights" in arrays:
            nlinear = NLinear(
                arrays["nlinear_weights"], arrays["nlinear_bias"], arrays["nlinear_scale"],
                float(arrays["nlinear_ridge"]),
            )  # fmt: skip
        calibrations = {
            str(name): Calibration.from_arrays(arrays, f"calibration_{i}_")
            for i, name in enumerate(arrays["calibrated"])
        }
        scales = SeriesScales(
            tuple(arrays["names"].tolist()), arrays["seasonal_error"], arrays["standard_deviation"]
        )
        return cls(
            int(arrays["season"]), int(arrays["longer"]), int(arrays["horizon"]), scales,
            nlinear, calibrations, arrays["scores"].astype(np.float64),
        )  # fmt: skip


def naive_baselines(horizon: int, lookback: int, season: int, longer: int = 0) -> list[Forecaster]:
    """Repeat-last, seasonal naive for each season, and drift where the window has two steps."""
    baselines: list[Forecaster] = [RepeatLast(horizon)]
    if season > 1:
        baselines.append(SeasonalNaive(horizon, season))
    if longer > season:
        baselines.append(SeasonalNaive(horizon, longer, name="seasonal naive, a week"))
    if lookback > 1:
        baselines.append(Drift(horizon, lookback))
    return baselines


def fit_yardsticks(
    model: Forecaster,
    series_set: SeriesSet,
    split: Split,
    *,
    horizon: int,
    levels: tuple[float, ...],
    season: int = 0,
    smallest: float = -np.inf,
) -> Yardsticks:
    """Fits the baselines on the training part and calibrates everything on the validation part.

    Without a validation part nothing is calibrated.

    Args:
        model: forecaster with the trained network.
        series_set: series that the model was trained on.
        split: training, validation and test part.
        horizon: number of time steps to forecast.
        levels: quantile levels of the model and of every baseline.
        season: number of time steps of a season; 0 for the one that the frequency suggests.
        smallest: lower bound of every quantile; 0 for counts and for transformed targets.

    Raises:
        DataError: the validation part has no window to calibrate on.
    """
    step_minutes = step_minutes_of(series_set)
    season = season or season_of(series_set.frequency, step_minutes)
    scales, unit = training_scales(series_set, split, season)
    lookback = model.lookback

    def validation(past: int) -> WindowBatches:
        return WindowBatches(
            series_set, lookback=past, horizon=horizon, part=split.validation,
            batch_size=BATCH_SIZE,
        )  # fmt: skip

    held_out = validation(lookback) if split.has_validation else None
    nlinear = _fitted_nlinear(series_set, split, unit, held_out, lookback, horizon)
    longer = longer_season(season, step_minutes)
    baselines = naive_baselines(horizon, lookback, season, longer)
    if nlinear is not None:
        baselines.append(nlinear)
    if held_out is None:
        names = (_MODEL, *(baseline.name for baseline in baselines))
        none = Calibration.absent(levels, horizon, unit)
        calibrations = {name: dataclasses.replace(none, smallest=smallest) for name in names}
        no_scores = np.zeros((0, horizon, len(levels)))
        return Yardsticks(season, longer, horizon, scales, nlinear, calibrations, no_scores)
    # A baseline that looks further back than the data reaches is left out.
    entrants = [model, *(b for b in baselines if serves(validation, b.lookback, lookback))]
    calibrators = [Calibrator(entrant, levels, unit) for entrant in entrants]
    for window in windows(validation(max(entrant.lookback for entrant in entrants))):
        for calibrator in calibrators:
            calibrator.add(window)
    calibration, scores = calibrators[0].result()
    calibrations = {_MODEL: calibration}
    calibrations.update({c.forecaster.name: c.result()[0] for c in calibrators[1:]})
    calibrations = {
        name: dataclasses.replace(fitted, smallest=smallest)
        for name, fitted in calibrations.items()
    }
    kept = _evenly(scores, min(MOST_SCORES_KEPT, max(100, 4_000_000 // scores[0].size)))
    return Yardsticks(season, longer, horizon, scales, nlinear, calibrations, kept)


def rows_before_origins(
    series_set: SeriesSet, part: Part | None, lookback: int
) -> NDArray[np.int64]:
    """The number of rows of each series before its first origin in a part, int64 [series].

    These are known at every origin of the part, so that what is measured on them uses nothing that
    is to be forecast.

    Args:
        series_set: series of the backtest.
        part: part that is judged; None for all rows.
        lookback: number of past rows in a window.

    Raises:
        DataError: the part reaches beyond the data.
    """
    starts = [part_rows(part, series, series_set)[0] for series in series_set]
    return np.maximum(np.array(starts, np.int64), lookback)


def _deviation(series: TimeSeries, rows: int | None) -> float:
    """The standard deviation of what was observed in the first rows; 0 if that is constant."""
    values = series.target[:rows][series.observed[:rows]].astype(np.float64)
    # Rounding makes the deviation of a constant series a tiny number instead of 0.
    return float(values.std()) if len(values) and values.min() < values.max() else 0.0


def _level(series: TimeSeries, rows: int | None) -> float:
    """The mean size of what was observed in the first rows; 0 if nothing was."""
    values = np.abs(series.target[:rows][series.observed[:rows]].astype(np.float64))
    return float(values.mean()) if len(values) else 0.0


def _evenly(rows: Array, most: int) -> Array:
    every = -(-len(rows) // most)
    return rows[(len(rows) - 1) % every :: every]


def serves(batches_for: Callable[[int], WindowBatches], lookback: int, least: int) -> bool:
    """Whether a lookback of `lookback` steps leaves as many windows as one of `least` steps."""
    if lookback <= least:
        return True
    try:
        return batches_for(lookback).examples == batches_for(least).examples
    except DataError:
        return False


def training_scales(series_set: SeriesSet, split: Split, season: int) -> tuple[SeriesScales, Array]:
    """The scales of the metrics, and the unit of each series (1 for a constant one)."""
    statistics = training_statistics(series_set, split)
    seasonal = []
    for series in series_set:
        start, stop = part_rows(split.train, series, series_set)
        seasonal.append(
            seasonal_naive_error(series.target[start:stop], season, series.observed[start:stop])
        )
    unit = statistics.standard_deviation.astype(np.float64)
    deviation = np.where(statistics.constant, 0.0, unit)
    return SeriesScales(series_set.names, np.asarray(seasonal), deviation), unit


def step_minutes_of(series_set: SeriesSet) -> float:
    """Median minutes between two values of the longest series; 0 for a single value.

    It is also 0 for rows that are counted and have no date.
    """
    if series_set.frequency == STEP:
        return 0.0
    longest = max(series_set, key=len)
    seconds = np.diff(longest.times.astype("datetime64[s]").astype(np.int64))
    return float(np.median(seconds)) / 60.0 if len(seconds) else 0.0


def _fitted_nlinear(
    series_set: SeriesSet,
    split: Split,
    unit: Array,
    validation: WindowBatches | None,
    lookback: int,
    horizon: int,
) -> NLinear | None:
    def training(stride: int) -> WindowBatches:
        return WindowBatches(
            series_set, lookback=lookback, horizon=horizon, part=split.train, stride=stride,
            batch_size=BATCH_SIZE,
        )  # fmt: skip

    try:
        batches = training(1)
        if batches.examples > MOST_FITTING_WINDOWS:
            batches = training(-(-batches.examples // MOST_FITTING_WINDOWS))
        held_out = () if validation is None else windows(validation)
        return fit_nlinear(windows(batches), held_out, unit, lookback, horizon)
    except UserError:
        return None
