"""What steers a training: validation inside epochs, the plateau, explosions of the loss."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_setup import build_lstm, make_batches, squared_error

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.training import TrainedModel, TrainingConfig, WarmupSchedule, checkpoints, fit
from rnn_apps.training.history import TrainingState, read_history
from rnn_apps.training.learning_curves import course, plot_learning_curves
from rnn_apps.training.optimisation.explosion import ExplosionWatch
from rnn_apps.training.optimisation.plateau import reductions

CONFIG = TrainingConfig(
    epochs=2, batch_size=4, learning_rate=0.01, gradient_flow=False, checkpoint_minutes=0.0
)
CURVES = Path(__file__).parents[1] / "fixtures" / "loss_curves.json"


def train(folder: Path, config: TrainingConfig = CONFIG, **arguments: Any) -> TrainedModel:
    settings: dict[str, Any] = {"validation": make_batches(8, timesteps=4, seed=1), **arguments}
    batches = settings.pop("batches", make_batches(20, batch_size=4, timesteps=4))
    objective = settings.pop("objective", squared_error)
    return fit(build_lstm, batches, objective, config, folder=folder, **settings)


class KilledError(Exception):
    """As if the process was killed."""


class DieAt(keras.callbacks.Callback):
    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if (logs or {})["step"] == self._step:
            raise KilledError


def figures(trained: TrainedModel) -> list[dict[str, Any]]:
    times = ("seconds", "examples_per_second")
    return [{k: v for k, v in row.items() if k not in times} for row in trained.history]


def test_validation_inside_an_epoch_finds_the_best_weights_there(tmp_path: Path) -> None:
    kept: list[list[np.ndarray]] = []
    wobble = iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0])

    def metrics(model: keras.Model) -> dict[str, float]:
        kept.append(model.get_weights())
        return {"wobble": next(wobble)}

    config = replace(CONFIG, validate_steps=2, monitor="wobble")
    trained = train(tmp_path / "run", config, metrics=metrics)
    assert [row["step"] for row in trained.history] == [2, 4, 5, 7, 9, 10]
    assert [row["epoch"] for row in trained.history] == [1, 1, 1, 2, 2, 2]
    assert (trained.best_epoch, trained.best_step) == (1, 4)
    for weight, best in zip(trained.model.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(weight, best)
    assert trained.figures()["epochs"] == 2 and trained.figures()["best_step"] == 4
    history = read_history(tmp_path / "run" / "history.csv")
    unit, places = course(history)
    assert unit == "step" and places.tolist() == [2, 4, 5, 7, 9, 10]
    assert plot_learning_curves(history).axes[0].get_xlabel() == "step"
    assert course({"epoch": [1.0, 2.0], "step": [5.0, 10.0]})[0] == "epoch"


def test_validation_inside_an_epoch_moves_no_weight(tmp_path: Path) -> None:
    train(tmp_path / "plain")
    train(tmp_path / "often", replace(CONFIG, validate_steps=1))
    plain, often = (
        checkpoints.load_latest(tmp_path / name / "checkpoints") for name in ("plain", "often")
    )
    assert plain is not None and often is not None
    for name, array in plain.arrays.items():
        if not name.startswith("best"):
            assert array.tobytes() == often.arrays[name].tobytes(), name
    # The losses of the rows are those of their own steps: their mean is the epoch's.
    losses = [row["loss"] for row in often.content["state"]["rows"][:5]]
    assert np.mean(losses) == pytest.approx(plain.content["state"]["rows"][0]["loss"])


def test_patience_counts_validations_and_ends_an_epoch_early(tmp_path: Path) -> None:
    rising = iter(range(100))
    config = replace(CONFIG, epochs=9, validate_steps=2, patience=3, monitor="rising")
    trained = train(tmp_path, config, metrics=lambda model: {"rising": next(rising)})
    assert [row["step"] for row in trained.history] == [2, 4, 5, 7]
    assert "rising did not improve in 3 validations" in trained.stopped


STEERED = replace(
    CONFIG, epochs=4, validate_steps=2, checkpoint_steps=3, schedule="plateau", warmup_steps=3,
    plateau_patience=1, plateau_factor=0.1, learning_rate=0.5, data_seed=5,
)  # fmt: skip


def test_a_killed_training_goes_on_inside_an_epoch_to_the_bit(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", STEERED)
    rates = [row["learning_rate"] for row in whole.history]
    assert len(set(rates)) > 2 and min(rates) < 0.01, "the learning rate has to have fallen"
    with pytest.raises(KilledError):
        train(tmp_path / "killed", STEERED, callbacks=[DieAt(8)])
    found = checkpoints.load_latest(tmp_path / "killed" / "checkpoints")
    assert found is not None and found.content["state"]["step"] == 6
    again = train(tmp_path / "killed", STEERED, resume=True)
    assert figures(again) == figures(whole)
    assert (again.best_step, again.best_epoch) == (whole.best_step, whole.best_epoch)
    for mine, theirs in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    ("figures", "patience", "mode", "count"),
    [
        ([3.0, 2.0, 1.0], 1, "min", 0),
        ([1.0, 1.0, 1.0], 1, "min", 2),
        ([1.0, 2.0, 2.0, 0.5, 2.0, 2.0], 2, "min", 2),
        ([1.0, math.nan, 0.9, math.nan], 2, "min", 0),
        ([0.1, 0.2, 0.1, 0.1], 2, "max", 1),
        ([], 1, "min", 0),
    ],
)
def test_the_learning_rate_falls_after_each_plateau(
    figures: list[float], patience: int, mode: str, count: int
) -> None:
    assert reductions(figures, patience, mode) == count


def test_a_plateau_ends_at_the_final_rate_and_warms_up(tmp_path: Path) -> None:
    flat = {"metrics": lambda model: {"flat": 1.0}}
    config = replace(
        CONFIG, epochs=5, schedule="plateau", plateau_patience=1, plateau_factor=0.1,
        final_learning_rate=0.002, warmup_steps=8, monitor="flat",
    )  # fmt: skip
    trained = train(tmp_path, config, **flat)
    rates = [row["learning_rate"] for row in trained.history]
    # Row 1 is at step 5 of a warm-up of 8 steps; then the rate falls by a tenth, down to 0.002.
    np.testing.assert_allclose(rates, [0.01 * 6 / 8, 0.01, 0.002, 0.002, 0.002], rtol=1e-5)
    with pytest.raises(ConfigurationError, match=r"final_learning_rate = 0\.1 is above"):
        WarmupSchedule(0.01, "plateau", 0, 10, 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "plateau"}, "schedule = 'plateau' needs validation data"),
        ({"patience": 2}, "patience = 2 needs validation data"),
        ({"validate_steps": 5}, "validate_steps = 5 needs validation data"),
        ({"monitor": "val_wer"}, "'val_wer' is not among the figures"),
    ],
)
def test_what_needs_validation_is_refused_without(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        train(tmp_path / "run", replace(CONFIG, **changes), validation=None)
    assert not (tmp_path / "run").exists()


def test_without_validation_the_last_epoch_is_kept(tmp_path: Path) -> None:
    def growing() -> Any:
        count = tf.Variable(0.0, trainable=False)

        def objective(model: keras.Model, batch: Any, training: bool) -> tuple[Any, Any]:
            loss, weight = squared_error(model, batch, training)
            return loss + count.assign_add(1.0) * weight, weight

        return objective

    trained = train(tmp_path / "run", validation=None, objective=growing())
    losses = [row["loss"] for row in trained.history]
    assert losses[1] > losses[0] and trained.best_epoch == 2
    last = checkpoints.load_latest(tmp_path / "run" / "checkpoints")
    assert last is not None
    for index, weight in enumerate(trained.model.variables):
        np.testing.assert_array_equal(weight.numpy(), last.arrays[f"model/{index}"])
    followed = train(
        tmp_path / "loss", replace(CONFIG, monitor="loss"), validation=None, objective=growing()
    )
    assert followed.best_epoch == 1


def test_a_state_of_an_earlier_version_knows_its_best_step() -> None:
    rows = [{"epoch": 1, "step": 5}, {"epoch": 2, "step": 10}]
    content = {**TrainingState(rows=rows, best=1.0, best_epoch=1, step=10).to_json()}
    del content["best_step"], content["explosions"]
    state = TrainingState.from_json(json.loads(json.dumps(content)))
    assert state.best_step == 5 and state.rows_since_best == 1


def test_the_seed_of_the_data_is_that_of_the_weights_unless_it_is_set() -> None:
    assert TrainingConfig(seed=4).example_seed == 4
    assert TrainingConfig(seed=4, data_seed=0).example_seed == 0


def watched(losses: list[float]) -> list[int]:
    watch = ExplosionWatch()
    found = [watch.add(step + 1, loss) for step, loss in enumerate(losses)]
    return [one.step for one in found if one is not None]


def test_an_exploded_loss_is_noticed_once_and_a_bad_batch_is_not() -> None:
    random = np.random.default_rng(0)
    calm = list(2.0 + 0.3 * random.normal(size=80))
    assert watched(calm) == []
    assert watched([*calm, 400.0, *calm]) == []
    assert watched([*calm, 400.0, 2.0, 300.0, 500.0, 2.1, *calm]) == []
    assert watched([*calm, *[20.0 + n for n in range(60)]]) == [85]
    # From the new level on it is noticed again.
    assert watched([*calm, *[30.0] * 40, *[900.0] * 9]) == [85, 125]
    # A log likelihood may be below 0; a loss of almost 0 makes waves.
    likelihood = list(-3.0 + 0.2 * random.normal(size=80))
    assert watched([*likelihood, *[40.0] * 5]) == [85]
    assert watched([1.0] * 25 + [1e-6] * 120 + [1e-4] * 10) == []
    assert watched([*calm, *[math.nan] * 10, *calm]) == []


@pytest.mark.parametrize("name", sorted(json.loads(CURVES.read_text(encoding="utf-8"))))
def test_ordinary_trainings_raise_no_alarm(name: str) -> None:
    losses = json.loads(CURVES.read_text(encoding="utf-8"))[name]
    assert len(losses) >= 100 and losses[-1] < losses[0]
    assert watched(losses) == []
    assert watched([*losses, *[30.0 * abs(losses[0])] * 5]) == [len(losses) + 5]


def test_a_loss_that_explodes_at_once_is_noticed() -> None:
    # A learning rate that is far too high is seen in the first steps.
    assert watched([2.6, 1e8, 5e8, 1e9, 1e9, 2e9, 1e9]) == [6]
    assert watched([0.3, 4.0, 5.0, 6.0, 5.0, 4.0, 3.0]) == []
    assert watched([0.0, *[19.0] * 19, *[1.0] * 30]) == []
    assert watched([-0.2, 300.0, 400.0, 500.0, 600.0, 700.0]) == [6]


def test_an_explosion_after_a_kill_is_noticed_as_without_it() -> None:
    losses = [2.0 + 0.1 * (step % 3) for step in range(60)] + [70.0] * 8
    for killed in (10, 40, 62):
        watch = ExplosionWatch()
        for step, loss in enumerate(losses[:killed], 1):
            assert watch.add(step, loss) is None
        watch = ExplosionWatch.from_json(json.loads(json.dumps(watch.to_json())))
        rest = enumerate(losses[killed:], killed + 1)
        found = [one for one in (watch.add(step, loss) for step, loss in rest) if one]
        assert [one.step for one in found] == [65] and found[0].before == pytest.approx(2.1)


class BreakAtStep(keras.callbacks.Callback):
    """Makes the weights NaN before a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._steps_to_go = step

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps_to_go -= 1
        if not self._steps_to_go:
            self.model.set_weights([np.full_like(one, np.nan) for one in self.model.get_weights()])


