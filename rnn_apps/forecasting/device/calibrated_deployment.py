"""The deployment model with its conformal calibration inside, as it is exported."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.judging.conformal import Calibration


@keras.saving.register_keras_serializable(package="rnn_apps")
class ConformalCorrection(keras.layers.Layer):
    """Adds the calibration's corrections to quantiles, see `conformal.Calibration`.

    Args:
        levels: quantile levels, ascending.
        corrections: corrections [horizon][levels], in units of each series' scale.
        scale: units of the corrections, one number per series.
        smallest: lower bound of every quantile; None for no bound.

    Call: quantiles [batch, horizon, levels], or points [batch, horizon, 1] for every level; and
    series_index int32 [batch] where there are several series -> [batch, horizon, levels], rising
    along the levels.
    """

    stays_float32 = True  # See `network.normalisation`.

    def __init__(
        self,
        levels: Sequence[float],
        corrections: Sequence[Sequence[float]],
        scale: Sequence[float],
        smallest: float | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.levels = [float(level) for level in levels]
        self.corrections = [[float(value) for value in row] for row in corrections]
        self.scale = [float(value) for value in scale]
        self.smallest = smallest
        last = len(self.levels) - 1
        self.pivot = next((i for i, level in enumerate(self.levels) if level >= 0.5), last)

    def call(self, quantiles: tf.Tensor, series_index: tf.Tensor | None = None) -> tf.Tensor:
        """See the class."""
        shift = tf.constant(self.corrections, tf.float32)[None]
        if series_index is None:
            shifted = quantiles + shift * self.scale[0]
        else:
            unit = tf.gather(tf.constant(self.scale, tf.float32), series_index)
            shifted = quantiles + shift * unit[:, None, None]
        # The same as `conformal.uncrossed`, in operations that every edge runtime has.
        columns = tf.unstack(shifted, num=len(self.levels), axis=-1)
        for i in range(self.pivot + 1, len(columns)):
            columns[i] = tf.maximum(columns[i], columns[i - 1])
        for i in range(self.pivot - 1, -1, -1):
            columns[i] = tf.minimum(columns[i], columns[i + 1])
        calibrated = tf.stack(columns, axis=-1)
        return calibrated if self.smallest is None else tf.maximum(calibrated, self.smallest)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"levels": self.levels, "corrections": self.corrections, "scale": self.scale}
        return {**super().get_config(), **own, "smallest": self.smallest}


def calibrated_deployment(
    deployed: keras.Model, config: ForecastingConfig, calibration: Calibration
) -> keras.Model:
    """`deployed` with calibrated "quantiles" [batch, horizon, levels] alongside "forecast".

    A model that is not told which series it sees is returned as it is, see `knows_its_series`. So
    is a point forecaster that was calibrated on nothing.

    Args:
        deployed: model from `deployment_model`.
        config: configuration of the run.
        calibration: calibration of the run's model.
    """
    inputs = {tensor.name: tensor for tensor in deployed.inputs}
    outputs = dict(deployed.output)
    if not knows_its_series(config, inputs) or (
        not calibration.windows and "quantiles" not in outputs
    ):
        return deployed
    base = outputs.get("quantiles")
    if base is None:
        base = keras.layers.Reshape((config.horizon, 1), dtype="float32")(outputs["forecast"])
    correct = ConformalCorrection(
        calibration.levels, calibration.corrections.tolist(), calibration.scale.tolist(),
        calibration.smallest if np.isfinite(calibration.smallest) else None,
        name="calibrated_quantiles",
    )  # fmt: skip
    outputs["quantiles"] = correct(base, inputs.get("series_index"))
    return keras.Model(inputs, outputs, name="forecaster")


def knows_its_series(config: ForecastingConfig, inputs: Collection[str]) -> bool:
    """Whether an exported model knows which series it sees, or has only one that it can serve.

    A model that scales by the window serves any series. The calibration is in units of the series:
    `predict` takes the standard deviation of all values of a series that is new to the run, and a
    window alone does not tell it. The unit of the training series would be wrong for any other.

    Args:
        config: configuration of the run.
        inputs: names of the model's inputs.
    """
    return config.scaling != "window" or "series_index" in inputs
