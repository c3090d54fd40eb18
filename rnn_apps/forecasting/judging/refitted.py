"""A backtest that fits the model again as the origin moves, as it would be done in use.

Every fit is trained on the rows before its first origin alone, and forecasts the origins up to the
next fit. Each fit is a run of its own in the folder `refits` of the run that is judged, so that a
backtest that was stopped continues where it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_path
from pipelines.base.checksums import sha256
from pipelines.base.errors import UserError
from pipelines.base.stated_columns import Stated
from pipelines.data_report import DataReport
from pipelines.series.splits import Part, part_rows
from pipelines.series.time_series import SeriesSet
from pipelines.series.times.timestamps import show_time
from pipelines.series.windows import WindowBatches
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.forecast import Forecast, Inputs
from rnn_apps.forecasting.judging.backtest import backtest
from rnn_apps.forecasting.judging.conditions import Conditions
from rnn_apps.forecasting.judging.conformal import Calibrated, Calibration, series_rows
from rnn_apps.forecasting.judging.evaluation import address, caveat_of, check_own_series
from rnn_apps.forecasting.judging.forecast_table import ForecastTable, check_table_path
from rnn_apps.forecasting.judging.metrics import as_json
from rnn_apps.forecasting.judging.yardsticks import rows_before_origins
from rnn_apps.forecasting.run_report import write_report
from rnn_apps.forecasting.series_ends import before
from rnn_apps.forecasting.training_run import train
from rnn_apps.forecasting.understood import calibration_note, listed

if TYPE_CHECKING:
    from rnn_apps.forecasting.run import Run
    from rnn_apps.forecasting.run_data import Data

_log = logging.getLogger(__name__)

FOLDER = "refits"
BEGINNINGS = ("run", "scratch")


@dataclass(frozen=True)
class Fit:
    """One fit of the backtest.

    Attributes:
        first: time of the first origin that it forecasts, datetime64[s].
        known: series as they were known before this time, with covariates that are known ahead.
        config: configuration of the training; its `run` is a folder of its own.
    """

    first: np.datetime64
    known: SeriesSet
    config: ForecastingConfig


def evaluate_refitted(
    run: Run,
    every: int,
    *,
    data: Data | None = None,
    part: str = "",
    stride: int = 1,
    begin: str = "run",
    forecasts: str | Path = "",
    covariates: Data | None = None,
    columns: Stated = (),
) -> dict[str, Any]:
    """Compares a run with fits that follow the origin, and with the baselines.

    Args:
        run: trained forecaster with its folder.
        every: number of origins, distinct in time, after which the model is fitted again.
        data: source or DataFrame; None for the data that the run was trained on.
        part: name of the part; empty for the test part of the run's own data, and for all of other
            data.
        stride: number of rows between neighbouring origins.
        begin: weights that every fit begins with: "run" for those of the run, "scratch" for new
            ones.
        forecasts: file for a CSV of every forecast, with the number of its fit in the column `fit`;
            empty for no such file.
        covariates: table of covariates for `data`; see `Run.evaluate`.
        columns: columns of `data` by role; see `Run.evaluate`.

    Returns:
        "table", the figures of every forecaster, "fits", and where the report is.

    Raises:
        UserError: the part begins in what the run was trained on, and fits are to begin with its
            weights; or there is too little data before the first origin.
    """
    run.folder.check_evaluable()
    table_path = check_table_path(forecasts) if forecasts else None
    part = part or (run.judged_part if data is None else "all")
    series_set = run.series(data, covariates, columns=columns)
    if data is None:
        check_own_series(run, series_set)
    known = rows_before_origins(series_set, run.part(part), run.config.lookback)
    caveat = caveat_of(run, series_set, part, known, own=data is None, refitted=True)
    fits = planned_fits(run, series_set, run.part(part), every, stride, begin)
    _tell_cost(run, fits, every, begin)
    following = _trained(run, fits, series_set, every, known)
    judged = Calibrated(following, following.no_correction())
    yardsticks = run.yardsticks.for_series(series_set, known)
    conditions = Conditions(
        part, stride, address(data), following.note, caveat, every, begin, following.calibrations
    )
    with contextlib.ExitStack() as files:
        kept = None
        if table_path:
            beside = files.enter_context(atomic_path(table_path))
            file = files.enter_context(open(beside, "w", encoding="utf-8", newline=""))
            kept = ForecastTable(file, series_set, judged.levels, following.numbers).add
        result = backtest(
            [judged, run.forecaster(series_set, known), *yardsticks.baselines(run.config.lookback)],
            series_set,
            yardsticks.scales,
            part=run.part(part),
            horizon=run.config.horizon,
            stride=stride,
            keep=kept,
        )
    source = series_set.report.source
    title = conditions.title(
        f"{source}, {part} part: {result.windows} windows, fitted again every {every} origins "
        f"({len(fits)} fits, each from {_words(begin)})"
    )
    table = {"title": title, **as_json(result.table())}
    measured = {
        "source": source, "part": part, "stride": stride, "every": every, "begin": begin,
        "fits": [str(fit.first) for fit in fits], **result.as_json(),
    }  # fmt: skip
    page = run.folder.write_evaluation(f"refitted_{part}", measured, table, judged=False)
    write_report(run, series_set, result, table, conditions, page)
    return {
        "table": table,
        "windows": result.windows,
        "fits": len(fits),
        "report": str(page),
        **({"forecasts": str(table_path)} if table_path else {}),
    }


def planned_fits(
    run: Run, series_set: SeriesSet, part: Part | None, every: int, stride: int, begin: str
) -> list[Fit]:
    """The fits of a backtest, with the data that each of them may know.

    Raises:
        UserError: see `evaluate_refitted`.
    """
    if every < 1:
        raise UserError(f"refit = {every} must be at least 1")
    if begin not in BEGINNINGS:
        raise UserError(f"refit_from = {begin!r}: choose from {', '.join(BEGINNINGS)}")
    firsts = _origin_times(run, series_set, part, stride)[::every]
    until = run.metrics.get("data", {}).get("trained_until", "")
    if begin == "run" and until and firsts[0] <= np.datetime64(until):
        raise UserError(
            f"the first origin, {show_time(firsts[0], series_set.frequency)}, is in the time that "
            "the run was trained on, so its weights know what is to be forecast: choose "
            "refit_from 'scratch', or a later part"
        )
    folder = run.folder.path / FOLDER / f"{every}-{stride}-{begin}"
    # A run that was resumed has other weights, so that fits that began with the former are stale.
    weights = f"-{sha256(run.folder.model)[:8]}" if begin == "run" else ""
    fits = []
    for first in firsts:
        known = before(series_set, first)
        # What was found in the data has been said; what a fit finds is its own.
        known = dataclasses.replace(known, report=DataReport(series_set.report.source))
        moment = str(first.astype("datetime64[m]")).replace(":", "-")
        name = f"{moment}-{_checksum(known):08x}{weights}"
        config = dataclasses.replace(
            run.config,
            run=str(folder / name),
            from_run=str(run.folder.path) if begin == "run" else "",
            data="",
            split=_split(run, series_set, known),
        )
        fits.append(Fit(first, known, config))
    return fits


class FollowingForecaster:
    """Forecasts each window with the latest fit before its origin; quantiles are the fits' own.

    Args:
        fits: fits in the order of time.
        forecasters: calibrated forecaster of each fit.
        series_set: series of the backtest.
        name: name in the table.
    """

    def __init__(
        self,
        fits: Sequence[Fit],
        forecasters: Sequence[Calibrated],
        series_set: SeriesSet,
        name: str,
    ) -> None:
        self.name = name
        self.lookback = forecasters[0].lookback
        # What it gives is calibrated: there are no intervals as trained to compare with.
        self.levels = ()
        self._levels = forecasters[0].levels
        self._forecasters = forecasters
        self._set = series_set
        self._places = [_places(fit, series_set) for fit in fits]
        self._starts = _wall_clock_starts(series_set, [fit.first for fit in fits])
        self._horizon = fits[0].config.horizon

    def numbers(self, inputs: Inputs) -> NDArray[np.int64]:
        """The number of the fit that forecasts each window, from 1, int64 [batch]."""
        origins = inputs["times"][:, -self._horizon]
        return np.maximum(np.searchsorted(self._starts, origins, side="right"), 1)

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch, see `Forecaster`."""
        numbers = self.numbers(inputs)
        point = np.empty((len(numbers), self._horizon), np.float32)
        quantiles = np.empty((len(numbers), self._horizon, len(self._levels)), np.float32)
        for number in np.unique(numbers):
            rows = numbers == number
            chosen = {name: value[rows] for name, value in inputs.items()}
            places = self._places[number - 1][series_rows(chosen)]
            if places.min() < 0:
                name = self._set.names[series_rows(chosen)[int(places.argmin())]]
                raise UserError(
                    f"series {name!r} begins after the fit that should forecast it. Refit more "
                    "often, or train with scaling = 'window', which serves other series too"
                )
            chosen["series_index"] = places.astype(np.int32)
            forecast = self._forecasters[number - 1].forecast(chosen)
            assert forecast.quantiles is not None, "a calibrated forecaster gives quantiles"
            point[rows], quantiles[rows] = forecast.point, forecast.quantiles
        return Forecast(point, quantiles)

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """The calibrations of the fits, in their order."""
        return tuple(forecaster.calibration for forecaster in self._forecasters)

    @property
    def note(self) -> str:
        """A note on quantiles that the fewest windows of a fit calibrate; "" if there are none."""
        fewest = min(self._forecasters, key=lambda one: one.calibration.windows)
        found = fewest.calibration
        return calibration_note(found.unreached, found.windows, bool(fewest.base.levels))

    def no_correction(self) -> Calibration:
        """A calibration that leaves the fits' calibrated quantiles as they are."""
        return dataclasses.replace(
            self._forecasters[0].calibration,
            corrections=np.zeros((self._horizon, len(self._levels))),
            scale=np.ones(len(self._set)),
        )


