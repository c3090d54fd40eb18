"""Scaling of the series and normalisation of the window, as layers inside the model.

Two steps, both affine, both undone at the model's end:

1. `SeriesScaler` scales every series by statistics of its training part (`WindowScaler` by those of
   the window itself). The loss is computed in this scaled space.
2. `WindowNormalisation` takes the level out of the single window: its last value, as SegRNN and
   NLinear do, or its mean and standard deviation, as reversible instance normalisation does.

Both, and the scaling of covariates, stay float32 in C code of integers (`stays_float32`): their
numbers are in the unit of the data, and those of one series may be far beyond all that the ranges
of integers were measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_VARIANCE_FLOOR = 1e-5
"""Added to the variance of scaled values by RevIN (Kim et al. 2022, their epsilon)."""

_SMALLEST_UNIT = 1e-30
"""A window whose values are all smaller counts as zeros: float32 hardly holds them."""


@keras.saving.register_keras_serializable(package="rnn_apps")
class SeriesScaler(keras.layers.Layer):
    """Scales a window by its series' stored location and scale.

    The statistics are non-trainable weights, so that they are saved with the model and are part of
    its exports.

    Args:
        location: numbers to subtract, one per series.
        scale: numbers above 0 to divide by, one per series.

    Call: (past_target [batch, lookback], series_index int32 [batch]), or past_target alone for a
    single series -> scaled [batch, lookback], location [batch, 1], scale [batch, 1].
    """

    stays_float32 = True

    def __init__(self, location: Sequence[float], scale: Sequence[float], **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.initial_location = [float(v) for v in location]
        self.initial_scale = [float(v) for v in scale]
        self.location = self._statistic("location", self.initial_location)
        self.scale = self._statistic("scale", self.initial_scale)

    def _statistic(self, name: str, values: list[float]) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(len(values),),
            initializer=lambda shape, dtype=None: np.asarray(values, np.float32),
            trainable=False,
        )

    def call(
        self, past_target: tf.Tensor, series_index: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See the class."""
        location = tf.convert_to_tensor(self.location)[:, None]
        scale = tf.convert_to_tensor(self.scale)[:, None]
        if series_index is None:
            # A zero per window keeps the batch dimension without a shape operation.
            zeros = past_target[:, :1] * 0.0
            location, scale = location + zeros, scale + zeros
        else:
            location, scale = tf.gather(location, series_index), tf.gather(scale, series_index)
        return (past_target - location) / scale, location, scale

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {"location": self.initial_location, "scale": self.initial_scale}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="rnn_apps")
class WindowScaler(keras.layers.Layer):
    """Scales a window by its own statistics, for series that training has not seen.

    Args:
        shift: switch for subtracting the mean. If off, the window is divided by its mean absolute
            value plus 1 (Salinas et al. 2020, "DeepAR", section 3.3), so that counts stay at 0 or
            above.

    Call: past_target [batch, lookback] -> scaled, location [batch, 1], scale [batch, 1].
    """

    stays_float32 = True

    def __init__(self, shift: bool = True, **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.shift = shift

    def call(self, past_target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See the class."""
        if self.shift:
            return self._standardised(past_target)
        location = past_target[:, :1] * 0.0
        scale = 1.0 + tf.reduce_mean(tf.abs(past_target), axis=1, keepdims=True)
        return past_target / scale, location, scale

    def _standardised(self, past_target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # The window's unit is unknown. Squares of its values could be beyond float32, and a floor
        # under the spread too high, so both are taken in units of its largest value.
        largest = tf.reduce_max(tf.abs(past_target), axis=1, keepdims=True)
        unit = tf.where(largest > _SMALLEST_UNIT, largest, tf.ones_like(largest))
        values = past_target / unit
        mean = tf.reduce_mean(values, axis=1, keepdims=True)
        variance = tf.reduce_mean(tf.square(values - mean), axis=1, keepdims=True)
        deviation = tf.sqrt(variance + 1e-6 * tf.square(mean) + 1e-12)
        return (values - mean) / deviation, mean * unit, deviation * unit

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "shift": self.shift}


@keras.saving.register_keras_serializable(package="rnn_apps")
class WindowNormalisation(keras.layers.Layer):
    """Takes the level, and with RevIN the spread, out of a window.

    Args:
        method: name of the method. "last_value" subtracts the window's last value (Lin et al. 2023,
            "SegRNN"; Zeng et al. 2023, NLinear), or the mean of the last `steps` values. "revin"
            subtracts the mean and divides by the standard deviation (Kim et al. 2022, "Reversible
            instance normalization"; the learnt affine map is one gain and offset for all series,
            as all series share one model).
        steps: number of last values whose mean is the level; a whole season averages out its noise.

    Call: scaled [batch, lookback] -> normalised [batch, lookback], shift [batch, 1], factor
    [batch, 1] with scaled = normalised * factor + shift.
    """

    stays_float32 = True

    def __init__(self, method: str, steps: int = 1, **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.steps = steps
        if method not in ("last_value", "revin"):
            raise ValueError(f"method = {method!r} is neither 'last_value' nor 'revin'")
        self.method = method
        if method == "revin":
            self.gain = self.add_weight(name="gain", shape=(1,), initializer="ones")
            self.offset = self.add_weight(name="offset", shape=(1,), initializer="zeros")

    def call(self, scaled: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See the class."""
        if self.method == "last_value":
            shift = tf.reduce_mean(scaled[:, -self.steps :], axis=1, keepdims=True)
            return scaled - shift, shift, shift * 0.0 + 1.0
        mean = tf.reduce_mean(scaled, axis=1, keepdims=True)
        variance = tf.reduce_mean(tf.square(scaled - mean), axis=1, keepdims=True)
        deviation = tf.sqrt(variance + _VARIANCE_FLOOR)
        # normalised = (scaled - mean) / deviation * gain + offset, written as one affine map. The
        # gain stays away from 0, as its reciprocal is the way back.
        gain = tf.maximum(tf.convert_to_tensor(self.gain), 0.1)
        factor = deviation / gain
        shift = mean - tf.convert_to_tensor(self.offset) * factor
        return (scaled - shift) / factor, shift, factor

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "method": self.method, "steps": self.steps}