@pytest.mark.parametrize(
    ("checkpoint_steps", "schedule", "at", "left"),
    [
        # Validated at step 2, and in no checkpoint.
        (0, "constant", 4, "No checkpoint with validated weights was written"),
        (3, "constant", 4, "The weights of epoch 1 (step 2), the best so far"),
        (4, "linear", 7, "The weights of epoch 1 (step 5), the best so far"),
        (0, "constant", 9, "The weights of epoch 1 (step 5), the best so far"),
    ],
)
def test_what_is_left_of_a_training_that_diverges_inside_an_epoch(
    tmp_path: Path, checkpoint_steps: int, schedule: str, at: int, left: str
) -> None:
    config = replace(
        CONFIG, validate_steps=2, checkpoint_steps=checkpoint_steps, schedule=schedule,
        monitor="falling",
    )  # fmt: skip
    falling = iter(range(100, 0, -1))
    metrics = {"metrics": lambda model: {"falling": next(falling)}}
    with pytest.raises(UserError, match="is not a finite number") as refusal:
        train(tmp_path, config, callbacks=[BreakAtStep(at)], **metrics)
    assert left in str(refusal.value)
    if "resume with" in str(refusal.value):
        name, value = str(refusal.value).split("resume with ")[1].split(" to ")[0].split(" = ")
        change: dict[str, Any] = {name: type(getattr(config, name))(value)}
        kept = train(tmp_path, replace(config, **change), resume=True, **metrics)
        assert kept.best_epoch == 1
        assert all(np.isfinite(weight).all() for weight in kept.model.get_weights())


def test_validation_that_is_rarer_than_epochs_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for steps, said in ((5, 0), (6, 1)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "rnn_apps"):
            train(tmp_path / str(steps), replace(CONFIG, epochs=1, validate_steps=steps))
        found = [one.getMessage() for one in caplog.records]
        assert sum("validate_steps = 6 has no effect: an epoch has 5" in m for m in found) == said


def test_a_training_that_explodes_is_told_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(
        CONFIG, epochs=12, optimizer="sgd", learning_rate=1e-4, schedule="exponential",
        final_learning_rate=1e4, clip_norm=100.0,
    )  # fmt: skip
    with caplog.at_level(logging.WARNING, "rnn_apps"):
        trained = train(tmp_path, config)
    [said, *_] = [r.getMessage() for r in caplog.records if "exploded" in r.getMessage()]
    assert "a clip_norm of 1 or less" in said and "learning_rate below 0.0001" in said
    explosion = trained.figures()["explosions"][0]
    assert explosion["after"] > 4 * explosion["before"]
    assert f"Step {explosion['step']} " in said
