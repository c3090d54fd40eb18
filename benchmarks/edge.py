"""Our exports against Keras' own, ONNX Runtime and PyTorch, on the same weights, one thread.

    python -m benchmarks.edge [--torch-python PYTHON] [--to benchmarks/results/edge.md]
    python -m benchmarks.edge --code [--to benchmarks/results/edge_c.md]

The second command has our exported C code, compiled for x86-64-v3 and for this computer's own
processor, against ONNX Runtime alone.

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
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import edge_code, edge_models
from benchmarks.child_process import ChildProcess
from pipelines.base.atomic_files import write_json, write_text

CELLS = ("LSTM", "GRU", "SimpleRNN")
SIZES = ((1, 64, 256), (50, 32, 128), (100, 40, 256), (500, 80, 320))
ROUNDS = 9
# Milliseconds that one contender runs in one round, about.
ROUND_MS = 60.0
UNROLLED_TIMESTEPS = 50
INT8 = "int8"
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
            "note": self.note,
        }


class Contender:
    """The process of one entry."""

    def __init__(self, entry: Entry, reference: Path) -> None:
        self.entry = entry
        command = [entry.python, str(CONTENDER), entry.runtime, str(entry.file), str(reference)]
        self._child = ChildProcess(entry.name, command, os.environ | {"OMP_NUM_THREADS": "1"})
        entry.error = json.loads(self._child.answer())["error"]
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


def code_entries(folder: Path, cell: str, size: tuple[int, int, int]) -> tuple[list[Entry], Path]:
    """Exported C code and ONNX Runtime's file for one layer and size."""
    timesteps, features, units = size
    model = edge_models.keras_model(cell, timesteps, features, units)
    reference = folder / "reference.npz"
    inputs = edge_models.write_reference(reference, model, timesteps, features)
    weights = model.layers[-1].get_weights()
    found = [
        Entry(name, "c", path, note=name.split(", ")[2])
        for name, path in edge_code.libraries(model, folder, inputs).items()
    ]
    return [*found, _onnx_entry(folder, cell, weights, timesteps, None)], reference


def entries(
    folder: Path, cell: str, size: tuple[int, int, int], torch_python: str | None
) -> tuple[list[Entry], Path]:
    """Writes every contender's file for one layer and size."""
    timesteps, features, units = size
    model = edge_models.keras_model(cell, timesteps, features, units)
    reference = folder / "reference.npz"
    inputs = edge_models.write_reference(reference, model, timesteps, features)
    weights = model.layers[-1].get_weights()
    found = [
        _made("auto, float", lambda path: _ours(model, path, None, inputs), folder),
        _made("auto, dynamic range", lambda path: _ours(model, path, "dynamic", inputs), folder),
        _int8_entry(cell, timesteps, lambda path: _ours(model, path, "int8", inputs), folder),
        _made("Keras' own", lambda path: _keras_export(model, path), folder),
    ]
    if timesteps <= UNROLLED_TIMESTEPS:
        unrolled = edge_models.keras_model(cell, *size, unroll=True)
        found.append(_made("Keras' unrolled", lambda path: _keras_export(unrolled, path), folder))
    else:
        note = f"not tried: an unrolled graph of {timesteps} timesteps converts for many minutes"
        found.append(Entry("Keras' unrolled", note=note))
    found.append(_onnx_entry(folder, cell, weights, timesteps, torch_python))
    if torch_python:
        path = folder / "torch.npz"
        edge_models.write_torch(path, cell, weights)
        found.append(Entry("PyTorch", "torch", path, torch_python))
    return found, reference


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
        return Entry("ONNX Runtime", note="onnx and onnxruntime are not installed")
    path = folder / "model.onnx"
    stored = folder / "weights.npz"
    np.savez(stored, *weights)
    command = [python, "-m", "benchmarks.edge_models", cell, str(timesteps), str(stored), str(path)]
    subprocess.run(command, check=True, cwd=CONTENDER.parents[1])
    return Entry("ONNX Runtime", "onnx", path, python)


