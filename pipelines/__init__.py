"""Data for recurrent networks: one way to name it, read it, check it and batch it.

from pipelines import forecasting_datasets
train, validation, test = forecasting_datasets("builtin:elecdemand", lookback=336, horizon=48)
"""

from __future__ import annotations

from pipelines.cpu import enable_onednn
from pipelines.lazy_names import lazy_names

# TensorFlow reads the switch when it is imported, so it must be set before any module imports it.
enable_onednn()

_HOMES = {
    "Batches": "batches",
    "ConfigurationError": "errors",
    "DataError": "errors",
    "DataReport": "data_report",
    "IndexedBatches": "batches",
    "SeriesOptions": "series_options",
    "SeriesSet": "time_series",
    "MemoryText": "text_corpus",
    "Source": "sources",
    "Split": "splits",
    "Statistics": "statistics",
    "StreamBatches": "token_streams",
    "TextCorpus": "text_corpus",
    "TextParts": "text_loading",
    "TimeSeries": "time_series",
    "TokenArray": "text_encoding",
    "UserError": "errors",
    "WindowBatches": "windows",
    "builtin_data": "builtin",
    "encode_corpus": "text_encoding",
    "forecasting_datasets": "forecasting",
    "future_times": "timestamps",
    "language_modelling_datasets": "language_modelling",
    "latest_windows": "time_series",
    "load_prepared": "tensorflow_datasets",
    "load_series": "series_loading",
    "load_text": "text_loading",
    "parse_source": "sources",
    "parse_split": "splits",
    "training_statistics": "statistics",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
