"""Exported C code on emulated microcontrollers: instructions per step, code and memory.

    python -m benchmarks.boards [--to FOLDER]

Exports one layer of 32 features and 128 units of each cell as a stream, in float32 and in integers,
runs it on emulated Cortex-M and RISC-V cores, and writes FOLDER/boards.md: instructions of a step,
per multiply-accumulate, bytes of code, weights, memory and stack, and the error against Keras. The
last column has what others take on the same emulated Cortex-M4F: our own TensorFlow Lite Micro
files with CMSIS-NN's kernels; those were measured once.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

from pipelines.base.atomic_files import write_text
from rnn_apps.export import ExportError, export_c
from rnn_apps.export.c import CodeResult
from rnn_apps.export.c.proof.boards import (
    BOARDS,
    OPTIMISATION,
    Board,
    BoardRun,
    run_on_board,
)
from rnn_apps.export.c.results import Cost

FEATURES, UNITS, TIMESTEPS = 32, 128, 40
CELLS = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU, "SimpleRNN": keras.layers.SimpleRNN}
KINDS = {"float32": None, "int8": "int8", "int16x8": "int16x8"}
# Instructions of a step on TensorFlow Lite Micro with CMSIS-NN, emulated Cortex-M4F.
ELSEWHERE = {
    ("LSTM", "float32"): 509_000,
    ("LSTM", "int8"): 535_000,
    ("GRU", "float32"): 378_000,
    ("GRU", "int8"): 384_000,
}
HEADER = (
    "cell", "numbers", "core", "instructions per step", "per MAC", "code, bytes", "weights, bytes",
    "memory, bytes", "stack, bytes", "relative RMS error", "TensorFlow Lite Micro, M4F",
)  # fmt: skip


def exported(cell: str, quantize: str | None, data: np.ndarray, folder: Path) -> CodeResult:
    """One layer as a stream, of random weights."""
    keras.utils.set_random_seed(0)
    layer = CELLS[cell](UNITS, return_sequences=True)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer], name="layer")
    return export_c(model, folder, mode="streaming", quantize=quantize, representative_data=data)


def rows_of(cell: str, kind: str, data: np.ndarray) -> list[list[str]]:
    """A row for each core."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        result = exported(cell, KINDS[kind], data, Path(name) / "code")
        (given,) = result.interface.inputs
        calls = [{given.name: data[:1, step : step + 1]} for step in range(4)]
        for key, board in BOARDS.items():
            folder = Path(name) / key
            folder.mkdir()
            run = _run_where_it_fits(board, result, calls, folder)
            there = ELSEWHERE.get((cell, kind)) if key == "m4f" else None
            last = [
                f"{result.errors[0].relative_rmse:.2g}",
                "" if there is None else f"{there:,}",
            ]
            rows.append([cell, kind, board.core, *_figures(run, result.cost), *last])
    return rows


def _run_where_it_fits(
    board: Board, result: CodeResult, calls: list[dict[str, np.ndarray]], folder: Path
) -> BoardRun | None:
    """What the board gave; None if its memory is too small."""
    try:
        return run_on_board(board, result.source, result.interface, calls, folder)
    except ExportError as failure:
        if "overflowed" not in str(failure):
            raise
        return None


def _figures(run: BoardRun | None, cost: Cost) -> list[str]:
    weights, memory = f"{cost.weight_bytes:,}", f"{cost.state_bytes + cost.scratch_bytes:,}"
    if run is None:
        return ["does not fit", "", "", weights, memory, ""]
    return [
        f"{run.instructions:,}",
        f"{run.instructions / cost.products:.2f}",
        f"{run.code_bytes:,}",
        weights,
        memory,
        f"{run.stack_bytes:,}",
    ]


def main() -> None:
    """Runs all cases and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", default="benchmarks/results", metavar="FOLDER")
    arguments = parser.parse_args()
    data = np.random.default_rng(0).normal(size=(8, TIMESTEPS, FEATURES)).astype(np.float32)
    rows = []
    for cell in CELLS:
        for kind in KINDS:
            rows += rows_of(cell, kind, data)
            print("\n".join(" ".join(row) for row in rows[-len(BOARDS) :]), flush=True)
    compilers = "` and `".join(
        dict.fromkeys(board.architecture.compiler for board in BOARDS.values())
    )
    lines = [" | ".join(line) for line in (HEADER, ["---"] * len(HEADER), *rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    text = f"""# C code on emulated microcontrollers

Written by `python -m benchmarks.boards`. One layer of {FEATURES} features and {UNITS} units with
random weights, one time step, compiled by
`{compilers}` with `{OPTIMISATION[0]} {OPTIMISATION[1]}`.
Instructions are counted by QEMU, not cycles of silicon; they are the same on every run. Cortex-M0,
Cortex-M3 and RV32IMC have no floating-point unit, and the Cortex-M0 is a part with 256 kB for code
and 16 kB of memory. Memory is states and scratch, without input, output and stack.
Multiply-accumulates are the model's. In int16x8 a SimpleRNN has weights of 16 bits.

{table}
"""
    write_text(Path(arguments.to) / "boards.md", text)


if __name__ == "__main__":
    main()
