"""States that go in and out of a streaming model's step."""

from __future__ import annotations

import re

import keras
import tensorflow as tf

from rnn_apps.export.cell_steps import States, kind_of
from rnn_apps.export.layers import layer_name


class StateTape:
    """The states of one traced step: read from the signature's inputs, kept for its outputs.

    State inputs are called `{layer}_h` and `{layer}_c` (other cells: `{layer}_0`, `{layer}_1` ...),
    the new states come out as `{input name}_out`. A sequence starts with zeros.
    """

    def __init__(self, inputs: dict[str, tf.Tensor] | None = None) -> None:
        self.inputs = {} if inputs is None else inputs
        self.outputs: dict[str, tf.Tensor] = {}
        self.taken: dict[str, tuple[int, ...]] = {}

    def take(self, layer: keras.layers.RNN, sequences: tf.Tensor) -> States:
        """The states that `layer` starts from; zeros while the names are only being collected."""
        states = []
        for name, size in zip(state_names(layer), _sizes(layer), strict=True):
            if name in self.taken:
                raise ValueError(f"layer {layer.name!r} is called twice in one step")
            self.taken[name] = (sequences.shape[0] or 1, size)
            given = self.inputs.get(name)
            states.append(tf.zeros(self.taken[name]) if given is None else given)
        return states

    def put(self, layer: keras.layers.RNN, states: States) -> None:
        """Keeps the states that `layer` ends with."""
        for name, state in zip(state_names(layer), states, strict=True):
            self.outputs[f"{name}_out"] = state


def state_names(layer: keras.layers.RNN) -> list[str]:
    """The names of a layer's states in a streaming signature."""
    letters = {"LSTM": ("h", "c"), "GRU": ("h",), "SimpleRNN": ("h",)}
    count = len(_sizes(layer))
    endings = letters.get(kind_of(layer), tuple(str(index) for index in range(count)))
    return [f"{signature_name(layer_name(layer))}_{ending}" for ending in endings]


def signature_name(name: str) -> str:
    """`name` with everything but letters, digits and underscores replaced by an underscore."""
    return re.sub(r"\W", "_", name)


def _sizes(layer: keras.layers.RNN) -> list[int]:
    return [int(size) for size in keras.tree.flatten(layer.cell.state_size)]
