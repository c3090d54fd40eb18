"""The record of a training: counters, sums and one row per validation, all of it as JSON."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_text
from pipelines.base.errors import UserError

Row = dict[str, Any]


@dataclass
class EpochTotals:
    """Sums over the steps since the latest row of the history, over all replicas."""

    loss_sum: float = 0.0
    weight_sum: float = 0.0
    norm_sum: float = 0.0
    steps: int = 0
    seconds: float = 0.0

    @property
    def loss(self) -> float:
        """The weighted mean loss so far; NaN before the first step."""
        return self.loss_sum / self.weight_sum if self.weight_sum else math.nan

    @property
    def gradient_norm(self) -> float:
        """The mean global gradient norm so far, before clipping."""
        return self.norm_sum / self.steps if self.steps else math.nan


@dataclass
class TrainingState:
    """The state of a training; with the variables' values, everything that resuming needs.

    Args:
        epoch: number of finished epochs.
        step_in_epoch: number of steps taken in the current epoch.
        step: number of steps taken in total.
        seconds: seconds of training time over all sessions.
        totals: sums over the steps since the latest row.
        rows: history, one row per finished epoch, and one per validation inside an epoch.
        best: best value of the monitored figure; None before there is one.
        best_epoch: epoch that reached the best value, counted from 1.
        best_step: step at which it was reached, counted from 1.
        skipped_steps: number of the latest float16 steps that overflowed and changed nothing.
        stopped: reason why training ended before its last epoch; empty if it has not.
        explosions: steps at which the loss exploded.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    totals: EpochTotals = field(default_factory=EpochTotals)
    rows: list[Row] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    skipped_steps: int = 0
    stopped: str = ""
    best_step: int = 0
    explosions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps_since_row(self) -> int:
        """The number of steps since the latest row of the history."""
        return self.step - (self.rows[-1]["step"] if self.rows else 0)

    @property
    def rows_since_best(self) -> int:
        """The number of rows after the one with the best value, or of all if none is finite."""
        return sum(row["step"] > self.best_step for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The state as JSON; Python writes and reads a float without loss."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TrainingState:
        """The inverse of `to_json`."""
        state = cls(**{**content, "totals": EpochTotals(**content["totals"])})
        if state.best_epoch and "best_step" not in content:
            # A checkpoint of an earlier version, which has one row per epoch.
            state.best_step = state.rows[state.best_epoch - 1]["step"]
        return state


def describe(row: Row, epochs: int, *, best: bool, inside: bool) -> str:
    """A row as a line for the terminal.

    Args:
        row: row of the history.
        epochs: number of epochs of the training.
        best: True if the monitored figure of this row is the best so far.
        inside: True for a validation inside an epoch.
    """
    parts = [f"epoch {row['epoch']}/{epochs}"]
    if inside:
        parts.append(f"step {row['step']}")
    parts += [f"{k} {v:.4g}" for k, v in row.items() if k not in ("epoch", "step")]
    return "  ".join(parts) + ("  (best so far)" if best else "")


def read_history(path: Path) -> dict[str, list[float]]:
    """The columns of a history.csv, if it is there; what is empty is NaN.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        return {
            name: [float(row[index]) if row[index] else math.nan for row in rows]
            for index, name in enumerate(header)
        }
    except (OSError, ValueError, IndexError, csv.Error):
        raise UserError(
            f"{path} is damaged. Remove it, and there are no learning curves in the report"
        ) from None


def write_history(path: Path, rows: list[Row]) -> None:
    """Writes the rows as CSV, atomically; a figure that a row lacks stays empty."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
