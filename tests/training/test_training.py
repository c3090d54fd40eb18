from __future__ import annotations

import csv
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_setup import ArrayBatches, build_lstm, make_batches, squared_error

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.training import TrainedModel, TrainingConfig, WarmupSchedule, fit
from rnn_apps.training.optimisation import strategies

CONFIG = TrainingConfig(epochs=2, batch_size=8, learning_rate=0.01, gradient_flow=False)


def train(folder: Path, config: TrainingConfig = CONFIG, **arguments: Any) -> TrainedModel:
    defaults: dict[str, Any] = {
        "build_model": lambda: build_lstm(dropout=0.0),
        "batches": make_batches(20, timesteps=4),
        "objective": squared_error,
        "validation": make_batches(11, timesteps=4, seed=1),
    }
    settings = {**defaults, **arguments}
    build = settings.pop("build_model")
    batches, objective = settings.pop("batches"), settings.pop("objective")
    return fit(build, batches, objective, config, folder=folder, **settings)


def test_it_trains_as_keras_does(tmp_path: Path) -> None:
    """The same weights as `model.fit` after two epochs: Adam, clipping, batches of all sizes."""
    batches = make_batches(20, timesteps=4)
    config = replace(CONFIG, clip_norm=0.3)
    trained = train(tmp_path, config, batches=batches, validation=None)

    keras.utils.set_random_seed(config.seed)
    model = build_lstm(dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=0.3), loss="mse")
    for epoch in range(2):
        pairs = batches.epoch(epoch).map(lambda inputs, targets, _: (inputs["sequence"], targets))
        model.fit(pairs, epochs=1, verbose=0)
    for found, expected in zip(trained.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_validation_counts_every_window_once(tmp_path: Path) -> None:
    """Also those of the short last batch, each with the same weight."""
    validation = make_batches(11, timesteps=4, seed=1)
    trained = train(tmp_path, replace(CONFIG, epochs=1), validation=validation)
    outputs = trained.model.predict(validation.inputs, verbose=0)
    expected = np.mean((outputs - validation.targets.numpy()) ** 2)
    np.testing.assert_allclose(trained.history[0]["val_loss"], expected, rtol=1e-5)


def test_the_folder_holds_the_best_weights_and_the_history(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=3, monitor="wobble", monitor_mode="max")
    wobble = iter([1.0, 5.0, 2.0])
    kept: list[list[np.ndarray]] = []

    def metrics(model: keras.Model) -> dict[str, float]:
        kept.append(model.get_weights())
        return {"wobble": next(wobble)}

    trained = train(tmp_path, config, metrics=metrics)
    assert trained.best_epoch == 2
    saved = keras.models.load_model(tmp_path / "model.keras")
    for best, returned, loaded in zip(
        kept[1], trained.model.get_weights(), saved.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(best, returned)
        np.testing.assert_array_equal(best, loaded)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["wobble"]) for row in rows] == [1.0, 5.0, 2.0]
    expected = {
        "epoch",
        "step",
        "loss",
        "val_loss",
        "wobble",
        "learning_rate",
        "gradient_norm",
        "seconds",
        "examples_per_second",
    }
    assert set(rows[0]) == expected
    assert [int(row["step"]) for row in rows] == [3, 6, 9]


def test_patience_stops_and_says_so(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=50, patience=2, monitor="rising")
    rising = iter(range(100))
    trained = train(tmp_path, config, metrics=lambda model: {"rising": next(rising)})
    assert len(trained.history) == 3
    assert trained.best_epoch == 1
    assert "rising did not improve in 2 epochs" in trained.stopped


def test_an_unknown_monitor_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError,
        match="'val_lose' is not among the figures of this training: loss, val_loss",
    ):
        train(tmp_path, replace(CONFIG, monitor="val_lose"))


