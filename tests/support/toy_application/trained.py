"""A trained run as its verbs take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.errors import UserError
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.trained import Trained
from toy_application.config import APPLICATION, ToyConfig
from toy_application.data import LOOKBACK, Array, OwnNumbers

if TYPE_CHECKING:
    from typing import Self


class TrainedToy(Trained[ToyConfig]):
    """A trained model with its folder and its numbers."""

    application = APPLICATION
    config_type = ToyConfig

    own: OwnNumbers

    @classmethod
    def read(cls, folder: RunFolder, config: ToyConfig, data: Any) -> Self:
        return cls(folder, config, folder.load_model(), OwnNumbers(config))

    def guess(self, numbers: list[float]) -> float:
        if len(numbers) != LOOKBACK:
            raise UserError(f"{len(numbers)} numbers are given; the model reads {LOOKBACK}")
        return float(self.forecasts(np.array(numbers, np.float32)[None, :, None])[0])

    def forecasts(self, windows: Array) -> Array:
        """float32 [rows, LOOKBACK, 1] -> float32 [rows]."""
        return np.asarray(self.model({"numbers": windows})["next"])[:, 0]
