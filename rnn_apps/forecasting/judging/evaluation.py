"""The evaluation of a run: backtest, figures, tables by series and step, and the report."""

from __future__ import annotations

import contextlib
import csv
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import DataError, UserError
from pipelines.base.stated_columns import Stated
from pipelines.series.times.timestamps import show_time
from rnn_apps.application.own_data import EVALUATED
from rnn_apps.application.run_folder import READ_OTHERWISE
from rnn_apps.forecasting.features.description import DataDescription, describe
from rnn_apps.forecasting.going_on import ORIGIN_DESCRIPTION, kept_scales
from rnn_apps.forecasting.judging.backtest import Backtest, backtest
from rnn_apps.forecasting.judging.conditions import Conditions, own_caveat
from rnn_apps.forecasting.judging.forecast_table import ForecastTable, check_table_path
from rnn_apps.forecasting.judging.metrics import as_json
from rnn_apps.forecasting.judging.online_conformal import OnlineCalibrated, OnlineSettings
from rnn_apps.forecasting.judging.yardsticks import rows_before_origins
from rnn_apps.forecasting.run_report import write_report
from rnn_apps.forecasting.trained import TrainedForecaster
from rnn_apps.forecasting.understood import listed

if TYPE_CHECKING:
    from pipelines.series.time_series import SeriesSet
    from rnn_apps.forecasting.run_data import Data

_log = logging.getLogger(__name__)

TABLES = tuple(
    f"{part}_by_{kind}.csv" for part in (*EVALUATED, "all") for kind in ("series", "step")
)
"""Names of the tables that evaluations leave in a run."""


def evaluate(
    run: TrainedForecaster,
    data: Data | None,
    part: str,
    stride: int,
    forecasts: str | Path = "",
    covariates: Data | None = None,
    columns: Stated = (),
) -> dict[str, Any]:
    """See `Run.evaluate`. Writes metrics.json, report.html and two tables into the run."""
    run.folder.check_evaluable()
    if stride < 1:
        raise UserError(f"stride = {stride} must be at least 1")
    table_path = check_table_path(forecasts) if forecasts else None
    own = data is None
    part = part or (run.judged_part if own else "all")
    rows = run.part(part)
    series_set = run.series(data, covariates, columns=columns)
    if own:
        check_own_series(run, series_set)
    known = rows_before_origins(series_set, rows, run.config.lookback)
    caveat = caveat_of(run, series_set, part, known, own=own)
    conditions = Conditions(part, stride, address(data), run.calibration_note, caveat)
    source = series_set.report.source
    _log.info("Backtest on %s, %s part", source, part)
    yardsticks = run.yardsticks.for_series(series_set, known)
    judged = run.forecaster(series_set, known)
    online = None
    if len(yardsticks.scores):
        settings = OnlineSettings.for_season(yardsticks.season, stride)
        online = OnlineCalibrated(judged, yardsticks.scores, stride, settings)
    with contextlib.ExitStack() as files:
        kept = None
        if table_path:
            beside = files.enter_context(atomic_path(table_path))
            file = files.enter_context(open(beside, "w", encoding="utf-8", newline=""))
            kept = ForecastTable(file, series_set, judged.levels).add
        result = backtest(
            [judged, *yardsticks.baselines(run.config.lookback)],
            series_set,
            yardsticks.scales,
            part=rows,
            horizon=run.config.horizon,
            online=online,
            stride=stride,
            keep=kept,
        )
    title = conditions.title(
        f"{source}, {part} part: {result.windows} windows, lookback {run.config.lookback}, "
        f"horizon {run.config.horizon}, season {yardsticks.season}"
    )
    table = {"title": title, **as_json(result.table())}
    key = part if own else "other_data"
    measured = {"source": source, "part": part, "stride": stride, **result.as_json()}
    page = run.folder.write_evaluation(key, measured, table, judged=key == run.own.held_out_part)
    _write_tables(run.folder.path, key, result)
    write_report(run, series_set, result, table, conditions, page)
    return {
        "table": table,
        "windows": result.windows,
        **({"left out": list(result.short_series)} if result.short_series else {}),
        "report": str(page),
        **({"forecasts": str(table_path)} if table_path else {}),
        **_headline(result),
    }


