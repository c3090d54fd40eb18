"""States that go in and out of a streaming model's step."""

from __future__ import annotations

from collections import Counter

import keras
import tensorflow as tf

from rnn_apps.export.cell_steps import States, kind_of
from rnn_apps.export.layers import layer_name, recurrent_layers
from rnn_apps.export.signature_names import signature_name


class StateTape:
    """The states of one traced step: read from the signature's inputs, kept for its outputs.

    State inputs are called `{layer}_h` and `{layer}_c` (other cells: `{layer}_0`, `{layer}_1` ...),
    the new states come out as `{input name}_out`. A sequence starts with zeros. `{layer}` is the
    layer's name, or its path where two layers of the model have the same name.
    """

    def __init__(
        self, model: keras.layers.Layer, inputs: dict[str, tf.Tensor] | None = None
    ) -> None:
        names = Counter(layer.name for layer in recurrent_layers(model))
        self.ambiguous = {name for name, count in names.items() if count > 1}
        self.inputs = {} if inputs is None else inputs
        self.outputs: dict[str, tf.Tensor] = {}
        self.taken: dict[str, tuple[int, ...]] = {}

    def take(self, layer: keras.layers.RNN, sequences: tf.Tensor) -> States:
        """The states that `layer` starts from; zeros while the names are only being collected."""
        states = []
        for name, size in zip(self._names(layer), _sizes(layer), strict=True):
            if name in self.taken:
                raise ValueError(f"layer {layer.name!r} is called twice in one step")
            self.taken[name] = (sequences.shape[0] or 1, size)
            given = self.inputs.get(name)
            states.append(tf.zeros(self.taken[name]) if given is None else given)
        return states

    def put(self, layer: keras.layers.RNN, states: States) -> None:
        """Keeps the states that `layer` ends with."""
        for name, state in zip(self._names(layer), states, strict=True):
            self.outputs[f"{name}_out"] = state

    def _names(self, layer: keras.layers.RNN) -> list[str]:
        letters = {"LSTM": ("h", "c"), "GRU": ("h",), "SimpleRNN": ("h",)}
        count = len(_sizes(layer))
        endings = letters.get(kind_of(layer), tuple(str(index) for index in range(count)))
        base = layer_name(layer) if layer.name in self.ambiguous else layer.name
        return [f"{signature_name(base, 'layer')}_{ending}" for ending in endings]


def _sizes(layer: keras.layers.RNN) -> list[int]:
    return [int(size) for size in keras.tree.flatten(layer.cell.state_size)]
