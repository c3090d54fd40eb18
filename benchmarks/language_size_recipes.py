"""The models that `benchmarks.language_sizes` trains. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The recipe that every other one differs from by what its settings say.
BASE: dict[str, Any] = {
    "tokenizer": "characters",
    "layers": 2,
    "embedding_range": 0.1,
    "batch_size": 32,
    "timesteps": 100,
    "learning_rate": 6e-3,
    "schedule": "cosine",
    "final_learning_rate": 3e-5,
    "warmup_steps": 50,
    "clip_norm": 1.0,
    "average_decay": 0.998,
    "checkpoint_minutes": 3.0,
    "gradient_flow": False,
}


@dataclass(frozen=True)
class Recipe:
    """A model of the table.

    Args:
        name: folder of its run, and the table's first column.
        group: comparison that it belongs to.
        kilobytes: largest number of kilobytes (1,000 bytes) of its weights at a byte each.
        settings: fields that differ from `BASE`.
    """

    name: str
    group: str
    kilobytes: int
    settings: dict[str, Any] = field(default_factory=dict)


SIZES = "by size"

# Sizes of the embedding, and with it units of two layers, that fill so many kilobytes.
EMBEDDING_SIZE = {50: 24, 100: 32, 200: 48, 400: 64, 800: 64}
UNITS: dict[str, dict[int, int]] = {
    "gru": {50: 65, 100: 95, 200: 136, 400: 195, 800: 282},
    "lstm": {50: 56, 100: 82, 200: 117, 400: 168, 800: 244},
    "cifg": {50: 65, 100: 95, 200: 136, 400: 195, 800: 283},
    "simple": {50: 112, 100: 164, 200: 237, 400: 341, 800: 493},
    "mingru": {50: 128, 100: 190, 200: 274, 400: 398, 800: 583},
    "mogrifier": {50: 51, 100: 77, 200: 109, 400: 158, 800: 231},
}
# What a cell needs of its own: without gates a large step makes the loss explode.
OF_THE_CELL: dict[str, dict[str, Any]] = {"simple": {"learning_rate": 1e-3}}
EPOCHS_OF_CELLS = 5


def _best(kilobytes: int, dropout: float, epochs: int) -> Recipe:
    return _recipe(f"gru-{kilobytes}", SIZES, "gru", kilobytes, dropout, epochs)


def _cell(cell: str, kilobytes: int) -> Recipe:
    group = f"cells at {kilobytes} kB, {EPOCHS_OF_CELLS} epochs each"
    return _recipe(f"{cell}-{kilobytes}-cells", group, cell, kilobytes, 0.0, EPOCHS_OF_CELLS)


def _recipe(
    name: str, group: str, cell: str, kilobytes: int, dropout: float, epochs: int
) -> Recipe:
    settings = {
        "cell": cell,
        "units": UNITS[cell][kilobytes],
        "embedding_size": EMBEDDING_SIZE[kilobytes],
        "hidden_dropout": dropout,
        "output_dropout": dropout,
        "epochs": epochs,
        **OF_THE_CELL.get(cell, {}),
    }
    return Recipe(name, group, kilobytes, settings)


RECIPES: tuple[Recipe, ...] = (
    _best(50, 0.0, 40),
    _best(100, 0.0, 40),
    _best(200, 0.05, 35),
    _best(400, 0.1, 30),
    _best(800, 0.2, 25),
    *(_cell(cell, kilobytes) for kilobytes in EMBEDDING_SIZE for cell in UNITS),
)
