"""Builds the model of a config."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from rnn_apps.layers.feature_normalisation import FeatureNormalisation
from rnn_apps.layers.frame_lengths import FrameMask
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.network.capabilities import check_capabilities
from rnn_apps.speech.network.networks import convolutions, lookahead, recurrent_layers

Statistics = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def build_model(
    config: SpeechConfig, feature_size: int, labels: int, statistics: Statistics | None = None
) -> keras.Model:
    """The acoustic model.

    Inputs, a dict: "features" float32 [batch, frames, feature_size], before normalisation, and
    "frame_lengths" int32 [batch], the true number of frames of each row.

    Outputs, a dict: "logits" float32 [batch, output frames, labels], whatever the dtype policy,
    and "lengths" int32 [batch], the true number of output frames. A row's logits do not depend on
    what it was padded with. The last label is the blank.

    Args:
        config: configuration of the run.
        feature_size: number of features per frame.
        labels: number of labels, the blank included.
        statistics: mean and standard deviation of each feature over the training data, for global
            normalisation; None leaves the features as they are until weights are loaded.

    Raises:
        ConfigurationError: options that exclude each other.
    """
    check_capabilities(config)
    features = keras.Input((None, feature_size), dtype="float32", name="features")
    lengths = keras.Input((), dtype="int32", name="frame_lengths")
    sequence = _normalised(features, lengths, config, statistics)
    sequence, output_lengths = convolutions(sequence, lengths, config)
    sequence = recurrent_layers(sequence, output_lengths, config)
    sequence = lookahead(sequence, output_lengths, config)
    logits = keras.layers.Dense(labels, dtype="float32", name="output")(sequence)
    return keras.Model(
        {"features": features, "frame_lengths": lengths},
        {"logits": logits, "lengths": output_lengths},
        name=f"{config.cell}_speech_recogniser",
    )


def _normalised(
    features: Any, lengths: Any, config: SpeechConfig, statistics: Statistics | None
) -> Any:
    if config.normalisation == "none":
        return features
    mask = FrameMask(name="feature_mask")(features, lengths)
    layer = FeatureNormalisation(config.normalisation, name="feature_normalisation")
    found = layer(features, mask)
    if statistics is not None and config.normalisation == "global":
        layer.set_statistics(*statistics)
    return found
