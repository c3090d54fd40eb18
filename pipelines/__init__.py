"""Data for recurrent networks: one way to name it, read it, check it and batch it.

from pipelines import forecasting_datasets
train, validation, test = forecasting_datasets("builtin:elecdemand", lookback=336, horizon=48)
"""

from __future__ import annotations

from pipelines.base.cpu import enable_onednn
from pipelines.base.lazy_names import lazy_names
from pipelines.base.moved_modules import keep_old_names
from pipelines.base.quiet_tensorflow import quieten_tensorflow
from pipelines.base.terminal_log import show_log

# TensorFlow reads its switches when it is imported, so they are set before any module imports it.
enable_onednn()
quieten_tensorflow()
show_log("pipelines")

_HOMES = {
    "Batches": "batches",
    "ConfigurationError": "base.errors",
    "DataError": "base.errors",
    "DataReport": "data_report",
    "IndexedBatches": "batches",
    "SeriesOptions": "series.options",
    "SeriesSet": "series.time_series",
    "MemoryText": "text.corpus",
    "Source": "sources",
    "Split": "series.splits",
    "Statistics": "series.statistics",
    "StreamBatches": "text.token_streams",
    "TextCorpus": "text.corpus",
    "TextParts": "text.corpus",
    "TimeSeries": "series.time_series",
    "TokenArray": "text.encoding",
    "UserError": "base.errors",
    "WindowBatches": "series.windows",
    "builtin_data": "builtin",
    "encode_corpus": "text.encoding",
    "forecasting_datasets": "series.datasets",
    "future_times": "series.times.timestamps",
    "language_modelling_datasets": "text.datasets",
    "latest_windows": "series.time_series",
    "load_prepared": "tensorflow_datasets",
    "load_series": "series.loading",
    "load_text": "text.loading",
    "parse_source": "sources",
    "parse_split": "series.splits",
    "training_statistics": "series.statistics",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

# Modules that the documentation named before they moved.
keep_old_names(
    {
        "pipelines.column_roles": "pipelines.series.reading.column_roles",
        "pipelines.errors": "pipelines.base.errors",
        "pipelines.text_corpus": "pipelines.text.corpus",
        "pipelines.translation": "pipelines.pairs",
        "pipelines.translation.batching": "pipelines.pairs.batching",
        "pipelines.translation.encoding": "pipelines.pairs.encoding",
        "pipelines.translation.loading": "pipelines.pairs.loading",
        "pipelines.translation.sentence_pairs": "pipelines.pairs.sentence_pairs",
    }
)
