"""Stacks of recurrent layers from the name of their cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.cells.registry import find_cell


def stack(
    sequence: Any,
    *,
    cell: str,
    units: int,
    layers: int,
    dropout: float,
    name: str,
    return_sequences: bool = False,
    initial_states: list[list[Any]] | None = None,
    options: Sequence[str] = (),
) -> tuple[Any, list[list[Any]]]:
    """Recurrent layers on top of each other with dropout between them.

    Args:
        sequence: tensor [batch, timesteps, C].
        cell: name of a registered cell, such as "gru".
        units: size of each layer's state.
        layers: number of layers on top of each other.
        dropout: share of units left out between layers.
        name: prefix of the layers' names `name`_1, `name`_2, ...
        return_sequences: switch between the outputs of all time steps and that of the last one.
        initial_states: state tensors [batch, units] of each layer; None for zeros.
        options: configuration's `cell_options`, such as "rounds=3".

    Returns:
        The last layer's output [batch, (timesteps,) units], and each layer's final states.
    """
    states: list[list[Any]] = []
    kind = find_cell(cell)
    own = cell_options(kind, options)
    for index in range(layers):
        last = index == layers - 1
        layer = kind.layer(
            units,
            **own,
            return_sequences=return_sequences or not last,
            return_state=True,
            name=f"{name}_{index + 1}",
        )
        initial = None if initial_states is None else initial_states[index]
        sequence, *final = layer(sequence, initial_state=initial)
        states.append(final)
        if dropout and not last:
            sequence = keras.layers.Dropout(dropout)(sequence)
    return sequence, states
