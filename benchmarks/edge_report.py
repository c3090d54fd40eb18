"""What `benchmarks.edge` writes about its measurements: goals, tables, and what took part."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

from benchmarks import edge_code
from benchmarks.processor import each_once, processor_name

FLOAT, DYNAMIC, INT8 = "LiteRT, float", "LiteRT, dynamic range", "LiteRT, int8"
KERAS, UNROLLED, ONNX = "Keras' own", "Keras' unrolled", "ONNX Runtime"


# What a case was measured with, which it keeps when other cases are measured later.
CONDITIONS = ("command", "versions", "how")


def by_case(report: dict[str, Any]) -> dict[str, Any]:
    """A stored report whose cases have their own conditions; older ones have them in common."""
    common = {name: report[name] for name in CONDITIONS if name in report}
    return {"cases": [common | case for case in report["cases"]]}


def judge(case: dict[str, Any]) -> dict[str, Any]:
    """The goals of one case: ratios, and whether each goal is met; None if that is unknown."""
    times = {c["name"]: c.get("median_ms") for c in case["contenders"]}
    sizes = {c["name"]: c.get("bytes") for c in case["contenders"]}
    small = min(filter(None, (sizes.get(DYNAMIC), sizes.get(INT8))), default=None)
    goals = {
        f"{FLOAT} against {KERAS} (>= 1.3)": (_ratio(times, KERAS, FLOAT), ">=", 1.3),
        f"{FLOAT} against {ONNX} (time <= 1.1)": (_ratio(times, FLOAT, ONNX), "<=", 1.1),
        f"{DYNAMIC} against {ONNX}'s float (>= 1.5)": (_ratio(times, ONNX, DYNAMIC), ">=", 1.5),
        f"size of {INT8} or dynamic range of float's (<= 0.28)": (
            _ratio({"small": small, FLOAT: sizes.get(FLOAT)}, "small", FLOAT), "<=", 0.28,
        ),
    }  # fmt: skip
    most = {"float": 1.0 if case["size"][0] == 1 else 0.85, "int8": 0.5}
    for name in edge_code.names():
        limit = most[name.split(", ")[1]]
        goals[f"{name} against {ONNX} (time <= {limit})"] = (_ratio(times, name, ONNX), "<=", limit)
    return {
        goal: {"ratio": value, "met": _met(value, sign, limit)}
        for goal, (value, sign, limit) in goals.items()
    }


def _ratio(numbers: dict[str, float | None], above: str, below: str) -> float | None:
    first, second = numbers.get(above), numbers.get(below)
    return first / second if first and second else None


def _met(ratio: float | None, sign: str, limit: float) -> bool | None:
    if ratio is None:
        return None
    return ratio >= limit if sign == ">=" else ratio <= limit


def markdown(report: dict[str, Any]) -> str:
    """The report as two tables."""
    names = list(dict.fromkeys(c["name"] for case in report["cases"] for c in case["contenders"]))
    head = "| (timesteps, features, units) | layer | " + " | ".join(names) + " |"
    lines = ["# Exported recurrent layers on one thread", ""]
    for text in _of_cases(report, "{how}"):
        lines += [text, ""]
    lines.append(head)
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
        "Milliseconds per call; in brackets the form, the file's size in kB, and the kB of memory "
        "that loading and running the file adds to a process that has imported its library.",
        "",
        *notes,
    ]
    lines += ["", "## Goals", "", "| size | layer | goal | ratio | met |", "| --- " * 5 + "|"]
    for case in report["cases"]:
        for goal, found in case["goals"].items():
            if found["ratio"] is None:
                continue
            ratio, met = f"{found['ratio']:.2f}", "yes" if found["met"] else "no"
            lines.append(f"| {tuple(case['size'])} | {case['cell']} | {goal} | {ratio} | {met} |")
    lines.append("")
    for text in _of_cases(report, "Command: `{command}`. Versions: {versions}."):
        lines += [text, ""]
    return "\n".join(lines)


def _of_cases(report: dict[str, Any], text: str) -> list[str]:
    """What the text says of each case; once for all if they have it in common."""
    return each_once(
        {f"{case['cell']} {tuple(case['size'])}": text.format(**case) for case in report["cases"]}
    )


def _figure(contender: dict[str, Any]) -> str:
    if "median_ms" not in contender:
        return "-"
    note = "" if contender["note"].startswith("model.export") else contender["note"]
    memory = contender.get("memory_bytes")
    inside = [note] if note else []
    inside.append(str(contender["bytes"] // 1000))
    inside.append("-" if memory is None else str(memory // 1000))
    return f"{contender['median_ms']:.3f} ({', '.join(inside)})"


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
