"""Averaged SGD with a non-monotonic trigger: NT-ASGD of Merity, Keskar and Socher 2017."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from rnn_apps.training.config import TrainingConfig

_NEVER = np.iinfo(np.int64).max


@keras.saving.register_keras_serializable(package="rnn_apps")
class AveragedSGD(keras.optimizers.SGD):
    """SGD whose weights, once `begin_averaging` was called, are averaged over all steps since.

    "Regularizing and optimizing LSTM language models", algorithm 1, with the average of Polyak and
    Juditsky 1992: training goes on from the last iterate, what is evaluated and kept is the mean
    of the iterates. It is Keras' moving average with a decay of 1 - 1/n in the n-th step after the
    trigger, and of 0 before it, where the average is the weights themselves. The trigger is among
    the optimizer's variables, so that a checkpoint holds it.

    Args:
        learning_rate: learning rate, a number or a schedule; constant in the paper.
        **kwargs: arguments of `keras.optimizers.SGD`.
    """

    def __init__(self, learning_rate: Any = 1.0, **kwargs: Any) -> None:
        kwargs.pop("use_ema", None)
        kwargs.pop("ema_momentum", None)
        super().__init__(learning_rate, use_ema=True, ema_momentum=0.0, **kwargs)

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the averages and the step at which averaging begins."""
        if self.built:
            return
        super().build(variables)
        self.first_averaged_step = self.add_variable(
            shape=(),
            initializer=lambda shape, dtype=None: keras.ops.full(shape, _NEVER, dtype),
            dtype="int64",
            aggregation="only_first_replica",
            name="first_averaged_step",
        )

    @property
    def ema_momentum(self) -> Any:
        """The decay of the average in the current step, float32."""
        if not self.built:
            return 0.0
        since = keras.ops.cast(self.iterations, "int64") - self.first_averaged_step
        steps = keras.ops.cast(keras.ops.maximum(since, 0) + 1, "float32")
        return 1.0 - 1.0 / steps

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        # Keras' constructor sets what is computed here.
        pass

    @property
    def is_averaging(self) -> bool:
        """Whether averaging has begun."""
        return int(keras.ops.convert_to_numpy(self.first_averaged_step)) != _NEVER

    def begin_averaging(self) -> None:
        """Starts the mean, which is over the weights after each step from the next one on."""
        self.first_averaged_step.assign(keras.ops.cast(self.iterations, "int64"))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["use_ema"], config["ema_momentum"]
        return config


def average_if_stalled(
    optimizer: keras.optimizers.Optimizer, figures: Sequence[float], config: TrainingConfig
) -> None:
    """Begins averaging, at an epoch's end, if the optimizer is an `AveragedSGD` and has stalled.

    Args:
        optimizer: optimizer of the training, of any class.
        figures: monitored figure of every epoch so far.
        config: settings of the training, of which `stall_epochs` and `monitor_mode` count.
    """
    if not isinstance(optimizer, AveragedSGD) or optimizer.is_averaging:
        return
    if has_stalled(figures, config.stall_epochs, config.monitor_mode):
        optimizer.begin_averaging()


def has_stalled(figures: Sequence[float], interval: int, mode: str = "min") -> bool:
    """Whether the latest figure is worse than the best one, the `interval` before it left out.

    The trigger of algorithm 1 of the paper: with logs l_0 .. l_(t-1) of earlier epochs and the
    latest v, t > n and v > min(l_0 .. l_(t-n-1)); `interval` is n, 5 in the paper.

    Args:
        figures: monitored figure of every epoch, the latest one last; NaN counts as worst.
        interval: number of epochs before the latest that are left out, at least 0.
        mode: better end of the figure, "min" or "max".
    """
    *earlier, latest = [_signed(figure, mode) for figure in figures]
    compared = earlier[: len(earlier) - interval] if len(earlier) > interval else []
    return bool(compared) and latest > min(compared)


def _signed(figure: float, mode: str) -> float:
    if not math.isfinite(figure):
        return math.inf
    return -figure if mode == "max" else figure
