"""The model's raw inputs, and the features that a network reads."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.calendar_features import CalendarFeatures
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.capabilities import calendar_features
from rnn_apps.forecasting.network.network import Features
from rnn_apps.forecasting.network.normalisation import (
    CategoryIndicators,
    ChosenColumns,
    CovariateScaler,
    SeriesScaler,
    WindowNormalisation,
    WindowScaler,
)
from rnn_apps.forecasting.network.transforms import TargetTransform


def input_specification(
    config: ForecastingConfig, description: DataDescription
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name -> (shape without the batch, dtype) of the inputs that the model takes.

    They are the keys of a `pipelines.WindowBatches` batch that the model uses.
    """
    whole = config.lookback + config.horizon
    specification: dict[str, tuple[tuple[int, ...], str]] = {
        "past_target": ((config.lookback,), "float32")
    }
    if description.past_names:
        specification["past_covariates"] = (
            (config.lookback, len(description.past_names)),
            "float32",
        )
    if description.future_names:
        specification["future_covariates"] = ((whole, len(description.future_names)), "float32")
    if description.static_names:
        specification["static_covariates"] = ((len(description.static_names),), "float32")
    if calendar_features(config, description):
        specification["times"] = ((whole,), "int32")
    several = len(description.series_names) > 1
    if several and (config.scaling == "series" or config.series_embedding):
        specification["series_index"] = ((), "int32")
    return specification


def raw_inputs(config: ForecastingConfig, description: DataDescription) -> dict[str, Any]:
    """The inputs of `input_specification` as `keras.Input`s, by name."""
    return {
        name: keras.Input(shape, dtype=dtype, name=name)
        for name, (shape, dtype) in input_specification(config, description).items()
    }


def features(
    inputs: dict[str, Any], config: ForecastingConfig, description: DataDescription
) -> Features:
    """Scales, normalises and joins raw inputs into the features that a network reads."""
    target, location, scale = _scaled_target(inputs, config, description)
    shift = factor = None
    if config.normalisation != "none":
        normalise = WindowNormalisation(
            config.normalisation, config.level_steps, name="window_normalisation"
        )
        target, shift, factor = normalise(target)
    past, future = _over_time(inputs, config, description)
    return Features(
        target,
        past,
        future,
        _context(inputs, config, description),
        location,
        scale,
        shift,
        factor,
    )


def past_sequence(features: Features, lookback: int) -> Any:
    """The target and the past covariates as one sequence [batch, lookback, 1 + covariates]."""
    sequence = keras.layers.Reshape((lookback, 1))(features.target)
    if features.past is not None:
        sequence = keras.layers.Concatenate()([sequence, features.past])
    return sequence


def with_context(sequence: Any, context: Any | None, timesteps: int) -> Any:
    """`sequence` [batch, timesteps, C] with `context` [batch, S] repeated at every time step."""
    if context is None:
        return sequence
    repeated = keras.layers.RepeatVector(timesteps)(context)
    return keras.layers.Concatenate()([sequence, repeated])


def _scaled_target(
    inputs: dict[str, Any], config: ForecastingConfig, description: DataDescription
) -> tuple[Any, Any, Any]:
    past_target = inputs["past_target"]
    if config.transform != "none":
        past_target = TargetTransform(config.transform, name="target_transform")(past_target)
    if config.scaling == "window":
        shifted = config.output != "negative_binomial"
        return WindowScaler(shift=shifted, name="target_scaler")(past_target)
    scaler = SeriesScaler(description.location, description.scale, name="target_scaler")
    if "series_index" in inputs:
        return scaler(past_target, inputs["series_index"])
    return scaler(past_target)


def _over_time(
    inputs: dict[str, Any], config: ForecastingConfig, description: DataDescription
) -> tuple[Any | None, Any | None]:
    past: list[Any] = []
    future: list[Any] = []
    if "past_covariates" in inputs:
        past += _encoded(inputs["past_covariates"], "past", config, description)
    whole: list[Any] = []
    if "future_covariates" in inputs:
        whole += _encoded(inputs["future_covariates"], "future", config, description)
    if "times" in inputs:
        names = calendar_features(config, description)
        whole.append(CalendarFeatures(names, name="calendar")(inputs["times"]))
    for sequence in whole:
        past.append(keras.layers.Cropping1D((0, config.horizon), dtype="float32")(sequence))
        future.append(keras.layers.Cropping1D((config.lookback, 0), dtype="float32")(sequence))
    return _joined(past), _joined(future)


def _encoded(
    covariates: Any, kind: str, config: ForecastingConfig, description: DataDescription
) -> list[Any]:
    """Covariates over time as a network reads them.

    Numbers are scaled; categories become indicators, or vectors that are learnt.
    """
    names: tuple[str, ...] = getattr(description, f"{kind}_names")
    location = getattr(description, f"{kind}_location")
    scale = getattr(description, f"{kind}_scale")
    codes = [column for column, name in enumerate(names) if name in description.categories]
    numbers = [column for column in range(len(names)) if column not in codes]
    parts = []
    if numbers:
        chosen = covariates
        if codes:
            chosen = ChosenColumns(numbers, name=f"{kind}_numbers")(covariates)
        scaler = CovariateScaler(
            [location[i] for i in numbers], [scale[i] for i in numbers], name=f"{kind}_scaler"
        )
        parts.append(scaler(chosen))
    counts = [len(description.categories[names[i]]) for i in codes]
    if codes and config.category_embedding:
        for code, count in zip(codes, counts, strict=True):
            place = f"{kind}_category_{code + 1}"
            indicators = CategoryIndicators([code], [count], name=place)(covariates)
            # The indicators choose a row of the kernel; a category that is not known has zeros.
            vectors = keras.layers.Dense(
                config.category_embedding,
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(stddev=1.0),
                name=f"{place}_embedding",
            )
            parts.append(vectors(indicators))
    elif codes:
        indicators = CategoryIndicators(codes, counts, name=f"{kind}_categories")
        parts.append(indicators(covariates))
    return parts


def _context(
    inputs: dict[str, Any], config: ForecastingConfig, description: DataDescription
) -> Any | None:
    parts: list[Any] = []
    if "static_covariates" in inputs:
        scaler = CovariateScaler(
            description.static_location, description.static_scale, name="static_scaler"
        )
        parts.append(scaler(inputs["static_covariates"]))
    if config.series_embedding and "series_index" in inputs:
        embedding = keras.layers.Embedding(
            len(description.series_names),
            config.series_embedding,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="series_embedding",
        )
        parts.append(embedding(inputs["series_index"]))
    return _joined(parts)


def _joined(parts: list[Any]) -> Any | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)


def model_part(inputs: dict[str, tf.Tensor], model: keras.Model) -> dict[str, tf.Tensor]:
    """The `inputs` that `model` takes; a batch of the pipeline may hold more."""
    names = {tensor.name for tensor in model.inputs}
    return {name: value for name, value in inputs.items() if name in names}