class StopAt(keras.callbacks.Callback):
    """Asks to stop at the start of a batch, counted over the whole training."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.heard: list[str] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.heard.append(f"epoch {epoch}")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.heard.append(f"batch {batch}")
        self.batch -= 1
        if self.batch == 0:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.heard.append("end")


def test_a_callback_stops_inside_an_epoch_and_resuming_goes_on_there(tmp_path: Path) -> None:
    build = {"build_model": lambda: build_lstm(dropout=0.4)}
    whole = train(tmp_path / "whole", **build)
    callback = StopAt(5)
    stopped = train(tmp_path / "run", callbacks=[callback], **build)
    assert stopped.stopped == "a callback asked to stop"
    assert callback.heard == [
        "epoch 0",
        "batch 0",
        "batch 1",
        "batch 2",
        "epoch 1",
        "batch 0",
        "batch 1",
        "end",
    ]
    assert [row["step"] for row in stopped.history] == [3, 5]
    again = train(tmp_path / "run", resume=True, **build)
    assert [row["step"] for row in again.history] == [3, 6]
    for found, expected in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_every_precision_learns_and_keeps_float32_weights(tmp_path: Path, precision: str) -> None:
    config = replace(CONFIG, epochs=6, precision=precision, learning_rate=0.05)
    trained = train(tmp_path, config)
    assert keras.config.dtype_policy().name == "float32"
    assert trained.model.layers[0].compute_dtype == precision.removeprefix("mixed_")
    assert all(weight.dtype == "float32" for weight in trained.model.weights)
    assert trained.history[-1]["loss"] < 0.5 * trained.history[0]["loss"]


def test_float16_steps_that_overflow_are_skipped(tmp_path: Path) -> None:
    """A loss of 1e9 overflows under the first loss scales, until they have been halved."""

    def large(model: keras.Model, batch: Any, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        loss_sum, weight_sum = squared_error(model, batch, training)
        return loss_sum * 1e4, weight_sum

    config = replace(CONFIG, precision="mixed_float16", epochs=6, clip_norm=0.5)
    trained = train(tmp_path, config, objective=large)
    assert all(math.isfinite(row["loss"]) or math.isnan(row["loss"]) for row in trained.history)
    assert math.isfinite(trained.history[-1]["loss"])
    assert all(np.isfinite(weight).all() for weight in trained.model.get_weights())


def test_a_loss_that_is_no_number_stops_with_advice(tmp_path: Path) -> None:
    batches = make_batches(20, timesteps=4)
    targets = batches.targets.numpy()
    targets[7] = np.nan
    broken = ArrayBatches(batches.inputs.numpy(), targets, batch_size=8, shuffle=False)
    with pytest.raises(UserError, match=r"step 1 \(epoch 1\): the loss is not a finite number"):
        train(tmp_path, batches=broken)


def test_the_average_of_the_weights_is_judged_and_kept(tmp_path: Path) -> None:
    """By hand: after each step average = d average + (1 - d) weights, beginning at the first."""

    class Average(keras.callbacks.Callback):
        weights: list[np.ndarray] | None = None

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now = self.model.get_weights()
            if self.weights is None:
                self.weights = now
            self.weights = [0.8 * a + 0.2 * w for a, w in zip(self.weights, now, strict=True)]

    average = Average()
    judged: list[list[np.ndarray]] = []

    def metrics(model: keras.Model) -> dict[str, float]:
        judged.append(model.get_weights())
        return {}

    config = replace(CONFIG, average_decay=0.8, epochs=1)
    trained = train(tmp_path, config, callbacks=[average], metrics=metrics)
    assert average.weights is not None
    for expected, seen, kept in zip(
        average.weights, judged[0], trained.model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(seen, expected, atol=1e-6)
        np.testing.assert_array_equal(seen, kept)


def nothing(model: keras.Model, batch: Any, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """An objective without a slope."""
    loss_sum, weight_sum = squared_error(model, batch, training)
    return loss_sum * 0.0, weight_sum


def test_decay_pulls_weights_but_not_biases(tmp_path: Path) -> None:
    """Decoupled (Loshchilov and Hutter 2019): with no gradient w becomes w (1 - rate decay)."""

    config = replace(CONFIG, optimizer="adamw", weight_decay=0.5, epochs=1)
    keras.utils.set_random_seed(config.seed)
    before = {w.path.split("/")[-1]: w.numpy() for w in build_lstm(dropout=0.0).weights[:3]}
    after = train(tmp_path, config, objective=nothing).model.weights[:3]
    for weight in after:
        name = weight.path.split("/")[-1]
        factor = 1.0 if name == "bias" else (1.0 - 0.01 * 0.5) ** 3
        np.testing.assert_allclose(weight.numpy(), before[name] * factor, rtol=1e-5)


def test_penalties_of_layers_count(tmp_path: Path) -> None:
    """An L2 penalty of 10 has the gradient 20 w; a step of plain descent subtracts its part."""
    regularizer = keras.regularizers.L2(10.0)

    def build() -> keras.Model:
        layer = keras.layers.LSTM(4, kernel_regularizer=regularizer)
        return keras.Sequential([keras.Input((None, 2)), layer, keras.layers.Dense(1)])

    config = replace(CONFIG, optimizer="sgd", clip_norm=0.0, epochs=1)
    keras.utils.set_random_seed(config.seed)
    before = build().get_weights()
    trained = train(
        tmp_path,
        config,
        build_model=build,
        objective=nothing,
        batches=make_batches(8, timesteps=4),
    )
    after = trained.model.get_weights()
    np.testing.assert_allclose(after[0], before[0] * (1.0 - 0.01 * 20.0), rtol=1e-5)
    np.testing.assert_array_equal(after[1], before[1])


def test_a_compiled_step_gives_the_same(tmp_path: Path) -> None:
    plain = train(tmp_path / "plain")
    compiled = train(tmp_path / "compiled", replace(CONFIG, jit_compile=True))
    for row, other in zip(plain.history, compiled.history, strict=True):
        np.testing.assert_allclose(row["val_loss"], other["val_loss"], rtol=1e-4)
    with pytest.raises(ConfigurationError, match="jit_compile"):
        train(tmp_path / "refused", replace(CONFIG, jit_compile=True, strategy="mirrored"))


def build_stateful() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((4, 2), batch_size=4),
            keras.layers.GRU(3, stateful=True, name="carried"),
            keras.layers.Dense(1),
        ]
    )


class WatchStates(keras.callbacks.Callback):
    """The state of the layer "carried" before and after each step, and after validation."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[np.ndarray] = []

    def note(self) -> None:
        self.states.append(self.model.get_layer("carried").states[0].numpy())

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.note()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.note()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.note()


