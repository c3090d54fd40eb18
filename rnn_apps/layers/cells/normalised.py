"""What cells with layer normalisation have in common.

Ba, Kiros and Hinton 2016, "Layer normalization".
"""

from __future__ import annotations

from typing import Any

import keras

_EPSILON = 1e-5


class LayerNormCell(keras.layers.Layer):
    """Sizes, kernels and the bias of a cell that normalises; a subclass adds its normalisations.

    Args:
        units: size of the state.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights, as
            in Keras' cells.
    """

    gates: int

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.output_size = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    @property
    def state_size(self) -> Any:
        """The size of h."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Makes kernels and bias; a subclass adds its normalisations."""
        columns = self.gates * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], columns), initializer=self.kernel_initializer
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, columns),
            initializer=self.recurrent_initializer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(columns,), initializer=self.bias_initializer
        )

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Zeros [batch, units] for each state."""
        sizes = keras.tree.flatten(self.state_size)
        return [keras.ops.zeros((batch_size, size), self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": serialize(self.kernel_initializer),
            "recurrent_initializer": serialize(self.recurrent_initializer),
            "bias_initializer": serialize(self.bias_initializer),
        }

    def add_gain(self, name: str, size: int) -> Any:
        """Adds a vector [size] of factors, all 1 at first."""
        return self.add_weight(name=name, shape=(size,), initializer="ones")


def normalised(values: Any, gain: Any) -> Any:
    """gain * (values - mean) / deviation over the last axis (the paper's equation 3), in float32.

    There is no shift: where it is called, a bias is added after.
    """
    wide = keras.ops.cast(values, "float32")
    mean, variance = keras.ops.moments(wide, axes=-1, keepdims=True)
    scaled = keras.ops.cast((wide - mean) * keras.ops.rsqrt(variance + _EPSILON), values.dtype)
    return scaled * gain
