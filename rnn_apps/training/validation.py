"""Validation: the figures of a model on data that it is not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from rnn_apps.training.feeding import feed
from rnn_apps.training.steps import Steps
from rnn_apps.training.variables import undisturbed

if TYPE_CHECKING:
    from pipelines.batches import Batches

Metrics = Callable[[keras.Model], dict[str, float]]


def validate(
    model: keras.Model,
    steps: Steps,
    batches: Batches | None,
    strategy: tf.distribute.Strategy,
    metrics: Metrics | None,
) -> dict[str, float]:
    """The validation loss, if there is data for it, and the application's own figures.

    The training goes on as if there had been no validation.

    Args:
        model: model as it is to be judged.
        steps: compiled steps of the model.
        batches: validation data; None for none.
        strategy: strategy that distributes the steps over devices.
        metrics: function that computes further figures; None for none.
    """
    found: dict[str, float] = {}
    with undisturbed(model):
        if batches is not None:
            losses = weights = 0.0
            for batch, specification in feed(batches, strategy, 0):
                loss_sum, weight_sum = steps.validate(batch, specification)
                losses += loss_sum
                weights += weight_sum
            found["val_loss"] = losses / weights if weights else math.nan
    if metrics is not None:
        with undisturbed(model):
            found.update({name: float(v) for name, v in metrics(model).items()})
    return found
