"""The configuration of a run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_apps.application.configuration import option
from rnn_apps.layers.cells.registry import cell_names
from rnn_apps.training.config import TrainingConfig

APPLICATION = "toy"


@dataclass(frozen=True, kw_only=True)
class ToyConfig(TrainingConfig):
    """How a run is trained; everything that is not here is in `TrainingConfig`."""

    cell: str = option("gru", "recurrent cell", choices=cell_names)
    units: int = option(8, "size of the state", minimum=1)
