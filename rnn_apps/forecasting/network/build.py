"""Builds the model of a config: raw inputs -> parameters of the head."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.heads.head_layers import HeadAffine, HeadParameters
from rnn_apps.forecasting.heads.heads import Head, make_head
from rnn_apps.forecasting.network.capabilities import check_capabilities
from rnn_apps.forecasting.network.deepar import deepar_training
from rnn_apps.forecasting.network.direct import direct
from rnn_apps.forecasting.network.encoder_decoder import encoder_decoder
from rnn_apps.forecasting.network.inputs import Features, features, raw_inputs
from rnn_apps.forecasting.network.segment import segment

_NETWORKS: dict[str, Callable[[Features, ForecastingConfig, int], Any]] = {
    "direct": direct,
    "encoder_decoder": encoder_decoder,
    "segment": segment,
}


def head_of(config: ForecastingConfig) -> Head:
    """The head that the config's output, loss and quantiles name."""
    return make_head(config.output, error=config.loss, quantiles=config.quantiles)


def build_model(config: ForecastingConfig, description: DataDescription) -> keras.Model:
    """The model that is trained.

    Inputs: a dict of raw, unscaled tensors after `inputs.input_specification`; a DeepAR also takes
    "future_target" float32 [batch, horizon], the truth that teacher forcing feeds.

    Outputs: a dict of "parameters" float32 [batch, horizon, K], the head's in scaled space, and
    "location", "scale" [batch, 1], by which truth = scaled * scale + location.

    Layers follow the global dtype policy; scaling and head are float32 whatever it is.

    Raises:
        ConfigurationError: the model does not take the data's covariates, cannot give the output,
            or a field has a value that cannot be used.
    """
    check_capabilities(config, description)
    inputs = raw_inputs(config, description)
    read = features(inputs, config, description)
    head = head_of(config)
    if config.model == "deepar":
        inputs["future_target"] = keras.Input((config.horizon,), name="future_target")
        raw = deepar_training(read, _scaled_truth(inputs, read), config, head.width)
    else:
        raw = _NETWORKS[config.model](read, config, head.width)
    parameters = scaled_parameters(raw, read, config)
    if config.ensemble_level_steps:
        others = _other_members(inputs, config, description)
        parameters = keras.layers.Average(dtype="float32")([parameters, *others])
    outputs = {
        "parameters": parameters,
        "location": read.location,
        "scale": read.scale,
    }
    return keras.Model(inputs, outputs, name=f"{config.model}_{config.cell}")


def _other_members(
    inputs: dict[str, Any], config: ForecastingConfig, description: DataDescription
) -> list[Any]:
    """The parameters that the ensemble's further networks give, each in scaled space.

    Averaging quantiles, or the parameters of a location-scale family, level by level keeps their
    kind and their order (Vincent averaging).
    """
    found = []
    for number, steps in enumerate(config.ensemble_level_steps, 2):
        alone = dataclasses.replace(config, level_steps=steps, ensemble_level_steps=())
        member = build_model(alone, description)
        member.name = f"member_{number}"
        found.append(member(inputs)["parameters"])
    return found


def scaled_parameters(raw: Any, read: Features, config: ForecastingConfig) -> Any:
    """Raw head inputs -> the head's parameters with the window's normalisation undone."""
    levels = config.quantiles
    parameters = HeadParameters(config.output, levels, name="head")(raw)
    if read.shift is None:
        return parameters
    restore = HeadAffine(config.output, levels, name="window_restore")
    return restore(parameters, read.shift, read.factor)


@keras.saving.register_keras_serializable(package="rnn_apps")
class Standardise(keras.layers.Layer):
    """(values [batch, n], location [batch, 1], scale [batch, 1]) -> (values - location) / scale."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, values: tf.Tensor, location: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return (values - location) / scale


def _scaled_truth(inputs: dict[str, Any], read: Features) -> Any:
    truth = Standardise(name="future_scaler_target")(
        inputs["future_target"], read.location, read.scale
    )
    if read.shift is None:
        return truth
    return Standardise(name="future_normalisation")(truth, read.shift, read.factor)
