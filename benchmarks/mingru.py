"""minGRU against GRU at equal parameters: speed of training, and quality after equal minutes.

    python -m benchmarks.mingru --ett file:ETTh1.csv --train file:train.txt
        --validation file:val.txt [--minutes 10] [--only speed language forecasting]
        [--models mingru-against-gru ...]

Speed: one training step (forward and backward) of one layer, called in turn with its peers, medians
by the clock and in processor time. Quality: each model trains for at most `--minutes` at a constant
learning rate; the language models are scored on the whole validation text, the forecasting models
keep the weights of their best validation epoch. With `--models` only those are trained, so that
two can train side by side, each on a core of its own, and what else the machine does meets both.
A benchmark that was stopped continues.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import ett_recipes, language_models, language_recipes
from benchmarks.child_process import ChildProcess
from benchmarks.processor import cores_and_processor, each_once
from benchmarks.recipe_runs import steps_taken
from pipelines.base.atomic_files import write_json, write_text

Rows = list[dict[str, Any]]
PARTS = ("speed", "language", "forecasting")
TIMESTEPS = (100, 500)
# Features and units of one layer; a minGRU of 768 units has the weights of a GRU of 256, as one of
# 192 has those of a GRU of 64 that reads 64 features.
LAYERS = {
    "256 units": {"GRU": (256, 256), "MinGRU": (256, 768), "MinGRU of as many units": (256, 256)},
    "64 units": {"GRU": (64, 64), "MinGRU": (64, 192), "MinGRU of as many units": (64, 64)},
}
CONTENDERS = (
    "keras GRU",
    "GRU",
    "GRU, jit",
    "MinGRU",
    "MinGRU, jit",
    "MinGRU of as many units",
    "MinGRU of as many units, jit",
)
BATCH = 32

LANGUAGE = tuple(
    language_recipes.Recipe(f"mingru-against-{name}", "minGRU", settings)
    for name, settings in (
        ("gru", {"cell": "gru", "units": language_recipes.EQUAL_PARAMETERS["gru"]}),
        ("mingru", {"cell": "mingru", "units": language_recipes.EQUAL_PARAMETERS["mingru"]}),
    )
)
# The epochs of a recipe are replaced by a limit in minutes; validation says when to stop.
_LONG = {"schedule": "constant", "epochs": 1000, "patience": 10}
_SEGMENT = {**ett_recipes.segment_settings(96, 96), "loss": "huber", "dropout": 0.2, **_LONG}
_POINTWISE = {**ett_recipes.POINTWISE, "horizon": 96, **_LONG}
FORECASTING = tuple(
    ett_recipes.Recipe(f"mingru-{kind}-{cell}", f"{kind} {cell}", {**settings, **sizes}, (96,))
    for kind, settings, units in (
        ("segment", _SEGMENT, {"gru": 128, "mingru": 232}),
        ("point-wise", _POINTWISE, {"gru": 64, "mingru": 73}),
    )
    for cell, sizes in ((cell, {"cell": cell, "units": size}) for cell, size in units.items())
)


def main(arguments: list[str] | None = None) -> None:
    """Measures what is missing and writes TO.md and TO.json after every part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ett", help="ETTh1.csv as file:PATH")
    parser.add_argument("--train", help="training text as file:PATH")
    parser.add_argument("--validation", help="validation text as file:PATH")
    parser.add_argument("--minutes", type=float, default=10.0, help="training time per model")
    parser.add_argument("--rounds", type=int, default=15, help="timed calls per contender")
    parser.add_argument("--runs", default="runs/mingru", help="folder of the models' runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="*", help="models to train; default: all")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--to", default="benchmarks/results/mingru")
    given = parser.parse_args(arguments)
    measures = {"speed": _speed, "language": _language, "forecasting": _forecasting}
    for part in PARTS:
        if part in given.only:
            measures[part](given)
    if not given.models:
        _write(given)


