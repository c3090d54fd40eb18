"""Builds the network of a config."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rnn_apps.training.optimisation.precision import layer_precision
from rnn_apps.translation.config import TranslationConfig
from rnn_apps.translation.network.capabilities import check_capabilities
from rnn_apps.translation.network.model import Network, TranslationModel


def build_model(
    config: TranslationConfig, source_vocabulary: int, target_vocabulary: int
) -> TranslationModel:
    """The network that is trained; see `TranslationModel`.

    Args:
        config: sizes and options of the network.
        source_vocabulary, target_vocabulary: numbers of ids, as `sentence_ids.vocabulary_size`
            counts them.

    Raises:
        ConfigurationError: options that exclude each other.
    """
    check_capabilities(config)
    names = {field.name for field in fields(Network)}
    options: dict[str, Any] = {
        field.name: getattr(config, field.name) for field in fields(config) if field.name in names
    }
    return TranslationModel(
        Network(source_vocabulary, target_vocabulary, **options),
        name=f"{config.cell}_translation_model",
    )


def inference_model(model: TranslationModel) -> TranslationModel:
    """A float32 model with the same weights, for a model that was trained with any precision."""
    if model.dtype_policy.name == "float32":
        return model
    with layer_precision("float32"):
        copy = TranslationModel(model.network, name=model.name)
    copy.set_weights(model.get_weights())
    return copy
