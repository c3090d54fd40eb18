"""Large tables take memory in proportion to the arrays they become, not to their text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def measure(rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingest", "--rows", str(rows), "--windows", "2000"]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


def test_the_measuring_command_reads_all_rows() -> None:
    figures = measure(20_000)
    assert figures["rows"] == 20_000
    assert figures["windows"] == 2000
    # 8 bytes of time, 4 of each of three numbers, 1 of the mask.
    assert figures["megabytes_of_arrays"] == pytest.approx(20_000 * 21 / 1e6, abs=0.6)


@pytest.mark.slow
def test_ten_million_rows_in_bounded_memory() -> None:
    figures = measure(10_000_000)
    assert figures["rows"] == 10_000_000
    assert figures["megabytes_peak"] - figures["megabytes_before"] < 2 * 210
