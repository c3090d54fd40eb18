"""An epoch of each application's default model: the layers of rnn_apps against Keras' own.

    python -m benchmarks.layers_epochs [--applications forecasting ...] [--steps 30]

The model, the batches, the loss and the training step are the application's own, with built-in
data. Every contender is a separate process that computes the same first steps of the epoch on
request; they take turns, and medians are reported. The first pass includes compilation: it is
left out of the medians and has a column of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.child_process import ChildProcess
from pipelines.base.atomic_files import write_text

# Another model needs a line here; every application trains by `rnn_apps.application.train_run`.
SETTINGS: dict[str, dict[str, Any]] = {
    "forecasting": {"data": "builtin:elecdemand", "future_covariates": ("none",)},
    "forecasting, direct": {
        "data": "builtin:elecdemand",
        "future_covariates": ("none",),
        "model": "direct",
    },
    "language_modelling": {"data": "builtin:world_english_bible"},
    "translation": {"data": "builtin:phrases"},
    "speech": {"data": "builtin:digits"},
}
CONTENDERS = ("keras", "keras, jit", "rnn_apps")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--applications", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--contenders", nargs="*", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument(
        "--steps", type=int, default=0, help="number of steps per pass; 0 for all steps of an epoch"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--to", default="benchmarks/results/layers_epochs.md")
    given = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for application in given.applications:
        rows.append(measure(application, given.contenders, given.steps, given.rounds))
        write_text(Path(given.to), table(rows, given.contenders))
        print(json.dumps(rows[-1]), flush=True)


def measure(application: str, contenders: list[str], steps: int, rounds: int) -> dict[str, Any]:
    """Seconds per epoch of each contender: medians, scaled to all steps of the epoch."""
    found: dict[str, Any] = {"application": application}
    workers = {name: _start(application, name, steps) for name in contenders}
    try:
        for name, worker in list(workers.items()):
            try:
                found |= json.loads(worker.answer())
                found[name] = {"first": json.loads(worker.ask("pass"))["wall"], "passes": []}
            except RuntimeError:
                # XLA cannot compile every model's step.
                found[name] = None
                workers.pop(name).close()
        for _ in range(rounds):
            for name, worker in workers.items():
                found[name]["passes"].append(json.loads(worker.ask("pass")))
    finally:
        for worker in workers.values():
            worker.close()
    scale = found["steps_per_epoch"] / found["steps"]
    for name in workers:
        passes = found[name].pop("passes")
        for clock in ("wall", "cpu"):
            found[name][clock] = scale * statistics.median(one[clock] for one in passes)
    return found


def _start(application: str, contender: str, steps: int) -> ChildProcess:
    command = [sys.executable, "-m", "benchmarks.layers_epochs_contender"]
    settings = json.dumps(SETTINGS[application])
    arguments = [application.split(",")[0], contender, str(steps), settings]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    return ChildProcess(contender, [*command, *arguments], environment)


def table(rows: list[dict[str, Any]], contenders: list[str]) -> str:
    """A Markdown table of all that was measured."""
    names = [f"{name}: {what}" for name in contenders for what in ("epoch", "CPU", "first pass")]
    lines = [
        "# An epoch with the recurrent layers of rnn_apps and with Keras'",
        "",
        "Written by `python -m benchmarks.layers_epochs`: seconds, medians of alternating passes",
        "in separate processes, scaled from the steps of a pass to those of an epoch. CPU is the",
        "processor time of all threads. The first pass compiles; its seconds are not scaled.",
        "The gain is the time of the best Keras divided by that of rnn_apps, in wall-clock time",
        "and in CPU time.",
        "",
        "| application | model | steps of a pass | of an epoch | "
        + " | ".join(names)
        + " | gain |",
        "|---" * (len(names) + 5) + "|",
    ]
    for row in rows:
        values = []
        for name in contenders:
            one = row[name]
            values += [f"{one[x]:.1f}" if one else "-" for x in ("wall", "cpu", "first")]
        gains = []
        for clock in ("wall", "cpu"):
            others = [row[n][clock] for n in contenders if row[n] and n != "rnn_apps"]
            if others and row.get("rnn_apps"):
                gains.append(f"{min(others) / row['rnn_apps'][clock]:.2f}")
        cells = [row["application"], row["model"], row["steps"], row["steps_per_epoch"], *values]
        lines.append("| " + " | ".join(map(str, cells)) + f" | {', '.join(gains)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
