"""Builds the models of a config: one that carries its state, one that takes and gives it."""

from __future__ import annotations

from typing import Any

import keras

from pipelines.base.errors import ConfigurationError
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.language_modelling.network.capabilities import check_capabilities
from rnn_apps.language_modelling.network.networks import stack
from rnn_apps.layers.adaptive_softmax import AdaptiveSoftmax, default_cutoffs
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.layers.sampled_softmax import SampledSoftmax, SampledTiedEmbedding
from rnn_apps.layers.token_embedding import TiedEmbedding, TokenEmbedding
from rnn_apps.training.optimisation.precision import layer_precision

_LARGEST_DEFAULT_EMBEDDING = 256


def build_model(config: LanguageModellingConfig, vocabulary_size: int) -> keras.Model:
    """The model that is trained; it carries its state from batch to batch.

    Input: "tokens" int32 [batch_size, timesteps], of any number of timesteps; row i continues where
    row i of the batch before ended.

    Outputs: "hidden" [batch_size, timesteps, size], what the output layer reads, and "logits"
    float32 [batch_size, timesteps, vocabulary_size]. An objective that needs no logits costs none:
    TensorFlow leaves out of a compiled step what nothing reads.

    Layers follow the global dtype policy; logits are float32 whatever it is.

    Raises:
        ConfigurationError: options that exclude each other.
    """
    check_capabilities(config)
    tokens = keras.Input(batch_shape=(config.batch_size, None), dtype="int32", name="tokens")
    outputs, _ = _outputs(tokens, config, vocabulary_size, states=None)
    return keras.Model(tokens, outputs, name=f"{config.cell}_language_model")


def inference_model(
    model: keras.Model,
    config: LanguageModellingConfig,
    vocabulary_size: int,
    batch_size: int | None = None,
    *,
    hidden: bool = True,
) -> keras.Model:
    """A model with a copy of a trained one's weights, whose states go in and come out.

    Inputs: a dict of "tokens" int32 [batch, timesteps] and the states "state_0", "state_1", ...
    float32 [batch, units]: of each layer h, or h and c of an LSTM. Zeros start a text.

    Outputs: a dict of "logits" float32 [batch, timesteps, vocabulary_size], "hidden" [batch,
    timesteps, size], what the output layer reads, and the states after the last token, under the
    names they came in with. A softmax over the logits gives the probabilities of the
    tokens that follow, whatever the output layer was trained with.

    Args:
        model: model that `build_model` made with the same config and vocabulary.
        config: configuration of that model.
        vocabulary_size: number of tokens in its vocabulary.
        batch_size: number of rows; None for any number.
        hidden: True to give the output "hidden" too.

    Returns:
        A float32 model, whatever precision the other was trained with.
    """
    with layer_precision("float32"):
        tokens = keras.Input(batch_shape=(batch_size, None), dtype="int32", name="tokens")
        states = [
            keras.Input(batch_shape=(batch_size, config.units), name=f"state_{index}")
            for index in range(config.layers * len(find_cell(config.cell).states))
        ]
        outputs, final = _outputs(tokens, config, vocabulary_size, states=states)
        if not hidden:
            del outputs["hidden"]
        inputs = {"tokens": tokens, **_by_name(states)}
        outputs.update(_by_name(final))
        found = keras.Model(inputs, outputs, name=f"{config.cell}_language_model_step")
    for layer in found.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return found


def _by_name(states: list[Any]) -> dict[str, Any]:
    return {f"state_{index}": state for index, state in enumerate(states)}


def _outputs(
    tokens: Any,
    config: LanguageModellingConfig,
    vocabulary_size: int,
    *,
    states: list[Any] | None,
) -> tuple[dict[str, Any], list[Any]]:
    """Hidden and logits by name, and the final states (see `stack`)."""
    size = config.embedding_size or min(config.units, _LARGEST_DEFAULT_EMBEDDING)
    embedding = _embedding(config, vocabulary_size, size)
    hidden, final = stack(embedding(tokens), config, states=states)
    if config.tied:
        if size != config.units:
            projection = keras.layers.Dense(size, use_bias=False, name="projection")
            hidden = projection(hidden)
        logits = embedding(hidden, reverse=True)
    else:
        logits = _output_layer(config, vocabulary_size)(hidden)
    return {"hidden": hidden, "logits": logits}, final


def _embedding(config: LanguageModellingConfig, vocabulary_size: int, size: int) -> TokenEmbedding:
    options: dict[str, Any] = {
        "dropout": config.embedding_dropout,
        "initial_range": config.embedding_range,
        "name": "embedding",
    }
    if config.tied and config.output == "sampled":
        options["samples"] = config.sampled_tokens
        return SampledTiedEmbedding(vocabulary_size, size, **options)
    return (TiedEmbedding if config.tied else TokenEmbedding)(vocabulary_size, size, **options)


def _output_layer(config: LanguageModellingConfig, vocabulary_size: int) -> keras.layers.Layer:
    """float32 whatever the precision of the other layers."""
    if config.output == "adaptive":
        cutoffs = config.cutoffs or default_cutoffs(vocabulary_size)
        if cutoffs[-1] >= vocabulary_size or sorted(set(cutoffs)) != list(cutoffs):
            raise ConfigurationError(
                f"cutoffs = {','.join(map(str, cutoffs))} must ascend and lie below the "
                f"vocabulary's size, {vocabulary_size}"
            )
        return AdaptiveSoftmax(vocabulary_size, cutoffs, name="output")
    if config.output == "sampled":
        return SampledSoftmax(vocabulary_size, config.sampled_tokens, name="output")
    return keras.layers.Dense(vocabulary_size, dtype="float32", name="output")
