"""Time series: from any source to regular series, their parts, their scale and their windows.

from pipelines.series import WindowBatches, load_series, parse_split
series_set = load_series("builtin:elecdemand")
train = WindowBatches(series_set, lookback=336, horizon=48, part=parse_split("0.7,0.1,0.2").train)
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "Part": "splits",
    "SeriesOptions": "options",
    "SeriesSet": "time_series",
    "Split": "splits",
    "Statistics": "statistics",
    "TimeSeries": "time_series",
    "WindowBatches": "windows",
    "forecasting_datasets": "datasets",
    "future_times": "times.timestamps",
    "latest_windows": "time_series",
    "load_covariates": "loading",
    "load_series": "loading",
    "parse_split": "splits",
    "part_rows": "splits",
    "training_statistics": "statistics",
    "with_holidays": "covariates.holiday_calendar",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
