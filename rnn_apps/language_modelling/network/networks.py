"""The recurrent stack: embedded tokens -> hidden states that the output layer reads."""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.language_modelling.network.capabilities import needs_cell
from rnn_apps.layers.cells.cell import Cell
from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.layers.cells.zoneout import ZoneoutCell
from rnn_apps.layers.initializers import OrthogonalGates
from rnn_apps.layers.regularisation import (
    ActivationRegularisation,
    TemporalActivationRegularisation,
)


def stack(
    embedded: Any,
    config: LanguageModellingConfig,
    *,
    states: list[Any] | None,
) -> tuple[Any, list[Any]]:
    """Recurrent layers on top of each other with variational dropout around them.

    Variational dropout (Gal and Ghahramani 2016) draws one mask for all timesteps of a step:
    Keras' SpatialDropout1D, which leaves out whole features.

    Args:
        embedded: vectors of the tokens, [batch, timesteps, size].
        config: configuration with cell, units, layers and regularisation.
        states: initial state tensors [batch, units] of all layers, flat; None for layers that
            keep their states from call to call.

    Returns:
        The last layer's output [batch, timesteps, units] after dropout, and the final states,
        flat; none of layers that keep them.
    """
    sequence = _dropout(embedded, config.input_dropout, "input_dropout")
    final: list[Any] = []
    count = len(find_cell(config.cell).states)
    for index in range(config.layers):
        if index:
            sequence = _dropout(sequence, config.hidden_dropout, f"hidden_dropout_{index}")
        initial = None if states is None else states[index * count : (index + 1) * count]
        layer = _recurrent_layer(config, index, carries=states is None)
        if states is None:
            output = layer(sequence)
        else:
            output, *new = layer(sequence, initial_state=initial)
            final += new
        if config.residual and sequence.shape[-1] == output.shape[-1]:
            output = keras.layers.Add(name=f"residual_{index + 1}")([sequence, output])
        sequence = output
    if config.temporal_regularisation:
        penalty = TemporalActivationRegularisation(
            config.temporal_regularisation, name="temporal_regularisation"
        )
        sequence = penalty(sequence)
    sequence = _dropout(sequence, config.output_dropout, "output_dropout")
    if config.activation_regularisation:
        sequence = ActivationRegularisation(
            config.activation_regularisation, name="activation_regularisation"
        )(sequence)
    return sequence, final


def _dropout(sequence: Any, rate: float, name: str) -> Any:
    return keras.layers.SpatialDropout1D(rate, name=name)(sequence) if rate else sequence


def _recurrent_layer(
    config: LanguageModellingConfig, index: int, *, carries: bool
) -> keras.layers.RNN:
    """The layer at a place, which either keeps its state (`carries`) or takes and gives it."""
    options: dict[str, Any] = {
        "return_sequences": True,
        "return_state": not carries,
        "stateful": carries,
        "name": f"{config.cell}_{index + 1}",
    }
    cell = find_cell(config.cell)
    own = {**_initializers(config, cell), **cell_options(cell, config.cell_options)}
    if not needs_cell(config):
        if config.weight_dropout:
            options["recurrent_weight_dropout"] = config.weight_dropout
        return cell.layer(config.units, **own, **options)
    kind = cell.keras_cell
    if config.layer_norm:
        assert cell.normalised is not None
        kind = cell.normalised.keras_cell
    rates = [config.zoneout] if len(cell.states) == 1 else [config.hidden_zoneout, config.zoneout]
    one_step = kind(config.units, **own)
    return keras.layers.RNN(ZoneoutCell(one_step, rates) if any(rates) else one_step, **options)


def _initializers(config: LanguageModellingConfig, cell: Cell) -> dict[str, Any]:
    """What differs from the initial weights that Keras gives."""
    found: dict[str, Any] = {}
    if config.orthogonal_gates and cell.recurrent:
        found["recurrent_initializer"] = OrthogonalGates()
    if config.chrono_steps and cell.long_memory is not None:
        found |= cell.long_memory(config.chrono_steps)
    return found
