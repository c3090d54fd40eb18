"""From a network's raw numbers to the head's parameters, and to forecasts in the data's unit."""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.heads.head_layers import HeadAffine, HeadForecast, HeadParameters
from rnn_apps.forecasting.heads.heads import Head, make_head
from rnn_apps.forecasting.network.network import Features
from rnn_apps.forecasting.network.transforms import TargetTransform


def head_of(config: ForecastingConfig) -> Head:
    """The head that the config's output, loss and quantiles name."""
    return make_head(config.output, error=config.loss, quantiles=config.quantiles)


def scaled_parameters(raw: Any, features: Features, config: ForecastingConfig) -> Any:
    """Turns raw head inputs into the head's parameters, the window's normalisation undone.

    Args:
        raw: raw head inputs [batch, horizon, K].
        features: features of the window, which hold the normalisation's shift and factor.
        config: configuration of the run.

    Returns:
        Parameters in the series' scaled space, float32 [batch, horizon, K].
    """
    levels = config.quantiles
    parameters = HeadParameters(config.output, levels, name="head")(raw)
    if config.shortcut == "linear":
        parameters = _with_linear_shortcut(parameters, features, config)
    if features.shift is None:
        return parameters
    restore = HeadAffine(config.output, levels, name="window_restore")
    return restore(parameters, features.shift, features.factor)


def _with_linear_shortcut(parameters: Any, features: Features, config: ForecastingConfig) -> Any:
    """Adds a linear map of the window, one line per step of the horizon, to the forecast.

    Lai et al. 2018, "Modeling long- and short-term temporal patterns with deep neural networks"
    (LSTNet), section 3.6, add an autoregressive part in the same way. It begins at zero.
    """
    line = keras.layers.Dense(
        config.horizon, kernel_initializer="zeros", dtype="float32", name="shortcut"
    )(features.target)
    ones = keras.layers.Rescaling(0.0, 1.0, dtype="float32", name="shortcut_factor")(line)
    add = HeadAffine(config.output, config.quantiles, name="shortcut_sum")
    return add(parameters, line, ones)


def raw_forecast(
    parameters: Any,
    location: Any,
    scale: Any,
    config: ForecastingConfig,
    levels: tuple[float, ...],
) -> dict[str, Any]:
    """Turns parameters in scaled space into the outputs of a deployed model.

    Args:
        parameters: parameters of the head [batch, horizon, K], from `scaled_parameters`.
        location, scale: statistics of the series' scaling, each [batch, 1].
        config: configuration of the run.
        levels: quantile levels to give; () for the point forecast alone.

    Returns:
        "forecast" [batch, horizon] and, with levels, "quantiles" [batch, horizon, levels], both
        float32 in the data's unit.
    """
    trained_levels = config.quantiles if config.output == "quantiles" else ()
    restore = HeadAffine(config.output, trained_levels, name="target_restore")
    raw = restore(parameters, location, scale)
    forecast: dict[str, Any] = HeadForecast(config.output, levels, name="forecast")(raw)
    if config.transform == "none":
        return forecast
    return {
        name: TargetTransform(config.transform, restore=True, name=f"raw_{name}")(values)
        for name, values in forecast.items()
    }
