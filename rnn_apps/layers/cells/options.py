"""Options that belong to one kind of cell, as configurations write them: NAME=NUMBER."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.cells.cell import Cell

_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


def cell_options(cell: Cell, settings: Sequence[str]) -> dict[str, int]:
    """The arguments for a cell's layer that a configuration's `cell_options` say.

    Args:
        cell: the cell of the configuration.
        settings: texts such as "rounds=3", each with one of `cell.options`.

    Raises:
        ConfigurationError: a text without a whole number, an option that the cell does not have, a
            number below the option's minimum, or an option that comes twice.
    """
    found: dict[str, int] = {}
    for setting in settings:
        name, sign, number = (part.strip() for part in setting.partition("="))
        if not sign or not _WHOLE_NUMBER.fullmatch(number):
            raise ConfigurationError(
                f"cell_options: {setting!r} is not NAME=NUMBER with a whole number, such as "
                "rounds=3"
            )
        if name not in cell.options:
            available = ", ".join(cell.options) or "none"
            raise ConfigurationError(
                f"cell_options: cell = {cell.name!r} has no option {name!r}. Available: {available}"
            )
        if name in found:
            raise ConfigurationError(f"cell_options: {name} is given twice")
        found[name] = int(number)
        if found[name] < cell.options[name]:
            raise ConfigurationError(
                f"cell_options: {name} = {number} must be at least {cell.options[name]}"
            )
    return found