def _trained(
    run: Run,
    fits: Sequence[Fit],
    series_set: SeriesSet,
    every: int,
    known: NDArray[np.int64],
) -> FollowingForecaster:
    forecasters = []
    for number, fit in enumerate(fits, 1):
        shown = show_time(fit.first, series_set.frequency)
        _log.info(f"Fit {number} of {len(fits)}: on the rows before {shown}")
        # A fit that has been trained already is not trained again.
        fitted = train(fit.config, resume=True, data=fit.known)
        check_categories(fitted.description, run.description, shown)
        served = _served(fit, series_set)
        # All that a fit knows was known before its first origin.
        forecasters.append(fitted.forecaster(served, known if served is series_set else None))
    name = f"{run.forecaster(series_set).name}, fitted again every {every}"
    return FollowingForecaster(fits, forecasters, series_set, name)


def check_categories(fitted: DataDescription, trained: DataDescription, first: str) -> None:
    """Refuses a fit that reads the codes of categories as others than those of the run.

    Args:
        fitted: description of the data that a fit was trained on.
        trained: description of the data that the run was trained on.
        first: time of the fit's first origin, for the message.

    Raises:
        UserError: the fit has other categories.
    """
    for name, known in trained.categories.items():
        lacking = sorted(set(known) - set(fitted.categories.get(name, ())))
        if lacking:
            raise UserError(
                f"the rows before {first} lack categories of {name!r} that the run knows "
                f"({listed(lacking)}): name a later part"
            )


