"""Putting the layers of this package in the place of Keras' own."""

from __future__ import annotations

import keras

from pipelines.errors import UserError
from rnn_apps.layers.recurrent import GRU, LSTM, SimpleRNN

_COUNTERPARTS: dict[type[keras.layers.Layer], type[keras.layers.Layer]] = {
    keras.layers.SimpleRNN: SimpleRNN,
    keras.layers.LSTM: LSTM,
    keras.layers.GRU: GRU,
}


def accelerate(model: keras.Model) -> keras.Model:
    """A copy of a model with this package's recurrent layers in place of Keras' own.

    Only layers that are exactly Keras' SimpleRNN, LSTM and GRU are replaced, also inside
    Bidirectional and inner models: a subclass may compute something else. The copy has the
    model's weights, names and results; it is not compiled, and its weights are its own.

    Args:
        model: a built Functional or Sequential model.

    Raises:
        UserError: the model is of a class of its own, which only its author can change.
    """
    if not _can_be_cloned(model):
        raise UserError(
            f"{type(model).__name__} {model.name!r} is neither a Functional nor a Sequential "
            "model: use the layers of rnn_apps.layers where it makes its own"
        )
    copy = keras.models.clone_model(model, clone_function=accelerated_layer)
    copy.set_weights(model.get_weights())
    return copy


def accelerated_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer with the configuration of one of any kind, of this package where it has it."""
    if _can_be_cloned(layer):
        return accelerate(layer)
    if type(layer) is keras.layers.Bidirectional:
        from rnn_apps.layers.bidirectional import Bidirectional

        return Bidirectional.from_config(layer.get_config())
    kind = _COUNTERPARTS.get(type(layer), type(layer))
    copy = kind.from_config(layer.get_config())
    if hasattr(layer, "use_cudnn"):
        # Keras leaves it out of the configuration.
        copy.use_cudnn = layer.use_cudnn
    return copy


def _can_be_cloned(layer: keras.layers.Layer) -> bool:
    # Keras' class of Functional models has no public name.
    functional = type(keras.Model(inputs := keras.Input((1,)), inputs))
    return type(layer) in (functional, keras.Sequential)
