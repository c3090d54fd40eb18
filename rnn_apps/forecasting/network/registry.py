"""The forecasting networks by the names that configurations give them; nothing heavy is imported.

A new network is a file of its own with a class that `network` decorates, and a line here. A network
of the user's own needs no line: its decorator makes it known once its module is imported.
"""

from __future__ import annotations

import importlib
from typing import Any

from pipelines.base.errors import ConfigurationError

_MODULES = {
    "direct": "rnn_apps.forecasting.network.direct",
    "encoder_decoder": "rnn_apps.forecasting.network.encoder_decoder",
    "deepar": "rnn_apps.forecasting.network.deepar",
    "segment": "rnn_apps.forecasting.network.segment",
}
_CLASSES: dict[str, Any] = {}


def network_names() -> tuple[str, ...]:
    """The names of all registered networks, those of this package first."""
    return tuple(dict.fromkeys((*_MODULES, *_CLASSES)))


def register_network(name: str, network_class: Any) -> None:
    """Makes a network known under a name; called by the decorator `network`.

    Args:
        name: name of the network in configurations.
        network_class: class derived from `rnn_apps.forecasting.network.network.Network`.

    Raises:
        ConfigurationError: a class of another module has that name.
    """
    owner = _CLASSES[name].__module__ if name in _CLASSES else _MODULES.get(name)
    if owner not in (None, network_class.__module__):
        raise ConfigurationError(f"the network name {name!r} is taken by {owner}")
    _CLASSES[name] = network_class


def registered_network(name: str) -> Any:
    """The class with a name; its module is imported when it is first asked for.

    Raises:
        ConfigurationError: no network has that name.
    """
    if name not in network_names():
        raise ConfigurationError(f"model = {name!r}: choose from {', '.join(network_names())}")
    if name not in _CLASSES:
        importlib.import_module(_MODULES[name])
    return _CLASSES[name]
