"""One training step and one validation step, the same on one device and on many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.optimisation.optimizers import without_loss_scale
from rnn_apps.training.optimisation.part_rates import PartRates
from rnn_apps.training.optimisation.strategies import sum_over_replicas

Batch = Any
"""A batch: (inputs, targets, weights), in any structure that the objective reads.

Where inputs are a dict with "learning_rate_scale", a float32 scalar that is the same on every
replica, the step's learning rate is that many times the schedule's."""

Objective = Callable[[keras.Model, Batch, bool], tuple[tf.Tensor, tf.Tensor]]
"""objective(model, batch, training) -> (sum of the losses, sum of their weights).

Both are float32 scalars of one replica's share of the batch; the loss is the first over the
second, each summed over all replicas."""


class StepResult(NamedTuple):
    """The result of a training step, the same on every worker.

    Args:
        loss_sum: sum of the losses over all replicas, before the step changed the weights.
        weight_sum: sum of the losses' weights.
        gradient_norm: global norm of the gradient before clipping; NaN or infinite if float16
            overflowed, in which case no weight was changed.
        stop: True if any worker asked to stop.
    """

    loss_sum: float
    weight_sum: float
    gradient_norm: float
    stop: bool


class Steps:
    """The compiled steps of a model.

    Args:
        model: model, built under the strategy's scope, as the optimizer is.
        optimizer: optimizer, from `make_optimizer`.
        objective: function that computes the loss.
        config: settings of the training, of which clipping and compilation count.
        strategy: strategy that distributes the steps over devices.
        rates: factors of the learning rate by part; None for the same rate everywhere.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        objective: Objective,
        config: TrainingConfig,
        strategy: tf.distribute.Strategy,
        rates: PartRates | None = None,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._objective = objective
        self._clip_norm = config.clip_norm
        self._jit_compile = config.jit_compile
        self._strategy = strategy
        self._rates = rates
        self._train: Any = None
        self._validate: Any = None

    def train(self, batch: Batch, specification: Any, stop: bool = False) -> StepResult:
        """Changes the weights by one step.

        Args:
            batch: batch from `feeding.feed`.
            specification: `tf.TypeSpec`s of the batch, so that a short batch is not compiled anew;
                None for a batch that is spread over replicas.
            stop: True to ask every worker to stop after this step.
        """
        if self._train is None:
            self._train = self._compile(self._train_replica, specification, flag=True)
        found = self._train(batch, tf.constant(float(stop))).numpy()
        return StepResult(float(found[0]), float(found[1]), float(found[2]), bool(found[3] > 0))

    def forget_compiled(self) -> None:
        """Compiles the training step anew at its next call, since other parts are trained."""
        self._train = None

    def validate(self, batch: Batch, specification: Any) -> tuple[float, float]:
        """The sum of the losses and the sum of their weights; nothing is changed."""
        if self._validate is None:
            self._validate = self._compile(self._validate_replica, specification, flag=False)
        loss_sum, weight_sum = self._validate(batch).numpy()
        return float(loss_sum), float(weight_sum)

    def _compile(self, replica_step: Callable[..., Any], specification: Any, flag: bool) -> Any:
        def step(*arguments: Any) -> tf.Tensor:
            results = self._strategy.run(replica_step, args=arguments)
            # Every replica returns the same reduced numbers.
            return self._strategy.experimental_local_results(results)[0]

        # As in Keras' own fit, nothing is rewritten by autograph, which takes seconds.
        options: dict[str, Any] = {"jit_compile": self._jit_compile or None, "autograph": False}
        if specification is None:
            return tf.function(step, reduce_retracing=True, **options)
        signature = [specification, *([tf.TensorSpec((), tf.float32)] if flag else [])]
        return tf.function(step, input_signature=signature, **options)

    def _train_replica(self, batch: Batch, stop: tf.Tensor) -> tf.Tensor:
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            loss_sum, weight_sum = self._objective(self._model, batch, True)
            loss_sum = tf.cast(loss_sum, tf.float32)
            weight_sum = tf.stop_gradient(tf.cast(weight_sum, tf.float32))
            [all_weights] = sum_over_replicas([weight_sum])
            loss = tf.math.divide_no_nan(loss_sum, all_weights)
            if self._model.losses:
                penalty = tf.add_n([tf.cast(x, tf.float32) for x in self._model.losses])
                # Each replica adds its part of a penalty that is the same for all.
                loss += penalty / replicas
            loss = self._optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, variables)
        schedule = without_loss_scale(self._optimizer).schedule
        with schedule.scaled(_learning_rate_scale(batch)):
            norm = self._apply(gradients, variables, replicas)
        all_losses, stops = sum_over_replicas([loss_sum, stop])
        return tf.stack([all_losses, all_weights, norm, stops])

    def _apply(self, gradients: list[Any], variables: list[Any], replicas: int) -> tf.Tensor:
        """Sums the gradients over the replicas, clips the sum, and gives it to the optimizer.

        Clipping by global norm: Pascanu, Mikolov and Bengio 2013, algorithm 1.
        """
        used = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        if not used:
            raise ValueError("the objective does not depend on any trainable weight")
        # A sparse gradient (an embedding's) is made dense: its norm needs equal rows added up.
        summed = sum_over_replicas([tf.convert_to_tensor(g) for g, _ in used])
        scale = self._optimizer.scale_loss(tf.ones(()))
        measured = summed
        if self._rates is not None:
            measured = self._rates.measured(summed, [v for _, v in used])
        norm = tf.linalg.global_norm(measured) / scale
        factor = tf.ones(())
        if self._clip_norm:
            factor = self._clip_norm / tf.maximum(norm, self._clip_norm)
        # If only the norm overflowed, the factor is 0 and would hide it.
        factor = tf.where(tf.math.is_finite(norm), factor, float("nan"))
        # Keras sums over the replicas once more, all of which hold the same sum by now.
        factor /= replicas
        self._optimizer.apply([g * factor for g in summed], [v for _, v in used])
        return norm

    def _validate_replica(self, batch: Batch) -> tf.Tensor:
        sums = self._objective(self._model, batch, False)
        return tf.stack(sum_over_replicas([tf.cast(x, tf.float32) for x in sums]))


def _learning_rate_scale(batch: Batch) -> Any:
    inputs = batch[0]
    return inputs.get("learning_rate_scale", 1.0) if isinstance(inputs, dict) else 1.0
