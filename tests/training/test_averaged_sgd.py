"""Averaged SGD with its trigger, learning rates that a batch scales, and averaged gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_setup import build_lstm, make_batches, squared_error

from pipelines.base.errors import ConfigurationError
from rnn_apps.training import TrainingConfig, fit, make_optimizer
from rnn_apps.training.optimisation.averaged_sgd import AveragedSGD, has_stalled
from rnn_apps.training.optimisation.optimizers import learning_rate, without_loss_scale
from rnn_apps.training.steps import Steps
from rnn_apps.training.variables import averaged
from rnn_apps.translation import TranslationConfig

CONFIG = TrainingConfig(
    epochs=6, batch_size=8, optimizer="asgd", learning_rate=0.3, clip_norm=0.0, gradient_flow=False
)


def descend(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> float:
    """One step down the parabola (v - 3)^2 / 2; the value after it."""
    optimizer.apply([variable - 3.0], [variable])
    return float(variable.numpy().item())


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_average_is_the_mean_of_the_weights_since_the_trigger(precision: str) -> None:
    variable = keras.Variable(0.0)
    config = replace(CONFIG, precision=precision)
    optimizer = without_loss_scale(make_optimizer(config, 10))
    assert isinstance(optimizer, AveragedSGD)
    optimizer.build([variable])
    for _ in range(3):
        descend(optimizer, variable)
    own = variable.numpy()
    optimizer.finalize_variable_values([variable])
    assert variable.numpy() == own, "before the trigger the average is the weights themselves"
    optimizer.begin_averaging()
    visited = [descend(optimizer, variable) for _ in range(5)]
    optimizer.finalize_variable_values([variable])
    assert float(variable.numpy()) == pytest.approx(np.mean(visited), rel=1e-6)


def test_training_goes_on_from_the_last_weights_not_from_their_mean() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = make_optimizer(CONFIG, 10)
    optimizer.build(model.trainable_variables)
    [variable] = model.trainable_variables
    optimizer.begin_averaging()
    visited = [descend(optimizer, variable) for _ in range(4)]
    with averaged(model, optimizer):
        assert variable.numpy().item() == pytest.approx(np.mean(visited), rel=1e-6)
    assert variable.numpy().item() == visited[-1]


@pytest.mark.parametrize(
    ("figures", "interval", "stalled"),
    [
        ([5.0, 4.0, 3.0], 2, False),
        ([5.0, 4.0, 3.0, 6.0], 2, True),  # worse than 5, the best but for the last two
        ([5.0, 4.0, 3.0, 4.5], 2, False),
        ([5.0, 4.0, 3.0, 4.5, 4.6], 2, True),
        ([5.0, 6.0], 0, True),
        ([5.0], 0, False),
        ([5.0, float("nan")], 0, True),
        ([float("nan"), 7.0], 0, False),
    ],
)
def test_the_trigger_is_that_of_the_paper(
    figures: list[float], interval: int, stalled: bool
) -> None:
    assert has_stalled(figures, interval) is stalled
    assert has_stalled([-f for f in figures], interval, "max") is stalled


def trained(folder: Path, config: TrainingConfig, resume: bool = False) -> Any:
    def build() -> keras.Model:
        return build_lstm(units=4)

    validation = make_batches(16, seed=1)
    return fit(
        build, make_batches(24), squared_error, config,
        folder=folder, validation=validation, resume=resume,
    )  # fmt: skip


def test_a_resumed_run_averages_as_one_never_stopped(tmp_path: Path) -> None:
    # At this rate the validation loss rises in some epoch, so that averaging begins.
    config = replace(CONFIG, learning_rate=1.2, stall_epochs=0)
    whole = trained(tmp_path / "whole", config)
    losses = [row["val_loss"] for row in whole.history]
    assert any(has_stalled(losses[: n + 1], 0) for n in range(len(losses) - 2)), losses
    plain = trained(tmp_path / "plain", replace(config, stall_epochs=100))
    assert [row["val_loss"] for row in plain.history] != losses
    trained(tmp_path / "resumed", replace(config, epochs=4))
    resumed = trained(tmp_path / "resumed", config, resume=True)
    assert [row["val_loss"] for row in resumed.history] == losses
    for mine, theirs in zip(resumed.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_two_averages_at_once_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="average_decay"):
        make_optimizer(replace(CONFIG, average_decay=0.9), 10)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "asgd", "rmsprop"])
def test_a_batch_scales_the_learning_rate_not_the_gradient(optimizer: str) -> None:
    """A step at half the scale is a step at half the learning rate, weight by weight."""
    config = TrainingConfig(
        optimizer=optimizer, learning_rate=0.02, weight_decay=0.1, gradient_flow=False
    )

    def weights_after(rate: float, scale: float) -> list[np.ndarray]:
        keras.utils.set_random_seed(1)
        model = build_lstm(units=3, dropout=0.0)
        made = make_optimizer(replace(config, learning_rate=rate), 10)
        made.build(model.trainable_variables)
        steps = Steps(model, made, squared_error, config, tf.distribute.get_strategy())
        inputs, targets, weights = next(iter(make_batches().epoch(0)))
        batch = ({**inputs, "learning_rate_scale": tf.constant(scale)}, targets, weights)
        for _ in range(2):
            steps.train(batch, tf.nest.map_structure(tf.TensorSpec.from_tensor, batch))
        assert learning_rate(made) == pytest.approx(rate), "the scale ends with the step"
        return [v.numpy() for v in model.trainable_variables]

    scaled = weights_after(0.02, 0.5)
    expected = weights_after(0.01, 1.0)
    for mine, theirs in zip(scaled, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)
    assert not np.allclose(scaled[0], weights_after(0.02, 1.0)[0])


def accumulating(steps: int, **settings: Any) -> keras.optimizers.Optimizer:
    config = TranslationConfig(gradient_accumulation=steps, **settings)
    return make_optimizer(config, 8 * steps)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "exponential", "inverse_sqrt"])
def test_the_schedule_counts_the_changes_of_the_weights(schedule: str, precision: str) -> None:
    def rates(steps: int) -> list[float]:
        optimizer = accumulating(
            steps, schedule=schedule, warmup_steps=3, learning_rate=0.5, precision=precision,
            final_learning_rate=0.1,
        )  # fmt: skip
        variable = keras.Variable(0.0)
        optimizer.build([variable])
        found = []
        for _ in range(8 * steps):
            found.append(learning_rate(optimizer))
            optimizer.apply([tf.constant(1.0)], [variable])
        return found

    plain = rates(1)
    assert len(set(plain)) >= 6
    assert rates(2) == [rate for rate in plain for _ in range(2)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("averaging", [{"average_decay": 0.9}, {"optimizer": "asgd"}])
def test_averages_take_up_the_changes_of_the_weights(
    averaging: dict[str, Any], precision: str, compiled: bool
) -> None:
    def after_six_changes(steps: int) -> float:
        settings = {"optimizer": "sgd", "learning_rate": 1.0, **averaging}
        optimizer = accumulating(steps, precision=precision, **settings)
        variable = keras.Variable(0.0)
        optimizer.build([variable])
        if averaging.get("optimizer") == "asgd":
            without_loss_scale(optimizer).begin_averaging()

        def step() -> None:
            optimizer.apply([optimizer.scale_loss(tf.constant(-1.0))], [variable])

        run = tf.function(step, autograph=False) if compiled else step
        for _ in range(6 * steps):
            run()
        own = float(variable.numpy())
        optimizer.finalize_variable_values([variable])
        assert float(variable.numpy()) != own
        return float(variable.numpy())

    expected = after_six_changes(1)
    assert after_six_changes(3) == pytest.approx(expected, rel=1e-6)
    if averaging.get("optimizer") == "asgd":
        assert expected == pytest.approx(3.5)
