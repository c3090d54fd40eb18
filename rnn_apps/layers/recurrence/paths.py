"""Which implementation runs the time steps of a recurrent layer, and why."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import tensorflow as tf

from rnn_apps.layers.recurrence.activations import is_known

FEWEST_TIMESTEPS = 16
"""Shorter sequences don't make up for the four calls of what XLA compiled: eight steps of 64 rows
and 128 units take a seventh more processor time than Keras' loop."""


@dataclass(frozen=True)
class Path:
    """How a recurrent layer runs.

    Args:
        fast: True if the layer runs the loop of this package; else it calls Keras' own.
        reason: explanation in one sentence.
    """

    fast: bool
    reason: str


def why_not_fast(
    layer: keras.layers.RNN,
    cell_type: type[keras.layers.Layer],
    training: bool,
    timesteps: int | None,
) -> str | None:
    """What keeps a layer from the fast loop; None if nothing does.

    Args:
        layer: recurrent layer of this package.
        cell_type: class of cell whose steps the fast loop computes.
        training: True if the layer is called in training.
        timesteps: length of its sequences; None if that is not known when the model is traced.
    """
    if not training:
        # Keras multiplies a narrow input with the kernel inside the loop, which without a
        # backward pass is the faster way; and what is exported is then Keras' own graph.
        return "this is not training: there is no backward pass to save work for"
    obstacle = _obstacle(layer, cell_type)
    if not obstacle and timesteps is not None and timesteps < FEWEST_TIMESTEPS:
        return f"{timesteps} time steps are too few: the fast loop gains from {FEWEST_TIMESTEPS} on"
    return obstacle


def _obstacle(layer: keras.layers.RNN, cell_type: type[keras.layers.Layer]) -> str | None:
    cell = layer.cell
    if gpu_is_visible() and not layer.runs_on_gpu:
        return "a GPU is visible: Keras' own call, so that cuDNN is used where it can be"
    if type(cell) is not cell_type:
        return f"its cell is a {type(cell).__name__}, not a {cell_type.__name__}"
    if layer.unroll:
        return "unroll=True asks for a graph without a loop"
    if getattr(layer, "use_cudnn", "auto") is True:
        return "use_cudnn=True asks for cuDNN"
    if getattr(cell, "dropout", 0.0) >= 1.0:
        return "dropout=1 means no dropout in Keras' LSTM and GRU but drops everything in SimpleRNN"
    if getattr(cell, "recurrent_dropout", 0.0):
        return "recurrent_dropout drops entries of the state, in Keras' cells for each gate others"
    if getattr(cell, "implementation", 2) == 1 and cell.dropout:
        return "implementation=1 has a dropout mask of its own for each gate's input"
    for name in ("activation", "recurrent_activation"):
        function = getattr(cell, name, None)
        if hasattr(cell, name) and not is_known(function):
            named = getattr(function, "__name__", type(function).__name__)
            return f"{name}={named}: its derivative cannot be computed from its value"
    return None


def gpu_is_visible() -> bool:
    """Whether TensorFlow has a GPU to run on."""
    return bool(tf.config.list_logical_devices("GPU"))
