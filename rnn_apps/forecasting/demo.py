"""The demo: half-hourly electricity demand, from built-in data to a file proven on the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.builtin import builtin_data
from pipelines.series.options import NONE
from rnn_apps.application.definition import DemoResult, Picture
from rnn_apps.export.formats import require_all
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.judging.charts import fan_charts
from rnn_apps.forecasting.prediction_files import PAST_SHOWN, wall_clock
from rnn_apps.forecasting.run import Run
from rnn_apps.forecasting.training_run import train

SOURCE = "elecdemand"


def demand_config(folder: Path) -> ForecastingConfig:
    """The recipe for half-hourly demand a day ahead, with a lookback of a week.

    Demand follows the weather, which is forecast well a day ahead. Here the measured temperature
    replaces that forecast, so that the figures assume a perfect weather forecast.
    """
    return ForecastingConfig(
        data=f"builtin:{SOURCE}",
        run=str(folder),
        split="0.65,0.15,0.2",
        past_covariates=NONE,
        future_covariates=("WorkDay", "Temperature"),
        lookback=336,
        horizon=48,
        segment_length=48,
        units=96,
        dropout=0.2,
        epochs=12,
        stride=3,
        batch_size=64,
        learning_rate=2e-3,
        schedule="cosine",
        average_decay=0.98,
    )


def demo(folder: Path) -> DemoResult:
    """Trains, judges, exports, verifies and uses a forecaster.

    Args:
        folder: folder for the run, the exported files and a forecast.
    """
    run = train(demand_config(folder / "run"))
    forecasters = run.metrics["test"]["forecasters"]
    figures = {name: entry["overall"] for name, entry in forecasters.items()}
    judged, online, *_ = figures
    exported = run.export(folder / "exported")
    require_all(exported)
    _, _, difference, milliseconds = exported["table"]["rows"][-1]
    use, picture = _last_day(run, folder)
    return DemoResult(
        data=f"builtin:{SOURCE}, {run.config.horizon} half-hours ahead, the temperature known",
        metric="MASE",
        figure=figures[judged]["mase"],
        baselines={
            name: figures[name]["mase"]
            for name in ("repeat last", "seasonal naive", "seasonal naive, a week", "NLinear")
        },
        proof=f"LiteRT: at most {difference:.1e} GW from Keras, {milliseconds:.2f} ms per forecast",
        use=use,
        report=run.folder.report,
        notes={
            "80 % interval covers": figures[judged]["coverage_80"],
            "80 % online interval covers": figures[online]["coverage_80"],
        },
        pictures=(picture,),
    )


def _last_day(run: Run, folder: Path) -> tuple[str, Picture]:
    """Forecasts the last day of the data from the days before it, into a CSV and a chart."""
    frame, _ = builtin_data(SOURCE, "forecasting").load()
    horizon = run.config.horizon
    demand = frame["Demand"].to_numpy()
    truth = demand[-horizon:]
    known = frame.copy()
    known.loc[known.index[-horizon:], "Demand"] = np.nan
    forecast = run.predict(known)
    path = folder / "forecast.csv"
    forecast.to_csv(path, index=False)
    error = np.abs(forecast["forecast"].to_numpy() - truth).mean()
    day = frame.index[-1].date()
    levels = [name for name in forecast.columns if name.startswith("quantile_")]
    panel = {
        "title": "Half-hourly electricity demand",
        "label": "demand (GW)",
        "past_times": wall_clock(frame.index[-(PAST_SHOWN + 1) * horizon : -horizon]),
        "past": demand[-(PAST_SHOWN + 1) * horizon : -horizon],
        "times": wall_clock(forecast["time"]),
        "point": forecast["forecast"].to_numpy(),
        "quantiles": forecast[levels].to_numpy(),
        "truth": truth,
    }
    figure = fan_charts([panel], [float(name.removeprefix("quantile_")) for name in levels])
    use = (
        f"The forecast of the demand of {day}, made the day before, had a mean absolute error of "
        f"{error:.2f} GW, at a mean demand of {truth.mean():.2f} GW ({path.name})."
    )
    return use, Picture(f"Forecast of {day} with its intervals, and what came (dashed)", figure)
