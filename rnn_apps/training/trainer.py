"""`fit`: the training loop of every application.

It is a loop of our own, not `keras.Model.fit`, for three reasons: `fit` fails on several workers
(keras issue 20585); it cannot continue bit by bit inside an epoch; and under `tf.distribute` it
clips each replica's gradient before the sum. Keras' callbacks work as they do in `fit`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.layers.layers_within import recurrent_states, reset_recurrent_states
from rnn_apps.training import checkpoints
from rnn_apps.training.callbacks import with_standard_callbacks
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.feeding import feed
from rnn_apps.training.history import EpochTotals, Row, TrainingState, describe, write_history
from rnn_apps.training.monitoring import BestWeights, check_monitor, check_steered
from rnn_apps.training.optimisation.averaged_sgd import average_if_stalled
from rnn_apps.training.optimisation.divergence import Saved, count_step
from rnn_apps.training.optimisation.explosion import ExplosionWatch
from rnn_apps.training.optimisation.optimizers import (
    learning_rate,
    make_optimizer,
    without_loss_scale,
)
from rnn_apps.training.optimisation.part_rates import PartRates, thaw
from rnn_apps.training.optimisation.plateau import follow_plateau
from rnn_apps.training.optimisation.precision import layer_precision
from rnn_apps.training.optimisation.strategies import (
    agree_on,
    any_worker,
    is_chief,
    make_strategy,
    report_unused_gpu,
)
from rnn_apps.training.progress import ProgressDisplay
from rnn_apps.training.resuming import check_same_config
from rnn_apps.training.steps import Objective, Steps
from rnn_apps.training.trained_model import TrainedModel, save_model
from rnn_apps.training.validation import Metrics, validate
from rnn_apps.training.variables import averaged, from_arrays, read, to_arrays

if TYPE_CHECKING:
    from pipelines.batches import Batches

_log = logging.getLogger(__name__)


def fit(
    build_model: Callable[[], keras.Model],
    batches: Batches,
    objective: Objective,
    config: TrainingConfig,
    *,
    folder: Path,
    validation: Batches | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    metrics: Metrics | None = None,
    metric_names: Sequence[str] = (),
    strategy: tf.distribute.Strategy | None = None,
    begin: Callable[[], None] | None = None,
    write_model: bool = True,
) -> TrainedModel:
    """Trains a model and leaves checkpoints/, history.csv and model.keras in `folder`.

    Nothing is written before settings, checkpoint, model and optimizer are known to fit together.

    A run that was killed and is resumed ends with the bits of one never killed: on a CPU always,
    with a GPU after `tf.config.experimental.enable_op_determinism()`.

    Args:
        build_model: function that makes the model; called under `config`'s precision and strategy,
            with seeds set. Layers that compute a softmax or the output should be float32.
        batches: training data, see `pipelines.batches.Batches`.
        objective: function `objective(model, batch, training)` that gives the sum of the losses
            and the sum of their weights, float32. Its random draws must come from a
            `keras.random.SeedGenerator` that the model tracks, or resuming is not exact. As in
            Keras' own fit autograph rewrites nothing: branches and loops that depend on a tensor's
            value are written with `tf.cond`, `tf.while_loop` and the like.
        config: settings of the training.
        folder: folder of the run.
        validation: data for val_loss, the weighted mean of the same objective over all of it; None
            for none, where the last epoch's weights are kept unless `config.monitor` names a figure
            of the training.
        resume: True to continue from the last checkpoint, if there is one.
        callbacks: Keras callbacks; one that sets `model.stop_training = True` stops the training
            after the step.
        metrics: function that computes further figures of an epoch from the model at its end.
        metric_names: names of the figures of `metrics`, so that `config.monitor` is checked before
            training.
        strategy: strategy from `make_strategy`; needed for "multiworker" if TensorFlow has run
            before.
        begin: function that the chief calls once training can begin, before anything is written.
        write_model: True to write model.keras; False if the caller writes the model.

    Raises:
        UserError: the folder holds a run that is not resumed, or one with another configuration,
            or the loss is no longer a finite number.
    """
    if config.jit_compile and config.strategy != "none":
        raise ConfigurationError("jit_compile works with strategy = 'none' only")
    if metric_names or metrics is None:
        check_monitor(config, validation is not None, metric_names)
    check_steered(config, validation is not None, batches.steps_per_epoch)
    strategy = strategy or make_strategy(config.strategy)
    report_unused_gpu()
    saved = checkpoints.load_latest(folder / "checkpoints") if resume else None
    if not resume and checkpoints.exist(folder / "checkpoints"):
        raise UserError(
            f"{folder} already holds a run: continue it with --resume, or name another folder"
        )
    if saved is not None:
        check_same_config(saved.content["config"], config)
    keras.utils.set_random_seed(config.seed)
    total_steps = config.epochs * batches.steps_per_epoch
    with layer_precision(config.precision), strategy.scope():
        model = build_model()
        if not model.built:
            objective(model, next(iter(batches.epoch(0))), False)
        optimizer = make_optimizer(config, total_steps)
        rates = PartRates(model, optimizer, config)
        if saved is None:
            # A run that is resumed has been checked, and may end earlier than it was meant to.
            rates.check_reached(config.epochs)
        optimizer.build(model.trainable_variables)
    training = _Training(
        model,
        optimizer,
        Steps(model, optimizer, objective, config, strategy, rates),
        rates,
        batches,
        validation,
        config,
        folder,
        strategy,
        metrics,
    )
    if saved is not None:
        training.restore(saved)
    if training.chief:
        callbacks = with_standard_callbacks(
            callbacks,
            config,
            folder,
            objective,
            validation or batches,
            # A layer that keeps its state knows one number of rows.
            whole_batches=bool(recurrent_states(model)),
        )
        if begin is not None:
            begin()
    training.run(callbacks)
    if strategy is not tf.distribute.get_strategy():
        # What leaves is an ordinary model, not one of mirrored variables.
        with layer_precision(config.precision):
            plain = build_model()
            if not plain.built:
                objective(plain, next(iter(batches.epoch(0))), False)
        plain.set_weights([read(v) for v in model.weights])
        model = plain
    thaw(model)
    if training.chief and write_model:
        save_model(model, folder / "model.keras")
    state = training.state
    return TrainedModel(
        model, state.rows, state.best_epoch, state.stopped, state.best_step, state.explosions,
        state.seconds,
    )  # fmt: skip


class _Training:
    """A running training: the loop, and the state that a checkpoint holds."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        steps: Steps,
        rates: PartRates,
        batches: Batches,
        validation: Batches | None,
        config: TrainingConfig,
        folder: Path,
        strategy: tf.distribute.Strategy,
        metrics: Metrics | None,
    ) -> None:
        self.state = TrainingState()
        self.chief = is_chief(strategy)
        self._model = model
        self._optimizer = optimizer
        self._steps = steps
        self._rates = rates
        self._batches = batches
        self._validation = validation
        self._config = config
        self._folder = folder
        self._strategy = strategy
        self._metrics = metrics
        self._best = BestWeights(config, validation is not None)
        self._watch = ExplosionWatch()
        self._saved = Saved()
        self._session_started = time.monotonic()
        self._earlier_seconds = 0.0
        self._last_checkpoint = time.monotonic()
        self._examples_per_step = batches.examples / max(batches.steps_per_epoch, 1)

    def run(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Trains to the end, and leaves the best weights in the model."""
        agree_on(self._strategy, self.state.step, "the step to continue from")
        listeners = keras.callbacks.CallbackList(list(callbacks), model=self._model)
        listeners.set_params(
            {"epochs": self._config.epochs, "steps": self._batches.steps_per_epoch, "verbose": 0}
        )
        self._model.stop_training = False
        listeners.on_train_begin()
        with ProgressDisplay(
            self._config.epochs,
            self._batches.steps_per_epoch,
            self._examples_per_step,
            self.state.step,
            self.chief,
            self._seconds_allowed() - self._seconds(),
        ) as progress:
            while not self._finished():
                self._run_epoch(listeners, progress)
            if self.state.step_in_epoch and self.state.steps_since_row:
                # Stopped inside an epoch: the checkpoint continues there, the row is for now.
                self._add_row(listeners, progress)
        self.state.seconds = self._seconds()
        listeners.on_train_end()
        if self._best.weights:
            self._model.set_weights(self._best.weights)
        elif self.chief:
            _log.warning(
                "%s was a finite number in no epoch: the model is that of the last step, not the "
                "best.", self._best.monitor,
            )  # fmt: skip

    def restore(self, saved: checkpoints.Checkpoint) -> None:
        """Restores the state that `_save_checkpoint` wrote."""
        self.state = TrainingState.from_json(saved.content["state"])
        self._earlier_seconds = self.state.seconds
        self._saved = Saved.of(self.state)
        self._watch = ExplosionWatch.from_json(saved.content.get("losses", {}))
        with self._strategy.scope():
            from_arrays("model", self._model.variables, saved.arrays)
            from_arrays("states", recurrent_states(self._model), saved.arrays)
            from_arrays("optimizer", self._optimizer.variables, saved.arrays)
        self._best.weights = [
            saved.arrays[f"best/{i}"] for i in range(saved.content["best_weights"])
        ]
        figures = self._best.figures(self.state)
        follow_plateau(self._optimizer, figures, self._config, announced=False)
        if self.chief:
            _log.info("Training goes on after step %d.", self.state.step)

    def _finished(self) -> bool:
        state = self.state
        state.stopped = ""
        if state.epoch >= self._config.epochs:
            return True
        if self._out_of_patience():
            counted = "validations" if self._config.validate_steps else "epochs"
            state.stopped = (
                f"{self._best.monitor} did not improve in {self._config.patience} {counted}"
            )
        elif any_worker(self._strategy, self._wants_to_stop()):
            state.stopped = (
                f"{self._config.max_minutes:g} minutes are over"
                if self._out_of_time()
                else "a callback asked to stop"
            )
        return bool(state.stopped)

    def _out_of_patience(self) -> bool:
        patience = self._config.patience
        return bool(patience) and self.state.rows_since_best >= patience

    def _out_of_time(self) -> bool:
        return self._seconds() >= self._seconds_allowed()

    def _seconds_allowed(self) -> float:
        return 60.0 * self._config.max_minutes or math.inf

    def _wants_to_stop(self) -> bool:
        return self._out_of_time() or bool(self._model.stop_training)

    def _seconds(self) -> float:
        return self._earlier_seconds + time.monotonic() - self._session_started

    def _run_epoch(self, listeners: Any, progress: ProgressDisplay) -> None:
        state = self.state
        listeners.on_epoch_begin(state.epoch)
        if state.step_in_epoch == 0:
            reset_recurrent_states(self._model)
        if self._rates.begin_epoch(state.epoch):
            self._steps.forget_compiled()
        # The time of a step includes that of waiting for its batch.
        started = time.monotonic()
        for batch, specification in feed(
            self._batches, self._strategy, state.epoch, state.step_in_epoch
        ):
            listeners.on_train_batch_begin(state.step_in_epoch)
            result = self._steps.train(batch, specification, self._wants_to_stop())
            count_step(state, result, self._config, self._watch, self._saved)
            state.totals.seconds += time.monotonic() - started
            logs = {
                "step": state.step,
                "loss": state.totals.loss,
                "gradient_norm": result.gradient_norm,
            }
            listeners.on_train_batch_end(state.step_in_epoch - 1, logs)
            progress.step(state.step, state.totals.loss)
            if state.step_in_epoch >= self._batches.steps_per_epoch:
                continue
            stop = result.stop
            if self._validation_is_due():
                self._add_row(listeners, progress, inside=True)
                state.totals = EpochTotals()
                stop = stop or self._out_of_patience()
            if stop or self._checkpoint_is_due():
                self._save_checkpoint()
            if stop:
                return
            started = time.monotonic()
        self._add_row(listeners, progress)
        state.epoch += 1
        state.step_in_epoch = 0
        state.totals = EpochTotals()
        self._save_checkpoint()

    def _validation_is_due(self) -> bool:
        steps = self._config.validate_steps
        return bool(steps) and self.state.step_in_epoch % steps == 0

    def _add_row(self, listeners: Any, progress: ProgressDisplay, *, inside: bool = False) -> None:
        """Validates, adds a row to the history, and keeps the weights if they are the best.

        Args:
            listeners: callbacks; a validation inside an epoch is the end of a test for them.
            progress: display of the training.
            inside: True if the epoch goes on afterwards.
        """
        state, totals = self.state, self.state.totals
        started = time.monotonic()
        row: Row = {"epoch": state.epoch + 1, "step": state.step, "loss": totals.loss}
        with averaged(self._model, self._optimizer):
            row.update(
                validate(self._model, self._steps, self._validation, self._strategy, self._metrics)
            )
            best = self._best.keep(row, state, self._model)
        rate = state.steps_since_row * self._examples_per_step / max(totals.seconds, 1e-9)
        row["learning_rate"] = learning_rate(self._optimizer)
        row["gradient_norm"] = totals.gradient_norm
        row["seconds"] = round(totals.seconds + time.monotonic() - started, 3)
        row["examples_per_second"] = round(rate, 1)
        state.rows.append(row)
        figures = self._best.figures(state)
        average_if_stalled(without_loss_scale(self._optimizer), figures, self._config)
        follow_plateau(self._optimizer, figures, self._config)
        if self.chief:
            write_history(self._folder / "history.csv", state.rows)
        if inside:
            listeners.on_test_begin()
            listeners.on_test_end(dict(row))
        else:
            listeners.on_epoch_end(state.epoch, dict(row))
        progress.epoch(describe(row, self._config.epochs, best=best, inside=inside))

    def _checkpoint_is_due(self) -> bool:
        minutes, steps = self._config.checkpoint_minutes, self._config.checkpoint_steps
        if steps and self.state.step % steps == 0:
            return True
        return bool(minutes) and time.monotonic() - self._last_checkpoint >= 60.0 * minutes

    def _save_checkpoint(self) -> None:
        self._last_checkpoint = time.monotonic()
        self._saved = Saved.of(self.state)
        if not self.chief:
            return
        self.state.seconds = self._seconds()
        arrays = {
            **to_arrays("model", self._model.variables),
            **to_arrays("states", recurrent_states(self._model)),
            **to_arrays("optimizer", self._optimizer.variables),
            **{f"best/{index}": value for index, value in enumerate(self._best.weights)},
        }
        content = {
            "config": asdict(self._config),
            "state": self.state.to_json(),
            "best_weights": len(self._best.weights),
            "losses": self._watch.to_json(),
        }
        checkpoint = checkpoints.Checkpoint(arrays, content)
        checkpoints.save(self._folder / "checkpoints", self.state.step, checkpoint)
