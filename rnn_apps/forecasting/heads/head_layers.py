"""The heads as layers of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.heads.heads import Head, make_head


class _HeadLayer(keras.layers.Layer):
    """A float32 layer that makes its head from the head's name and quantile levels."""

    stays_float32 = True  # See `network.normalisation`.

    def __init__(self, output: str, quantiles: Sequence[float] = (), **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.output_kind = output
        self.quantiles = tuple(float(level) for level in quantiles)
        self.head: Head = make_head(output, quantiles=self.quantiles)

    def get_config(self) -> dict[str, Any]:
        config = {"output": self.output_kind, "quantiles": list(self.quantiles)}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="rnn_apps")
class HeadParameters(_HeadLayer):
    """Raw network outputs [batch, horizon, K] -> valid parameters of the head, same shape."""

    def call(self, raw: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return self.head.parameters(raw)


@keras.saving.register_keras_serializable(package="rnn_apps")
class HeadAffine(_HeadLayer):
    """Parameters, shift and factor -> the parameters of `factor * y + shift`.

    Shift and factor are [batch, 1], or [batch, horizon] where each step has its own.
    """

    def call(self, parameters: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return self.head.affine(parameters, shift, factor)


@keras.saving.register_keras_serializable(package="rnn_apps")
class HeadForecast(_HeadLayer):
    """Parameters in the data's unit [batch, horizon, K] -> forecasts.

    Returns:
        "forecast" [batch, horizon]; and "quantiles" [batch, horizon, levels] if the layer has
        levels and the head is not a point.
    """

    def call(self, parameters: tf.Tensor) -> dict[str, tf.Tensor]:
        """See the class."""
        result = {"forecast": self.head.forecast(parameters)}
        if self.quantiles and self.output_kind != "point":
            result["quantiles"] = self.head.quantiles(parameters, self.quantiles)
        return result
