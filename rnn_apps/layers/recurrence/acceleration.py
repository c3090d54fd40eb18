"""Replacing Keras' own recurrent layers by those of this package, also inside Bidirectional."""

from __future__ import annotations

from typing import Any

import keras

from pipelines.base.errors import UserError
from rnn_apps.layers.cells.registry import cell_names, find_cell


def accelerate(model: keras.Model) -> keras.Model:
    """A copy of a model with this package's recurrent layers in place of Keras' own.

    Only layers that are exactly Keras' SimpleRNN, LSTM and GRU are replaced, also inside
    Bidirectional and inner models: a subclass may compute something else. The copy has the
    model's weights, names and results; it is not compiled, and its weights are its own.

    Args:
        model: built Functional or Sequential model.

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
    """A new layer with the configuration of any layer; of this package's class, if it has one."""
    if _can_be_cloned(layer):
        return accelerate(layer)
    if type(layer) is keras.layers.Bidirectional:
        return Bidirectional.from_config(layer.get_config())
    kind = _counterparts().get(type(layer), type(layer))
    copy = kind.from_config(layer.get_config())
    if hasattr(layer, "use_cudnn"):
        # Keras leaves it out of the configuration.
        copy.use_cudnn = layer.use_cudnn
    return copy


def _can_be_cloned(layer: keras.layers.Layer) -> bool:
    # Keras' class of Functional models has no public name.
    functional = type(keras.Model(inputs := keras.Input((1,)), inputs))
    return type(layer) in (functional, keras.Sequential)


def _counterparts() -> dict[type[keras.layers.Layer], type[keras.layers.Layer]]:
    """This package's layer for each of Keras' own."""
    cells = map(find_cell, cell_names())
    return {cell.keras_layer: cell.layer for cell in cells if cell.keras_layer is not None}


@keras.saving.register_keras_serializable(package="rnn_apps")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional` (Schuster and Paliwal 1997) on the layers of this package.

    Args:
        layer: recurrent layer; one of Keras' own is replaced by this package's.
        backward_layer: recurrent layer for the other direction, likewise; None for a copy of
            `layer`.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: keras.layers.Layer | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            accelerated_layer(layer),
            merge_mode=merge_mode,
            weights=weights,
            backward_layer=None if backward_layer is None else accelerated_layer(backward_layer),
            **options,
        )
