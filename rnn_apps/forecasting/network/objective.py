"""The training loss, computed in scaled space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.network.inputs import model_part
from rnn_apps.forecasting.network.outputs import head_of
from rnn_apps.forecasting.network.transforms import transformed

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]
Objective = Callable[[keras.Model, Batch, bool], tuple[tf.Tensor, tf.Tensor]]


_LARGEST_RATIO = 100.0
"""Bound of what the scale of a series may be of its seasonal error, or the other way round."""

_WEIGHT_OF_CONSTANTS = 1e-24
"""Weight of a window whose past is one value, where windows are scaled by their own spread.

Errors after zeros are millions of such units, squares even more: one window would outweigh all
others. It is not 0, so that a part of nothing but such windows still has a loss.
"""


def make_objective(
    config: ForecastingConfig, seasonal_errors: npt.NDArray[np.float32] | None = None
) -> Objective:
    """The function of (model, (inputs, targets, weights), training) that training calls.

    It returns the sum of the head's losses over the observed steps and the sum of their weights,
    both float32 scalars over one replica's part of the batch. Targets are raw [batch, horizon]; a
    missing target has weight 0 and any value. With scaling = window, a window whose past is
    constant hardly counts.

    Args:
        config: configuration of the run.
        seasonal_errors: mean error of the seasonal naive forecast of each series, float32 [series],
            as `features.seasonal_errors` gives them; needed if `config.mase_weighting` is above 0.
    """
    head = head_of(config)
    by_spread = config.scaling == "window" and config.output != "negative_binomial"
    weigh = None
    if config.mase_weighting:
        assert seasonal_errors is not None
        weigh = _mase_weights(config, seasonal_errors)

    def objective(model: keras.Model, batch: Batch, training: bool) -> tuple[Any, Any]:
        inputs, targets, weights = batch
        weights = tf.cast(weights, tf.float32)
        # A loss of weight 0 still has a gradient, and the gradient of NaN is NaN.
        targets = tf.cast(targets, tf.float32)
        targets = tf.where(tf.math.is_finite(targets), targets, 0.0)
        index = inputs.get("series_index")
        inputs = model_part({**inputs, "future_target": targets}, model)
        outputs = model(inputs, training=training)
        loss = head.loss(
            outputs["parameters"],
            transformed(targets, config.transform),
            outputs["location"],
            outputs["scale"],
        )
        if by_spread:
            # What the window is scaled by, which a transformation may have made constant.
            weights = weights * _moving(transformed(inputs["past_target"], config.transform))
        if weigh is not None:
            weights = weights * weigh(outputs["scale"], index)
        return tf.reduce_sum(loss * weights), tf.reduce_sum(weights)

    return objective


def _moving(past: tf.Tensor) -> tf.Tensor:
    """Weights [batch, 1] of windows [batch, lookback]: 1 unless the past is one value."""
    changes = tf.reduce_max(past, axis=1, keepdims=True) > tf.reduce_min(
        past, axis=1, keepdims=True
    )
    return tf.where(changes, 1.0, _WEIGHT_OF_CONSTANTS)


def _mase_weights(
    config: ForecastingConfig, seasonal_errors: npt.NDArray[np.float32]
) -> Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor]:
    """The function of (scale [batch, 1], series index [batch]) that gives weights [batch, 1].

    The loss counts errors in units of the scale. An error is scale / seasonal error times as large
    in MASE (Hyndman and Koehler 2006, "Another look at measures of forecast accuracy"), and its
    square that squared. A series without a seasonal error, or with one of 0, has weight 1.
    """
    known = np.isfinite(seasonal_errors) & (seasonal_errors > 0)
    errors = tf.constant(np.where(known, seasonal_errors, 1.0), tf.float32)
    has_error = tf.constant(known)
    squared = config.output == "point" and config.loss == "mse"
    exponent = config.mase_weighting * (2.0 if squared else 1.0)

    def weigh(scale: tf.Tensor, index: tf.Tensor | None) -> tf.Tensor:
        if index is None:
            index = tf.zeros_like(scale[:, 0], tf.int32)
        ratio = scale / tf.gather(errors, index)[:, None]
        ratio = tf.clip_by_value(ratio, 1.0 / _LARGEST_RATIO, _LARGEST_RATIO)
        return tf.where(tf.gather(has_error, index)[:, None], tf.pow(ratio, exponent), 1.0)

    return weigh
