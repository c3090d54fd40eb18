"""Forecasting windows as plain tf.data, for your own training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.series.loading import load_series
from pipelines.series.options import SeriesOptions
from pipelines.series.splits import parse_split
from pipelines.series.time_series import SeriesSet
from pipelines.series.windows import WindowBatches
from pipelines.sources import Source

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf


def forecasting_datasets(
    source: str | Source | SeriesSet | pd.DataFrame,
    lookback: int,
    horizon: int,
    *,
    split: str = "0.7,0.1,0.2",
    batch_size: int = 64,
    stride: int = 1,
    shuffle: bool = True,
    seed: int = 0,
    options: SeriesOptions | None = None,
    data_dir: str = "",
    **settings: Any,
) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
    """Training, validation and test windows, each a tf.data.Dataset of one epoch.

    Every element is (inputs, targets, weights) as described by `WindowBatches`. The values are not
    scaled; `training_statistics` measures their scale. The weights are per forecast step: a loss of
    Keras accepts them in this form if targets and outputs are [batch, horizon, 1].

    Args:
        source, options, settings, data_dir: source of the series and how it is read; see
            `load_series`.
        lookback: number of past rows in a window.
        horizon: number of rows to forecast.
        split: shares, numbers of rows or times of the three parts; see `parse_split`.
        batch_size: number of windows in a batch.
        stride: number of rows from one window of the training part to the next; validation and test
            use every window.
        shuffle: True for a new order of the training windows at each pass.
        seed: seed of the order, at least 0.
    """
    if isinstance(source, SeriesSet):
        series_set = source
    else:
        series_set = load_series(source, options, data_dir=data_dir, **settings)
    parts = parse_split(split)
    train = WindowBatches(
        series_set,
        lookback=lookback,
        horizon=horizon,
        part=parts.train,
        batch_size=batch_size,
        stride=stride,
        shuffle=shuffle,
        seed=seed,
    ).reshuffled()
    validation, test = (
        WindowBatches(
            series_set, lookback=lookback, horizon=horizon, part=part, batch_size=batch_size
        ).epoch(0)
        for part in (parts.validation, parts.test)
    )
    return train, validation, test
