"""DeepAR: one recurrence over past and future that is fed its own last value.

Salinas et al. 2020, "DeepAR: Probabilistic forecasting with autoregressive recurrent networks". At
each step the network reads the value before and what is known of the step, and gives the
parameters of the step's distribution. Training feeds the true values ("teacher forcing");
forecasting feeds the mean, or a draw for sample paths, one step after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.heads.heads import Head, make_head
from rnn_apps.forecasting.network.inputs import Features, with_context
from rnn_apps.forecasting.network.recurrent import stack
from rnn_apps.layers.cells.registry import find_cell


def deepar_training(
    features: Features, future_target: Any, config: ForecastingConfig, width: int
) -> Any:
    """Raw head inputs [batch, horizon, width], given the truth.

    Args:
        future_target: [batch, horizon], scaled and normalised as `features.target`.
    """
    values = keras.layers.Concatenate(dtype="float32")([features.target, future_target])
    steps = config.lookback + config.horizon - 1
    # The value before each step from the second on: the last one is never an input.
    before = keras.layers.Reshape((steps + 1, 1))(values)
    before = keras.layers.Cropping1D((0, 1), dtype="float32")(before)
    sequence = before
    if features.past is not None and features.future is not None:
        known = keras.layers.Concatenate(axis=1)([features.past, features.future])
        known = keras.layers.Cropping1D((1, 0), dtype="float32")(known)
        sequence = keras.layers.Concatenate()([before, known])
    sequence = with_context(sequence, features.context, steps)
    hidden, _ = stack(
        sequence,
        cell=config.cell,
        units=config.units,
        layers=config.layers,
        dropout=config.dropout,
        name="encoder",
        return_sequences=True,
    )
    hidden = keras.layers.Cropping1D((config.lookback - 1, 0))(hidden)
    hidden = keras.layers.Dropout(config.dropout)(hidden)
    return keras.layers.Dense(width, dtype="float32", name="output")(hidden)


@keras.saving.register_keras_serializable(package="rnn_apps")
class AutoregressiveCell(keras.layers.Layer):
    """A cell for `keras.layers.RNN` that feeds the mean of each step to the next.

    Args:
        cell: name of a registered cell, such as "gru".
        units: size of each layer's state.
        layers: cells on top of each other.
        output: the head's name, see `heads.make_head`.
        known: numbers known of each step; 0 for none (the input is then not read).

    Call: inputs [batch, max(known, 1)], states (those of each cell, then the last value
    [batch, 1]) -> raw head inputs [batch, K], the next states.
    """

    def __init__(
        self, cell: str, units: int, layers: int, output: str, known: int, **kwargs: Any
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.cell_kind = cell
        self.units = units
        self.layers = layers
        self.output_kind = output
        self.known = known
        self.head: Head = make_head(output)
        own = find_cell(cell)
        self.cells = [
            own.keras_cell(units, dtype="float32", name=f"cell_{i + 1}") for i in range(layers)
        ]
        self.projection = keras.layers.Dense(self.head.width, dtype="float32", name="output")
        self.state_size = [units] * (len(own.states) * layers) + [1]
        self.output_size = self.head.width

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        size = 1 + self.known
        for cell in self.cells:
            cell.build((None, size))
            size = self.units
        self.projection.build((None, self.units))

    def call(
        self, inputs: tf.Tensor, states: Sequence[tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """See the class."""
        raw, following = self.advance(inputs, states)
        mean = self.head.forecast(self.head.parameters(raw))
        return raw, [*following, mean[:, None]]

    def advance(
        self, inputs: tf.Tensor, states: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Raw head inputs [batch, K] and the cells' next states; the value to feed is open."""
        hidden = states[-1]
        if self.known:
            hidden = tf.concat([hidden, inputs], axis=-1)
        a_cell = len(find_cell(self.cell_kind).states)
        following: list[tf.Tensor] = []
        for index, cell in enumerate(self.cells):
            hidden, after = cell(hidden, list(states[index * a_cell : (index + 1) * a_cell]))
            following += list(after) if isinstance(after, list | tuple) else [after]
        return self.projection(hidden), following

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {
            "cell": self.cell_kind,
            "units": self.units,
            "layers": self.layers,
            "output": self.output_kind,
            "known": self.known,
        }
        return {**super().get_config(), **config}


def deepar_start(features: Features, config: ForecastingConfig) -> tuple[Any, list[Any]]:
    """Runs the recurrence over the past.

    Returns:
        What is known of the steps to come [batch, horizon, max(known, 1)], and the states with
        which `AutoregressiveCell` goes on: those of each layer, then the last value [batch, 1].
    """
    steps = config.lookback - 1
    past = keras.layers.Reshape((config.lookback, 1))(features.target)
    last = keras.layers.Cropping1D((steps, 0))(past)
    last = keras.layers.Reshape((1,))(last)
    sequence = keras.layers.Cropping1D((0, 1))(past)
    known = None
    if features.past is not None:
        sequence = keras.layers.Concatenate()(
            [sequence, keras.layers.Cropping1D((1, 0))(features.past)]
        )
        known = features.future
    sequence = with_context(sequence, features.context, steps)
    if features.context is not None:
        repeated = keras.layers.RepeatVector(config.horizon)(features.context)
        known = repeated if known is None else keras.layers.Concatenate()([known, repeated])
    if known is None:
        known = keras.layers.RepeatVector(config.horizon)(last)
    _, states = stack(
        sequence,
        cell=config.cell,
        units=config.units,
        layers=config.layers,
        dropout=0.0,
        name="encoder",
    )
    return known, [*(state for layer in states for state in layer), last]


def known_numbers(features: Features) -> int:
    """Numbers known of each step: known-future covariates, calendar and context."""
    parts = (features.future, features.context)
    return sum(int(part.shape[-1]) for part in parts if part is not None)
