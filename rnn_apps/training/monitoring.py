"""The figure that a training is steered by: early stopping, the best weights, the plateau."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.base.errors import ConfigurationError
from rnn_apps.training.config import TrainingConfig

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


def check_steered(config: TrainingConfig, has_validation: bool) -> None:
    """Refuses settings that need validation data where there is none.

    Raises:
        ConfigurationError: names the setting and what to do.
    """
    if config.patience and keeps_last_epoch(config, has_validation):
        raise ConfigurationError(
            f"patience = {config.patience} needs validation data: give the validation part a "
            "share in split, set patience to 0, or set monitor to loss, the training's own"
        )


def keeps_last_epoch(config: TrainingConfig, has_validation: bool) -> bool:
    """Whether the last epoch's weights are kept, since no figure can tell which epoch is best.

    The loss on the training data falls as long as a model is trained, so it is followed only where
    `monitor` names it.
    """
    return not has_validation and config.monitor == DEFAULT_MONITOR
