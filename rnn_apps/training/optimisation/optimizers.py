"""The optimizer that a `TrainingConfig` describes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras

from pipelines.base.errors import ConfigurationError
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.optimisation.averaged_sgd import AveragedSGD
from rnn_apps.training.optimisation.schedules import WarmupSchedule

_CLASSES = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "asgd": AveragedSGD,
    "rmsprop": keras.optimizers.RMSprop,
}

# Decay pulls weights to zero; biases and what normalisation learns are left alone, as usual. Names
# of layers are searched along with those of weights: a layer "again" is no gain.
WITHOUT_DECAY = ["bias", "gamma", "beta", r"(^|[/_])(gain|offset)(/replica_\d+)?(:\d+)?$"]


def make_optimizer(config: TrainingConfig, total_steps: int) -> keras.optimizers.Optimizer:
    """The optimizer with its schedule, decoupled weight decay and moving average of weights.

    Clipping is not the optimizer's: under `tf.distribute` Keras would clip each replica's
    gradient before they are summed. The training step clips the summed gradient itself.

    Args:
        config: settings of the optimizer, learning rate, schedule, decay, average and precision.
        total_steps: number of steps of the whole training, at whose end the schedule ends.

    Returns:
        A Keras optimizer, not built, with its `WarmupSchedule` as the attribute `schedule`; under
        mixed_float16 inside a `LossScaleOptimizer`, which scales the loss so that small gradients
        survive 16 bits (Micikevicius et al. 2018).

    Raises:
        ConfigurationError: two averages of the weights at once.
    """
    if config.optimizer == "asgd" and config.average_decay:
        raise ConfigurationError(
            "optimizer = 'asgd' averages the weights itself: set average_decay to 0"
        )
    schedule = WarmupSchedule(
        config.learning_rate,
        config.schedule,
        config.warmup_steps,
        total_steps // config.accumulated_steps,
        config.final_learning_rate,
        config.accumulated_steps,
    )
    arguments: dict[str, Any] = {"learning_rate": schedule}
    if config.optimizer == "sgd":
        arguments["momentum"] = 0.9
    if config.weight_decay or config.optimizer == "adamw":
        arguments["weight_decay"] = config.weight_decay
    if config.accumulated_steps > 1:
        arguments["gradient_accumulation_steps"] = config.accumulated_steps
    if config.average_decay:
        arguments.update(use_ema=True, ema_momentum=config.average_decay)
    optimizer = _CLASSES[config.optimizer](**arguments)
    optimizer.schedule = schedule
    if config.accumulated_steps > 1:
        _average_after_changes(optimizer)
    if config.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=WITHOUT_DECAY)
    if config.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _average_after_changes(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes a moving average take up each change of the weights once.

    Keras takes the weights up in every step, also in those that only add to the gradients. So a
    decay of 0.9 would be one of 0.9^4 where four gradients are averaged, and the mean since a
    trigger would count some weights four times.
    """
    take_up = optimizer._update_model_variables_moving_average

    def take_up_changes(variables: Sequence[Any]) -> None:
        steps = optimizer.gradient_accumulation_steps
        changed = keras.ops.equal((optimizer._iterations + 1) % steps, 0)
        keras.ops.cond(changed, lambda: take_up(variables), lambda: None)

    optimizer._update_model_variables_moving_average = take_up_changes


def without_loss_scale(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer itself, which mixed_float16 wraps in a `LossScaleOptimizer`."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def decays(name: str) -> bool:
    """Whether weight decay applies to a weight with a name, with or without that of its layer."""
    return re.search("|".join(WITHOUT_DECAY), name) is None


def learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate that the optimizer's next step will use."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
