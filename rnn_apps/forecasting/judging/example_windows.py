"""Real windows in a run's folder, on which its exports are proven."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import UserError
from pipelines.series.splits import Part
from pipelines.series.time_series import SeriesSet
from pipelines.series.windows import WindowBatches

EXAMPLES = "example_windows.npz"
EXAMPLES_KEPT = 32
MOST_EXAMPLES = 128
"""More series than `EXAMPLES_KEPT` have a window each, up to this number."""


def save_examples(
    path: Path, series_set: SeriesSet, part: Part | None, lookback: int, horizon: int
) -> None:
    """Keeps evenly spaced real windows of every series, on which exports are proven later.

    Each series has as many as the others, where it is long enough for them. Of more than
    `MOST_EXAMPLES` series, so many have one, evenly spaced too.

    Args:
        path: file to write.
        series_set: series of the run.
        part: part that the windows are taken from; None for all rows.
        lookback: number of past rows in a window.
        horizon: number of rows to forecast.
    """
    import tensorflow as tf

    batches = WindowBatches(series_set, lookback=lookback, horizon=horizon, part=part)
    numbers = _evenly_spaced(batches.windows_per_series)
    inputs, _, weights = batches.gather(tf.constant(numbers), tf.ones(len(numbers)))
    # Within an outage the past is one value, repeated: such windows show little.
    observed = np.asarray(weights).max(axis=1) > 0
    rows = observed if observed.any() else np.ones_like(observed)
    kept: dict[str, Any] = {name: np.asarray(value)[rows] for name, value in inputs.items()}
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.savez(file, **kept)


def _evenly_spaced(windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the windows to keep, by the number of windows that each series has."""
    ends = np.cumsum(windows)
    filled = np.flatnonzero(windows)
    count = min(len(filled), MOST_EXAMPLES)
    chosen = filled[np.linspace(0, len(filled) - 1, count).round().astype(int)]
    shares = np.zeros(len(chosen), np.int64)
    left = max(EXAMPLES_KEPT, len(chosen))
    # The shortest series first: what they lack is left to the others.
    for done, place in enumerate(np.argsort(windows[chosen], kind="stable").tolist()):
        share = -(-left // (len(chosen) - done))
        shares[place] = min(windows[chosen[place]], share)
        left -= shares[place]
    numbers = []
    for place, (series, share) in enumerate(zip(chosen, shares.tolist(), strict=True)):
        # A single window is early in the first series and late in the last one.
        reach = (0.0, 1.0) if share > 1 else (place / max(1, len(chosen) - 1),) * 2
        places = np.linspace(*reach, share) * (windows[series] - 1)
        numbers.append(ends[series] - windows[series] + places.round().astype(np.int64))
    return np.concatenate(numbers)


def read_examples(path: Path) -> dict[str, np.ndarray]:
    """The windows that `save_examples` wrote, by the name of their input.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: the run's example windows cannot be read: {error}") from None
