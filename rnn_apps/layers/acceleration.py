"""Putting the layers of this package in the place of Keras' own."""

from __future__ import annotations

import keras

from rnn_apps.layers.recurrent import GRU, LSTM, SimpleRNN

_COUNTERPARTS: dict[type[keras.layers.Layer], type[keras.layers.Layer]] = {
    keras.layers.SimpleRNN: SimpleRNN,
    keras.layers.LSTM: LSTM,
    keras.layers.GRU: GRU,
}


def accelerated_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer of this package with the same configuration; others as they are.

    Only layers that are exactly Keras' own are replaced: a subclass may compute something else.
    """
    counterpart = _COUNTERPARTS.get(type(layer))
    return layer if counterpart is None else counterpart.from_config(layer.get_config())
