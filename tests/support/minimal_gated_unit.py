"""A minimal gated unit (Zhou et al. 2016), as the recipe "A cell" of CONTRIBUTING says it.

    f = sigmoid(W_f x + U_f h + b_f)
    h' = h + f (tanh(W_h x + U_h (f h) + b_h) - h)

Unlike the toolkit's own cells it multiplies with its recurrent kernel twice per step, by parts, and
has no attributes for its functions.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.cells.cell import Cell


@keras.saving.register_keras_serializable(package="tests")
class MinimalGatedCell(keras.layers.Layer):
    """The Keras cell: one time step."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape: Any) -> None:
        gates = 2 * self.units
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], gates))
        self.recurrent_kernel = self.add_weight(name="recurrent_kernel", shape=(self.units, gates))
        self.bias = self.add_weight(name="bias", shape=(gates,), initializer="zeros")

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        return [tf.zeros((batch_size, self.units))]

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        units, hidden = self.units, states[0]
        read = tf.matmul(inputs, self.kernel) + self.bias
        forget = tf.sigmoid(read[:, :units] + tf.matmul(hidden, self.recurrent_kernel[:, :units]))
        candidate = tf.tanh(
            read[:, units:] + tf.matmul(forget * hidden, self.recurrent_kernel[:, units:])
        )
        new = hidden + forget * (candidate - hidden)
        return new, [new]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="tests")
class MinimalGatedUnit(keras.layers.RNN):
    """The layer."""

    def __init__(self, units: int, **options: Any) -> None:
        options.pop("cell", None)
        super().__init__(MinimalGatedCell(units), **options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.cell.units}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MinimalGatedUnit:
        return cls(**config)


def step(read: Any, recall: Any, states: list[Any], activations: Any) -> list[Any]:
    """The new state."""
    hidden = states[0]
    to_forget, to_candidate = tf.split(read, 2, axis=-1)
    forget = activations.gate(to_forget + recall(hidden, slice(0, 1)))
    candidate = activations.candidate(to_candidate + recall(forget * hidden, slice(1, 2)))
    return [hidden + forget * (candidate - hidden)]


def start(read: Any, recurrent_bias: Any, activations: Any) -> list[Any]:
    """The state after the first step."""
    forget, candidate = tf.split(read((0, 1)), 2, axis=-1)
    return [activations.gate(forget) * activations.candidate(candidate)]


CELL = Cell(
    name="mgu",
    title="MGU",
    gates=2,
    states=("h",),
    layer=MinimalGatedUnit,
    keras_cell=MinimalGatedCell,
    step=step,
    start=start,
    recalls_once=False,
)
