"""Zoneout around any cell, for `keras.layers.RNN`.

Krueger et al. 2017, "Zoneout: regularizing RNNs by randomly preserving hidden activations".
"""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="rnn_apps")
class ZoneoutCell(keras.layers.Layer):
    """Wraps another cell; in each time step some units of its states keep their value.

    In training each unit keeps its value with the state's rate as probability, drawn anew in every
    time step; in inference every unit takes the expectation (equations 2 and 3). The output is the
    first state after zoneout.

    Args:
        cell: cell whose output is its first state, such as any of Keras' or of this package,
            without dropout of its own.
        rates: probability of keeping a unit's value, one per state (for an LSTM h and c).
        seed: seed of the random draws.

    Raises:
        ValueError: rates that are not in [0, 1), or not as many as states; a cell with dropout.
    """

    def __init__(
        self, cell: keras.layers.Layer, rates: list[float], seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        states = len(keras.tree.flatten(cell.state_size))
        if len(rates) != states or not all(0.0 <= rate < 1.0 for rate in rates):
            raise ValueError(f"rates = {rates} must be {states} numbers in [0, 1)")
        if getattr(cell, "dropout", 0.0) or getattr(cell, "recurrent_dropout", 0.0):
            raise ValueError("a cell inside ZoneoutCell cannot have dropout: put it outside")
        self.cell = cell
        self.rates = list(rates)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size = cell.state_size
        self.output_size = cell.output_size

    def build(self, input_shape: Any) -> None:
        """Builds the inner cell, which loading a model has done before."""
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size: Any = None) -> Any:
        """The inner cell's."""
        return self.cell.get_initial_state(batch_size=batch_size)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One timestep."""
        before = keras.tree.flatten(states)
        _, new = self.cell(inputs, states)
        after = [
            self._mixed(old, value, rate, training) if rate else value
            for old, value, rate in zip(before, keras.tree.flatten(new), self.rates, strict=True)
        ]
        return after[0], after

    def _mixed(self, old: Any, new: Any, rate: float, training: bool) -> Any:
        if not training:
            return rate * old + (1.0 - rate) * new
        drawn = keras.random.uniform(keras.ops.shape(new), seed=self.seed_generator)
        return keras.ops.where(drawn < rate, old, new)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "rates": self.rates,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ZoneoutCell:
        """The inverse of `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return super().from_config({**config, "cell": cell})