def _speed(given: argparse.Namespace) -> None:
    """Milliseconds per training step of every contender, asked in turn."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    command = [sys.executable, "-m", "benchmarks.mingru_contender"]
    workers = {name: ChildProcess(name, [*command, name], environment) for name in CONTENDERS}
    rows: Rows = []
    try:
        for size, timesteps in itertools.product(LAYERS, TIMESTEPS):
            times: dict[str, list[list[float]]] = {name: [] for name in workers}
            for round_ in range(given.rounds + 2):
                for name, worker in workers.items():
                    taken = json.loads(worker.ask(json.dumps([size, timesteps])))
                    # The first two calls compile and warm up.
                    if round_ >= 2:
                        times[name].append(taken)
            for name, calls in times.items():
                clock, processor = map(statistics.median, zip(*calls, strict=True))
                row = {"name": name, "size": size, "timesteps": timesteps}
                times_found = {"ms": clock, "ms_processor": processor}
                rows.append({**row, **times_found, "measured_on": cores_and_processor()})
    finally:
        for worker in workers.values():
            worker.close()
    write_json(_part(given, "speed"), rows)


def _language(given: argparse.Namespace) -> None:
    _train_missing(
        given, "language", LANGUAGE, lambda recipe: language_models.trained(recipe, given)
    )


def _forecasting(given: argparse.Namespace) -> None:
    from benchmarks import ett
    from pipelines.series.loading import load_series
    from pipelines.series.options import SeriesOptions

    series_set = load_series(given.ett, SeriesOptions())
    runs = Path(given.runs)

    def trained(recipe: ett_recipes.Recipe) -> dict[str, Any]:
        settings = {**recipe.settings, "max_minutes": given.minutes}
        limited = ett_recipes.Recipe(recipe.name, recipe.label, settings, recipe.horizons)
        row = ett.trained(limited, series_set, given.ett, runs, given.seed)[0]
        return {**row, "steps": steps_taken(runs / recipe.name)}

    _train_missing(given, "forecasting", FORECASTING, trained)


def _train_missing(
    given: argparse.Namespace,
    part: str,
    recipes: Sequence[Any],
    train: Callable[[Any], dict[str, Any]],
) -> None:
    """Trains the recipes of a part that have no result yet, and gathers the results of all."""
    paths = [Path(given.runs) / recipe.name / "result.json" for recipe in recipes]
    for recipe, path in zip(recipes, paths, strict=True):
        if not path.exists() and (not given.models or recipe.name in given.models):
            write_json(path, {**train(recipe), "measured_on": cores_and_processor()})
    if all(path.exists() for path in paths):
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        write_json(_part(given, part), rows)


def _part(given: argparse.Namespace, part: str) -> Path:
    return Path(given.runs) / f"{part}.json"


def _write(given: argparse.Namespace) -> None:
    """Writes the parts that have been measured."""
    found = {
        part: json.loads(_part(given, part).read_text(encoding="utf-8"))
        for part in PARTS
        if _part(given, part).exists()
    }
    write_json(f"{given.to}.json", {"seed": given.seed, "minutes": given.minutes, **found})
    lines = [
        "# minGRU against GRU at equal parameters",
        "",
        f"Written by `python -m benchmarks.mingru`, seed {given.seed}.",
        "",
    ]
    measured_on = {
        f"{part}, {row.get('model') or row['name']}": row.get("measured_on", "")
        for part, rows in found.items()
        for row in rows
    }
    machines = each_once(measured_on)
    lines += [f"Measured on {'; '.join(machines)}.", ""] if machines else []
    tables = {"speed": _speed_table, "language": _language_table, "forecasting": _forecast_table}
    for part, rows in found.items():
        lines += [*tables[part](rows, given), ""]
    write_text(f"{given.to}.md", "\n".join(lines))


def _speed_table(rows: Rows, given: argparse.Namespace) -> list[str]:
    peers: dict[tuple[str, int], dict[str, dict[str, float]]] = {}
    for row in rows:
        peers.setdefault((row["size"], row["timesteps"]), {})[row["name"]] = row
    sizes = "; ".join(
        f"{size}: " + ", ".join(f"{name} {features} to {units}" for name, (features, units) in one)
        for size, one in ((size, layers.items()) for size, layers in LAYERS.items())
    )
    lines = [
        f"## Training step of one layer, batch {BATCH}",
        "",
        f"Features to units, {sizes}. Milliseconds per forward and backward pass, medians of "
        f"{given.rounds} calls in turn. Gain: time of this toolkit's faster GRU over the row's.",
        "",
        "| size | timesteps | layer | ms | ms of processor time | gain | gain in processor time |",
        "|---|---|---|---|---|---|---|",
    ]
    for (size, timesteps), measured in peers.items():
        best = {
            clock: min(measured[name][clock] for name in ("GRU", "GRU, jit"))
            for clock in ("ms", "ms_processor")
        }
        for name, row in measured.items():
            gains = " | ".join(f"{best[clock] / row[clock]:.2f}" for clock in best)
            lines.append(
                f"| {size} | {timesteps} | {name} | {row['ms']:.1f} | {row['ms_processor']:.1f} "
                f"| {gains} |"
            )
    return lines


def _language_table(rows: Rows, given: argparse.Namespace) -> list[str]:
    return [
        f"## Character language model, {given.minutes:g} minutes",
        "",
        f"Two layers, `benchmarks.language_recipes.BASE`; {Path(given.train or '').name}, scored "
        f"on all of {Path(given.validation or '').name}.",
        "",
        "| cell | units | parameters | steps | nats per character |",
        "|---|---|---|---|---|",
        *(
            f"| {r['settings']['cell']} | {r['settings']['units']} | {r['parameters']:,} | "
            f"{r['steps']:,} | {r['nats']:.4f} |"
            for r in rows
        ),
    ]


def _forecast_table(rows: Rows, given: argparse.Namespace) -> list[str]:
    return [
        f"## ETTh1, lookback 96, horizon 96, at most {given.minutes:g} minutes",
        "",
        "Weights of the best epoch by validation loss, training ends ten epochs after it; errors "
        "on the test part.",
        "",
        "| model | units | parameters | minutes | steps | best epoch | validation loss "
        "| MSE | MAE |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {r['model']} | {r['settings']['units']} | {r['parameters']:,} | {r['minutes']:.1f} "
            f"| {r['steps']:,} | {r['best_epoch']} | {r['validation_loss']:.4f} | {r['mse']:.4f} | "
            f"{r['mae']:.4f} |"
            for r in rows
        ),
    ]


if __name__ == "__main__":
    main()
