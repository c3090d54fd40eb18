"""The trained network rebuilt for one utterance: whole, or in chunks with its past in the open.

Both share the layers, and so the weights, of the trained model. See `networks` for what they are
called.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers.streamed_frames import DelayedLookahead, EveryFrame, JoinPast, PerFrame
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.network.capabilities import can_stream

FEATURES, PRESENT, LOGITS = "features", "present", "logits"


def whole_model(model: keras.Model, config: SpeechConfig) -> keras.Model:
    """The network for one utterance of any length, without the lengths that a batch needs.

    Args:
        model: model that `build_model` made.
        config: configuration that the model was built with.

    Returns:
        {"features": [1, frames, size]} -> {"logits": [1, output frames, labels]}.
    """
    features = _features_input(model)
    sequence = _normalised(model, features)
    for index, frames in enumerate(_past_frames(config), start=1):
        if index == 1:
            sequence = PerFrame((features.shape[-1], 1), name="step_bands")(sequence)
        padding = keras.layers.ZeroPadding2D(((frames, 0), (0, 0)), name=f"step_padding_{index}")
        sequence = _convolved(model, config, index, padding(sequence))
    sequence = _recurrent(model, config, _flat(sequence))
    if config.lookahead:
        sequence = model.get_layer("lookahead")(sequence)
        sequence = model.get_layer("lookahead_activation")(sequence)
    outputs = {LOGITS: model.get_layer("output")(sequence)}
    return keras.Model({FEATURES: features}, outputs, name=f"{model.name}_whole")


def step_model(model: keras.Model, config: SpeechConfig) -> keras.Model:
    """The network for a stream, which it takes in chunks of multiples of the subsampling.

    A chunk's outputs are those of the whole utterance, `lookahead` output frames late; the first
    ones, before there was anything, are to be dropped. At the end of an utterance chunks follow
    that are not present, until all its outputs have come.

    Args:
        model: model that `build_model` made, of one direction.
        config: configuration that the model was built with.

    Returns:
        Inputs: "features" [1, frames, size]; with a lookahead "present" [1, frames, 1], 1 for a
        frame of the utterance and 0 behind its end; the past of every layer that needs it,
        "convolution_1_past" and so on and "lookahead_past", [1, size], at first zeros. The
        recurrent layers' states are those that `rnn_apps.export` adds. Outputs: "logits"
        [1, output frames, labels] and every past under its name with "_out" after it.

    Raises:
        ConfigurationError: the network needs the whole utterance.
    """
    if not can_stream(config):
        raise ConfigurationError(
            "the model needs the whole utterance, so it cannot stream: train one of one direction "
            "(bidirectional = false) with normalisation = 'global' or 'none'"
        )
    features = _features_input(model)
    inputs, outputs = {FEATURES: features}, {}
    sequence = _normalised(model, features)

    def joined(sequence: Any, frames: int, name: str) -> Any:
        if not frames:
            return sequence
        size = frames * int(np.prod(sequence.shape[2:]))
        past = keras.Input((size,), batch_size=1, name=f"{name}_past")
        together, following = JoinPast(frames, name=f"step_{name}")(sequence, past)
        inputs[past.name], outputs[f"{past.name}_out"] = past, following
        return together

    for index, frames in enumerate(_past_frames(config), start=1):
        if index == 1:
            sequence = PerFrame((features.shape[-1], 1), name="step_bands")(sequence)
        together = joined(sequence, frames, f"convolution_{index}")
        sequence = _convolved(model, config, index, together)
    sequence = _recurrent(model, config, _flat(sequence))
    if config.lookahead:
        present = keras.Input((None, 1), batch_size=1, name=PRESENT)
        inputs[PRESENT] = present
        kept = EveryFrame(config.subsampling, name="step_present")(present)
        sequence = keras.layers.Multiply(name="step_masked")([sequence, kept])
        together = joined(sequence, config.lookahead, "lookahead")
        layer = DelayedLookahead(config.lookahead, name="step_delayed_lookahead")
        sequence = layer(together)
        layer.set_weights(model.get_layer("lookahead").get_weights())
        sequence = model.get_layer("lookahead_activation")(sequence)
    outputs = {LOGITS: model.get_layer("output")(sequence), **outputs}
    return keras.Model(inputs, outputs, name=f"{model.name}_step")


def _features_input(model: keras.Model) -> Any:
    size = int(model.input[FEATURES].shape[-1])
    return keras.Input((None, size), batch_size=1, name=FEATURES)


def _normalised(model: keras.Model, features: Any) -> Any:
    layer = _layer(model, "feature_normalisation")
    if layer is None:
        return features
    # All frames are real here.
    return layer(features, keras.ops.ones_like(features[..., 0], dtype="bool"))


def _past_frames(config: SpeechConfig) -> list[int]:
    """Frames that each convolution sees before a chunk."""
    return [config.time_kernel - 1] * len(config.filters)


def _convolved(model: keras.Model, config: SpeechConfig, index: int, sequence: Any) -> Any:
    """Convolution `index` over frames that have their past in front of them."""
    name = f"convolution_{index}"
    sides = model.get_layer(f"{name}_padding").padding[1]
    padding = keras.layers.ZeroPadding2D(((0, 0), sides), name=f"step_sides_{index}")
    sequence = model.get_layer(name)(padding(sequence))
    sequence = _layer_normalised(model, config, name, sequence)
    return model.get_layer(f"{name}_activation")(sequence)


def _recurrent(model: keras.Model, config: SpeechConfig, sequence: Any) -> Any:
    for index in range(1, config.layers + 1):
        name = f"{config.cell}_{index}"
        sequence = model.get_layer(name)(sequence)
        sequence = _layer_normalised(model, config, name, sequence)
    return sequence


def _layer_normalised(model: keras.Model, config: SpeechConfig, name: str, sequence: Any) -> Any:
    layer = _layer(model, f"{name}_normalisation")
    if layer is None:
        return sequence
    if config.layer_normalisation == "batch" and len(sequence.shape) == 4:
        found = layer(_flat(sequence))
        return PerFrame(sequence.shape[2:], name=f"step_{name}_unflat")(found)
    return layer(sequence)


def _flat(sequence: Any) -> Any:
    if len(sequence.shape) == 3:
        return sequence
    return PerFrame((int(np.prod(sequence.shape[2:])),))(sequence)


def _layer(model: keras.Model, name: str) -> keras.layers.Layer | None:
    return next((layer for layer in model.layers if layer.name == name), None)
