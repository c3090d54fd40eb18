"""Encoder-decoder: the encoder's states start a decoder that runs over the horizon.

As in Sutskever et al. 2014, with one difference: the decoder reads what is known of each future
step (covariates, calendar, a learnt vector per step), not its own last output. So no error is fed
back, and training and forecasting run the same graph.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.config import OUTPUTS
from rnn_apps.forecasting.network.inputs import past_sequence, with_context
from rnn_apps.forecasting.network.network import Features, Network, network
from rnn_apps.forecasting.network.recurrent import stack

_STEP_SIZE = 16
"""Size of the vector that is learnt per step of the horizon."""


@keras.saving.register_keras_serializable(package="rnn_apps")
class StepEmbedding(keras.layers.Layer):
    """A learnt vector per step, the same for every example.

    Args:
        steps: number of steps.
        size: size of each step's vector.

    Call: any tensor [batch, ...], read for its batch size alone -> [batch, steps, size].
    """

    def __init__(self, steps: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = steps
        self.size = size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.embedding = self.add_weight(
            name="embedding",
            shape=(self.steps, self.size),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )

    def call(self, example: tf.Tensor) -> tf.Tensor:
        """See the class."""
        flat = keras.ops.reshape(example, (-1, 1, example.shape[-1]))[:, :, :1]
        return keras.ops.zeros_like(flat) + self.embedding[None]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """See the class."""
        return (input_shape[0], self.steps, self.size)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "steps": self.steps, "size": self.size}


@network(
    "encoder_decoder",
    outputs=OUTPUTS,
    past=True,
    future=True,
    static=True,
    calendar=True,
    series_embedding=True,
    sample_paths="copula",
)
class EncoderDecoder(Network):
    """See the module."""

    def outputs(self, features: Features, width: int) -> Any:
        """See `Network`."""
        config = self.config
        sequence = past_sequence(features, config.lookback)
        sequence = with_context(sequence, features.context, config.lookback)
        shape: dict[str, Any] = {
            "cell": config.cell,
            "options": config.cell_options,
            "units": config.units,
            "layers": config.layers,
            "dropout": config.dropout,
        }
        last, states = stack(sequence, name="encoder", **shape)
        steps = StepEmbedding(config.horizon, _STEP_SIZE, name="steps")(last)
        if features.future is not None:
            steps = keras.layers.Concatenate()([steps, features.future])
        steps = with_context(steps, features.context, config.horizon)
        decoded, _ = stack(
            steps, name="decoder", return_sequences=True, initial_states=states, **shape
        )
        decoded = keras.layers.Dropout(config.dropout)(decoded)
        return keras.layers.Dense(width, dtype="float32", name="output")(decoded)
