"""A trained run: evaluate it, guess with it, export it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toy_application.evaluation import evaluate
from toy_application.exporting import export
from toy_application.trained import TrainedToy


class Run(TrainedToy):
    """A trained run with its verbs; made by `train` and `load`."""

    def evaluate(self, data: str | None = None) -> dict[str, Any]:
        return evaluate(self, data)

    def export(self, to: str | Path, formats: Sequence[str] | None = None) -> dict[str, Any]:
        return export(self, to, formats)


def load(folder: str | Path) -> Run:
    """Opens the folder of a trained run."""
    return Run.open(folder)
