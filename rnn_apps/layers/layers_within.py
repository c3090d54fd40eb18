"""The layers inside a model, whatever it is made of, and the states that they carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

_CONTAINERS = list | tuple | set | frozenset | dict


def layers_within(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Lists `layer` and every layer inside it, depth first, each once.

    Finds the layers of Functional, Sequential and subclassed models, wrapped layers
    (Bidirectional, TimeDistributed) and layers that are attributes, alone or in lists, tuples,
    sets or dictionaries.
    """
    layers: list[keras.layers.Layer] = []
    seen: set[int] = set()
    waiting: list[Any] = [layer]
    while waiting:
        value = waiting.pop()
        # Lists too are looked into once: they may hold one another.
        if id(value) in seen or not isinstance(value, keras.layers.Layer | _CONTAINERS):
            continue
        seen.add(id(value))
        if isinstance(value, keras.layers.Layer):
            layers.append(value)
        waiting.extend(reversed(list(_parts(value))))
    return layers


def _parts(value: Any) -> Iterable[Any]:
    """What a layer or a container holds."""
    if isinstance(value, keras.layers.Layer):
        # A model's public list first: it has the order in which the layers are called.
        listed = value.layers if isinstance(value, keras.Model) else ()
        return (*listed, *vars(value).values())
    return value.values() if isinstance(value, dict) else value


def recurrent_states(model: keras.Model) -> list[keras.Variable]:
    """The variables in which stateful recurrent layers keep their states.

    Keras does not count them among a model's variables.
    """
    return [
        state
        for layer in layers_within(model)
        if isinstance(layer, keras.layers.RNN) and layer.stateful and layer.states is not None
        for state in keras.tree.flatten(layer.states)
    ]


def reset_recurrent_states(model: keras.Model) -> None:
    """Sets the state of every stateful recurrent layer to zero, as at the start of a text."""
    for state in recurrent_states(model):
        state.assign(keras.ops.zeros_like(state))
