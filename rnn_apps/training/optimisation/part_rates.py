"""Parts of a network that are frozen, wait for some epochs, or learn at a rate of their own.

Freezing keeps what a trained network knows; thawing part after part, the last ones first, and
smaller rates for the first layers forget less of it (Howard and Ruder 2018, "Universal language
model fine-tuning for text classification", sections 3.2 and 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.layers_within import layers_within
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.optimisation.optimizers import decays, without_loss_scale
from rnn_apps.training.transfer import named_parts, parts_of

_EXAMPLES = {"learning_rates": "0.1", "unfreeze": "2"}


class PartRates:
    """The factors by which a config multiplies the learning rate of each part of a network.

    The parts that `freeze` names become untrainable. While a part waits for its epoch its factor is
    0: its weights stay, batch normalisation in it uses its statistics and leaves them as they are,
    the gradient that clipping measures is that of the other parts, and the optimizer's averages of
    its gradient are kept up to date.

    Args:
        model: network, whose weights exist.
        optimizer: optimizer, which is not built yet; it uses the factors from here on.
        config: settings, of which `freeze`, `unfreeze`, `learning_rates` and `weight_decay` count.

    Raises:
        ConfigurationError: a part does not exist, is named twice, has no number, or no part is left
            to be trained.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, config: TrainingConfig
    ) -> None:
        _freeze(model, config.freeze)
        self._factors = _numbers(model, config.learning_rates, "learning_rates")
        self._first_epochs = _numbers(model, config.unfreeze, "unfreeze")
        self._epoch = 0
        self._inner = without_loss_scale(optimizer)
        # By the optimizer's own key, which is the same for a weight's copies on several devices.
        self._parts = {
            self._inner._var_key(variable): (name, variable.name)
            for name, part in parts_of(model).items()
            for variable in part.trainable_variables
        }
        self._check()
        self._normalisations = {
            part: _batch_normalisations(parts_of(model)[part]) for part in self._first_epochs
        }
        if self.differ:
            self._change_updates(config)

    def _check(self) -> None:
        trained = {part for part, _ in self._parts.values()}
        numbers = {"learning_rates": self._factors, "unfreeze": self._first_epochs}
        for option, named in numbers.items():
            untrained = sorted(set(named) - trained)
            if untrained:
                raise ConfigurationError(
                    f"{option}: {', '.join(untrained)} is not trained, being frozen or without "
                    "trainable weights. Leave it out"
                )
        if self._first_epochs and set(self._first_epochs) >= trained:
            raise ConfigurationError(
                "unfreeze: every part that is trained would wait, so that the first epoch would "
                "train nothing. Leave one out, such as the output layer"
            )
        for name, epochs in self._first_epochs.items():
            if epochs != int(epochs):
                raise ConfigurationError(f"unfreeze: {name}={epochs:g} is not a number of epochs")

    def check_reached(self, epochs: int) -> None:
        """Refuses parts that would wait beyond the end of a training.

        Args:
            epochs: number of epochs of the training.

        Raises:
            ConfigurationError: names the parts, and what to do.
        """
        late = [
            f"{part}={first:g}" for part, first in self._first_epochs.items() if first >= epochs
        ]
        if late:
            raise ConfigurationError(
                f"unfreeze: {', '.join(late)} would wait beyond the last epoch (epochs = {epochs})."
                " Name fewer epochs to wait, train for more, or keep the part as it is with freeze"
            )

    @property
    def differ(self) -> bool:
        """Whether any part has a rate of its own or waits."""
        return bool(self._factors or self._first_epochs)

    def begin_epoch(self, epoch: int) -> bool:
        """Takes note of the epoch, counted from 0; True if other parts wait now than before."""
        before = self._waiting()
        self._epoch = epoch
        waiting = self._waiting()
        for part, layers in self._normalisations.items():
            for layer in layers:
                _keep_still(layer, part in waiting)
        return before != waiting

    def _waiting(self) -> set[str]:
        return {part for part, first in self._first_epochs.items() if self._epoch < first}

    def factor(self, variable: Any) -> float:
        """The factor of a weight's learning rate in the current epoch; 0 while its part waits."""
        part, _ = self._parts.get(self._inner._var_key(variable), ("", ""))
        return 0.0 if part in self._waiting() else self._factors.get(part, 1.0)

    def measured(self, gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
        """The gradients whose norm is clipped: those of the parts that do not wait."""
        if not self._first_epochs:
            return list(gradients)
        return [g for g, v in zip(gradients, variables, strict=True) if self.factor(v)]

    def _change_updates(self, config: TrainingConfig) -> None:
        """Makes the optimizer multiply the learning rate of updates and of weight decay."""
        if config.optimizer == "asgd":
            raise ConfigurationError(
                "learning_rates and unfreeze need another optimizer than asgd, which averages all "
                "weights from one step on"
            )
        plain_update, decay = self._inner.update_step, config.weight_decay
        # Keras lets weights decay at the common rate, those of waiting parts too.
        self._inner.weight_decay = None

        def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
            rate = tf.cast(learning_rate, variable.dtype) * self.factor(variable)
            _, name = self._parts.get(self._inner._var_key(variable), ("", ""))
            if decay and decays(name):
                variable.assign_sub(variable * decay * rate)
            plain_update(gradient, variable, rate)

        self._inner.update_step = update_step


def _batch_normalisations(part: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers of a part that change their statistics in training."""
    return [
        layer
        for layer in layers_within(part)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


def _keep_still(layer: keras.layers.Layer, still: bool) -> None:
    """Makes batch normalisation work as in inference, in training too, or no longer so.

    To Keras that is a layer which is not trainable. Its weights stay among those of the optimizer,
    with a factor of 0 as all that wait, so that averages and checkpoints hold the same weights in
    every epoch.
    """
    weights = layer.trainable_variables
    if layer.trainable == still:
        layer.trainable = not still
        for variable in weights:
            variable.trainable = True


def thaw(model: keras.Model) -> None:
    """Makes every part of a network trainable again, as it is where nothing is frozen."""
    for part in parts_of(model).values():
        part.trainable = True


def _freeze(model: keras.Model, names: Sequence[str]) -> None:
    for name in names:
        for part in named_parts(model, name, "freeze"):
            parts_of(model)[part].trainable = False
    if names and not model.trainable_variables:
        raise ConfigurationError("freeze: nothing is left to be trained. Leave a part out")


def _numbers(model: keras.Model, entries: Sequence[str], option: str) -> dict[str, float]:
    """The number of each part that entries of the form PART=NUMBER name."""
    numbers: dict[str, float] = {}
    for entry in entries:
        name, _, text = entry.partition("=")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number <= 0.0:
            raise ConfigurationError(
                f"{option}: {entry!r} is not a part with a number above 0. Write PART=NUMBER, such "
                f"as encoder={_EXAMPLES[option]}"
            )
        for part in named_parts(model, name.strip(), option):
            if part in numbers:
                raise ConfigurationError(f"{option}: the part {part} has two numbers")
            numbers[part] = number
    return numbers
