"""The figure that a training is steered by: early stopping, the best weights, the plateau."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import keras
import numpy as np

from pipelines.base.errors import ConfigurationError
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.history import Row, TrainingState
from rnn_apps.training.variables import read

_log = logging.getLogger(__name__)

DEFAULT_MONITOR = "val_loss"


def check_monitor(
    config: TrainingConfig, has_validation: bool, metric_names: Sequence[str]
) -> None:
    """Refuses a `monitor` that no epoch of the training will have.

    Args:
        config: settings of the training.
        has_validation: True if the training has a val_loss.
        metric_names: names of the further figures of an epoch.

    Raises:
        ConfigurationError: names the figures that there are.
    """
    known = ["loss", *(["val_loss"] if has_validation else []), *metric_names]
    # Without validation data the default means that the last epoch is kept.
    if config.monitor not in (*known, DEFAULT_MONITOR):
        raise ConfigurationError(
            f"monitor = {config.monitor!r} is not among the figures of this training: "
            f"{', '.join(known)}"
        )


def check_steered(config: TrainingConfig, has_validation: bool, steps_per_epoch: int) -> None:
    """Refuses settings that need validation data where there is none.

    What has no effect is said.

    Args:
        config: settings of the training.
        has_validation: True if the training has a val_loss.
        steps_per_epoch: number of steps of an epoch.

    Raises:
        ConfigurationError: names the setting and what to do.
    """
    advice = "give the validation part a share in split, or follow the training with monitor = loss"
    if keeps_last_epoch(config, has_validation):
        if config.patience:
            raise ConfigurationError(
                f"patience = {config.patience} needs validation data: {advice}; 0 never stops early"
            )
        if config.schedule == "plateau":
            raise ConfigurationError(
                f"schedule = 'plateau' needs validation data: {advice}; other schedules need none"
            )
    if config.validate_steps and not has_validation:
        raise ConfigurationError(
            f"validate_steps = {config.validate_steps} needs validation data: give the validation "
            "part a share in split, or set it to 0"
        )
    if config.validate_steps > steps_per_epoch:
        _log.warning(
            "validate_steps = %d has no effect: an epoch has %d steps, and the model is validated "
            "at its end.", config.validate_steps, steps_per_epoch,
        )  # fmt: skip


def keeps_last_epoch(config: TrainingConfig, has_validation: bool) -> bool:
    """Whether the last epoch's weights are kept, since no figure can tell which epoch is best.

    The loss on the training data falls as long as a model is trained, so it is followed only where
    `monitor` names it.
    """
    return not has_validation and config.monitor == DEFAULT_MONITOR


class BestWeights:
    """The weights with the best monitored figure so far, or the latest ones where none tells.

    Args:
        config: settings of the training.
        has_validation: True if the training has a val_loss.

    Attributes:
        monitor: name of the monitored figure; the training's loss where there is no validation.
        weights: weights of the whole model; empty before there are any.
    """

    def __init__(self, config: TrainingConfig, has_validation: bool) -> None:
        self._mode = config.monitor_mode
        self._latest = keeps_last_epoch(config, has_validation)
        self.monitor = "loss" if self._latest else config.monitor
        self.weights: list[np.ndarray] = []

    def figures(self, state: TrainingState) -> list[float]:
        """The monitored figure of every row so far."""
        return [row[self.monitor] for row in state.rows]

    def keep(self, row: Row, state: TrainingState, model: keras.Model) -> bool:
        """Keeps the model's weights if they are the best; whether they are known to be.

        Args:
            row: row of the history, with the monitored figure.
            state: state of the training, which is told.
            model: model with the weights that the figure belongs to.

        Raises:
            ConfigurationError: the row has no such figure.
        """
        if self.monitor not in row:
            known = ", ".join(name for name in row if name not in ("epoch", "step"))
            raise ConfigurationError(f"monitor = {self.monitor!r} is not among: {known}")
        value, best = row[self.monitor], state.best
        if self._mode == "max":
            better = best is None or value > best
        else:
            better = best is None or value < best
        if not math.isfinite(value) or not (better or self._latest):
            return False
        state.best, state.best_epoch, state.best_step = value, row["epoch"], row["step"]
        self.weights = [read(weight) for weight in model.weights]
        return not self._latest
