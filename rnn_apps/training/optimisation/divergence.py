"""Losses that explode or are no longer finite: what is said of them, and what can be kept."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.base.errors import UserError
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.history import TrainingState
from rnn_apps.training.optimisation.explosion import Explosion, ExplosionWatch
from rnn_apps.training.resuming import changeable

if TYPE_CHECKING:
    from rnn_apps.training.steps import StepResult

_log = logging.getLogger(__name__)

_MOST_SKIPPED_STEPS = 50
# Less than any training takes: a training that is resumed with it ends at once.
_NO_FURTHER_MINUTES = 0.001


@dataclass(frozen=True)
class Saved:
    """What the latest checkpoint holds that a training can be finished with.

    Args:
        epoch: number of finished epochs.
        best_epoch: epoch of the best weights, counted from 1; 0 if there are none.
        best_step: step of the best weights, counted from 1.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_step: int = 0

    @classmethod
    def of(cls, state: TrainingState) -> Saved:
        """What a checkpoint of a state holds."""
        return cls(state.epoch, state.best_epoch, state.best_step)


def count_step(
    state: TrainingState,
    result: StepResult,
    config: TrainingConfig,
    watch: ExplosionWatch,
    saved: Saved,
) -> None:
    """Adds a step to the totals of a training, and warns of a loss that has exploded.

    Args:
        state: state of the training.
        result: result of the step.
        config: settings of the training.
        watch: watch that knows the losses of the steps before.
        saved: weights of the latest checkpoint that a training can be finished with.

    Raises:
        UserError: the loss or its gradient is not a finite number.
    """
    state.step += 1
    state.step_in_epoch += 1
    if math.isfinite(result.loss_sum) and math.isfinite(result.gradient_norm):
        state.skipped_steps = 0
        state.totals.loss_sum += result.loss_sum
        state.totals.weight_sum += result.weight_sum
        state.totals.norm_sum += result.gradient_norm
        state.totals.steps += 1
        if result.weight_sum:
            _warn(state, watch.add(state.step, result.loss_sum / result.weight_sum), config)
        return
    # Under float16 a step that overflows is skipped, and the loss scale is halved.
    state.skipped_steps += 1
    if config.precision != "mixed_float16":
        what = "gradient" if math.isfinite(result.loss_sum) else "loss"
        raise UserError(
            f"step {state.step} (epoch {state.epoch + 1}): the {what} is not a finite number. "
            "Look for extreme values in the data, or train in another folder with a lower "
            "learning_rate, a clip_norm of 1 or less, or a longer warm-up."
            + _what_is_left(saved, config)
        )
    if state.skipped_steps >= _MOST_SKIPPED_STEPS:
        raise UserError(
            f"step {state.step} (epoch {state.epoch + 1}): {_MOST_SKIPPED_STEPS} steps in a "
            "row overflowed float16. Train in another folder with precision = "
            f"'mixed_bfloat16' or 'float32'.{_what_is_left(saved, config)}"
        )


def _warn(state: TrainingState, explosion: Explosion | None, config: TrainingConfig) -> None:
    """Says where the loss exploded and what helps, and takes note of it."""
    if explosion is None:
        return
    state.explosions.append(explosion.as_json())
    clip = (
        f"a clip_norm below {config.clip_norm:g}"
        if 0.0 < config.clip_norm <= 1.0
        else "a clip_norm of 1 or less"
    )
    _log.warning(
        "Step %d (epoch %d): the loss has exploded, from %.4g to %.4g. If it does not come down "
        "again, train in another folder with a learning_rate below %g, %s, or a longer warm-up.",
        explosion.step, state.epoch + 1, explosion.before, explosion.after, config.learning_rate,
        clip,
    )  # fmt: skip


def _what_is_left(saved: Saved, config: TrainingConfig) -> str:
    """What can be kept of a training that cannot go on, as a sentence for its user."""
    if not saved.best_epoch:
        validated = "checkpoint with validated weights was written"
        what = validated if config.validate_steps else "epoch was finished"
        return f" No {what}, so there is nothing to keep"
    # Epochs that the steps depend on, as by a schedule, cannot change; 0 cannot be asked for.
    by_epochs = saved.epoch > 0 and "epochs" in changeable(config)
    end = f"epochs = {saved.epoch}" if by_epochs else f"max_minutes = {_NO_FURTHER_MINUTES:g}"
    inside = f" (step {saved.best_step})" if config.validate_steps else ""
    return (
        f" The weights of epoch {saved.best_epoch}{inside}, the best so far, are in the "
        f"checkpoint: resume with {end} to finish with them"
    )
