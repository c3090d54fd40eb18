"""A trained network with the same interface as the baselines."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.forecast import Forecast, Inputs
from rnn_apps.layers.cells.registry import find_cell


class NetworkForecaster:
    """Forecasts with a deployment model: raw inputs -> raw forecasts.

    Args:
        deployed: model from `deployment_model`.
        config: configuration of the run.
        positions: position of each series of the data among the training series, int32 [series].
    """

    def __init__(
        self, deployed: keras.Model, config: ForecastingConfig, positions: NDArray[np.int32]
    ) -> None:
        self.deployed = deployed
        self.positions = positions
        self.lookback = config.lookback
        self.name = f"{config.model.replace('_', '-')} {cell_name(config.cell)}"
        self.levels = config.quantiles if "quantiles" in deployed.output else ()
        self._names = [tensor.name for tensor in deployed.inputs]
        self._call = tf.function(
            lambda inputs: deployed(inputs, training=False), reduce_retracing=True, autograph=False
        )

    def forecast(self, inputs: Inputs) -> Forecast:
        """Forecasts a batch, see `Forecaster`."""
        chosen: dict[str, Any] = {name: inputs[name] for name in self._names}
        if "series_index" in chosen:
            chosen["series_index"] = self.positions[chosen["series_index"]]
        outputs = self._call({name: tf.constant(value) for name, value in chosen.items()})
        quantiles = outputs.get("quantiles")
        return Forecast(
            outputs["forecast"].numpy(), None if quantiles is None else quantiles.numpy()
        )


def cell_name(cell: str) -> str:
    """The cell as papers write it."""
    return find_cell(cell).title
