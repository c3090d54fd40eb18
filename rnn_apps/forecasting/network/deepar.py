"""DeepAR: one recurrence over past and future that is fed its own last value.

Salinas et al. 2020, "DeepAR: Probabilistic forecasting with autoregressive recurrent networks". At
each step the network reads the value before and what is known of the step, and gives the
parameters of the step's distribution. Training, the deployed loop and sampling share one
recurrence: what feeds it differs, see `autoregressive`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.forecasting.heads.heads import Head, make_head
from rnn_apps.forecasting.network.autoregressive import AutoregressiveNetwork, FeedbackCell
from rnn_apps.forecasting.network.inputs import with_context
from rnn_apps.forecasting.network.network import Features, network
from rnn_apps.forecasting.network.recurrent import stack
from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.cells.registry import find_cell


@keras.saving.register_keras_serializable(package="rnn_apps")
class AutoregressiveCell(FeedbackCell):
    """One step of a DeepAR: recurrent cells on top of each other, and the projection of the head.

    Args:
        cell: name of a registered cell, such as "gru".
        units: size of each cell's state.
        layers: number of cells on top of each other.
        output: name of the head, see `heads.make_head`.
        known: count of the numbers known of each step; 0 for none (the input is then not read).
        options: configuration's `cell_options`, such as "rounds=3".

    Call: inputs [batch, max(known, 1)], states (those of each cell, then the last value
    [batch, 1]) -> raw head inputs [batch, K], the next states.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        layers: int,
        output: str,
        known: int,
        options: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.cell_kind = cell
        self.units = units
        self.layers = layers
        self.output_kind = output
        self.known = known
        self.options = tuple(options)
        self.head: Head = make_head(output)
        equations = find_cell(cell)
        own = cell_options(equations, options)
        self.cells = [
            equations.keras_cell(units, dtype="float32", name=f"cell_{i + 1}", **own)
            for i in range(layers)
        ]
        self.projection = keras.layers.Dense(self.head.width, dtype="float32", name="output")
        self.state_size = [units] * (len(equations.states) * layers) + [1]
        self.output_size = self.head.width

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        size = 1 + self.known
        for cell in self.cells:
            cell.build((None, size))
            size = self.units
        self.projection.build((None, self.units))

    def advance(
        self, inputs: tf.Tensor, states: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """See `FeedbackCell`."""
        hidden = states[-1]
        if self.known:
            hidden = tf.concat([hidden, inputs], axis=-1)
        per_cell = len(find_cell(self.cell_kind).states)
        following: list[tf.Tensor] = []
        for index, cell in enumerate(self.cells):
            before = list(states[index * per_cell : (index + 1) * per_cell])
            hidden, after = cell(hidden, before)
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
            "options": self.options,
        }
        return {**super().get_config(), **config}


# One recurrence runs over past and future, so every input must be known in both: no past
# covariates.
@network(
    "deepar",
    outputs=("point", "gaussian", "student_t", "negative_binomial"),
    future=True,
    static=True,
    calendar=True,
    series_embedding=True,
    sample_paths="ancestral",
)
class DeepAR(AutoregressiveNetwork):
    """See the module."""

    def check(self) -> None:
        """Refuses a window of a single value, which has no value before it."""
        if self.config.lookback < 2:
            raise ConfigurationError(
                f"lookback = {self.config.lookback}: model = 'deepar' needs at least 2 past time "
                "steps"
            )

    def teacher_forced(self, features: Features, truth: Any, width: int) -> Any:
        """See `AutoregressiveNetwork`."""
        config = self.config
        values = keras.layers.Concatenate(dtype="float32")([features.target, truth])
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
            options=config.cell_options,
            units=config.units,
            layers=config.layers,
            dropout=config.dropout,
            name="encoder",
            return_sequences=True,
        )
        hidden = keras.layers.Cropping1D((config.lookback - 1, 0))(hidden)
        hidden = keras.layers.Dropout(config.dropout)(hidden)
        return keras.layers.Dense(width, dtype="float32", name="output")(hidden)

    def start(self, features: Features) -> tuple[Any, list[Any]]:
        """See `AutoregressiveNetwork`; where nothing is known of a step, its input is not read."""
        config = self.config
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
            options=config.cell_options,
            units=config.units,
            layers=config.layers,
            dropout=0.0,
            name="encoder",
        )
        return known, [*(state for layer in states for state in layer), last]

    def feedback_cell(self, features: Features) -> AutoregressiveCell:
        """See `AutoregressiveNetwork`."""
        config = self.config
        parts = [part for part in (features.future, features.context) if part is not None]
        known = sum(int(part.shape[-1]) for part in parts)
        return AutoregressiveCell(
            config.cell, config.units, config.layers, config.output, known, config.cell_options,
            name="autoregressive_cell",
        )  # fmt: skip

    def fill_cell(self, cell: FeedbackCell, trained: keras.Model) -> None:
        """See `AutoregressiveNetwork`."""
        assert isinstance(cell, AutoregressiveCell)
        for index, layer_cell in enumerate(cell.cells):
            layer_cell.set_weights(trained.get_layer(f"encoder_{index + 1}").get_weights())
        cell.projection.set_weights(trained.get_layer("output").get_weights())
