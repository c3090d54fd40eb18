"""Transformations of a target whose differences grow with its size, undone at the model's end.

A model of log(y) forecasts relative changes, and what it gives back is always above 0. Quantiles
are carried over exactly, as the transformations rise. The mean is not: a mean of log(y) comes back
as the median of a log-normal y.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.errors import DataError
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.timestamps import show_time

# The least value whose logarithm is taken. Smaller ones are refused with the data; what only pads
# a batch, and has no weight in the loss, must still have a finite logarithm.
_SMALLEST = 1e-30
# exp(88) is the largest power of e that float32 holds.
_LARGEST_EXPONENT = 88.0
# What stands for 0 where the inverse of softplus has no value; softplus gives it back to 3 digits.
_NEARLY_ZERO = 1e-3


def transformed(values: tf.Tensor, transform: str) -> tf.Tensor:
    """Values as the model sees them, float32 of the same shape.

    Args:
        values: raw values of any shape: above 0 for "log", 0 or more for "log1p" and "softplus".
        transform: "none", "log" for log(y), "log1p" for log(1 + y), or "softplus" for the inverse
            of log(1 + exp(z)), which hardly changes values above 3.
    """
    if transform == "log":
        return tf.math.log(tf.maximum(values, _SMALLEST))
    if transform == "log1p":
        return tf.math.log(tf.maximum(values, 0.0) + 1.0)
    if transform == "softplus":
        positive = tf.maximum(values, _NEARLY_ZERO)
        return positive + tf.math.log(1.0 - tf.exp(-positive))
    return values


def restored(values: tf.Tensor, transform: str) -> tf.Tensor:
    """The raw values of transformed ones, float32 of the same shape; see `transformed`."""
    if transform == "none":
        return values
    if transform == "softplus":
        return tf.maximum(values, 0.0) + tf.math.log(1.0 + tf.exp(-tf.abs(values)))
    raw = tf.exp(tf.minimum(values, _LARGEST_EXPONENT))
    return raw if transform == "log" else tf.maximum(raw - 1.0, 0.0)


@keras.saving.register_keras_serializable(package="rnn_apps")
class TargetTransform(keras.layers.Layer):
    """Applies `transformed`, or `restored`, inside a model.

    Args:
        transform: name of the transformation, "log", "log1p" or "softplus".
        restore: True to undo the transformation.

    Call: float32 of any shape -> the same shape.
    """

    stays_float32 = True  # See `normalisation`.

    def __init__(self, transform: str, restore: bool = False, **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.transform = transform
        self.restore = restore

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return (restored if self.restore else transformed)(values, self.transform)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "transform": self.transform, "restore": self.restore}


def values_taken(transform: str) -> str:
    """The values that a transformation is for, in words that follow "values"."""
    return "above 0" if transform == "log" else "of 0 or more"


def check_transformable(series_set: SeriesSet, transform: str, *, to_train_on: bool = True) -> None:
    """Refuses values that have no logarithm, or that the transformation would change.

    Args:
        series_set: series that are going to be transformed.
        transform: name of the transformation.
        to_train_on: True where the settings of the run can still be changed; what only they can
            mend is not refused where a trained run serves the series.

    Raises:
        DataError: names the first value, its series and its time.
    """
    if transform == "none":
        return
    for series in series_set:
        if transform == "log":
            _check_filled(series_set, series, to_train_on)
        if transform == "softplus" and to_train_on:
            _check_small(series_set, series)
        low = series.target <= 0.0 if transform == "log" else series.target < 0.0
        wrong = np.flatnonzero(series.observed & low)
        if len(wrong):
            when = show_time(series.times[wrong[0]], series_set.frequency)
            other = "log1p, which takes 0" if transform == "log" else "none"
            if transform == "log" and series.target[wrong].min() < 0.0:
                other = "none"
            raise DataError(
                f"holds {series.target[wrong[0]]:g} at {when}; transform = {transform!r} is for "
                f"values {values_taken(transform)}",
                file=series_set.report.source,
                column=series.name,
                advice=f"Choose transform = {other}.",
            )


def _check_filled(series_set: SeriesSet, series: TimeSeries, to_train_on: bool) -> None:
    """Refuses zeros that stand for missing values: their logarithm would be that of 1e-30."""
    wrong = np.flatnonzero(~series.observed & (series.target <= 0.0))
    if len(wrong):
        when = show_time(series.times[wrong[0]], series_set.frequency)
        raise DataError(
            f"has no value at {when}, which is filled with {series.target[wrong[0]]:g} (missing = "
            f"{series_set.missing}); transform = 'log' is for values above 0",
            file=series_set.report.source,
            column=series.name,
            advice="Choose missing = forward_fill, or transform = log1p, which takes 0."
            if to_train_on
            else "Fill the gap, or train again with missing = forward_fill.",
        )


def _check_small(series_set: SeriesSet, series: TimeSeries) -> None:
    """Refuses a series of values that softplus would take for `_NEARLY_ZERO`.

    Single ones of a series of larger values are rounded by less than a tenth of its mean.
    """
    small = series.observed & (series.target > 0.0) & (series.target < _NEARLY_ZERO)
    mean = series.target[series.observed].mean(dtype=np.float64) if small.any() else math.inf
    if mean >= 10 * _NEARLY_ZERO:
        return
    first = int(np.flatnonzero(small)[0])
    when = show_time(series.times[first], series_set.frequency)
    raise DataError(
        f"holds {series.target[first]:g} at {when}; transform = 'softplus' takes values between 0 "
        f"and {_NEARLY_ZERO:g} for {_NEARLY_ZERO:g}",
        file=series_set.report.source,
        column=series.name,
        advice="Multiply the series by a constant, or choose transform = log.",
    )
