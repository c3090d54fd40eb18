"""What our modules may import: TensorFlow's converter alone of `tensorflow.lite`, and on a device
numpy and one runtime.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The converter and the calibrator that it calls: LiteRT ships neither.
ONLY_TENSORFLOW_HAS = {
    "tensorflow.lite.python.lite",
    "tensorflow.lite.python.optimize.calibrator.Calibrator",
}
PUBLIC_PARTS_OF_THE_CONVERTER = {"TFLiteConverter", "Optimize", "OpsSet"}
HEAVY = {"keras", "librosa", "pandas", "scipy", "soundfile", "soxr", "tensorflow"}


def sources() -> Iterator[Path]:
    for folder in ("pipelines", "rnn_apps", "benchmarks", "tests"):
        yield from (ROOT / folder).rglob("*.py")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_of_tensorflow_lite_only_the_converter_is_imported() -> None:
    found = {name for path in sources() for name in imported(path)}
    assert {name for name in found if name.startswith("tensorflow.lite")} == ONLY_TENSORFLOW_HAS


def test_of_tf_lite_only_the_converter_is_used() -> None:
    texts = (path.read_text(encoding="utf-8") for path in sources() if path != Path(__file__))
    found = {name for text in texts for name in re.findall(r"\btf\.lite\.(\w+)", text)}
    assert found == PUBLIC_PARTS_OF_THE_CONVERTER


@pytest.mark.parametrize(
    "module",
    [
        "rnn_apps.export.processes.runtime_worker",
        "rnn_apps.speech.device.trial",
        "rnn_apps.translation.device.trial",
    ],
)
def test_what_tries_a_file_imports_what_a_device_has(module: str) -> None:
    program = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
