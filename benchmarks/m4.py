"""M4's Hourly and Weekly series, forecast by recurrent networks and judged by the competition.

    python -m benchmarks.m4 --train Hourly-train.csv.gz [--test Hourly-test.csv.gz]
        [--only NAME ...] [--to benchmarks/results/m4_hourly]

Without `--test` the last horizon of the training part is held out and forecast: all settings in
`benchmarks.m4_recipes` were chosen on that alone. With `--test` the models are trained on the whole
training part. Each model has a run folder; a benchmark that was stopped continues where it was, and
the times of its sessions are added up.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.m4_recipes import COLLECTIONS, Collection, Member
from benchmarks.m4_scores import INTERVAL_LEVEL, Forecasts, Values, judge, naive2
from benchmarks.processor import cores_and_processor, each_once
from pipelines.base.atomic_files import write_json, write_text

_TAIL = (1.0 - INTERVAL_LEVEL) / 2.0
LEVELS = (_TAIL, 0.5, 1.0 - _TAIL)
"""Quantiles that every model is trained for: the 95 % interval, and the median."""


def main(arguments: list[str] | None = None) -> None:
    """Trains what is missing, judges, and writes TO.md and TO.json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", required=True, help="training part, as the competition has it")
    parser.add_argument("--test", help="test part; default: hold out the end of the training part")
    parser.add_argument("--only", nargs="*", help="models of the ensemble to train; default: all")
    parser.add_argument("--runs", default="runs/m4", help="folder of the models' runs")
    parser.add_argument("--to", help="path of the table; default: benchmarks/results/m4_NAME")
    given = parser.parse_args(arguments)
    collection = next(c for c in COLLECTIONS if c.name in Path(given.train).name.lower())
    series = read_series(given.train)
    if given.test:
        truth = read_series(given.test)
        past = series
    else:
        past = {name: values[: -collection.horizon] for name, values in series.items()}
        truth = {name: values[-collection.horizon :] for name, values in series.items()}
    folder = Path(given.runs) / f"{collection.name}-{'test' if given.test else 'held-out'}"
    members = [m for m in collection.members if not given.only or m.name in given.only]
    results = [member_forecasts(member, collection, past, folder) for member in members]
    _write(given, collection, past, truth, results)


def read_series(path: str | Path) -> dict[str, Values]:
    """The series of a file of the competition by name: one per row, empty cells after the end."""
    table = pd.read_csv(path, index_col=0)
    rows = table.to_numpy(np.float64)
    return {str(name): row[~np.isnan(row)] for name, row in zip(table.index, rows, strict=True)}


