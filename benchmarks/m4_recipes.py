"""The models that `benchmarks.m4` trains. Imports nothing heavy.

Chosen on the last horizon of the training part alone, which is held out: about 15 variants of the
hourly models (lookback, scaling, linear path, weights of errors, epochs) and 6 of the weekly ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Member:
    """One model of an ensemble.

    Args:
        name: name of the model's run folder, and of its row.
        settings: fields of `ForecastingConfig` that differ from the collection's.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """Series of one frequency, and the ensemble that forecasts them.

    Args:
        name: word in the file's name that tells the collection.
        period: steps per season in the competition's figures; 1 for none.
        horizon: number of steps to forecast.
        settings: fields of `ForecastingConfig` that all models share.
        members: models of the ensemble.
        published: sentence on what has been published for this collection.
    """

    name: str
    period: int
    horizon: int
    settings: dict[str, Any]
    members: tuple[Member, ...]
    published: str


_SHARED: dict[str, Any] = {
    "model": "segment",
    "cell": "gru",
    "units": 128,
    "dropout": 0.2,
    "transform": "log",
    "output": "quantiles",
    "optimizer": "adam",
    "schedule": "cosine",
    "warmup_steps": 100,
    "learning_rate": 1e-3,
    "average_decay": 0.99,
    "batch_size": 512,
}

HOURLY = Collection(
    name="hourly",
    period=24,
    horizon=48,
    settings={
        **_SHARED,
        "segment_length": 24,
        "level_steps": 24,
        "shortcut": "linear",
        "mase_weighting": 0.5,
        "epochs": 12,
        "lookback": 336,
    },
    members=tuple(
        Member(f"{scaling}-{seed}", {"scaling": scaling, "seed": seed})
        for seed, scaling in enumerate(("window", "series"))
    ),
    published="Published on the test part: ES-RNN, the winner, sMAPE 9.328, MASE 0.893, OWA 0.440, "
    "MSIS 7.93; seasonal naive OWA 0.627; the organisers' recurrent network 1.036.",
)
WEEKLY = Collection(
    name="weekly",
    period=1,
    horizon=13,
    settings={**_SHARED, "segment_length": 13, "level_steps": 1, "epochs": 6},
    members=tuple(
        Member(f"{scaling}-{lookback}", {"scaling": scaling, "lookback": lookback, "seed": seed})
        for seed, (scaling, lookback) in enumerate((("series", 52), ("window", 52), ("window", 65)))
    ),
    published="Published on the test part: ES-RNN OWA 0.851, the best of all 0.796, naive 1.000; "
    "the organisers' recurrent network 1.755.",
)
COLLECTIONS = (HOURLY, WEEKLY)
