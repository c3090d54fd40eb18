"""Recurrent layers that compute what Keras' do, faster on a CPU."""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "CIFG": "cells.cifg",
    "GRU": "cells.gru",
    "LSTM": "cells.lstm",
    "Bidirectional": "recurrence.acceleration",
    "MinGRU": "cells.mingru",
    "Mogrifier": "cells.mogrifier",
    "Path": "recurrence.paths",
    "SimpleRNN": "cells.simple",
    "accelerate": "recurrence.acceleration",
    "describe_path": "recurrence.recurrent",
    "load_model": "loading",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
