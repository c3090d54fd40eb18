"""The recurrent layers of rnn_apps against Keras' and PyTorch's on this machine's CPU.

    python -m benchmarks.layers [--torch-python PYTHON] [--threads 1] [--memory]

The contenders take turns, so that other work on the machine affects all of them, and medians are
reported: of wall-clock time, and of the processor time of all threads. The latter means little with
several threads (they spin while they wait for work), but it is the better figure with `--threads 1`
on a shared machine. The limit is the time of the recurrence's multiplications as one large product
(three of them for forward and backward). `--memory` starts a process per contender to measure its
peak memory.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.child_process import ChildProcess
from pipelines.base.atomic_files import write_text

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
ORDERS = ("forward", "training")
_WORKER = Path(__file__).with_name("layers_contender.py")
Measured = dict[str, dict[str, float]]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--torch-python", help="Python with PyTorch; default: PyTorch does not take part"
    )
    parser.add_argument("--to", default="benchmarks/results/layers.md")
    parser.add_argument("--cells", nargs="*", default=CELLS)
    parser.add_argument("--shapes", nargs="*", type=int, default=range(len(SHAPES)))
    parser.add_argument("--contenders", nargs="*", help="contenders to measure; default: all")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--threads", type=int, default=0, help="number of threads per process; 0 for its default"
    )
    parser.add_argument(
        "--memory", action="store_true", help="also measure the peak memory of each contender"
    )
    given = parser.parse_args(arguments)
    names = [*KERAS, *OURS, "limit", *(["torch"] if given.torch_python else [])]
    names = [name for name in names if name in (given.contenders or names)]
    processes = _Processes(given.torch_python, given.threads)
    rows = []
    try:
        for cell in given.cells:
            for index in given.shapes:
                shape = SHAPES[index]
                measured = measure(processes, names, cell, shape, given.rounds)
                if given.memory:
                    for name, found in measured.items():
                        found["memory"] = peak(processes, name, cell, shape)
                rows.append((cell, shape, measured))
                write_text(Path(given.to), table(rows, given.rounds, given.threads))
                print(rows[-1], flush=True)
    finally:
        processes.close()


class _Processes:
    """The processes in which the contenders run; contenders share a process if they can."""

    def __init__(self, torch_python: str | None, threads: int) -> None:
        self._torch_python = torch_python
        self._threads = threads
        self._running: dict[str, ChildProcess] = {}

    def of(self, name: str) -> ChildProcess:
        """The process of a contender."""
        kind = "torch" if name == "torch" else "off" if "oneDNN off" in name else "on"
        if kind not in self._running:
            self._running[kind] = self.start(name)
        return self._running[kind]

    def start(self, name: str) -> ChildProcess:
        """A new process for a contender."""
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if name != "torch":
            environment["TF_ENABLE_ONEDNN_OPTS"] = "0" if "oneDNN off" in name else "1"
        python = self._torch_python if name == "torch" else sys.executable
        how = [str(_WORKER)] if name == "torch" else ["-m", "benchmarks.layers_contender"]
        return ChildProcess(name, [str(python), *how, str(self._threads)], environment)

    def close(self) -> None:
        """Ends the processes."""
        for process in self._running.values():
            process.close()


def measure(
    processes: _Processes, names: list[str], cell: str, shape: tuple[int, ...], rounds: int
) -> Measured:
    """Medians of each contender's milliseconds: wall-clock time and processor time."""
    times: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for order in ORDERS:
        for round_ in range(rounds + 2):
            for name in names:
                question = json.dumps([name, cell, shape, order])
                taken = json.loads(processes.of(name).ask(question))
                # The first two calls compile and warm up.
                if round_ >= 2:
                    times[name].setdefault(order, []).append(taken[0])
                    times[name].setdefault(f"{order}, CPU", []).append(taken[1])
    return {
        name: {what: statistics.median(taken) for what, taken in found.items()}
        for name, found in times.items()
    }


def peak(processes: _Processes, name: str, cell: str, shape: tuple[int, ...]) -> float:
    """Peak memory of a contender in a separate process, in MiB beyond its start."""
    process = processes.start(name)
    try:
        before = float(process.ask(json.dumps([name, cell, shape, "memory"])))
        for order in 3 * ORDERS:
            process.ask(json.dumps([name, cell, shape, order]))
        return float(process.ask(json.dumps([name, cell, shape, "memory"]))) - before
    finally:
        process.close()


def table(rows: list[Any], rounds: int, threads: int) -> str:
    """A Markdown table of all that was measured."""
    names = list(rows[0][2])
    of_threads = f"{threads} thread{'s' if threads > 1 else ''}" if threads else "all cores"
    lines = [
        "# Recurrent layers on a CPU",
        "",
        f"Written by `python -m benchmarks.layers`: milliseconds on {of_threads}, medians of",
        f"{rounds} interleaved calls, as wall-clock time and as processor time; memory is the peak",
        "in MiB beyond a process before its first call. The gain is the time of the best Keras",
        "setting divided by that of the better rnn_apps setting.",
        "",
        f"| cell | (batch, timesteps, features, units) | measured | {' | '.join(names)} | gain |",
        "|---" * (len(names) + 4) + "|",
    ]
    for cell, shape, measured in rows:
        for what in measured[names[0]]:
            found = {name: values[what] for name, values in measured.items()}
            best = {
                "keras": min((found[n] for n in KERAS if n in found), default=math.nan),
                "ours": min((found[n] for n in OURS if n in found), default=math.nan),
            }
            values = " | ".join(f"{found[name]:.1f}" for name in names)
            shown = ", ".join(map(str, shape))
            ratio = best["keras"] / best["ours"] if best["ours"] else math.nan
            lines.append(f"| {cell} | ({shown}) | {what} | {values} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