def test_a_stateful_layer_is_carried_in_training_and_left_alone_by_validation(
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {
        "build_model": build_stateful,
        "batches": make_batches(12, 4, timesteps=4),
        "validation": make_batches(4, 4, timesteps=4, seed=1),
    }
    watch = WatchStates()
    whole = train(tmp_path / "whole", callbacks=[watch], **settings)
    # Each epoch: three steps, before and after, and the end.
    for epoch in (watch.states[:7], watch.states[7:]):
        assert not epoch[0].any()
        np.testing.assert_array_equal(epoch[1], epoch[2])
        np.testing.assert_array_equal(epoch[3], epoch[4])
        assert epoch[5].any()
        np.testing.assert_array_equal(epoch[5], epoch[6])
    # A training that stops inside an epoch takes its state up again.
    train(tmp_path / "run", callbacks=[StopAt(2)], **settings)
    again = train(tmp_path / "run", resume=True, **settings)
    for found, expected in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        assert found.tobytes() == expected.tobytes()


def test_tensorboard_files_hold_the_figures(tmp_path: Path) -> None:
    train(tmp_path, replace(CONFIG, tensorboard=True))
    [path] = (tmp_path / "tensorboard").iterdir()
    found: dict[str, list[float]] = {}
    for record in tf.data.TFRecordDataset(str(path)):
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
            found.setdefault(value.tag, []).append(float(tf.make_ndarray(value.tensor)))
    assert len(found["step/loss"]) == 6
    assert len(found["epoch/val_loss"]) == 2


@pytest.mark.parametrize(
    ("device", "visible", "usable", "said"),
    [
        (True, None, [], True),
        (True, "-1", [], False),
        (True, None, ["/physical_device:GPU:0"], False),
        (False, None, [], False),
    ],
)
def test_a_gpu_that_cannot_be_used_is_said_in_one_line(
    device: bool, visible: str | None, usable: list[str], said: bool,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(strategies, "has_nvidia_device", lambda: device)
    monkeypatch.setattr(strategies.tf.config, "list_physical_devices", lambda kind: usable)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    strategies.report_unused_gpu.cache_clear()
    strategies.report_unused_gpu()
    strategies.report_unused_gpu()
    assert capsys.readouterr().err.count("an NVIDIA device that TensorFlow cannot use") == said


def test_progress_lines_go_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("val_loss") == 2
    assert "epoch 2/2" in captured.err


class LateBatches(ArrayBatches):
    """Batches for each of which the training has to wait."""

    SECONDS = 0.1

    def epoch(self, *arguments: Any, **options: Any) -> Any:
        dataset = super().epoch(*arguments, **options)

        class Late:
            element_spec = dataset.element_spec

            def __iter__(self) -> Iterator[Any]:
                for batch in dataset:
                    time.sleep(LateBatches.SECONDS)
                    yield batch

        return Late()


def test_time_of_training_includes_waiting_for_data(tmp_path: Path) -> None:
    ready = make_batches(16, timesteps=4)
    late = LateBatches(ready.inputs.numpy(), ready.targets.numpy(), batch_size=8)
    trained = train(
        tmp_path,
        build_model=lambda: keras.Sequential(
            [keras.Input((4, 2)), keras.layers.Flatten(), keras.layers.Dense(1)]
        ),
        batches=late,
        validation=None,
    )
    # The first epoch also compiles.
    row = trained.history[1]
    assert row["seconds"] >= 2 * LateBatches.SECONDS
    assert row["examples_per_second"] <= 8 / LateBatches.SECONDS
    assert trained.seconds >= sum(row["seconds"] for row in trained.history) - 0.01
    assert trained.figures()["minutes"] == round(trained.seconds / 60, 3)


@pytest.mark.parametrize(
    ("schedule", "at_quarter", "at_end"),
    [
        ("constant", 1.0, 1.0),
        ("linear", 0.775, 0.1),
        ("cosine", 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4)), 0.1),
        ("exponential", 0.1**0.25, 0.1),
        ("inverse_sqrt", math.sqrt(10 / 35), math.sqrt(10 / 110)),
    ],
)
def test_schedules(schedule: str, at_quarter: float, at_end: float) -> None:
    rate = WarmupSchedule(1.0, schedule, warmup_steps=10, total_steps=110, final=0.1)
    values = [float(rate(step)) for step in (0, 4, 9, 10, 35, 110, 1000)]
    np.testing.assert_allclose(values[:4], [0.1, 0.5, 1.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(values[4:6], [at_quarter, at_end], rtol=1e-5)
    if schedule != "inverse_sqrt":
        np.testing.assert_allclose(values[6], at_end, rtol=1e-5)
    copy = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
    assert float(copy(35)) == values[4]


def test_an_exponential_schedule_needs_an_end() -> None:
    with pytest.raises(ConfigurationError, match="final_learning_rate"):
        WarmupSchedule(1.0, "exponential", 0, 10)


def test_the_configuration_needs_no_tensorflow() -> None:
    code = (
        "import sys; from rnn_apps.training import TrainingConfig; TrainingConfig(); "
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
