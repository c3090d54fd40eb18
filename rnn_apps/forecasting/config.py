"""The configuration of a forecasting run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipelines.series.options import SeriesOptions
from rnn_apps.application.configuration import option
from rnn_apps.forecasting.features.calendar_names import CALENDAR_FEATURES
from rnn_apps.layers.cells.registry import cell_names
from rnn_apps.training.config import TrainingConfig

MODELS = ("direct", "encoder_decoder", "deepar", "segment")
OUTPUTS = ("point", "quantiles", "gaussian", "student_t", "negative_binomial")


@dataclass(frozen=True, kw_only=True)
class ForecastingConfig(TrainingConfig, SeriesOptions):
    """Data, model and training of a forecaster.

    Which model takes which covariates and gives which output is in
    `rnn_apps.forecasting.network.capabilities`; `build_model` refuses the rest.
    """

    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = TrainingConfig.MAY_CHANGE_ON_RESUME | {
        "season"
    }
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = "season"

    split: str = option(
        "0.7,0.1,0.2",
        "training, validation and test part: three fractions, three numbers of rows, or the times "
        "at which validation and test begin; with a last 0 there is no test part",
    )
    stride: int = option(1, "rows between neighbouring training windows", minimum=1)
    lookback: int = option(96, "past time steps that the model sees", minimum=1)
    horizon: int = option(24, "time steps to forecast", minimum=1)
    model: str = option("segment", "how the horizon is produced", choices=MODELS)
    cell: str = option("gru", "recurrent cell", choices=cell_names)
    units: int = option(128, "size of the recurrent state", minimum=1)
    layers: int = option(1, "recurrent layers on top of each other", minimum=1)
    segment_length: int = option(
        24, "time steps that the segment model reads, and writes, at once", minimum=1
    )
    dropout: float = option(
        0.1, "share of units left out between layers and before the output", minimum=0.0, below=1.0
    )
    scaling: str = option(
        "series",
        "by what a target is scaled: its series' training part, or the window itself, which also "
        "serves series that training has not seen",
        choices=("series", "window"),
    )
    normalisation: str = option(
        "last_value",
        "what is taken out of each window and put back into its forecast",
        choices=("none", "revin", "last_value"),
    )
    level_steps: int = option(
        1, "how many of the last values last_value subtracts the mean of", minimum=1
    )
    ensemble_level_steps: tuple[int, ...] = option(
        (),
        "further networks inside the model, one for each number: each subtracts the mean of so "
        "many last values, and the forecasts of all are averaged",
        minimum=1,
    )
    output: str = option("quantiles", "what is said about each step to come", choices=OUTPUTS)
    quantiles: tuple[float, ...] = option(
        (0.1, 0.5, 0.9), "levels of the quantiles, 0.5 among them", above=0.0, below=1.0
    )
    loss: str = option(
        "mse",
        "what a point output is trained for: its mean, its median, or between them",
        choices=("mse", "mae", "huber"),
    )
    calendar: tuple[str, ...] = option(
        ("auto",),
        "features of the time stamps; auto: those whose cycle the training part covers twice",
        choices=("auto", *CALENDAR_FEATURES, "none"),
    )
    series_embedding: int = option(
        0, "numbers learnt for each series that tell the model which one it sees", minimum=0
    )
    season: int = option(
        0,
        "time steps of a season, for MASE and the seasonal naive forecast; 0: by the frequency",
        minimum=0,
    )