@keras.saving.register_keras_serializable(package="rnn_apps")
class CovariateScaler(keras.layers.Layer):
    """Standardises covariates, each by its mean and deviation over the training part.

    Args:
        location: numbers to subtract, one per covariate.
        scale: numbers above 0 to divide by, one per covariate.

    Call: [..., covariates] -> the same shape, float32.
    """

    stays_float32 = True

    def __init__(self, location: Sequence[float], scale: Sequence[float], **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.location = [float(v) for v in location]
        self.scale = [float(v) for v in scale]

    def call(self, covariates: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return (covariates - tf.constant(self.location)) / tf.constant(self.scale)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "location": self.location, "scale": self.scale}


@keras.saving.register_keras_serializable(package="rnn_apps")
class ChosenColumns(keras.layers.Layer):
    """Takes some of the covariates.

    Args:
        columns: numbers of the covariates to take, in the order wanted.

    Call: [..., covariates] -> [..., columns], float32.
    """

    def __init__(self, columns: Sequence[int], **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.columns = [int(column) for column in columns]

    def call(self, covariates: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return tf.concat([covariates[..., i : i + 1] for i in self.columns], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "columns": self.columns}


@keras.saving.register_keras_serializable(package="rnn_apps")
class CategoryIndicators(keras.layers.Layer):
    """Makes an indicator of each category: 1 for the category of the code, 0 for all others.

    A code that is not in the list, such as -1, makes zeros only. A recurrent layer that reads the
    indicators multiplies them by its kernel, so each category has a learnt vector there.

    Args:
        columns: numbers of the covariates that are codes.
        counts: number of categories of each of them.

    Call: whole numbers [..., covariates] -> [..., sum of counts], float32.
    """

    def __init__(self, columns: Sequence[int], counts: Sequence[int], **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.columns = [int(column) for column in columns]
        self.counts = [int(count) for count in counts]

    def call(self, covariates: tf.Tensor) -> tf.Tensor:
        """See the class."""
        # Arithmetic that every runtime has, and that is exact for whole numbers.
        indicators = [
            tf.nn.relu(1.0 - tf.abs(covariates[..., i : i + 1] - tf.range(count, dtype=tf.float32)))
            for i, count in zip(self.columns, self.counts, strict=True)
        ]
        return tf.concat(indicators, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "columns": self.columns, "counts": self.counts}
