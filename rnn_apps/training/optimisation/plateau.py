"""A learning rate that falls while the monitored figure does not improve."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import keras

from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.optimisation.optimizers import learning_rate, without_loss_scale

_log = logging.getLogger(__name__)


def reductions(figures: Sequence[float], patience: int, mode: str = "min") -> int:
    """How often the learning rate has fallen, a function of the history alone.

    It falls when the figure has not improved on its best for `patience` validations, and then
    waits as long again. A resumed training therefore needs nothing but its history.

    Args:
        figures: monitored figure of every validation so far; NaN counts as no improvement.
        patience: number of validations without improvement, at least 1.
        mode: better end of the figure, "min" or "max".
    """
    best, waited, count = math.inf, 0, 0
    for figure in figures:
        signed = -figure if mode == "max" else figure
        if signed < best:
            best, waited = signed, 0
            continue
        waited += 1
        if waited == patience:
            waited, count = 0, count + 1
    return count


def follow_plateau(
    optimizer: keras.optimizers.Optimizer,
    figures: Sequence[float],
    config: TrainingConfig,
    *,
    announced: bool = True,
) -> None:
    """Sets the learning rate by the history; does nothing for other schedules.

    Args:
        optimizer: optimizer of the training, from `make_optimizer`.
        figures: monitored figure of every validation so far.
        config: settings of the training.
        announced: True to say that the learning rate falls.
    """
    if config.schedule != "plateau":
        return
    count = reductions(figures, config.plateau_patience, config.monitor_mode)
    lowest = config.final_learning_rate / config.learning_rate
    scale = without_loss_scale(optimizer).schedule.scale
    before = learning_rate(optimizer)
    scale.assign(max(config.plateau_factor**count, lowest))
    if announced and learning_rate(optimizer) < before:
        _log.info(
            "%s has not improved in %d validation(s): the learning rate falls to %.3g.",
            config.monitor, config.plateau_patience, learning_rate(optimizer),
        )  # fmt: skip
