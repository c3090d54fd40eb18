"""The configuration of a forecasting run. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from pipelines.series.options import SeriesOptions
from rnn_apps.application.configuration import option
from rnn_apps.forecasting.features.calendar_names import CALENDAR_FEATURES
from rnn_apps.forecasting.network.registry import network_names
from rnn_apps.layers.cells.registry import cell_names
from rnn_apps.training.config import TrainingConfig

SHORT_SERIES = ("skip", "pad", "refuse")
OUTPUTS = ("point", "quantiles", "gaussian", "student_t", "negative_binomial")


@dataclass(frozen=True, kw_only=True)
class ForecastingConfig(TrainingConfig, SeriesOptions):
    """Data, model and training of a forecaster.

    Every network declares which covariates it takes and which outputs it gives (see
    docs/forecasting-models.md); `build_model` refuses the rest.
    """

    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = TrainingConfig.MAY_CHANGE_ON_RESUME | {
        "season"
    }
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = "season"
    # Covariates and the treatment of missing values are the network's features.
    OF_THE_DATA: ClassVar[frozenset[str]] = (
        frozenset(one.name for one in fields(SeriesOptions)) | {"split", "stride", "season"}
    ) - {
        "past_covariates", "future_covariates", "static_covariates", "missing", "categories",
        "unknown_categories",
    }  # fmt: skip

    split: str = option(
        "0.7,0.1,0.2",
        "training, validation and test part: three fractions, three numbers of rows, or the times "
        "at which validation and test begin; a number of 0 leaves out validation or test",
    )
    stride: int = option(1, "number of rows between neighbouring training windows", minimum=1)
    lookback: int = option(96, "number of past time steps that the model reads", minimum=1)
    horizon: int = option(24, "number of time steps to forecast", minimum=1)
    model: str = option("segment", "network that makes the forecast", choices=network_names)
    cell: str = option("gru", "kind of recurrent cell", choices=cell_names)
    cell_options: tuple[str, ...] = option(
        (),
        "whole numbers that only this cell has, as NAME=NUMBER; cell = 'mogrifier' has rounds and "
        "rank (0: whole matrices); empty: the cell's defaults",
    )
    units: int = option(128, "size of the recurrent state", minimum=1)
    layers: int = option(1, "number of recurrent layers on top of each other", minimum=1)
    segment_length: int = option(
        24, "number of time steps per segment, for model = segment", minimum=1
    )
    dropout: float = option(
        0.1, "share of units left out between layers and before the output", minimum=0.0, below=1.0
    )
    scaling: str = option(
        "series",
        "statistics that scale a target: those of its series' training part, or those of the "
        "window itself, which also serves series that training has not seen",
        choices=("series", "window"),
    )
    transform: str = option(
        "none",
        "transformation of the target inside the model: log for values above 0 whose changes are "
        "relative, log1p where 0 occurs, softplus for values of 0 or more whose changes are "
        "absolute",
        choices=("none", "log", "log1p", "softplus"),
    )
    normalisation: str = option(
        "last_value",
        "level that is subtracted from each window and added to its forecast again; revin also "
        "divides by the window's standard deviation",
        choices=("none", "revin", "last_value"),
    )
    level_steps: int = option(
        1, "number of last values whose mean normalisation = last_value subtracts", minimum=1
    )
    ensemble_level_steps: tuple[int, ...] = option(
        (),
        "level_steps of further networks inside the model, one network per number; the forecasts "
        "of all networks are averaged",
        minimum=1,
    )
    shortcut: str = option(
        "none",
        "path around the network: linear adds a linear map of the normalised window to the "
        "network's forecast, so that the network learns what a linear model cannot",
        choices=("none", "linear"),
    )
    output: str = option("quantiles", "forecast of each time step", choices=OUTPUTS)
    quantiles: tuple[float, ...] = option(
        (0.1, 0.5, 0.9), "levels of the quantiles, 0.5 among them", above=0.0, below=1.0
    )
    loss: str = option(
        "mse",
        "loss of output = point: mse for the mean, mae for the median, huber for a compromise",
        choices=("mse", "mae", "huber"),
    )
    mase_weighting: float = option(
        0.0,
        "degree to which training counts errors as MASE does, relative to the error of the "
        "seasonal naive forecast of their series: 1 fully, 0 not at all; for output = point or "
        "quantiles",
        minimum=0.0,
        maximum=1.0,
    )
    calendar: tuple[str, ...] = option(
        ("auto",),
        "features of the time stamps; auto for those whose cycle the training part covers twice",
        choices=("auto", *CALENDAR_FEATURES, "none"),
    )
    holidays: str = option(
        "",
        "country, or country and subdivision, whose public holidays are covariates known ahead, as "
        "DE or DE-BY; needs the extra holidays",
    )
    short_series: str = option(
        "skip",
        "treatment of series too short for a window; pad: rows with the first value are added "
        "before them and count for nothing",
        choices=SHORT_SERIES,
    )
    series_embedding: int = option(
        0, "size of a learnt vector per series that tells the series apart; 0 for none", minimum=0
    )
    category_embedding: int = option(
        0,
        "size of a learnt vector per category of the covariates that change with time, for many "
        "categories; 0 for an indicator of each category",
        minimum=0,
    )
    season: int = option(
        0,
        "number of time steps per season, for MASE and the seasonal naive forecast; 0 for the "
        "season that the frequency suggests",
        minimum=0,
    )
