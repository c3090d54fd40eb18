"""Forecast metrics for `model.compile` and training loops, equal to those in `metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from rnn_apps.forecasting.judging.conformal import check_levels


@keras.saving.register_keras_serializable(package="rnn_apps")
class WeightedQuantileLoss(keras.metrics.Metric):
    """2 sum(w pinball) / sum(w |y|), averaged over the levels (Salinas et al. 2020, section 4).

    `update_state` takes true values [batch, horizon], quantiles [batch, horizon, levels] and
    weights [batch, horizon] or None. The result is 0 until a true value other than 0 was seen.

    Raises:
        ConfigurationError: levels that do not rise within (0, 1).
    """

    def __init__(
        self,
        levels: Sequence[float],
        name: str = "weighted_quantile_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_levels(levels)
        self.levels = tuple(levels)
        self._loss = self.add_variable(shape=(), initializer="zeros", name="loss")
        self._size = self.add_variable(shape=(), initializer="zeros", name="size")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch."""
        truth, quantiles = ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)
        weights = _weights(truth, sample_weight, self.dtype)
        levels = ops.convert_to_tensor(self.levels, dtype=self.dtype)
        error = truth[..., None] - quantiles
        losses = ops.mean(ops.maximum(levels * error, (levels - 1.0) * error), axis=-1)
        self._loss.assign_add(2.0 * ops.sum(losses * weights))
        self._size.assign_add(ops.sum(ops.abs(truth) * weights))

    def result(self) -> Any:
        """The loss over everything added so far, a scalar."""
        return ops.divide_no_nan(self._loss, self._size)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "levels": list(self.levels)}


@keras.saving.register_keras_serializable(package="rnn_apps")
class Coverage(keras.metrics.Metric):
    """The share of true values between two of the forecast's quantiles, both ends included.

    `update_state` takes true values [batch, horizon], quantiles [batch, horizon, levels] and
    weights [batch, horizon] or None; `lower` and `upper` are positions along the levels.
    """

    def __init__(
        self, lower: int = 0, upper: int = -1, name: str = "coverage", dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.lower = lower
        self.upper = upper
        self._inside = self.add_variable(shape=(), initializer="zeros", name="inside")
        self._count = self.add_variable(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch."""
        truth, quantiles = ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)
        weights = _weights(truth, sample_weight, self.dtype)
        inside = ops.logical_and(
            truth >= quantiles[..., self.lower], truth <= quantiles[..., self.upper]
        )
        self._inside.assign_add(ops.sum(ops.cast(inside, self.dtype) * weights))
        self._count.assign_add(ops.sum(weights))

    def result(self) -> Any:
        """The share over everything added so far, a scalar."""
        return ops.divide_no_nan(self._inside, self._count)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "lower": self.lower, "upper": self.upper}


def _weights(truth: Any, sample_weight: Any, dtype: Any) -> Any:
    if sample_weight is None:
        return ops.ones_like(truth)
    return ops.broadcast_to(ops.cast(sample_weight, dtype), ops.shape(truth))
