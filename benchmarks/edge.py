"""Our exports against Keras' own, ONNX Runtime and PyTorch, on the same weights, one thread.

    python -m benchmarks.edge [--torch-python PYTHON] [--contenders litert onnx c]

Our exports are `.tflite` files on LiteRT and C code, compiled for x86-64-v3 and for this computer's
own processor. All of them are in one table, `benchmarks/results/edge.md`.

For each layer and size all contenders run in turn, round after round, each in a separate process
that sleeps while another one runs. A figure is the median, over all rounds, of the processor time
of one call, including input and output. Processor time is measured because other work on the
machine would distort wall-clock time. ONNX Runtime and PyTorch take part if they are installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import edge_code, edge_models, edge_report
from benchmarks.child_process import ChildProcess
from benchmarks.edge_report import DYNAMIC, FLOAT, INT8, KERAS, ONNX, UNROLLED
from pipelines.base.atomic_files import write_json, write_text

CELLS = ("LSTM", "GRU", "SimpleRNN")
SIZES = ((1, 64, 256), (50, 32, 128), (100, 40, 256), (500, 80, 320))
ROUNDS = 9
# Milliseconds that one contender runs in one round, about.
ROUND_MS = 60.0
UNROLLED_TIMESTEPS = 50
# Files and runtimes that can take part, and what they are called in the table.
CONTENDERS = ("litert", "keras", "c", "onnx", "torch")
CONTENDER = Path(__file__).with_name("edge_contender.py")


@dataclass
class Entry:
    """One contender: how to run it, and its result or the reason why it does not take part."""

    name: str
    runtime: str = "litert"
    file: Path | None = None
    python: str = sys.executable
    note: str = ""
    processor: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    error: float | None = None
    memory: int | None = None

    def result(self) -> dict[str, Any]:
        """The figures for JSON."""
        if not self.processor:
            return {"name": self.name, "note": self.note}
        assert self.file is not None
        return {
            "name": self.name,
            "median_ms": statistics.median(self.processor),
            "wall_median_ms": statistics.median(self.wall),
            "error": self.error,
            "bytes": self.file.stat().st_size,
            "memory_bytes": self.memory,
            "note": self.note,
        }


class Contender:
    """The process of one entry."""

    def __init__(self, entry: Entry, reference: Path) -> None:
        self.entry = entry
        command = [entry.python, str(CONTENDER), entry.runtime, str(entry.file), str(reference)]
        self._child = ChildProcess(entry.name, command, os.environ | {"OMP_NUM_THREADS": "1"})
        about = json.loads(self._child.answer())
        entry.error, entry.memory = about["error"], about["memory_bytes"]
        first = self.times(3)
        self.runs = max(2, min(400, round(ROUND_MS / max(1e-3, min(first["processor"])))))

    def times(self, runs: int) -> dict[str, list[float]]:
        """The times of this many calls, in milliseconds."""
        found: dict[str, list[float]] = json.loads(self._child.ask(str(runs)))
        return found

    def round(self) -> None:
        """One round: warm up, then count."""
        self.times(max(1, self.runs // 5))
        found = self.times(self.runs)
        self.entry.processor.append(statistics.median(found["processor"]))
        self.entry.wall.append(statistics.median(found["wall"]))

    def close(self) -> None:
        """Ends the process."""
        self._child.close()


def entries(
    folder: Path,
    cell: str,
    size: tuple[int, int, int],
    torch_python: str | None,
    wanted: Collection[str] = CONTENDERS,
) -> tuple[list[Entry], Path]:
    """Writes every contender's file for one layer and size.

    Args:
        folder: folder for the files.
        cell: name of a Keras layer.
        size: timesteps, features and units.
        torch_python: Python that has PyTorch, if any.
        wanted: contenders that take part, of `CONTENDERS`.

    Returns:
        The contenders, and the file with the inputs and Keras' output.
    """
    timesteps, features, units = size
    model = edge_models.keras_model(cell, timesteps, features, units)
    reference = folder / "reference.npz"
    inputs = edge_models.write_reference(reference, model, timesteps, features)
    weights = model.layers[-1].get_weights()
    found = []
    if "litert" in wanted:
        found += _litert_entries(folder, cell, timesteps, model, inputs)
    if "keras" in wanted:
        found += _keras_entries(folder, cell, size, model)
    if "c" in wanted:
        found += _code_entries(folder, model, inputs)
    if "onnx" in wanted:
        found.append(_onnx_entry(folder, cell, weights, timesteps, torch_python))
    if "torch" in wanted and torch_python:
        path = folder / "torch.npz"
        edge_models.write_torch(path, cell, weights)
        found.append(Entry("PyTorch", "torch", path, torch_python))
    return found, reference


def _litert_entries(
    folder: Path, cell: str, timesteps: int, model: Any, inputs: Any
) -> list[Entry]:
    return [
        _made(FLOAT, lambda path: _ours(model, path, None, inputs), folder),
        _made(DYNAMIC, lambda path: _ours(model, path, "dynamic", inputs), folder),
        _int8_entry(cell, timesteps, lambda path: _ours(model, path, "int8", inputs), folder),
    ]


def _keras_entries(
    folder: Path, cell: str, size: tuple[int, int, int], model: Any
) -> Iterator[Entry]:
    yield _made(KERAS, lambda path: _keras_export(model, path), folder)
    if size[0] <= UNROLLED_TIMESTEPS:
        unrolled = edge_models.keras_model(cell, *size, unroll=True)
        yield _made(UNROLLED, lambda path: _keras_export(unrolled, path), folder)
    else:
        note = f"not tried: an unrolled graph of {size[0]} timesteps converts for many minutes"
        yield Entry(UNROLLED, note=note)


def _code_entries(folder: Path, model: Any, inputs: Any) -> list[Entry]:
    return [
        Entry(name, "c", path) for name, path in edge_code.libraries(model, folder, inputs).items()
    ]


def _made(name: str, make: Callable[[Path], str], folder: Path) -> Entry:
    path = folder / f"{name.replace(' ', '_').replace(chr(39), '')}.tflite"
    try:
        return Entry(name, "litert", path, note=make(path))
    except Exception as failure:
        return Entry(name, note=f"failed: {str(failure).splitlines()[0][:200]}")


def _int8_entry(cell: str, timesteps: int, make: Callable[[Path], str], folder: Path) -> Entry:
    if cell == "LSTM" or timesteps == 1:
        return _made(INT8, make, folder)
    return Entry(
        INT8,
        note="no sequence: the converter cannot quantise a loop; in int8 it streams step by step",
    )


def _ours(model: Any, path: Path, quantize: str | None, inputs: Any) -> str:
    from rnn_apps.export import export_tflite

    # The one form of a sequence in int8; nothing to measure against.
    form = "rule" if quantize == "int8" else "auto"
    result = export_tflite(
        model, path, quantize=quantize, representative_data=inputs, card=False, batch_size=1,
        form=form,
    )  # fmt: skip
    return result.form


def _keras_export(model: Any, path: Path) -> str:
    """Without its signature named, `Model.export` frees the batch and writes operators of
    TensorFlow's own (FlexTensorListReserve ...), which LiteRT cannot run.
    """
    import keras

    signature = [keras.InputSpec(shape=model.inputs[0].shape, dtype="float32")]
    with contextlib.redirect_stdout(sys.stderr):
        model.export(str(path), format="litert", input_signature=signature, verbose=False)
    return "model.export"


def _onnx_entry(
    folder: Path, cell: str, weights: list[Any], timesteps: int, other_python: str | None
) -> Entry:
    """ONNX Runtime in this Python or, if it is not installed here, in the one that has PyTorch."""
    pythons = [python for python in (sys.executable, other_python) if python]
    python = next((p for p in pythons if _has(p, "onnx", "onnxruntime")), None)
    if python is None:
        return Entry(ONNX, note="onnx and onnxruntime are not installed")
    path = folder / "model.onnx"
    stored = folder / "weights.npz"
    np.savez(stored, *weights)
    command = [python, "-m", "benchmarks.edge_models", cell, str(timesteps), str(stored), str(path)]
    subprocess.run(command, check=True, cwd=CONTENDER.parents[1])
    return Entry(ONNX, "onnx", path, python)


def _has(python: str, *packages: str) -> bool:
    code = "import importlib.metadata as m, sys; [m.version(name) for name in sys.argv[1:]]"
    return subprocess.run([python, "-c", code, *packages], capture_output=True).returncode == 0


def run_case(
    cell: str, size: tuple[int, int, int], torch_python: str | None, wanted: Collection[str]
) -> dict[str, Any]:
    """All contenders on one layer and size, in turn, round after round."""
    with tempfile.TemporaryDirectory() as name:
        found, reference = entries(Path(name), cell, size, torch_python, wanted)
        contenders: list[Contender] = []
        try:
            for entry in found:
                if entry.file is not None:
                    try:
                        contenders.append(Contender(entry, reference))
                    except RuntimeError as failure:
                        entry.note = str(failure)
            for _ in range(ROUNDS):
                for contender in contenders:
                    contender.round()
        finally:
            for contender in contenders:
                contender.close()
        return {"cell": cell, "size": list(size), "contenders": [e.result() for e in found]}


def main() -> None:
    """Runs all cases; a case that is already in the JSON file is kept unless --again."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/edge.md"))
    parser.add_argument("--torch-python", help="Python with PyTorch, if this one has none")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument(
        "--again", action="store_true", help="measure again what has a result already"
    )
    arguments = parser.parse_args()
    torch_python = arguments.torch_python
    if torch_python is None and importlib.util.find_spec("torch") is not None:
        torch_python = sys.executable
    store = arguments.to.with_suffix(".json")
    report: dict[str, Any] = {"cases": []}
    if store.is_file() and not arguments.again:
        report = edge_report.by_case(json.loads(store.read_text()))
    done = {(case["cell"], tuple(case["size"])) for case in report["cases"]}
    flags = " ".join(edge_code.OPTIONS)
    conditions = {
        "command": " ".join(_command(arguments, torch_python)),
        "versions": edge_report.versions(torch_python),
        "how": f"{' '.join(__doc__.split(chr(10) * 2)[3].split())} C code is compiled by "
        f"{edge_code.compiler_name()} with {flags} -march=PROCESSOR.",
    }
    for size in SIZES:
        for cell in arguments.cells:
            if (cell, size) in done:
                continue
            other = torch_python if shutil.which(torch_python or "") else None
            case = run_case(cell, size, other, arguments.contenders)
            case |= {"goals": edge_report.judge(case), **conditions}
            report["cases"].append(case)
            report["cases"].sort(
                key=lambda c: (SIZES.index(tuple(c["size"])), CELLS.index(c["cell"]))
            )
            write_json(store, report)
            write_text(arguments.to, edge_report.markdown(report))
            print(
                cell, size, {c["name"]: c.get("median_ms", c["note"]) for c in case["contenders"]}
            )


def _command(arguments: argparse.Namespace, torch_python: str | None) -> list[str]:
    words = ["python -m benchmarks.edge"]
    if torch_python:
        words.append("--torch-python PYTHON")
    if set(arguments.contenders) != set(CONTENDERS):
        words += ["--contenders", *arguments.contenders]
    return words


if __name__ == "__main__":
    main()
