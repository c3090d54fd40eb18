"""What the training of a translation model does between epochs."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.atomic_files import atomic_path
from pipelines.base.errors import UserError

FOLDER = "epoch_weights"


class SampledShare(keras.callbacks.Callback):
    """Scheduled sampling: a share that rises linearly from 0 in the first epoch to the last.

    Args:
        final: share in the last epoch, 0 to 1.
        epochs: number of epochs of the training.

    Attributes:
        share: float32 variable that the objective reads.
    """

    def __init__(self, final: float, epochs: int) -> None:
        super().__init__()
        self._final, self._epochs = final, epochs
        self.share = tf.Variable(0.0, trainable=False, dtype=tf.float32, name="sampled_share")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the share of an epoch, which depends on nothing else."""
        # The only epoch is the last one.
        risen = epoch / (self._epochs - 1) if self._epochs > 1 else 1.0
        self.share.assign(self._final * min(risen, 1.0))


class EpochWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epochs in files, to be averaged at the end.

    The average of checkpoints: Junczys-Dowmunt et al. 2016, "Is neural machine translation ready
    for deployment?", section 3.3.

    Args:
        folder: folder of the run.
        count: number of epochs that are kept.
        monitor: name of the figure by which epochs are ranked.
        highest: True if a higher figure is better.
    """

    def __init__(self, folder: Path, count: int, monitor: str, highest: bool) -> None:
        super().__init__()
        self._folder, self._count = folder / FOLDER, count
        self._monitor, self._sign = monitor, -1.0 if highest else 1.0
        # A damaged file is refused before training changes anything.
        self.averaged()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps an epoch if it is among the best so far."""
        value = float((logs or {}).get(self._monitor, math.nan))
        if not math.isfinite(value):
            return
        arrays = {
            f"{index:04}": keras.ops.convert_to_numpy(weight)
            for index, weight in enumerate(self.model.weights)
        }
        with (
            atomic_path(self._folder / f"{epoch + 1:06}.npz") as beside,
            open(beside, "wb") as file,
        ):
            np.savez(file, value=np.array(value), **arrays)
        # Later epochs are of a run that was stopped after them and continued before.
        kept = {number: rank for number, rank in self._kept().items() if number <= epoch + 1}
        best = sorted(kept, key=lambda number: (kept[number], number))[: self._count]
        for path in self._folder.glob("*.npz"):
            if int(path.stem) not in best:
                path.unlink()

    def averaged(self) -> list[np.ndarray]:
        """The mean of the weights that are kept; empty if there are none."""
        files = sorted(self._folder.glob("*.npz"))
        total: list[np.ndarray] = []
        for path in files:
            content = _read_weights(path)
            arrays = [content[name] for name in sorted(set(content) - {"value"})]
            if not total:
                total = [array.astype(np.float64) for array in arrays]
            else:
                total = [a + b for a, b in zip(total, arrays, strict=True)]
        return [(array / len(files)).astype(np.float32) for array in total]

    def _kept(self) -> dict[int, float]:
        ranks = {}
        for path in self._folder.glob("*.npz"):
            ranks[int(path.stem)] = self._sign * float(_read_weights(path)["value"])
        return ranks


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file that `EpochWeights` wrote.

    Raises:
        UserError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        int(path.stem), float(arrays["value"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise UserError(
            f"{path} is damaged. Remove it to average without the weights of that epoch"
        ) from None
    return arrays


def averaged_if_better(
    model: keras.Model,
    weights: list[np.ndarray],
    figure: Callable[[keras.Model], float],
    highest: bool,
) -> tuple[float, float] | None:
    """Gives the model averaged weights, unless its own are better.

    Args:
        model: model with the weights of the best epoch.
        weights: averaged weights; if empty, nothing is done.
        figure: function that computes the compared figure of a model.
        highest: True if a higher figure is better.

    Returns:
        The figure of the best epoch and of the average.
    """
    if not weights:
        return None
    own = model.get_weights()
    before = figure(model)
    # The states of random number generators are whole numbers: they stay.
    model.set_weights(
        [
            new.astype(old.dtype) if old.dtype.kind == "f" else old
            for old, new in zip(own, weights, strict=True)
        ]
    )
    after = figure(model)
    if (after < before) if highest else (after > before):
        model.set_weights(own)
    return before, after
