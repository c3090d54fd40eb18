"""Parts of a network that are frozen, wait, or learn at a rate of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_setup import make_batches, squared_error

from rnn_apps.forecasting.network.normalisation import WindowNormalisation
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.training import TrainingConfig, fit, make_optimizer
from rnn_apps.training.optimisation.part_rates import PartRates, thaw
from rnn_apps.training.steps import Steps
from rnn_apps.training.variables import averaged


def _build() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((None, 2)),
            keras.layers.LSTM(4, name="encoder"),
            keras.layers.Dense(1, dtype="float32", name="output"),
        ]
    )


class _StopsAfter(keras.callbacks.Callback):
    """Stops a training after a number of epochs, as if it had been killed there."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch + 1 == self._epochs:
            self.model.stop_training = True


def _weights(
    folder: Path, resume: bool = False, stops_after: int = 0, **changes: Any
) -> dict[str, np.ndarray]:
    settings: dict[str, Any] = {
        "epochs": 1, "batch_size": 8, "gradient_flow": False, "learning_rate": 0.05,
    }  # fmt: skip
    config = TrainingConfig(**{**settings, **changes})
    model = fit(
        _build, make_batches(24), squared_error, config, folder=folder, resume=resume,
        callbacks=[_StopsAfter(stops_after)],
    ).model  # fmt: skip
    return {name: model.get_layer(name).get_weights()[0] for name in ("encoder", "output")}


def _initial() -> dict[str, np.ndarray]:
    keras.utils.set_random_seed(0)
    model = _build()
    return {name: model.get_layer(name).get_weights()[0] for name in ("encoder", "output")}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "held",
    [
        {"freeze": ("encoder",)},
        {"unfreeze": ("encoder=1",), "epochs": 2, "stops_after": 1},
    ],
)
def test_a_part_that_is_held_keeps_its_weights(tmp_path: Path, held: Any, decay: float) -> None:
    trained = _weights(tmp_path, weight_decay=decay, optimizer="adamw", **held)
    np.testing.assert_array_equal(trained["encoder"], _initial()["encoder"])
    assert not np.array_equal(trained["output"], _initial()["output"])


def test_a_part_thaws_in_its_epoch_and_a_resumed_training_has_the_same_bits(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"unfreeze": ("encoder=1",), "monitor": "loss"}
    whole = _weights(tmp_path / "whole", epochs=3, **settings)
    assert not np.array_equal(whole["encoder"], _initial()["encoder"])
    _weights(tmp_path / "parts", epochs=3, stops_after=1, **settings)
    resumed = _weights(tmp_path / "parts", epochs=3, resume=True, **settings)
    for name, values in whole.items():
        np.testing.assert_array_equal(resumed[name], values)


def test_a_part_that_would_wait_beyond_the_last_epoch_is_refused(tmp_path: Path) -> None:
    for epochs in (1, 2):
        message = rf"encoder=2 would wait beyond the last epoch \(epochs = {epochs}\)"
        with pytest.raises(ValueError, match=message):
            _weights(tmp_path / "run", epochs=epochs, unfreeze=("encoder=2",))
    assert not (tmp_path / "run").exists()
    # What has begun may end earlier than it was meant to.
    _weights(tmp_path / "run", epochs=3, stops_after=1, unfreeze=("encoder=2",))
    resumed = _weights(tmp_path / "run", epochs=2, resume=True, unfreeze=("encoder=2",))
    np.testing.assert_array_equal(resumed["encoder"], _initial()["encoder"])


def test_a_rate_of_its_own_scales_updates_and_decay(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "optimizer": "sgd", "clip_norm": 0.0, "weight_decay": 0.1, "batch_size": 24,
    }  # fmt: skip

    def change(folder: str, **changes: Any) -> dict[str, np.ndarray]:
        batches = make_batches(24, 24)
        config = TrainingConfig(epochs=1, gradient_flow=False, **{**settings, **changes})
        model = fit(_build, batches, squared_error, config, folder=tmp_path / folder).model
        return {
            name: model.get_layer(name).get_weights()[0] - before
            for name, before in _initial().items()
        }

    plain, halved = change("plain"), change("halved", learning_rates=("encoder=0.5",))
    np.testing.assert_allclose(halved["encoder"], 0.5 * plain["encoder"], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(halved["output"], plain["output"], rtol=1e-3, atol=1e-7)


def test_an_average_of_all_weights_does_not_go_with_rates_of_parts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="asgd"):
        _weights(tmp_path, optimizer="asgd", learning_rates=("encoder=0.5",))


def _normalising(name: str) -> keras.Model:
    """A network with a layer that normalises; the names of its layers are no reason either way."""
    inputs = keras.Input((5,) if name == "revin" else (5, 2))
    if name == "revin":
        normalised, _, _ = WindowNormalisation("revin", name="again")(inputs)
    else:
        cell = find_cell(name).normalised
        assert cell is not None
        normalised = keras.layers.RNN(cell.keras_cell(3), name="again")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, name="offset_head")(normalised))


@pytest.mark.parametrize("rates", [(), ("offset_head=0.5",)])
@pytest.mark.parametrize("name", ["simple", "lstm", "gru", "revin"])
def test_decay_leaves_what_normalisation_learns_alone(name: str, rates: tuple[str, ...]) -> None:
    model = _normalising(name)
    config = TrainingConfig(
        optimizer="sgd", learning_rate=0.1, weight_decay=0.1, learning_rates=rates
    )
    optimizer = make_optimizer(config, 10)
    PartRates(model, optimizer, config)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        variable.assign(tf.ones(variable.shape))
    optimizer.apply([tf.zeros(v.shape) for v in model.trainable_variables])
    decayed = [bool(np.any(v.numpy() != 1.0)) for v in model.trainable_variables]
    assert decayed == ["kernel" in v.name for v in model.trainable_variables]
    assert sum(decayed) == (1 if name == "revin" else 3)


def test_batch_normalisation_that_waits_stands_still() -> None:
    """As one that is frozen; the optimizer, its averages and checkpoints see the same weights."""
    model = keras.Sequential(
        [
            keras.Input((12, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="encoder_1"),
            keras.layers.BatchNormalization(name="encoder_1_normalisation"),
            keras.layers.Dense(1, name="output"),
        ],
        name="network",
    )
    config = TrainingConfig(
        optimizer="sgd", learning_rate=0.1, average_decay=0.9, unfreeze=("encoder=1",)
    )
    optimizer = make_optimizer(config, 10)
    rates = PartRates(model, optimizer, config)
    optimizer.build(model.trainable_variables)
    steps = Steps(model, optimizer, squared_error, config, tf.distribute.get_strategy(), rates)
    names = [variable.path for variable in model.trainable_variables]
    batch = next(iter(make_batches().epoch(0)))
    specification = tf.nest.map_structure(tf.TensorSpec.from_tensor, batch)

    def changed(epoch: int) -> set[str]:
        before = [variable.numpy() for variable in model.variables]
        if rates.begin_epoch(epoch):
            steps.forget_compiled()
        steps.train(batch, specification)
        with averaged(model, optimizer):
            pass
        assert [variable.path for variable in model.trainable_variables] == names
        return {
            variable.path
            for variable, value in zip(model.variables, before, strict=True)
            if not np.array_equal(variable.numpy(), value)
        }

    assert changed(0) == {"network/output/kernel", "network/output/bias"}
    every = {variable.path for variable in model.variables}
    # What normalisation subtracts again has no gradient to speak of.
    assert changed(1) >= every - {"network/encoder_1/bias"}
    rates.begin_epoch(0)
    thaw(model)
    assert model.get_layer("encoder_1_normalisation").trainable
