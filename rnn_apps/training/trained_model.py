"""The result of a training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from pipelines.base.atomic_files import atomic_path
from rnn_apps.training.history import Row


@dataclass(frozen=True)
class TrainedModel:
    """A training's result.

    Args:
        model: model with the best weights by the monitored figure (their moving average, if kept).
        history: one row per epoch and per validation inside an epoch, as in history.csv.
        best_epoch: epoch of those weights, counted from 1; 0 if the figure never was a number.
        stopped: reason why training ended before its last epoch; empty if it did not.
        best_step: step of those weights, counted from 1.
        explosions: steps at which the loss exploded, with the loss before and after.
        seconds: seconds of training time by the clock, over all sessions, as `max_minutes` counts
            them.
    """

    model: keras.Model
    history: list[Row]
    best_epoch: int
    stopped: str
    best_step: int = 0
    explosions: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0

    @property
    def best_row(self) -> Row:
        """The row of the history with the best monitored figure; empty if there is none."""
        return next((row for row in self.history if row["step"] == self.best_step), {})

    def figures(self) -> dict[str, Any]:
        """What a run's metrics.json holds about its training."""
        best = self.best_row
        return {
            "epochs": self.history[-1]["epoch"] if self.history else 0,
            "best_epoch": self.best_epoch,
            "best_step": self.best_step,
            "best": {key: value for key, value in best.items() if "loss" in key},
            "minutes": round(self.seconds / 60.0, 3),
            "parameters": int(self.model.count_params()),
            "stopped": self.stopped,
            **({"explosions": list(self.explosions)} if self.explosions else {}),
            "keras": keras.__version__,
        }


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a model as Keras' file, atomically."""
    # Keras wants the suffix .keras, which the file beside does not have.
    with atomic_path(path) as beside:
        named = beside.with_name(beside.name + ".keras")
        try:
            model.save(named)
            os.replace(named, beside)
        finally:
            named.unlink(missing_ok=True)
