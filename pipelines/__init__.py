"""Data for recurrent networks: one way to name it, read it, check it and batch it.

    from pipelines import forecasting_datasets
    train, validation, test = forecasting_datasets("builtin:elecdemand", lookback=336, horizon=48)
"""

from __future__ import annotations

import importlib
from typing import Any

from pipelines.cpu import enable_onednn

# TensorFlow reads the switch when it is imported, so it must be set before any module imports it.
enable_onednn()

_HOME = {
    "Batches": "pipelines.batches",
    "ConfigurationError": "pipelines.errors",
    "DataError": "pipelines.errors",
    "DataReport": "pipelines.data_report",
    "IndexedBatches": "pipelines.batches",
    "SeriesOptions": "pipelines.series_options",
    "SeriesSet": "pipelines.time_series",
    "Source": "pipelines.sources",
    "Split": "pipelines.splits",
    "Statistics": "pipelines.statistics",
    "TimeSeries": "pipelines.time_series",
    "UserError": "pipelines.errors",
    "WindowBatches": "pipelines.windows",
    "builtin_data": "pipelines.builtin",
    "forecasting_datasets": "pipelines.forecasting",
    "future_times": "pipelines.timestamps",
    "latest_windows": "pipelines.time_series",
    "load_prepared": "pipelines.tensorflow_datasets",
    "load_series": "pipelines.series_loading",
    "parse_source": "pipelines.sources",
    "parse_split": "pipelines.splits",
    "training_statistics": "pipelines.statistics",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that `import pipelines` stays cheap."""
    if name not in _HOME:
        raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