def member_forecasts(
    member: Member, collection: Collection, past: dict[str, Values], folder: Path
) -> dict[str, Any]:
    """One model's forecasts, "quantiles" [series, horizon, 3], trained unless they are there.

    A series that is too short for a window has NaN.
    """
    path = folder / f"{member.name}.npz"
    record = folder / f"{member.name}.json"
    if not (path.exists() and record.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        spent = TimeSpent(folder / f"{member.name}.seconds.json")
        quantiles, parameters = _trained(member, collection, past, folder / member.name, spent)
        seconds = spent.seconds()
        np.savez(path, quantiles=quantiles)
        write_json(
            record,
            {
                "name": member.name,
                "parameters": parameters,
                "processor_minutes": seconds["processor"] / 60.0,
                "minutes": seconds["clock"] / 60.0,
                "measured_on": cores_and_processor(),
            },
        )
    return {
        **json.loads(record.read_text(encoding="utf-8")),
        "quantiles": np.load(path, allow_pickle=False)["quantiles"],
    }


class TimeSpent:
    """The time that a model takes, with that of earlier sessions, whose sum is kept in a file.

    Args:
        path: JSON file of the sum, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier = {"processor": 0.0, "clock": 0.0}
        if path.exists():
            self._earlier = json.loads(path.read_text(encoding="utf-8"))
        self._started = {"processor": time.process_time(), "clock": time.perf_counter()}

    def seconds(self) -> dict[str, float]:
        """Seconds of the processor and by the clock, over all sessions."""
        now = {"processor": time.process_time(), "clock": time.perf_counter()}
        return {key: self._earlier[key] + now[key] - self._started[key] for key in now}

    def keep(self) -> None:
        """Writes the sum, for a session that goes on from here."""
        write_json(self._path, self.seconds())


def _trained(
    member: Member,
    collection: Collection,
    past: dict[str, Values],
    folder: Path,
    spent: TimeSpent,
) -> tuple[Values, int]:
    import keras
    import tensorflow as tf

    from pipelines.series.splits import parse_split
    from pipelines.series.time_series import latest_windows
    from pipelines.series.windows import WindowBatches
    from rnn_apps.forecasting.config import ForecastingConfig
    from rnn_apps.forecasting.device.deployment import deployment_model
    from rnn_apps.forecasting.features.description import describe
    from rnn_apps.forecasting.features.seasonal_errors import seasonal_errors
    from rnn_apps.forecasting.network.build import build_model
    from rnn_apps.forecasting.network.objective import make_objective
    from rnn_apps.training.trainer import fit

    config = ForecastingConfig(
        data="", run=str(folder), split="1.0,0,0", horizon=collection.horizon, quantiles=LEVELS,
        calendar=("none",), gradient_flow=False, season=collection.period,
        **{**collection.settings, **member.settings},
    )  # fmt: skip
    shortest = config.lookback + config.horizon
    long_enough = {name: values for name, values in past.items() if len(values) >= shortest}
    series_set = _series_set(long_enough)
    split = parse_split(config.split)
    description = describe(series_set, split, config)
    errors = seasonal_errors(series_set, split, config, description.step_minutes)
    batches = WindowBatches(
        series_set,
        lookback=config.lookback,
        horizon=config.horizon,
        batch_size=config.batch_size,
        shuffle=True,
        seed=config.seed,
        stride=config.stride,
    )
    trained = fit(
        lambda: build_model(config, description),
        batches,
        make_objective(config, errors),
        config,
        folder=folder,
        resume=folder.exists(),
        # A checkpoint follows, from which the next session goes on.
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: spent.keep())],
    )
    deployed = deployment_model(trained.model, config, description)
    windows = latest_windows(series_set, config.lookback, config.horizon)
    inputs = {tensor.name: tf.constant(windows[tensor.name]) for tensor in deployed.inputs}
    forecast = deployed(inputs, training=False)["quantiles"].numpy()
    quantiles = np.full((len(past), config.horizon, len(LEVELS)), np.nan)
    places = {name: place for place, name in enumerate(past)}
    for name, values in zip(series_set.names, forecast, strict=True):
        quantiles[places[name]] = values
    return quantiles, int(trained.model.count_params())


def _series_set(series: dict[str, Values]) -> Any:
    """The series as the toolkit reads a table of ids and counted steps."""
    from pipelines.series.loading import load_series

    lengths = [len(values) for values in series.values()]
    frame = pd.DataFrame(
        {
            "series": np.repeat(list(series), lengths),
            "step": np.concatenate([np.arange(length) for length in lengths]),
            "value": np.concatenate(list(series.values())),
        }
    )
    return load_series(
        frame,
        layout="long",
        id_column="series",
        time_column="step",
        time_format="steps",
        targets=("value",),
    )


def combined(
    results: list[dict[str, Any]], collection: Collection, past: dict[str, Values]
) -> list[Forecasts]:
    """The ensemble's forecasts: the mean of its models' quantiles, in the logarithm.

    A series that is too short for a model has the mean of the others. One that no model can read is
    forecast by Naive2, whose interval is the point.
    """
    stacked = np.stack([result["quantiles"] for result in results])
    able = ~np.isnan(stacked).any(axis=(2, 3))
    logs = np.where(able[..., None, None], np.log(np.where(np.isnan(stacked), 1.0, stacked)), 0.0)
    readable = able.any(axis=0)
    means = np.exp(logs.sum(axis=0) / np.maximum(able.sum(axis=0), 1)[:, None, None])
    forecasts = []
    for place, values in enumerate(past.values()):
        if readable[place]:
            lower, point, upper = means[place].T
        else:
            point = naive2(values, collection.horizon, collection.period)
            lower = upper = point
        forecasts.append(Forecasts(point, lower, upper))
    return forecasts


def _write(
    given: argparse.Namespace,
    collection: Collection,
    past: dict[str, Values],
    truth: dict[str, Values],
    results: list[dict[str, Any]],
) -> None:
    insample, actual = list(past.values()), [truth[name] for name in past]
    rows = []
    for result in results:
        alone = combined([result], collection, past)
        scores = judge(insample, actual, alone, collection.period)
        rows.append({key: result[key] for key in result if key != "quantiles"} | scores)
    together = judge(insample, actual, combined(results, collection, past), collection.period)
    rows.append(
        {
            "name": f"mean of {len(results)} models",
            **{
                key: sum(result[key] for result in results)
                for key in ("parameters", "processor_minutes", "minutes")
            },
            **together,
        }
    )
    judged = Path(given.test).name if given.test else "the held-out end of the training part"
    to = given.to or f"benchmarks/results/m4_{collection.name}"
    machines = each_once({result["name"]: result.get("measured_on", "") for result in results})
    write_json(f"{to}.json", {"judged_on": judged, "rows": rows})
    lines = [
        f"# M4, {collection.name} series",
        "",
        f"Written by `python -m benchmarks.m4 --train {Path(given.train).name}"
        + (f" --test {Path(given.test).name}" if given.test else "")
        + f"`; judged on {judged}, {len(past)} series, horizon {collection.horizon}. Settings: "
        "`benchmarks.m4_recipes`." + (f" Trained on {'; '.join(machines)}." if machines else ""),
        "",
        "| model | parameters | minutes | of processor time | sMAPE | MASE | OWA | MSIS | "
        "coverage of 95 % |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {r['name']} | {r['parameters']:,} | {r['minutes']:.1f} | "
            f"{r['processor_minutes']:.1f} | {r['smape']:.3f} | {r['mase']:.3f} | {r['owa']:.3f} | "
            f"{r['msis']:.2f} | {r['coverage']:.3f} |"
            for r in rows
        ),
        "",
        f"Naive2 on the same values: sMAPE {together['naive2_smape']:.3f}, MASE "
        f"{together['naive2_mase']:.3f}.",
        "",
        collection.published,
        "",
    ]
    write_text(f"{to}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
