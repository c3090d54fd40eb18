"""Documented modules that moved: their old names still work, with a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class MovedModules(MetaPathFinder, Loader):
    """Finds modules by their former names (PEP 302).

    Args:
        moves: new name of every moved module, by its old name.
    """

    def __init__(self, moves: Mapping[str, str]) -> None:
        self._moves = dict(moves)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """This loader's spec for an old name; None for every other name."""
        if fullname not in self._moves:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Registers the module of the new name under the old name too."""
        old = module.__name__
        new = self._moves[old]
        warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[old] = importlib.import_module(new)


def keep_old_names(moves: Mapping[str, str]) -> None:
    """Makes modules importable under the names that they used to have.

    They are looked for first: under the old name of a package Python's own finder would find the
    files of the new one and import them a second time.

    Args:
        moves: new name of every moved module by its old one.
    """
    sys.meta_path.insert(0, MovedModules(moves))
