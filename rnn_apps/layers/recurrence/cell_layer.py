"""A recurrent layer around a cell of this toolkit, with the arguments of both."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import keras

_LAYER_OPTIONS = frozenset(
    name
    for name in inspect.signature(keras.layers.RNN.__init__).parameters
    if name not in ("self", "cell", "kwargs")
) | {"name", "trainable", "activity_regularizer"}


class CellLayer(keras.layers.RNN):
    """`keras.layers.RNN` whose cell is made of the layer's own arguments, as Keras' LSTM does it.

    A subclass names its class of cell.

    Args:
        units: size of each state.
        **options: arguments of `keras.layers.RNN`, and those of the cell.
    """

    cell_type: ClassVar[type[keras.layers.Layer]]

    def __init__(self, units: int, **options: Any) -> None:
        of_layer = {name: options.pop(name) for name in _LAYER_OPTIONS & set(options)}
        dtype = options.pop("dtype", None)
        cell = self.cell_type(units, dtype=dtype, **options)
        super().__init__(cell, dtype=dtype, **of_layer)

    @property
    def units(self) -> int:
        """Size of each state."""
        return int(self.cell.units)

    @property
    def use_bias(self) -> bool:
        """Whether the cell has a bias."""
        return bool(self.cell.use_bias)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["cell"]
        of_cell = self.cell.get_config()
        for name in ("name", "trainable", "dtype"):
            of_cell.pop(name, None)
        return {**of_cell, **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CellLayer:
        """The inverse of `get_config`."""
        return cls(**config)
