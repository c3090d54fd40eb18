"""Recurrent layers and cells by the names that configurations give them."""

from __future__ import annotations

import keras

from rnn_apps.layers import GRU, LSTM, SimpleRNN
from rnn_apps.layers.cells import LayerNormGRUCell, LayerNormLSTMCell, LayerNormSimpleRNNCell

LAYERS: dict[str, type[keras.layers.RNN]] = {
    "simple": SimpleRNN,
    "lstm": LSTM,
    "gru": GRU,
}
CELLS: dict[str, type[keras.layers.Layer]] = {
    "simple": keras.layers.SimpleRNNCell,
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
}
NORMALISED_CELLS: dict[str, type[keras.layers.Layer]] = {
    "simple": LayerNormSimpleRNNCell,
    "lstm": LayerNormLSTMCell,
    "gru": LayerNormGRUCell,
}


def states_of(cell: str) -> int:
    """State tensors of a cell: 2 (h and c) of an LSTM, else 1."""
    return 2 if cell == "lstm" else 1
