"""Keras' Bidirectional around the layers of this package."""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.layers.acceleration import accelerated_layer


@keras.saving.register_keras_serializable(package="rnn_apps")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional` (Schuster and Paliwal 1997) on the layers of this package.

    Args:
        layer: a recurrent layer; one of Keras' own is replaced by this package's.
        backward_layer: likewise, if it is given.
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
