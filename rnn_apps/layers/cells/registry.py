"""The recurrent cells by the names that configurations give them; nothing heavy is imported.

A new cell is a file of its own that defines a `Cell`, and a line here.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import ConfigurationError

if TYPE_CHECKING:
    from rnn_apps.layers.cells.cell import Cell

_ADDRESSES = {
    "simple": "rnn_apps.layers.cells.simple:SIMPLE",
    "lstm": "rnn_apps.layers.cells.lstm:LSTM_CELL",
    "gru": "rnn_apps.layers.cells.gru:GRU_CELL",
    "cifg": "rnn_apps.layers.cells.cifg:CIFG_CELL",
    "mingru": "rnn_apps.layers.cells.mingru:MINGRU_CELL",
    "mogrifier": "rnn_apps.layers.cells.mogrifier:MOGRIFIER_CELL",
}


def cell_names() -> tuple[str, ...]:
    """The names of all registered cells, in the order in which they were registered."""
    return tuple(_ADDRESSES)


def register_cell(name: str, address: str) -> None:
    """Makes a cell known under a name, as `cell = "NAME"` of every application.

    Args:
        name: name of the cell in configurations.
        address: place of its `Cell`, as ``module:OBJECT``; imported when it is first used.

    Raises:
        ConfigurationError: another cell has that name.
    """
    if _ADDRESSES.get(name, address) != address:
        raise ConfigurationError(f"the cell name {name!r} is taken by {_ADDRESSES[name]}")
    _ADDRESSES[name] = address


def find_cell(name: str) -> Cell:
    """The cell with a name.

    Raises:
        ConfigurationError: no cell has that name.
    """
    if name not in _ADDRESSES:
        raise ConfigurationError(f"cell = {name!r}: choose from {', '.join(_ADDRESSES)}")
    return _imported(_ADDRESSES[name])


def cell_of(keras_cell: Any) -> Cell | None:
    """The registered cell whose time step an object computes; None for a class of the user's own.

    Args:
        keras_cell: cell of a `keras.layers.RNN`. A subclass may compute something else, so only
            the registered class itself counts.
    """
    cells = map(find_cell, cell_names())
    return next((cell for cell in cells if type(keras_cell) is cell.keras_cell), None)


@functools.cache
def _imported(address: str) -> Cell:
    module, name = address.split(":")
    cell: Cell = getattr(importlib.import_module(module), name)
    return cell
