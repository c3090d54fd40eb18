"""What an application tells the command line about itself, without importing anything heavy."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Result = dict[str, Any]


@dataclass(frozen=True)
class Verb:
    """Something that the command line can do.

    Args:
        name: as typed.
        summary: one line for ``--help``.
        add_arguments: adds the verb's arguments to its parser.
        run: does it, and returns what ``--json`` prints. A key ``"table"`` with a ``"header"``
            and ``"rows"`` is shown as a table.
    """

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]


@dataclass(frozen=True)
class Application:
    """One application, as the command line and the demo see it.

    Args:
        name: as typed, such as ``forecast``.
        summary: one line for ``--help``.
        package: the package with `train`, `load` and `demo`.
        config: the config dataclass, as ``module:Class``.
        verbs: the application's own verbs, beside train, evaluate and export.
    """

    name: str
    summary: str
    package: str
    config: str
    verbs: tuple[Verb, ...]

    def config_type(self) -> type:
        """The config dataclass."""
        return load_object(self.config)

    def module(self) -> Any:
        """The application's package, imported."""
        return importlib.import_module(self.package)


def load_object(address: str) -> Any:
    """The object at ``module:name``."""
    module, name = address.split(":")
    return getattr(importlib.import_module(module), name)
