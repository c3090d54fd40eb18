"""The model that is deployed: raw inputs -> raw forecasts, with everything in between inside."""

from __future__ import annotations

from typing import Any

import keras

from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.heads.head_layers import HeadAffine, HeadForecast
from rnn_apps.forecasting.network.build import build_model, scaled_parameters
from rnn_apps.forecasting.network.deepar import AutoregressiveCell, deepar_start, known_numbers
from rnn_apps.forecasting.network.inputs import Features, features, raw_inputs
from rnn_apps.training.optimisation.precision import layer_precision


def deployment_model(
    model: keras.Model, config: ForecastingConfig, description: DataDescription
) -> keras.Model:
    """A trained model as it is served and exported: float32, raw values in and out.

    Inputs: those of `inputs.input_specification`. Outputs, a dict: "forecast" float32
    [batch, horizon]; and, for an output that has quantiles, "quantiles" float32
    [batch, horizon, len(config.quantiles)].

    A DeepAR forecasts by feeding back the mean of each step, in a loop inside the model. It gives
    no quantiles: those of a step, given the mean path, would leave out the uncertainty of the
    steps before. They come from sample paths (`sample_paths`).

    Args:
        model: from `build_model`, trained.
        config, description: those that it was built with.
    """
    if config.model == "deepar":
        return _deployed_deepar(model, config, description)
    if config.precision != "float32":
        model = _in_float32(model, config, description)
    outputs = model.output
    forecast = _raw_forecast(
        outputs["parameters"], outputs["location"], outputs["scale"], config, config.quantiles
    )
    return keras.Model(model.input, forecast, name="deployed")


def deepar_parts(
    model: keras.Model, config: ForecastingConfig, description: DataDescription
) -> tuple[keras.Model, AutoregressiveCell]:
    """A trained DeepAR as what runs over the past, and the cell that goes on from there.

    Returns:
        A model of the raw inputs with the outputs "known" [batch, horizon, numbers], "state_0",
        "state_1", ..., "location", "scale" and, with a window normalisation, "shift", "factor";
        and the cell, with the trained weights.
    """
    with layer_precision("float32"):
        inputs = raw_inputs(config, description)
        read = features(inputs, config, description)
        known, states = deepar_start(read, config)
        cell = _cell(read, config, known)
    outputs: dict[str, Any] = {f"state_{i}": state for i, state in enumerate(states)}
    outputs |= {"known": known, "location": read.location, "scale": read.scale}
    if read.shift is not None:
        outputs |= {"shift": read.shift, "factor": read.factor}
    start = keras.Model(inputs, outputs)
    _copy_weights(model, start)
    _fill_cell(cell, model)
    return start, cell


def _deployed_deepar(
    model: keras.Model, config: ForecastingConfig, description: DataDescription
) -> keras.Model:
    with layer_precision("float32"):
        inputs = raw_inputs(config, description)
        read = features(inputs, config, description)
        known, states = deepar_start(read, config)
        cell = _cell(read, config, known)
        loop = keras.layers.RNN(cell, return_sequences=True, name="horizon")
        raw = loop(known, initial_state=states)
        parameters = scaled_parameters(raw, read, config)
        forecast = _raw_forecast(parameters, read.location, read.scale, config, ())
    deployed = keras.Model(inputs, forecast, name="deployed")
    _copy_weights(model, deployed)
    _fill_cell(cell, model)
    return deployed


def _cell(read: Features, config: ForecastingConfig, known: Any) -> AutoregressiveCell:
    cell = AutoregressiveCell(
        config.cell,
        config.units,
        config.layers,
        config.output,
        known_numbers(read),
        name="autoregressive_cell",
    )
    cell.build((None, known.shape[-1]))
    return cell


def _fill_cell(cell: AutoregressiveCell, model: keras.Model) -> None:
    for index, one in enumerate(cell.cells):
        one.set_weights(model.get_layer(f"encoder_{index + 1}").get_weights())
    cell.projection.set_weights(model.get_layer("output").get_weights())


def _copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies the weights of all layers that both models have, by the layers' names."""
    trained = {layer.name: layer for layer in source.layers}
    for layer in target.layers:
        if layer.weights and layer.name in trained:
            layer.set_weights(trained[layer.name].get_weights())


def _in_float32(
    model: keras.Model, config: ForecastingConfig, description: DataDescription
) -> keras.Model:
    with layer_precision("float32"):
        same = build_model(config, description)
    same.set_weights(model.get_weights())
    return same


def _raw_forecast(
    parameters: Any,
    location: Any,
    scale: Any,
    config: ForecastingConfig,
    levels: tuple[float, ...],
) -> dict[str, Any]:
    """Parameters in scaled space -> the outputs of a deployment model."""
    trained_levels = config.quantiles if config.output == "quantiles" else ()
    restore = HeadAffine(config.output, trained_levels, name="target_restore")
    raw = restore(parameters, location, scale)
    return HeadForecast(config.output, levels, name="forecast")(raw)