def address(data: Data | None) -> str:
    """The address of other data for a command, "SOURCE" if it is in memory; "" for a run's own."""
    if data is None:
        return ""
    return data if isinstance(data, str) else "SOURCE"


def caveat_of(
    run: TrainedForecaster,
    series_set: SeriesSet,
    part: str,
    known: NDArray[np.int64],
    *,
    own: bool,
    refitted: bool = False,
) -> str:
    """What the run knew of the rows that are judged; "" if nothing. Of other data it is logged.

    Args:
        run: trained forecaster.
        series_set: series of the backtest.
        part: name of the part that is judged.
        known: number of rows of each series before its first origin, int64 [series].
        own: switch for the data that the run was trained on.
        refitted: switch for a backtest whose first row is of fits that know nothing of what they
            forecast.
    """
    if own:
        calibrated = bool(run.yardsticks.calibrations["model"].windows)
        return own_caveat(part, calibrated=calibrated, refitted=refitted)
    until = run.metrics.get("data", {}).get("trained_until", "")
    trained = set(run.description.series_names)
    early = [
        series.name
        for series, first in zip(series_set, known.tolist(), strict=True)
        if until
        and series.name in trained
        and np.any(series.times[first:][:1] <= np.datetime64(until))
    ]
    if not early:
        return ""
    last = show_time(np.datetime64(until), series_set.frequency)
    caveat = (
        f"The run was trained and calibrated on data up to {last}, and {listed(early)} of "
        f"{series_set.report.source} begins before in what is judged: if it is the same data, the "
        "run's figures count windows that were trained or calibrated on and are too good."
    )
    _log.warning(
        f"{caveat} Give only what came after, with {run.config.lookback} time steps before it."
    )
    return caveat


def check_own_series(run: TrainedForecaster, series_set: SeriesSet) -> None:
    """Says that the run's own data has changed; refuses it where the training part has shrunk.

    Series that have grown are the rule: the parts are cut anew, and a later test part holds nothing
    that was trained on.

    Raises:
        DataError: the training part is shorter than it was, so that the test part begins in it.
    """
    now, then = describe(series_set, run.split, run.config), run.description
    origin = run.folder.path / ORIGIN_DESCRIPTION
    if origin.exists():
        # The run keeps the scales of another one, which are not those of its own data.
        now = kept_scales(DataDescription.load(origin), now)
    if now == then:
        return
    source = series_set.report.source
    if now.span_minutes < then.span_minutes:
        raise DataError(
            f"is no longer what the run in {run.folder.path} was trained on: its training part is "
            "shorter, so that its test part may hold what was trained on",
            file=source,
            advice=f"Restore it. {READ_OTHERWISE}: train again, or name data that was not trained "
            "on: --data SOURCE.",
        )
    _log.warning(
        f"{source} has changed since the run was trained on it: training, validation and test part "
        "are cut anew."
    )


def _headline(result: Backtest) -> dict[str, Any]:
    """The judged forecaster's figures, flat; its interval figures are those of split conformal."""
    first = next(iter(result.metrics.values()))
    return dict(as_json(first.overall()))


def _write_tables(folder: Path, name: str, result: Backtest) -> None:
    """NAME_by_series.csv and NAME_by_step.csv: every forecaster's figures."""
    by_series = [
        {"forecaster": forecaster, **row}
        for forecaster, metrics in result.metrics.items()
        for row in metrics.per_series()
    ]
    by_step = [
        {"forecaster": forecaster, "step": step + 1, **{k: v[step] for k, v in steps.items()}}
        for forecaster, steps in ((n, m.per_step()) for n, m in result.metrics.items())
        for step in range(len(steps["mae"]))
    ]
    for kind, rows in (("series", by_series), ("step", by_step)):
        with (
            atomic_path(folder / f"{name}_by_{kind}.csv") as beside,
            open(beside, "w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