def _has(python: str, *packages: str) -> bool:
    code = "import importlib.metadata as m, sys; [m.version(name) for name in sys.argv[1:]]"
    return subprocess.run([python, "-c", code, *packages], capture_output=True).returncode == 0


def run_case(
    cell: str, size: tuple[int, int, int], torch_python: str | None, code: bool
) -> dict[str, Any]:
    """All contenders on one layer and size, in turn, round after round."""
    with tempfile.TemporaryDirectory() as name:
        if code:
            found, reference = code_entries(Path(name), cell, size)
        else:
            found, reference = entries(Path(name), cell, size, torch_python)
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


def judge(case: dict[str, Any]) -> dict[str, Any]:
    """The goals of one case: ratios, and whether each goal is met; None if that is unknown."""
    times = {c["name"]: c.get("median_ms") for c in case["contenders"]}
    sizes = {c["name"]: c.get("bytes") for c in case["contenders"]}

    def ratio(above: float | None, below: float | None) -> float | None:
        return above / below if above and below else None

    found = {
        "float against Keras' own (>= 1.3)": (
            ratio(times["Keras' own"], times["auto, float"]),
            lambda value: value >= 1.3,
        ),
        "float against ONNX Runtime (time <= 1.1)": (
            ratio(times["auto, float"], times["ONNX Runtime"]),
            lambda value: value <= 1.1,
        ),
        "dynamic range against ONNX Runtime's float (>= 1.5)": (
            ratio(times["ONNX Runtime"], times["auto, dynamic range"]),
            lambda value: value >= 1.5,
        ),
        "size of int8 or dynamic range of float's (<= 0.28)": (
            ratio(
                min(filter(None, (sizes["auto, dynamic range"], sizes[INT8])), default=None),
                sizes["auto, float"],
            ),
            lambda value: value <= 0.28,
        ),
    }
    return {
        goal: {"ratio": value, "met": None if value is None else met(value)}
        for goal, (value, met) in found.items()
    }


def judge_code(case: dict[str, Any]) -> dict[str, Any]:
    """The goals of C code for one case: its time as a part of ONNX Runtime's."""
    times = {c["name"]: c.get("median_ms") for c in case["contenders"]}
    most = {"float": 1.0 if case["size"][0] == 1 else 0.85, "int8": 0.5}
    goals = {}
    for name in edge_code.names():
        _, kind, processor = name.split(", ")
        theirs = times["ONNX Runtime"]
        ratio = times[name] / theirs if times[name] and theirs else None
        goals[f"{kind} on {processor} against ONNX Runtime (time <= {most[kind]})"] = {
            "ratio": ratio,
            "met": None if ratio is None else ratio <= most[kind],
        }
    return goals


def markdown(report: dict[str, Any]) -> str:
    """The report as two tables."""
    names = list(dict.fromkeys(c["name"] for case in report["cases"] for c in case["contenders"]))
    head = "| (timesteps, features, units) | layer | " + " | ".join(names) + " |"
    lines = ["# Exported recurrent layers on one thread", "", report["how"], "", head]
    lines.append("| --- " * (len(names) + 2) + "|")
    notes = []
    for case in report["cases"]:
        by_name = {c["name"]: c for c in case["contenders"]}
        row = [_figure(by_name.get(name, {})) for name in names]
        lines.append(f"| {tuple(case['size'])} | {case['cell']} | " + " | ".join(row) + " |")
        for name, contender in by_name.items():
            if "median_ms" not in contender:
                notes.append(f"- {name}, {case['cell']} {tuple(case['size'])}: {contender['note']}")
    lines += [
        "",
        "Milliseconds per call; in brackets the form and the file's size in kB.",
        "",
        *notes,
    ]
    lines += ["", "## Goals", "", "| size | layer | goal | ratio | met |", "| --- " * 5 + "|"]
    for case in report["cases"]:
        for goal, found in case["goals"].items():
            ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2f}"
            met = {None: "-", True: "yes", False: "no"}[found["met"]]
            lines.append(f"| {tuple(case['size'])} | {case['cell']} | {goal} | {ratio} | {met} |")
    lines += ["", f"Command: `{report['command']}`. Versions: {report['versions']}.", ""]
    return "\n".join(lines)


