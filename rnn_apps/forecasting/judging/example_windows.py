"""Real windows in a run's folder, on which its exports are proven."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import UserError
from pipelines.series.splits import Part
from pipelines.series.time_series import SeriesSet
from pipelines.series.windows import WindowBatches
from rnn_apps.forecasting.forecast import windows

EXAMPLES = "example_windows.npz"
EXAMPLES_KEPT = 32


def save_examples(
    path: Path, series_set: SeriesSet, part: Part | None, lookback: int, horizon: int
) -> None:
    """Keeps evenly spaced real windows of a part, on which exports are proven later."""

    def batches(stride: int) -> WindowBatches:
        return WindowBatches(
            series_set, lookback=lookback, horizon=horizon, part=part, stride=stride
        )

    stride = max(1, batches(1).examples // EXAMPLES_KEPT)
    window = next(windows(batches(stride)))
    kept: dict[str, Any] = {n: value[:EXAMPLES_KEPT] for n, value in window.inputs.items()}
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.savez(file, **kept)


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
