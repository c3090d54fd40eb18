"""The recurrent layers of a model whose loop over time an export form can replace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from rnn_apps.layers.layers_within import layers_within


def recurrent_layers(model: keras.layers.Layer) -> list[keras.layers.RNN]:
    """The layers of `model` that loop over time and whose loop an export form can replace.

    That is `keras.layers.RNN` and everything derived from it on [batch, timesteps, features],
    unless the class has a loop of its own (`inner_loop`): it may compute something else.
    """
    return [
        layer
        for layer in layers_within(model)
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
