"""The model that is deployed: raw inputs -> raw forecasts, with everything in between inside."""

from __future__ import annotations

import keras

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.build import build_model
from rnn_apps.forecasting.network.inputs import features, raw_inputs
from rnn_apps.forecasting.network.network import Network, network_of
from rnn_apps.forecasting.network.outputs import head_of, raw_forecast, scaled_parameters
from rnn_apps.training.optimisation.precision import layer_precision


def deployment_model(
    model: keras.Model, config: ForecastingConfig, description: DataDescription
) -> keras.Model:
    """A trained model as it is served and exported: float32, raw values in and out.

    Inputs: those of `inputs.input_specification`. Outputs, a dict: "forecast" float32
    [batch, horizon]; and, for an output that has quantiles, "quantiles" float32
    [batch, horizon, len(config.quantiles)].

    A network that feeds its own forecast back gives the forecast of feeding back the mean of each
    step, in a loop inside the model. It gives no quantiles (see `Capability.quantiles`); they come
    from sample paths (`sample_paths`).

    Args:
        model: trained model, from `build_model`.
        config: configuration that the model was built with.
        description: data description that the model was built with.
    """
    network = network_of(config)
    if network.capability.autoregressive:
        return _forecasting_loop(network, model, config, description)
    if config.precision != "float32":
        with layer_precision("float32"):
            same = build_model(config, description)
        network.copy_weights(model, same)
        model = same
    outputs = model.output
    levels = config.quantiles if network.capability.quantiles(config.output) else ()
    forecast = raw_forecast(
        outputs["parameters"], outputs["location"], outputs["scale"], config, levels
    )
    return keras.Model(model.input, forecast, name="deployed")


def _forecasting_loop(
    network: Network, model: keras.Model, config: ForecastingConfig, description: DataDescription
) -> keras.Model:
    """The graph that forecasts, where it is not the one that was trained."""
    with layer_precision("float32"):
        inputs = raw_inputs(config, description)
        read = features(inputs, config, description)
        raw = network.outputs(read, head_of(config).width)
        parameters = scaled_parameters(raw, read, config)
        forecast = raw_forecast(parameters, read.location, read.scale, config, ())
    deployed = keras.Model(inputs, forecast, name="deployed")
    network.copy_weights(model, deployed)
    return deployed
