"""The recurrent cells: one file for each, with its equations, its gradient and its layer."""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "CIFG": "cifg",
    "CIFGCell": "cifg",
    "Cell": "cell",
    "LayerNormGRUCell": "gru",
    "LayerNormLSTMCell": "lstm",
    "LayerNormSimpleRNNCell": "simple",
    "MinGRU": "mingru",
    "MinGRUCell": "mingru",
    "Mogrifier": "mogrifier",
    "MogrifierCell": "mogrifier",
    "NormalisedCell": "cell",
    "ZoneoutCell": "zoneout",
    "cell_names": "registry",
    "cell_of": "registry",
    "find_cell": "registry",
    "register_cell": "registry",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
