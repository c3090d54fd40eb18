"""Which way a recurrent layer takes through its time steps, and why."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import tensorflow as tf

from rnn_apps.layers.activations import is_known

FEWEST_TIMESTEPS = 16
"""Shorter sequences don't make up for the four calls of what XLA compiled: eight steps of 64 rows
and 128 units take a seventh more processor time than Keras' loop."""

_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)


@dataclass(frozen=True)
class Path:
    """How a recurrent layer runs.

    Args:
        fast: whether it takes the loop of this package; else it makes the call that Keras makes.
        reason: why, in a sentence.
    """

    fast: bool
    reason: str


def describe_path(
    layer: keras.layers.RNN, training: bool = True, timesteps: int | None = None
) -> Path:
    """The path that a layer of this package takes on this machine.

    Args:
        layer: one of this package, also in its Bidirectional.
        training: whether it is called in training; else Keras' own call is the faster one.
        timesteps: of its sequences, if they are known when the model is traced.

    Raises:
        TypeError: the layer is not one of this package.
    """
    from rnn_apps.layers.recurrent import FastRecurrence

    if isinstance(layer, keras.layers.Bidirectional):
        forward, backward = (
            describe_path(x, training, timesteps)
            for x in (layer.forward_layer, layer.backward_layer)
        )
        return backward if forward.fast else forward
    if not isinstance(layer, FastRecurrence):
        raise TypeError(f"{type(layer).__name__} {layer.name!r} is not a layer of rnn_apps.layers")
    obstacle = _obstacle(layer)
    if not training:
        # Keras multiplies a narrow input with the kernel inside the loop, which without a
        # backward pass is the faster way; and what is exported is then Keras' own graph.
        obstacle = "this is not training: there is no backward pass to save work for"
    if not obstacle and timesteps is not None and timesteps < FEWEST_TIMESTEPS:
        obstacle = f"{timesteps} time steps are too few: from {FEWEST_TIMESTEPS} on it gains"
    if obstacle:
        return Path(False, obstacle)
    return Path(True, "its cell and options are those that the fast loop computes")


def _obstacle(layer: keras.layers.RNN) -> str | None:
    """What keeps the layer from the fast loop, None if nothing does."""
    cell = layer.cell
    if gpu_is_visible():
        return "a GPU is visible: Keras' own call, so that cuDNN is used where it can be"
    if type(cell) not in _CELLS:
        return f"its cell is a {type(cell).__name__}, not one of Keras' own"
    if layer.unroll:
        return "unroll=True asks for a graph without a loop"
    if getattr(layer, "use_cudnn", "auto") is True:
        return "use_cudnn=True asks for cuDNN"
    if cell.dropout >= 1.0:
        return "dropout=1 is none in Keras' LSTM and GRU, and drops all in its SimpleRNN"
    if cell.recurrent_dropout:
        return "recurrent_dropout has a mask of its own for each gate's state"
    if getattr(cell, "implementation", 2) == 1 and cell.dropout:
        return "implementation=1 has a dropout mask of its own for each gate's input"
    for name in ("activation", "recurrent_activation"):
        function = getattr(cell, name, None)
        if hasattr(cell, name) and not is_known(function):
            named = getattr(function, "__name__", type(function).__name__)
            return f"{name}={named}: its derivative cannot be had from its value"
    return None


def gpu_is_visible() -> bool:
    """Whether TensorFlow has a GPU to run on."""
    return bool(tf.config.list_logical_devices("GPU"))
