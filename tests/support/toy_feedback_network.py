"""A forecasting network of a user's own that feeds its own forecast back."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.heads.heads import make_head
from rnn_apps.forecasting.network.autoregressive import AutoregressiveNetwork, FeedbackCell
from rnn_apps.forecasting.network.network import Features, network


@keras.saving.register_keras_serializable(package="tests")
class ToyFeedbackCell(FeedbackCell):
    """A dense layer from the value before to the raw head inputs."""

    def __init__(self, output: str, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.output_kind = output
        self.head = make_head(output)
        self.projection = keras.layers.Dense(self.head.width, dtype="float32", name="output")
        self.state_size = [1]
        self.output_size = self.head.width

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.projection.build((None, 1))

    def advance(self, inputs: tf.Tensor, states: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """See `FeedbackCell`."""
        return self.projection(states[-1]), []

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "output": self.output_kind}


@network("toy_feedback", outputs=("point", "gaussian"), sample_paths="ancestral")
class ToyFeedback(AutoregressiveNetwork):
    """Each step is an affine function of the value before."""

    def teacher_forced(self, features: Features, truth: Any, width: int) -> Any:
        """See `AutoregressiveNetwork`."""
        config = self.config
        values = keras.layers.Concatenate()([features.target, truth])
        values = keras.layers.Reshape((config.lookback + config.horizon, 1))(values)
        before = keras.layers.Cropping1D((config.lookback - 1, 1))(values)
        return keras.layers.Dense(width, dtype="float32", name="output")(before)

    def start(self, features: Features) -> tuple[Any, list[Any]]:
        """See `AutoregressiveNetwork`; nothing is known of a step, so the input is not read."""
        past = keras.layers.Reshape((self.config.lookback, 1))(features.target)
        last = keras.layers.Cropping1D((self.config.lookback - 1, 0))(past)
        last = keras.layers.Reshape((1,))(last)
        return keras.layers.RepeatVector(self.config.horizon)(last), [last]

    def feedback_cell(self, features: Features) -> ToyFeedbackCell:
        """See `AutoregressiveNetwork`."""
        return ToyFeedbackCell(self.config.output)

    def fill_cell(self, cell: FeedbackCell, trained: keras.Model) -> None:
        """See `AutoregressiveNetwork`."""
        assert isinstance(cell, ToyFeedbackCell)
        cell.projection.set_weights(trained.get_layer("output").get_weights())
