"""The report of a run: what was trained on what, how well it forecasts, and pictures of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.series.time_series import SeriesSet
from pipelines.series.times.timestamps import STEP
from rnn_apps.application.reporting.report import Report
from rnn_apps.application.reporting.training_section import add_training
from rnn_apps.forecasting.judging.backtest import Backtest, Example
from rnn_apps.forecasting.judging.charts import coverage_by_step, error_by_step, fan_charts
from rnn_apps.forecasting.judging.conditions import Conditions
from rnn_apps.forecasting.trained import TrainedForecaster
from rnn_apps.forecasting.understood import listed
from rnn_apps.training.gradients.charts import plot_gradient_flow
from rnn_apps.training.gradients.hidden_gradients import read_flows

PAST_SHOWN = 2


def write_report(
    run: TrainedForecaster,
    series_set: SeriesSet,
    found: Backtest,
    table: dict[str, Any],
    conditions: Conditions,
    path: Path,
) -> None:
    """Writes the report of a backtest.

    Args:
        run: trained forecaster that is judged, as it is or fitted again.
        series_set: series of the backtest.
        found: result of the backtest.
        table: title, header and rows of its table.
        conditions: words on how the backtest was made.
        path: file of the page.
    """
    config = run.config
    report = Report(
        f"Forecasting run {run.folder.path.name}",
        footer=f"Made by: {conditions.command(str(run.folder.path))}",
    )
    report.text(
        f"{config.model} model with {config.layers} {config.cell} layer(s) of {config.units} "
        f"units each, output {config.output}, trained on {config.data or 'a DataFrame'}."
    )
    _accuracy(report, run, found, table, conditions)
    _examples(report, run, series_set, found.examples)
    _intervals(report, run, found, conditions)
    _training(report, run)
    _data(report, run, series_set)
    report.section("Configuration")
    report.settings(vars(config))
    report.write(path)


def _accuracy(
    report: Report,
    run: TrainedForecaster,
    found: Backtest,
    table: dict[str, Any],
    conditions: Conditions,
) -> None:
    report.section("Accuracy compared with the baselines")
    report.text(
        f"{conditions.origins()} Lower is better, and the coverage of 80 % intervals should be "
        "close to 0.8. MASE is in units of the training part's seasonal naive error with a season "
        f"of {run.yardsticks.season} steps; scaled errors are in units of each series' standard "
        "deviation in the training part."
        + (
            " The baselines' intervals come from their residuals on the validation part."
            if run.yardsticks.calibrations["model"].windows
            else ""
        )
    )
    names = next(iter(found.metrics.values())).scales.names
    unseen = [name for name in names if name not in set(run.yardsticks.scales.names)]
    if unseen:
        report.text(
            f"Training has not seen {listed(unseen)}: scaled errors and intervals are in units of "
            "the standard deviation before the first origin there, intervals in units of the level "
            "where that is 0, and there is no MASE."
        )
    report.table(table["title"], table["header"], table["rows"], marked=[0])
    if found.short_series:
        report.text(f"Series without a window in this part: {', '.join(found.short_series)}.")
    for name, reason in found.left_out.items():
        report.text(f"{name} is left out: {reason}.")
    if len(names) > 1:
        _by_series(report, next(iter(found.metrics.values())).per_series())
    steps = _mase_by_step(found)
    if all(np.isfinite(values).all() for values in steps.values()):
        report.figure(
            error_by_step(steps, "MASE (1: seasonal naive error)"), "Error by horizon step"
        )


def _mase_by_step(found: Backtest) -> dict[str, Any]:
    """MASE at each horizon step, by forecaster; rows that differ in their intervals are one."""
    judged = next(iter(found.metrics))
    return {
        name: metrics.per_step()["mase"]
        for name, metrics in found.metrics.items()
        if name == judged or ", " not in name or name.startswith("seasonal")
    }


def _by_series(report: Report, rows: list[dict[str, Any]]) -> None:
    columns = ["series", "mae", "rmse", "mase", "smape"]
    ordered = sorted(rows, key=lambda row: -np.nan_to_num(row["mase"], nan=-1.0))
    shown = ordered if len(ordered) <= 20 else [*ordered[:10], *ordered[-10:]]
    title = "Accuracy per series, worst first"
    if len(shown) < len(ordered):
        title += f": the first and the last 10 of {len(ordered)}"
    report.table(title, columns, [[row[name] for name in columns] for row in shown])


def _examples(
    report: Report, run: TrainedForecaster, series_set: SeriesSet, examples: list[Example]
) -> None:
    report.section("Worst, median and best window")
    past = PAST_SHOWN * run.config.horizon
    panels = []
    for example in examples:
        times = np.asarray(example.window.inputs["times"][0])
        if series_set.frequency != STEP:
            times = times.astype("datetime64[m]")
        horizon = run.config.horizon
        known = example.window.inputs["past_target"][0][-past:]
        quantiles = example.forecast.quantiles
        panels.append(
            {
                "title": f"{example.label}: {series_set.names[example.series]}, from "
                f"{times[-horizon]}, mean error {example.error:.3g} standard deviations",
                "past_times": times[-horizon - len(known) : -horizon],
                "past": known,
                "times": times[-horizon:],
                "point": example.forecast.point[0],
                "quantiles": None if quantiles is None else quantiles[0],
                "truth": np.where(example.window.weights[0] > 0, example.window.truth[0], np.nan),
            }
        )
    figure = fan_charts(panels, run.config.quantiles)
    report.figure(figure, "Forecasts with their intervals, and the true values (dashed)")


def _intervals(
    report: Report, run: TrainedForecaster, found: Backtest, conditions: Conditions
) -> None:
    first = next(iter(found.metrics.values()))
    if not first.intervals:
        return
    report.section("Prediction intervals")
    windows = run.yardsticks.calibrations["model"].windows
    if not windows and not conditions.fits:
        report.text(conditions.note)
        return
    online = any(name.endswith(", online intervals") for name in found.metrics)
    told = [conditions.calibrated_on(windows), conditions.note, conditions.known(online=online)]
    report.text(" ".join(sentence for sentence in told if sentence))
    for name, metrics in list(found.metrics.items())[:2]:
        steps = metrics.per_step()
        names = [f"{100 * nominal:g}" for nominal, _, _ in metrics.intervals]
        shares = {nominal: steps[f"coverage_{nominal}"] for nominal in names}
        report.figure(coverage_by_step(shares), f"Coverage by horizon step: {name}")


def _training(report: Report, run: TrainedForecaster) -> None:
    add_training(report, run.folder, run.config, "loss (in the normalised units of training)")
    recorded = run.folder.path / "gradient_flow.json"
    if recorded.exists():
        report.figure(
            plot_gradient_flow(read_flows(recorded)),
            "Gradient flow: norm of dLoss/dh_t over the time steps of every recurrent layer, on "
            "windows of the training part. It shows whether the loss reaches back to the beginning "
            "of the window.",
        )


def _data(report: Report, run: TrainedForecaster, series_set: SeriesSet) -> None:
    report.section("Data")
    for line in run.metrics.get("data", {}).get("understood", []):
        report.text(line)
    found = series_set.report
    report.text(
        f"{found.source}: {found.rows} rows, {len(series_set)} series, frequency "
        f"{series_set.frequency}, time zone {series_set.time_zone or 'none'}."
    )
    covariates = [
        [kind, ", ".join(getattr(series_set, f"{kind}_names")) or "none"]
        for kind in ("past", "future", "static")
    ]
    report.table("", ["covariates", "columns"], covariates)
    if found.findings:
        rows = [[f.kind, f.count, f.treatment, "; ".join(f.places)] for f in found.findings]
        report.table(
            "What was found in the data", ["what", "count", "treatment", "first places"], rows
        )
    else:
        report.text("Nothing irregular was found in the data.")