def _checksum(series_set: SeriesSet) -> int:
    """A checksum of the series, so that fits on other data have folders of their own."""
    checksum = zlib.crc32(series_set.frequency.encode())
    for one in series_set:
        checksum = zlib.crc32(one.name.encode(), checksum)
        for values in (
            one.times,
            one.target,
            one.observed,
            one.past_covariates,
            one.future_covariates,
            one.static_covariates,
        ):
            checksum = zlib.crc32(np.ascontiguousarray(values).tobytes(), checksum)
    return checksum


def _served(fit: Fit, series_set: SeriesSet) -> SeriesSet:
    """The series that a fit can forecast: those that it knows, or any if windows scale them."""
    return series_set if fit.config.scaling == "window" else fit.known


def _places(fit: Fit, series_set: SeriesSet) -> NDArray[np.int64]:
    """The place of each series among those that a fit can forecast, or -1, int64 [series]."""
    known = {name: place for place, name in enumerate(_served(fit, series_set).names)}
    return np.array([known.get(name, -1) for name in series_set.names], np.int64)


def _origin_times(
    run: Run, series_set: SeriesSet, part: Part | None, stride: int
) -> list[np.datetime64]:
    """The times of all origins of the part, each once, ascending."""
    batches = WindowBatches(
        series_set, lookback=run.config.lookback, horizon=run.config.horizon, part=part,
        stride=stride,
    )  # fmt: skip
    places, rows = batches.origins()
    times = np.concatenate(
        [series_set[int(place)].times[rows[places == place]] for place in np.unique(places)]
    )
    return list(np.unique(times))


def _split(run: Run, series_set: SeriesSet, known: SeriesSet) -> str:
    """A split without a test part, whose validation part is as long as that of the run."""
    longest = max(known, key=len)
    start, stop = part_rows(run.split.validation, series_set[longest.name], series_set)
    rows = len(longest) - longest.padding
    length = max(stop - start, run.config.horizon)
    share = length / rows
    if share >= 0.5:
        raise UserError(
            f"there are {rows} rows before the first origin, of which the validation part would "
            f"take {length}: too few to fit the model again. Name a later part"
        )
    return f"{1 - share:.6f},{share:.6f},0"


def _wall_clock_starts(series_set: SeriesSet, firsts: Sequence[np.datetime64]) -> NDArray[np.int64]:
    """The wall-clock minute from which each fit forecasts, int64 [fits].

    Where the clock is put back, an hour occurs twice. A fit whose first origin lies in it begins
    after both, so that no window is forecast by a fit that knows what follows its origin.
    """
    times = np.unique(np.concatenate([one.times for one in series_set]))
    minutes = series_set.wall_clock(times).astype(np.int64)
    highest = np.maximum.accumulate(minutes)
    starts = []
    for first in firsts:
        place = int(np.searchsorted(times, first))
        earlier = highest[place - 1] + 1 if place else minutes[place]
        starts.append(max(int(minutes[place]), int(earlier)))
    return np.array(starts, np.int64)


def _tell_cost(run: Run, fits: Sequence[Fit], every: int, begin: str) -> None:
    minutes = run.metrics.get("training", {}).get("minutes")
    cost = ""
    if minutes is not None:
        cost = (
            f" The training of the run took {minutes:g} minutes, so this takes up to "
            f"{minutes * len(fits):.1f} minutes."
        )
    _log.info(
        f"The model is fitted again every {every} origins: {len(fits)} fits, each from "
        f"{_words(begin)} with up to {run.config.epochs} epochs.{cost}"
    )
    first = fits[0].known
    _log.info(f"The first fit knows {len(first)} series ({listed(first.names)}).")


def _words(begin: str) -> str:
    return "the run's weights" if begin == "run" else "scratch"
