"""The layers inside a model, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras


def layers_within(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields `layer` and every layer inside it once, depth first.

    Finds the layers of Functional, Sequential and subclassed models, wrapped layers
    (Bidirectional, TimeDistributed) and layers that are attributes, in lists, tuples or dicts.
    """
    seen: set[int] = set()

    def walk(found: Any) -> Iterator[keras.layers.Layer]:
        if id(found) in seen:
            return
        seen.add(id(found))
        if isinstance(found, keras.layers.Layer):
            yield found
            # A model's public list first: it has the order in which the layers are called.
            for inner in getattr(found, "layers", ()) if isinstance(found, keras.Model) else ():
                yield from walk(inner)
            for name, value in vars(found).items():
                if not name.startswith("__"):
                    yield from walk_container(value)

    def walk_container(value: Any) -> Iterator[keras.layers.Layer]:
        if isinstance(value, keras.layers.Layer):
            yield from walk(value)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from walk_container(item)
        elif isinstance(value, dict):
            for item in value.values():
                yield from walk_container(item)

    yield from walk(layer)


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
