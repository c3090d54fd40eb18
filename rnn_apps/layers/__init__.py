"""Recurrent layers that compute what Keras' do, faster on a CPU."""

from __future__ import annotations

from pipelines.lazy_names import lazy_names

_HOMES = {
    "CIFG": "cells.cifg",
    "GRU": "cells.gru",
    "LSTM": "cells.lstm",
    "Bidirectional": "acceleration",
    "MinGRU": "cells.mingru",
    "Path": "paths",
    "SimpleRNN": "cells.simple",
    "accelerate": "acceleration",
    "describe_path": "recurrent",
    "load_model": "loading",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
