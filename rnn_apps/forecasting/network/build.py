"""Builds the model of a config: raw inputs -> parameters of the head."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.capabilities import check_capabilities
from rnn_apps.forecasting.network.inputs import features, raw_inputs
from rnn_apps.forecasting.network.network import find_network, network_of
from rnn_apps.forecasting.network.outputs import head_of, scaled_parameters
from rnn_apps.forecasting.network.registry import network_names

# Keras finds the layers of a saved model by name once their modules are imported.
for _name in network_names():
    find_network(_name)


def build_model(config: ForecastingConfig, description: DataDescription) -> keras.Model:
    """The model that is trained.

    Inputs: a dict of raw, unscaled tensors, see `inputs.input_specification`; a network that feeds
    its own forecast back also takes "future_target" float32 [batch, horizon], the truth that
    teacher forcing feeds.

    Outputs: a dict of "parameters" float32 [batch, horizon, K], the head's in scaled space, and
    "location", "scale" [batch, 1], by which truth = scaled * scale + location.

    Layers follow the global dtype policy; scaling and head are float32 whatever it is.

    Raises:
        ConfigurationError: the network does not take the data's covariates, cannot give the output,
            or a field has a value that cannot be used.
    """
    check_capabilities(config, description)
    inputs = raw_inputs(config, description)
    read = features(inputs, config, description)
    raw = network_of(config).training_outputs(inputs, read, head_of(config).width)
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
    parameters = []
    for number, steps in enumerate(config.ensemble_level_steps, 2):
        alone = dataclasses.replace(config, level_steps=steps, ensemble_level_steps=())
        member = build_model(alone, description)
        member.name = f"member_{number}"
        parameters.append(member(inputs)["parameters"])
    return parameters
