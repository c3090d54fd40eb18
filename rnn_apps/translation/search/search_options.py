"""How translations are searched for or drawn; devices use the same. Imports nothing heavy."""

from rnn_apps.edge.translation.options import SearchOptions as SearchOptions

__all__ = ["SearchOptions"]
