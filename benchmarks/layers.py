"""The recurrent layers of rnn_apps against Keras' and PyTorch's on this machine's CPU.

    python -m benchmarks.layers [--torch-python PYTHON] [--to benchmarks/results/layers.md]

Every contender is a process of its own; they are asked in turn, so that what else the machine
does meets all of them, and medians are taken. The limit is the recurrence's multiplications as
one large product (three of them for forward and backward).
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
from pipelines.atomic_files import write_text

SHAPES = (
    (32, 100, 128, 256),
    (64, 50, 512, 512),
    (8, 500, 40, 128),
    (128, 24, 8, 64),
    (64, 336, 7, 64),
)
CELLS = ("SimpleRNN", "LSTM", "GRU")
KERAS = ("keras, oneDNN off", "keras, oneDNN off, jit", "keras", "keras, jit")
OURS = ("rnn_apps", "rnn_apps, jit")
_WORKER = Path(__file__).with_name("layers_contender.py")
Measured = dict[str, dict[str, float]]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torch-python", help="a Python with PyTorch; default: leave it out")
    parser.add_argument("--to", default="benchmarks/results/layers.md")
    parser.add_argument("--cells", nargs="*", default=CELLS)
    parser.add_argument("--shapes", nargs="*", type=int, default=range(len(SHAPES)))
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args(arguments)
    rows = []
    for cell in given.cells:
        for index in given.shapes:
            shape = SHAPES[index]
            rows.append((cell, shape, measure(cell, shape, given.rounds, given.torch_python)))
            write_text(Path(given.to), table(rows))
            print(rows[-1], flush=True)


def measure(cell: str, shape: tuple[int, ...], rounds: int, torch_python: str | None) -> Measured:
    """Of each contender the medians of its milliseconds, and its peak memory in MB."""
    names = [*KERAS, *OURS, "limit", *(["torch"] if torch_python else [])]
    workers = {name: _start(name, cell, shape, torch_python) for name in names}
    times: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    try:
        for worker in workers.values():
            worker.answer()
        for order in ("forward", "training"):
            for round_ in range(rounds + 2):
                for name, worker in workers.items():
                    taken = float(worker.ask(order))
                    # The first two calls compile and warm up.
                    if round_ >= 2:
                        times[name].setdefault(order, []).append(taken)
        return {
            name: {
                **{order: statistics.median(taken) for order, taken in times[name].items()},
                "memory": float(worker.ask("memory")),
            }
            for name, worker in workers.items()
        }
    finally:
        for worker in workers.values():
            worker.close()


def _start(name: str, cell: str, shape: tuple[int, ...], torch_python: str | None) -> ChildProcess:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if name != "torch":
        environment["TF_ENABLE_ONEDNN_OPTS"] = "0" if "oneDNN off" in name else "1"
    python = torch_python if name == "torch" and torch_python else sys.executable
    how = [str(_WORKER)] if name == "torch" else ["-m", "benchmarks.layers_contender"]
    return ChildProcess(name, [python, *how, name, cell, json.dumps(shape)], environment)


def table(rows: list[Any]) -> str:
    """A Markdown table of all that was measured."""
    names = list(rows[0][2])
    lines = [
        "# Recurrent layers on a CPU",
        "",
        "Written by `python -m benchmarks.layers`: milliseconds, medians of interleaved calls in",
        "processes of their own; memory is the peak above the process before its first call, MB.",
        "The gain is the time of the best Keras over that of the better rnn_apps.",
        "",
        "| cell | (batch, timesteps, features, units) | what | " + " | ".join(names) + " | gain |",
        "|---" * (len(names) + 4) + "|",
    ]
    for cell, shape, measured in rows:
        for what in ("forward", "training", "memory"):
            found = {name: values[what] for name, values in measured.items()}
            best = {
                "keras": min(found[n] for n in KERAS),
                "ours": min(found[n] for n in OURS),
            }
            values = " | ".join(f"{found[name]:.1f}" for name in names)
            shown = ", ".join(map(str, shape))
            ratio = best["keras"] / best["ours"] if best["ours"] else float("nan")
            lines.append(f"| {cell} | ({shown}) | {what} | {values} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
