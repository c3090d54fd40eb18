"""The recurrent stack: embedded tokens -> hidden states that the output layer reads."""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.language_modelling.capabilities import needs_cell
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.layers.by_name import CELLS, LAYERS, states_of
from rnn_apps.layers.cells import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
    ZoneoutCell,
)
from rnn_apps.layers.initializers import ChronoGRUBias, ChronoLSTMBias, OrthogonalGates
from rnn_apps.layers.regularisation import (
    ActivationRegularisation,
    TemporalActivationRegularisation,
)

NORMALISED_CELLS: dict[str, type[keras.layers.Layer]] = {
    "simple": LayerNormSimpleRNNCell,
    "lstm": LayerNormLSTMCell,
    "gru": LayerNormGRUCell,
}


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
        embedded: [batch, timesteps, size].
        config: cell, units, layers, regularisation.
        states: the initial state tensors [batch, units] of all layers, flat; None for layers that
            keep their states from call to call.

    Returns:
        The last layer's output [batch, timesteps, units] after dropout, and the final states,
        flat; none of layers that keep them.
    """
    sequence = _dropout(embedded, config.input_dropout, "input_dropout")
    final: list[Any] = []
    count = states_of(config.cell)
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
    options = {
        "return_sequences": True,
        "return_state": not carries,
        "stateful": carries,
        "name": f"{config.cell}_{index + 1}",
    }
    if not needs_cell(config):
        return LAYERS[config.cell](
            config.units,
            recurrent_weight_dropout=config.weight_dropout,
            **_initializers(config),
            **options,
        )
    cells = NORMALISED_CELLS if config.layer_norm else CELLS
    cell = cells[config.cell](config.units, **_initializers(config))
    rates = [config.hidden_zoneout, config.zoneout] if config.cell == "lstm" else [config.zoneout]
    return keras.layers.RNN(ZoneoutCell(cell, rates) if any(rates) else cell, **options)


def _initializers(config: LanguageModellingConfig) -> dict[str, Any]:
    """What differs from the initial weights that Keras gives."""
    found: dict[str, Any] = {}
    if config.orthogonal_gates:
        found["recurrent_initializer"] = OrthogonalGates()
    if config.chrono_steps and config.cell == "lstm":
        found["bias_initializer"] = ChronoLSTMBias(config.chrono_steps)
        found["unit_forget_bias"] = False
    if config.chrono_steps and config.cell == "gru":
        found["bias_initializer"] = ChronoGRUBias(config.chrono_steps)
    return found
