"""Recurrent layers that compute what Keras' do, faster on a CPU."""

from __future__ import annotations

from pipelines.lazy_names import lazy_names

_HOMES = {
    "GRU": "recurrent",
    "LSTM": "recurrent",
    "Bidirectional": "bidirectional",
    "Path": "paths",
    "SimpleRNN": "recurrent",
    "accelerate": "acceleration",
    "describe_path": "paths",
    "load_model": "loading",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
