"""Learning rates that rise at the start of training and fall after it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError

SCHEDULES = ("constant", "cosine", "linear", "exponential", "inverse_sqrt", "plateau")


@keras.saving.register_keras_serializable(package="rnn_apps")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0 to `peak`, then the chosen schedule.

    With p the part of the steps after warm-up that is done, from 0 to 1:

    - "constant": peak
    - "cosine": final + (peak - final) (1 + cos(pi p)) / 2 (Loshchilov and Hutter 2017, eq. 5)
    - "linear": peak + (final - peak) p
    - "exponential": peak (final / peak)^p
    - "plateau": peak, times `scale`, which falls while the monitored figure does not improve
    - "inverse_sqrt": peak sqrt(w / max(step, w)) with w = max(warmup_steps, 1)
      (Vaswani et al. 2017, section 5.3)

    Args:
        peak: learning rate at the end of the warm-up.
        schedule: name of the schedule, one of those above.
        warmup_steps: number of steps of the linear rise; the first of them has peak / warmup_steps.
        total_steps: number of steps of the whole training; later ones keep the final rate.
        final: learning rate at which "cosine", "linear", "exponential" and "plateau" end.
        accumulated_steps: number of an optimizer's steps whose gradients are averaged before the
            weights change, which together are one step of the schedule; at least 1.

    Attributes:
        scale: factor of a "plateau", a float32 variable that the training loop sets; else 1.

    Raises:
        ConfigurationError: an exponential schedule that would end at 0, a plateau that would end
            above the peak, an unknown schedule, or accumulated_steps below 1.
    """

    def __init__(
        self,
        peak: float,
        schedule: str,
        warmup_steps: int,
        total_steps: int,
        final: float = 0.0,
        accumulated_steps: int = 1,
    ) -> None:
        super().__init__()
        if accumulated_steps < 1:
            raise ConfigurationError(f"accumulated_steps = {accumulated_steps} must be at least 1")
        if schedule not in SCHEDULES:
            raise ConfigurationError(f"schedule = {schedule!r} is not known")
        if schedule == "exponential" and final <= 0:
            raise ConfigurationError(
                "an exponential schedule never reaches 0: set final_learning_rate above 0"
            )
        if schedule == "plateau" and final > peak:
            raise ConfigurationError(
                f"final_learning_rate = {final:g} is above learning_rate = {peak:g}, from which a "
                "plateau schedule falls"
            )
        self.peak = peak
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.final = final
        self.accumulated_steps = accumulated_steps
        self._factor: Any = 1.0
        self.scale: Any = 1.0
        if schedule == "plateau":
            # Assigned between steps, which are compiled once.
            self.scale = tf.Variable(
                1.0, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
            )

    @contextlib.contextmanager
    def scaled(self, factor: Any) -> Iterator[None]:
        """Inside the block every learning rate is `factor` times as large.

        For a batch that counts for less than others; an optimizer that is applied in the block
        does what it would do at that learning rate, which for Adam is not what it does to a
        gradient that is scaled.

        Args:
            factor: float32 scalar, which may be a tensor of the compiled step.
        """
        self._factor = factor
        try:
            yield
        finally:
            self._factor = 1.0

    def __call__(self, step: Any) -> Any:
        """The learning rate, float32, of an optimizer's step counted from 0."""
        return self._factor * self.scale * self._of_step(step)

    def _of_step(self, step: Any) -> Any:
        if self.accumulated_steps > 1:
            # Keras hands over a count that also has the steps which change no weight.
            step = keras.ops.floor_divide(step, self.accumulated_steps)
        step = keras.ops.cast(step, "float32")
        after = max(self.total_steps - self.warmup_steps, 1)
        done = keras.ops.clip((step - self.warmup_steps) / after, 0.0, 1.0)
        rate = self._after_warmup(step, done)
        if self.warmup_steps == 0:
            return rate
        rising = self.peak * (step + 1.0) / self.warmup_steps
        return keras.ops.where(step < self.warmup_steps, rising, rate)

    def _after_warmup(self, step: Any, done: Any) -> Any:
        if self.schedule == "cosine":
            return self.final + (self.peak - self.final) * 0.5 * (
                1.0 + keras.ops.cos(math.pi * done)
            )
        if self.schedule == "linear":
            return self.peak + (self.final - self.peak) * done
        if self.schedule == "exponential":
            return self.peak * keras.ops.exp(math.log(self.final / self.peak) * done)
        if self.schedule == "inverse_sqrt":
            flat = float(max(self.warmup_steps, 1))
            return self.peak * keras.ops.sqrt(flat / keras.ops.maximum(step, flat))
        return self.peak * keras.ops.ones_like(done)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "schedule": self.schedule,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "final": self.final,
            "accumulated_steps": self.accumulated_steps,
        }
