"""The exported C code of a layer as libraries, for `benchmarks.edge`: one per processor."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.atomic_files import write_json
from rnn_apps.export.c import CodeResult, export_c

KINDS = {"C, float": None, "C, int8": "int8"}
PROCESSORS = ("x86-64-v3", "native")
OPTIONS = ("-std=c99", "-O3", "-ffp-contract=fast", "-fPIC", "-shared")


def compiler_name() -> str:
    """The compiler of the libraries, with its version."""
    answer = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True)
    return f"GCC {answer.stdout.strip()}"


def names() -> list[str]:
    """The contenders that `libraries` makes."""
    return [f"{kind}, {processor}" for kind in KINDS for processor in PROCESSORS]


def libraries(model: Any, folder: Path, inputs: np.ndarray) -> dict[str, Path]:
    """Exports a model in floats and in integers, and compiles both for each kind of processor.

    Args:
        model: Keras model of one input and one output.
        folder: folder for what is made.
        inputs: examples, batch first, on which the ranges of integers are measured.

    Returns:
        The library of each contender; beside it a .json file says what its function takes.
    """
    made = {}
    for kind, quantize in KINDS.items():
        result = export_c(
            model,
            folder / kind.replace(", ", "_"),
            quantize=quantize,
            representative_data=inputs,
            name="net",
            time_limit=600.0,
        )
        for processor in PROCESSORS:
            made[f"{kind}, {processor}"] = _library(result, folder, kind, processor)
    return made


def _library(result: CodeResult, folder: Path, kind: str, processor: str) -> Path:
    path = folder / f"{kind.replace(', ', '_')}_{processor}.so"
    subprocess.run(
        ["gcc", *OPTIONS, f"-march={processor}", str(result.source), "-o", str(path)], check=True
    )
    (output,) = result.interface.outputs
    card = {
        "function": result.interface.function,
        # Members of a struct may lie further apart than their sizes say.
        "memory_bytes": result.cost.state_bytes + result.cost.scratch_bytes + 64,
        "shape": list(output.shape),
    }
    write_json(Path(f"{path}.json"), card)
    return path
