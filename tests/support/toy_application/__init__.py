"""An application made outside the toolkit, by the recipe "An application": the next number.

A run learns, from a file with one number per line, which number follows four others.
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {"Run": "run", "ToyConfig": "config", "load": "run", "train": "training"}

__all__ = ["Run", "ToyConfig", "load", "train"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