def _figure(contender: dict[str, Any]) -> str:
    if "median_ms" not in contender:
        return "-"
    note = "" if contender["note"].startswith("model.export") else contender["note"]
    inside = f"{note}, " if note else ""
    return f"{contender['median_ms']:.3f} ({inside}{contender['bytes'] // 1000})"


def processor_name() -> str:
    """What this computer's processor calls itself, and its widest vector instructions."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    rows = dict(row.split(":", 1) for row in text.splitlines() if ":" in row)
    rows = {key.strip(): value.strip() for key, value in rows.items()}
    flags = rows.get("flags", "").split()
    known = [name for name in ("avx512_vnni", "avx512bw", "avx2") if name in flags]
    family = f"family {rows.get('cpu family', '?')} model {rows.get('model', '?')}"
    return f"{rows.get('model name', platform.machine())} ({family}, {', '.join(known[:1])})"


def versions(torch_python: str | None) -> str:
    """Versions of everything that took part."""
    found = [f"Python {platform.python_version()}", processor_name()]
    pythons = [sys.executable, *([torch_python] if torch_python else [])]
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    for package in ("tensorflow", "keras", "ai-edge-litert", "onnxruntime", "torch"):
        for python in pythons:
            answer = subprocess.run(
                [python, "-c", code, package], capture_output=True, text=True, check=False
            )
            if answer.returncode == 0:
                found.append(f"{package} {answer.stdout.strip()}")
                break
    return ", ".join(found)


def main() -> None:
    """Runs all cases; a case that is already in the JSON file is kept unless --again."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--to", type=Path, help="benchmarks/results/edge.md without it; with --code edge_c.md"
    )
    parser.add_argument(
        "--code", action="store_true", help="only our exported C code against ONNX Runtime"
    )
    parser.add_argument("--torch-python", help="Python with PyTorch, if this one has none")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument(
        "--again", action="store_true", help="measure again what has a result already"
    )
    arguments = parser.parse_args()
    torch_python = arguments.torch_python
    if torch_python is None and importlib.util.find_spec("torch") is not None:
        torch_python = sys.executable
    name = "edge_c.md" if arguments.code else "edge.md"
    table = arguments.to or Path("benchmarks/results") / name
    store = table.with_suffix(".json")
    report: dict[str, Any] = {"cases": []}
    if store.is_file() and not arguments.again:
        report = json.loads(store.read_text())
    done = {(case["cell"], tuple(case["size"])) for case in report["cases"]}
    report["command"] = "python -m benchmarks.edge" + (
        " --code" if arguments.code else " --torch-python PYTHON" if torch_python else ""
    )
    report["versions"] = versions(torch_python)
    report["how"] = " ".join(__doc__.split("\n\n")[3].split())
    if arguments.code:
        flags = " ".join(edge_code.OPTIONS)
        report["how"] += f" C code is compiled by GCC with {flags} -march=PROCESSOR."
    for size in SIZES:
        for cell in arguments.cells:
            if (cell, size) in done:
                continue
            other = torch_python if shutil.which(torch_python or "") else None
            case = run_case(cell, size, other, arguments.code)
            case["goals"] = judge_code(case) if arguments.code else judge(case)
            report["cases"].append(case)
            report["cases"].sort(
                key=lambda c: (SIZES.index(tuple(c["size"])), CELLS.index(c["cell"]))
            )
            write_json(store, report)
            write_text(table, markdown(report))
            print(
                cell, size, {c["name"]: c.get("median_ms", c["note"]) for c in case["contenders"]}
            )


if __name__ == "__main__":
    main()
