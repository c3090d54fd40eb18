"""Calendar features computed from time stamps inside the model, so that an exported model has them.

Time stamps are minutes since 1970-01-01 00:00 of local wall-clock time, int32 (good until the
year 6053). Every feature is a position in a cycle, given as its sine and cosine.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.features.calendar_names import CALENDAR_FEATURES

_MINUTES_PER_DAY = 1440
_DAYS_FROM_0000_03_01 = 719_468
"""Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar."""


@keras.saving.register_keras_serializable(package="rnn_apps")
class CalendarFeatures(keras.layers.Layer):
    """Sine and cosine of a time stamp's position in the day, the week, the month and the year.

    Args:
        features: names from `CALENDAR_FEATURES`; each gives two channels, in this order.

    Call: int32 [batch, timesteps] minutes -> float32 [batch, timesteps, 2 * len(features)].
    """

    def __init__(self, features: tuple[str, ...], **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.features = tuple(features)
        for name in self.features:
            if name not in CALENDAR_FEATURES:
                known = ", ".join(CALENDAR_FEATURES)
                raise ValueError(f"{name!r} is not a calendar feature; choose from {known}")

    def call(self, minutes: tf.Tensor) -> tf.Tensor:
        """See the class."""
        minutes = tf.cast(minutes, tf.int32)
        days = minutes // _MINUTES_PER_DAY
        # Whole numbers up to the position in the cycle: minutes since 1970 have more digits than a
        # float32 holds.
        positions = {
            "time_of_day": lambda: _fraction(minutes - days * _MINUTES_PER_DAY, _MINUTES_PER_DAY),
            "day_of_week": lambda: _fraction((days + 3) % 7, 7),
            "day_of_month": lambda: _fraction(_civil(days)[1], 31),
            "day_of_year": lambda: _fraction(_civil(days)[0], 366),
        }
        channels = []
        for name in self.features:
            angle = positions[name]() * (2.0 * math.pi)
            channels += [tf.sin(angle), tf.cos(angle)]
        return tf.stack(channels, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """See the class."""
        return (*input_shape, 2 * len(self.features))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "features": list(self.features)}


def _fraction(position: tf.Tensor, length: int) -> tf.Tensor:
    return tf.cast(position, tf.float32) / float(length)


def _civil(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Day of the year counted from 1 March (0 to 365) and day of the month (0 to 30).

    Counting the year from March puts the leap day last, so that no table of months is needed
    (Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
    """
    shifted = days + _DAYS_FROM_0000_03_01
    day_of_era = shifted - (shifted // 146_097) * 146_097
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day_of_month = day_of_year - (153 * month + 2) // 5
    return day_of_year, day_of_month
