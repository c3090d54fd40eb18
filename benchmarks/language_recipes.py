"""The language models that `benchmarks.language_models` trains. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The recipe that every other one differs from by what its settings say.
BASE: dict[str, Any] = {
    "tokenizer": "characters",
    "cell": "lstm",
    "units": 256,
    "layers": 2,
    "embedding_size": 64,
    "batch_size": 32,
    "timesteps": 100,
    "hidden_dropout": 0.1,
    "output_dropout": 0.1,
    "learning_rate": 2e-3,
    "warmup_steps": 50,
    "clip_norm": 1.0,
    "average_decay": 0.995,
    "epochs": 1000,
    "gradient_flow": False,
}

# Two layers with these units have as many parameters as the base model, to within a percent.
EQUAL_PARAMETERS = {"lstm": 256, "gru": 296, "simple": 516, "mingru": 611}


@dataclass(frozen=True)
class Recipe:
    """A model of the table.

    Args:
        name: folder of its run, and the table's first column.
        group: comparison that it belongs to.
        settings: fields that differ from `BASE`.
    """

    name: str
    group: str
    settings: dict[str, Any] = field(default_factory=dict)


CELLS = "cells at equal parameters"
ABLATION = "one change to the LSTM"

RECIPES: tuple[Recipe, ...] = (
    Recipe("lstm", CELLS),
    Recipe("gru", CELLS, {"cell": "gru", "units": EQUAL_PARAMETERS["gru"]}),
    Recipe(
        "simple",
        CELLS,
        {"cell": "simple", "units": EQUAL_PARAMETERS["simple"], "learning_rate": 5e-4},
    ),
    Recipe("no-dropout", ABLATION, {"hidden_dropout": 0.0, "output_dropout": 0.0}),
    Recipe("weight-dropout-0.2", ABLATION, {"weight_dropout": 0.2}),
    Recipe("embedding-dropout-0.1", ABLATION, {"embedding_dropout": 0.1}),
    Recipe(
        "activation-regularisation",
        ABLATION,
        {"activation_regularisation": 2.0, "temporal_regularisation": 1.0},
    ),
    Recipe("tied", ABLATION, {"tied": True}),
    Recipe("layer-norm", ABLATION, {"layer_norm": True}),
    Recipe("zoneout-0.1", ABLATION, {"zoneout": 0.1}),
    Recipe("random-lengths", ABLATION, {"random_lengths": True}),
    Recipe("no-averaging", ABLATION, {"average_decay": 0.0}),
)
