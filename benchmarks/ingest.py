"""How fast a large CSV file is read, and in how much memory.

    python -m benchmarks.ingest --rows 10000000

writes a long table (id, time, value, price, holiday) into a temporary folder, loads it in a
separate process and prints rows per second and the peak of that process' memory, compared with
the memory that the arrays themselves need. A second process makes an epoch of windows. `--to
FILE.json` writes the figures to a file.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pipelines.base.atomic_files import write_json

SERIES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument(
        "--windows", type=int, default=200_000, help="number of windows in the timed epoch"
    )
    parser.add_argument("--to", help="JSON file for the figures")
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--batch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        figures = load(arguments.load)
    elif arguments.batch:
        figures = batch(arguments.windows)
    else:
        figures = measure(arguments.rows, arguments.windows)
        if arguments.to:
            write_json(arguments.to, figures)
    print(json.dumps(figures))


def measure(rows: int, windows: int) -> dict[str, float]:
    """Writes the file; separate processes read it and make windows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        write_table(path, rows)
        figures: dict[str, float] = {"file_megabytes": round(path.stat().st_size / 1e6)}
        figures |= in_process("--load", str(path))
    return figures | in_process("--batch", "--windows", str(windows))


def in_process(*flags: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingest", *flags]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def write_table(path: Path, rows: int) -> None:
    """Writes a long table of `SERIES` series with one row per minute, sorted by id and time."""
    import pyarrow as pa
    from pyarrow import csv

    length = rows // SERIES
    generator = np.random.default_rng(0)
    minutes = np.arange(length)
    times = np.datetime64("2000-01-01T00:00:00") + minutes * np.timedelta64(60, "s")
    writer = None
    for series in range(SERIES):
        values = generator.normal(size=(2, length)).astype(np.float32)
        table = pa.table(
            {
                "id": [f"meter {series}"] * length,
                "time": times,
                "value": values[0],
                "price": values[1],
                "holiday": (minutes % 7 == 0).astype(np.int8),
            }
        )
        writer = writer or csv.CSVWriter(path, table.schema)
        writer.write(table)
    if writer:
        writer.close()


def load(path: str) -> dict[str, float]:
    """Loads the file; returns seconds and the process' peak memory."""
    import pandas  # noqa: F401 - so that their own memory is not counted as the data's
    import pyarrow.csv  # noqa: F401

    from pipelines import load_series

    before = peak_megabytes()
    start = time.perf_counter()
    series_set = load_series(
        f"file:{path}", past_covariates=("price",), future_covariates=("holiday",)
    )
    seconds = time.perf_counter() - start
    rows = sum(len(one) for one in series_set)
    arrays = sum(
        one.times.nbytes
        + one.target.nbytes
        + one.observed.nbytes
        + one.past_covariates.nbytes
        + one.future_covariates.nbytes
        for one in series_set
    )
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "megabytes_before": round(before),
        "megabytes_peak": round(peak_megabytes()),
        "megabytes_of_arrays": round(arrays / 1e6),
    }


def batch(windows: int, lookback: int = 96, horizon: int = 96) -> dict[str, float]:
    """Windows per second in the second of two epochs, in random batches of 256."""
    import pandas as pd

    from pipelines import WindowBatches, load_series

    length = windows + lookback + horizon - 1
    times = pd.date_range("2000-01-01", periods=length, freq="min")
    frame = pd.DataFrame({"value": np.sin(np.arange(length))}, index=times)
    batches = WindowBatches(
        load_series(frame), lookback=lookback, horizon=horizon, batch_size=256, shuffle=True
    )
    for epoch in range(2):
        start = time.perf_counter()
        examples = sum(len(targets) for _, targets, _ in batches.epoch(epoch))
        seconds = time.perf_counter() - start
    if examples != windows:
        raise AssertionError(f"{examples} windows came instead of {windows}")
    return {"windows": windows, "windows_per_second": round(windows / seconds)}


def peak_megabytes() -> float:
    """The peak of this process' memory in millions of bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in units of 1024 bytes.
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main()
