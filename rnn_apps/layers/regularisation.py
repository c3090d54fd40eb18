"""Penalties on the activations of recurrent layers.

Variational dropout, one mask for all timesteps (Gal and Ghahramani 2016), is Keras' own
`keras.layers.SpatialDropout1D`; weight dropout is an argument of this package's recurrent layers;
zoneout and layer normalisation are in `cells`.
"""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="rnn_apps")
class ActivationRegularisation(keras.layers.Layer):
    """Passes [batch, timesteps, units] on and adds weight * mean(h^2) to the training's loss.

    AR of Merity, McCann and Socher 2017 ("Revisiting activation regularization for language
    RNNs", equation 1), whose L2 norm is the mean of squares, as in its published code.

    Args:
        weight: factor of the penalty, alpha in the paper.
    """

    def __init__(self, weight: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, inputs: Any, training: bool = False) -> Any:
        """See the class."""
        if training:
            self.add_loss(self.weight * _mean_square(inputs))
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "weight": self.weight}


@keras.saving.register_keras_serializable(package="rnn_apps")
class TemporalActivationRegularisation(ActivationRegularisation):
    """Passes [batch, timesteps, units] on and adds weight * mean((h_t+1 - h_t)^2) to the loss.

    TAR of the same paper (equation 2): a state that moves slowly costs less. A sequence of one
    step costs nothing.

    Args:
        weight: factor of the penalty, beta in the paper.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """See the class."""
        if training:
            changes = _float32(inputs[:, 1:]) - _float32(inputs[:, :-1])
            self.add_loss(self.weight * _mean_square(changes))
        return inputs


def _mean_square(values: Any) -> Any:
    squares = keras.ops.square(_float32(values))
    count = keras.ops.maximum(keras.ops.size(squares), 1)
    return keras.ops.sum(squares) / keras.ops.cast(count, "float32")


def _float32(values: Any) -> Any:
    # Squares of float16 overflow from 256 on.
    return keras.ops.cast(values, "float32")
