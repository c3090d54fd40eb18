"""The applications by the names that are typed on the command line; nothing heavy is imported.

A new application of this project is a package and a line here. An application of another project
needs neither: its package declares an entry point in the group "rnn_apps.applications", whose name
is the application's and whose value is the address of its `Application`; or Python code calls
`register_application` before `rnn_apps.application.command_line.main`.
"""

from __future__ import annotations

import importlib.metadata
import logging

from pipelines.base.errors import ConfigurationError
from rnn_apps.application.definition import Application, load_object

ENTRY_POINTS = "rnn_apps.applications"

_ADDRESSES = {
    "forecast": "rnn_apps.forecasting.commands:APPLICATION",
    "language": "rnn_apps.language_modelling.commands:APPLICATION",
    "translate": "rnn_apps.translation.commands:APPLICATION",
    "speech": "rnn_apps.speech.commands:APPLICATION",
}

_log = logging.getLogger(__name__)


def register_application(name: str, address: str) -> None:
    """Makes an application known under a name.

    Args:
        name: name of the application, as it is typed on the command line.
        address: place of its `Application`, as ``module:OBJECT``; imported by `applications`.

    Raises:
        ConfigurationError: another application has that name.
    """
    if _ADDRESSES.get(name, address) != address:
        raise ConfigurationError(f"the application name {name!r} is taken by {_ADDRESSES[name]}")
    _ADDRESSES[name] = address


def applications() -> tuple[Application, ...]:
    """Every application: this project's in the order of the help text, then those of others."""
    own = [load_object(address) for address in _ADDRESSES.values()]
    return (*own, *_of_other_packages())


def _of_other_packages() -> list[Application]:
    """The applications that installed packages declare; one that cannot be imported is named."""
    others = []
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if entry.name in _ADDRESSES:
            _log.warning("the application %r of %s is hidden by another", entry.name, entry.value)
            continue
        try:
            others.append(load_object(entry.value))
        except Exception as error:
            _log.warning("the application %r of %s is left out: %s", entry.name, entry.value, error)
    return others
