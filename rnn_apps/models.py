"""The plain recurrent model: many time steps in, one output."""

from __future__ import annotations

from typing import Any

import keras

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.layers.recurrence.acceleration import Bidirectional


@keras.saving.register_keras_serializable(package="rnn_apps")
class RNN(keras.Model):
    """Recurrent layers, the last output, a linear head.

    Input: float [batch, timesteps, input_size]; output: float32 [batch, output_size]. A Keras mask
    (from a Masking or Embedding layer before the model) is respected: the last output is that of
    the last time step that is not masked.

    Args:
        input_size: number of features per time step.
        hidden_size: number of units of each recurrent layer, per direction.
        output_size: number of outputs.
        cell: name of a registered cell, such as "simple" (Elman 1990), "lstm" (Hochreiter and
            Schmidhuber 1997), "gru" (Cho et al. 2014), "cifg" (Greff et al. 2015), "mingru" (Feng
            et al. 2024) or "mogrifier" (Melis et al. 2020).
        layers: number of recurrent layers, stacked.
        bidirectional: True if a second network reads backwards (Schuster and Paliwal 1997); the
            outputs of both are concatenated.
        dropout: share of each recurrent layer's input that is dropped in training.
        recurrent_initializer: initializer of the recurrent weights, where the cell has any; Keras'
            default is orthogonal.

    Raises:
        ConfigurationError: an unknown cell or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        cell: str = "lstm",
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_initializer: str | keras.initializers.Initializer = "orthogonal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        find_cell(cell)
        sizes = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "output_size": output_size,
            "layers": layers,
        }
        for name, size in sizes.items():
            if size < 1:
                raise ConfigurationError(f"{name} = {size} must be at least 1")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size
        self.cell = cell
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.recurrent_layers = [
            self._recurrent_layer(return_sequences=index < layers - 1) for index in range(layers)
        ]
        # The head adds up in float32 whatever the precision of the layers before it.
        self.head = keras.layers.Dense(output_size, dtype="float32", name="head")
        self.supports_masking = True
        self.build((None, None, input_size))

    def _recurrent_layer(self, return_sequences: bool) -> keras.layers.Layer:
        cell = find_cell(self.cell)
        # Each layer its own: one initializer gives every layer of a shape the same numbers.
        own = self.recurrent_initializer.clone()
        recurrent = {"recurrent_initializer": own} if cell.recurrent else {}
        layer = cell.layer(
            self.hidden_size,
            dropout=self.dropout,
            **recurrent,
            return_sequences=return_sequences,
            dtype=self.dtype_policy,
        )
        if self.bidirectional:
            return Bidirectional(layer, dtype=self.dtype_policy)
        return layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights; the features must be `input_size`."""
        shape = tuple(input_shape)
        for layer in self.recurrent_layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.head.build(shape)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """[batch, timesteps, input_size] -> [batch, output_size]."""
        outputs = inputs
        for layer in self.recurrent_layers:
            outputs = layer(outputs, training=training, mask=mask)
        return self.head(outputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """One output has no time steps to mask."""
        return

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """(batch, output_size)."""
        return (input_shape[0], self.output_size)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.output_size,
            "cell": self.cell,
            "layers": len(self.recurrent_layers),
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
        }
