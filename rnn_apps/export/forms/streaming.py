"""The states that a streaming model's step takes and returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import keras
import tensorflow as tf

from rnn_apps.export.forms.cell_steps import States
from rnn_apps.export.forms.replaceable_layers import layer_name, recurrent_layers
from rnn_apps.export.signature.signature_names import signature_name
from rnn_apps.layers.cells.registry import cell_of

# One call of a layer while a model runs: the layer's `id`, and how many of its calls came before.
LayerCall = tuple[int, int]


class StateTape:
    """The states of one traced step: read from the signature's inputs, kept for its outputs.

    State inputs are called `{layer}_h` and `{layer}_c` (other cells: `{layer}_0`, `{layer}_1` ...),
    the new states come out as `{input name}_out`. `{layer}` is the layer's name, or its path where
    two layers of the model have the same name; the second call of a shared layer is
    `{layer}_call_2`. A sequence starts with zeros: where a layer starts from other states, what
    goes in and out is the difference from them.

    Args:
        model: the model that is traced.
        inputs: state tensors by name; None while the names are only being collected.
        within: calls of recurrent layers that run inside one timestep, and so start anew.
        opens_given: true if a layer that is called with `initial_state` starts a stream from it;
            otherwise the model carries that state itself, through inputs and outputs of its own.
        reserved: names that a state must not take.
    """

    def __init__(
        self,
        model: keras.layers.Layer,
        inputs: dict[str, tf.Tensor] | None = None,
        *,
        within: Collection[LayerCall] = (),
        opens_given: bool = False,
        reserved: Collection[str] = (),
    ) -> None:
        names = Counter(layer.name for layer in recurrent_layers(model))
        self.ambiguous = {name for name, count in names.items() if count > 1}
        self.inputs = {} if inputs is None else inputs
        self.outputs: dict[str, tf.Tensor] = {}
        self.taken: dict[str, tuple[int, ...]] = {}
        self.given: list[tuple[tf.Tensor, tf.Tensor]] = []
        self._within = within
        self._opens_given = opens_given
        self._reserved = reserved
        self._calls: Counter[int] = Counter()

    def begin(self, layer: keras.layers.RNN, given: bool) -> CarriedStates | None:
        """What one call of `layer` carries from step to step; None if nothing.

        Args:
            given: true if the model calls the layer with an `initial_state`.
        """
        call = self._calls[id(layer)]
        self._calls[id(layer)] += 1
        if (id(layer), call) in self._within or (given and not self._opens_given):
            return None
        base = layer_name(layer) if layer.name in self.ambiguous else layer.name
        name = signature_name(f"{base}_call_{call + 1}" if call else base, "layer")
        return CarriedStates(self, name)

    def take(self, name: str, batch: int, size: int) -> tf.Tensor:
        """One state as it goes in: [batch, size]; zeros while names are only being collected."""
        while name in self._reserved or f"{name}_out" in self._reserved:
            name += "_state"
        self.taken[name] = (batch, size)
        taken = self.inputs.get(name)
        return tf.zeros(self.taken[name]) if taken is None else taken

    def put(self, name: str, state: tf.Tensor) -> None:
        """Keeps one state as it comes out."""
        while name in self._reserved or f"{name}_out" in self._reserved:
            name += "_state"
        self.outputs[f"{name}_out"] = state


@dataclass(frozen=True)
class CarriedStates:
    """The states of one call of a recurrent layer on a tape."""

    tape: StateTape
    base: str

    def take(self, layer: keras.layers.RNN, batch: int) -> States:
        """The states that the call starts from, flat."""
        sizes = _sizes(layer)
        return [
            self.tape.take(name, batch, size)
            for name, size in zip(self._names(layer), sizes, strict=True)
        ]

    def put(self, layer: keras.layers.RNN, states: States) -> None:
        """Keeps the states that the call ends with."""
        for name, state in zip(self._names(layer), states, strict=True):
            self.tape.put(name, state)

    def take_output(self, batch: int, size: int) -> tf.Tensor:
        """The last output before this step, which masked timesteps repeat."""
        return self.tape.take(f"{self.base}_output", batch, size)

    def put_output(self, output: tf.Tensor) -> None:
        """Keeps the last output."""
        self.tape.put(f"{self.base}_output", output)

    def _names(self, layer: keras.layers.RNN) -> list[str]:
        cell = cell_of(layer.cell)
        numbers = tuple(str(index) for index in range(len(_sizes(layer))))
        endings = numbers if cell is None else cell.states
        return [f"{self.base}_{ending}" for ending in endings]


def _sizes(layer: keras.layers.RNN) -> list[int]:
    return [int(size) for size in keras.tree.flatten(layer.cell.state_size)]
