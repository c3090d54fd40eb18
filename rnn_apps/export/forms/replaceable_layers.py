"""Finding a model's layers, however deeply they are nested, and the recurrent ones among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras


def all_layers(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Every layer that `model` holds: in nested models, wrappers, lists and attributes; once each.

    The order is that of the attributes, outer before inner.
    """
    found: dict[int, keras.layers.Layer] = {}
    waiting: list[Any] = [model]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, keras.layers.Layer):
            if id(value) in found:
                continue
            found[id(value)] = value
            if isinstance(value, keras.Model):
                waiting.extend(value.layers)
            waiting.extend(vars(value).values())
        else:
            waiting.extend(_members(value))
    return list(found.values())


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value


def recurrent_layers(model: keras.layers.Layer) -> list[keras.layers.RNN]:
    """The layers of `model` that loop over time and whose loop an export form can replace.

    That is `keras.layers.RNN` and everything derived from it on [batch, timesteps, features],
    unless the class has a loop of its own (`inner_loop`): it may compute something else.
    """
    return [
        layer
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.RNN)
        and not _is_convolutional(layer)
        and is_of_keras(type(layer).inner_loop)
    ]


def is_of_keras(method: Callable[..., Any]) -> bool:
    """Whether a method is Keras' own or this toolkit's, not one of a user's subclass."""
    return (getattr(method, "__module__", None) or "").split(".")[0] in ("keras", "rnn_apps")


def _is_convolutional(layer: keras.layers.RNN) -> bool:
    return isinstance(
        layer, keras.layers.ConvLSTM1D | keras.layers.ConvLSTM2D | keras.layers.ConvLSTM3D
    )


def layer_name(layer: keras.layers.Layer) -> str:
    """The layer's path in its model where Keras gives one (`bidirectional/forward_lstm`)."""
    path: str = getattr(layer, "path", None) or layer.name
    return path
