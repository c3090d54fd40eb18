"""The numbers of a run, and windows of them as batches."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipelines.base.errors import DataError
from pipelines.batches import IndexedBatches
from pipelines.sources import parse_source
from rnn_apps.application.own_data import OwnData
from toy_application.config import ToyConfig

NUMBERS = "numbers.json"
LOOKBACK = 4

Array = npt.NDArray[np.float32]


class OwnNumbers(OwnData[str, dict[str, Array], Array]):
    """The numbers that a run is trained on; the last quarter is held out for the test."""

    unnamed = "no numbers are named"
    lost = "numbers that are not kept"
    nothing_held_out = "no numbers were held out"

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config.data)

    def read(self, source: str) -> dict[str, Array]:
        numbers = self.other(source)
        cut = len(numbers) * 3 // 4
        return {"train": numbers[:cut], "test": numbers[cut:]}

    def present(self) -> tuple[str, ...]:
        return tuple(self.whole)

    def part(self, name: str) -> Array:
        self.require(name)
        return self.whole[name]

    def other(self, source: str) -> Array:
        """All numbers of a file, which need not be the run's own."""
        [path] = parse_source(source).paths
        numbers = []
        for row, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            try:
                numbers.append(float(line))
            except ValueError:
                raise DataError(f"{line!r} is not a number", file=path, row=row) from None
        return np.array(numbers, np.float32)


class NumberBatches(IndexedBatches):
    """Windows of `LOOKBACK` numbers [rows, LOOKBACK, 1], each with the number that follows."""

    def __init__(self, numbers: Array, config: ToyConfig, *, shuffle: bool) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(numbers, LOOKBACK + 1)
        super().__init__(
            len(windows), batch_size=config.batch_size, shuffle=shuffle, seed=config.seed
        )
        self._windows = tf.constant(windows[..., None])

    def gather(self, numbers: tf.Tensor, real: tf.Tensor) -> tuple[Any, Any, Any]:
        rows = tf.gather(self._windows, numbers)
        return {"numbers": rows[:, :-1]}, rows[:, -1], real


def about(numbers: Array) -> dict[str, Any]:
    """What the run's folder keeps of its data, so that a resumed run notices other data."""
    return {"sha256": hashlib.sha256(numbers.tobytes()).hexdigest(), "numbers": len(numbers)}
