"""The two halves of a translation model as a device runs them: `encode` and `decode_step`.

A device reads one sentence at a time, so nothing is padded, and the rows of `decode_step` are the
hypotheses of that sentence: what the attention reads is there once, however many they are. C code,
whose sizes are fixed, reads sentences that are padded to the longest one it takes.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rnn_apps.translation.network.model import END, PADDING, START, Source, TranslationModel

TOKENS, TOKEN, LOGITS, ALIGNMENT = "source", "token", "logits", "alignment"
ANNOTATIONS, KEYS, PRESENT = "annotations", "keys", "present"
SUCCESSOR = "{}_out"

Example = dict[str, NDArray[Any]]


class _Encoder(keras.layers.Layer):
    """Source tokens int32 [1, positions] -> what `decode_step` takes, by name."""

    def __init__(self, translation: TranslationModel, padded: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.translation = translation
        self.padded = padded

    def call(self, tokens: Any) -> dict[str, Any]:
        source, states = self.translation.encode(tokens, padded=self.padded)
        named = dict(zip(self.translation.step.state_names, states, strict=True))
        names = memory_names(self.translation, self.padded)
        if self.padded:
            # A device sees by it that sources are padded, also where the decoder does not read it.
            named[PRESENT] = source.present
        return named | {name: getattr(source, name) for name in names}


class _DecodeStep(keras.layers.Layer):
    """A token, the states and what the attention reads -> logits, alignment and new states."""

    def __init__(self, translation: TranslationModel, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.translation = translation

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        model = self.translation
        names = model.step.state_names
        annotations = inputs.get(ANNOTATIONS)
        source = Source(
            annotations,
            inputs.get(KEYS, annotations),
            None if annotations is None else inputs.get(PRESENT, tf.ones_like(annotations[..., 0])),
        )
        states = [inputs[name] for name in names]
        logits, new, weights = model.decode_step(inputs[TOKEN], source, states)
        found = {SUCCESSOR.format(name): state for name, state in zip(names, new, strict=True)}
        found[LOGITS] = logits
        if annotations is not None:
            found[ALIGNMENT] = weights
        return found


def memory_names(model: TranslationModel, padded: bool = False) -> list[str]:
    """The names of what stays the same for a sentence: what the attention reads."""
    attention = model.step.recurrence.attention
    if attention is None:
        return []
    names = [ANNOTATIONS, KEYS] if attention.has_own_keys else [ANNOTATIONS]
    return [*names, PRESENT] if padded else names


def device_models(
    model: TranslationModel, positions: int | None = None
) -> tuple[keras.Model, keras.Model]:
    """The encoder and one step of the decoder, on the weights of `model`.

    Args:
        model: trained translation model.
        positions: number of ids that every source is padded to; None for sources of any length,
            which are not padded.
    """
    padded = positions is not None
    tokens = keras.Input((positions,), dtype="int32", name=TOKENS)
    encoded = _Encoder(model, padded, name="encoder")(tokens)
    encoder = keras.Model({TOKENS: tokens}, encoded, name="encode")
    inputs = {TOKEN: keras.Input((), dtype="int32", name=TOKEN)}
    for name in model.step.state_names:
        inputs[name] = keras.Input(encoded[name].shape[1:], name=name)
    for name in memory_names(model, padded):
        inputs[name] = keras.Input(batch_shape=(1, *encoded[name].shape[1:]), name=name)
    decoder = keras.Model(inputs, _DecodeStep(model, name="decoder")(inputs), name="decode_step")
    return encoder, decoder


def decoding_examples(
    encoder: keras.Model, decoder: keras.Model, sources: list[NDArray[np.int32]], most: int
) -> list[Example]:
    """Inputs of single steps, as greedy search meets them, evenly from all places of all sentences.

    The states of later steps have other ranges than those of the first, and each has to be met
    where ranges are measured.

    Args:
        encoder, decoder: models from `device_models`.
        sources: ids with their end, one array per sentence.
        most: largest number of steps.
    """
    step = tf.function(lambda inputs: decoder(inputs), autograph=False, reduce_retracing=True)
    encode = tf.function(lambda inputs: encoder(inputs), autograph=False, reduce_retracing=True)
    each = max(1, -(-most // max(1, len(sources))))
    found: list[Example] = []
    for number, source in enumerate(sources):
        given = encode({TOKENS: tf.constant(source[None])})
        inputs = {name: value for name, value in given.items() if name in decoder.input}
        # About `each` steps of a sentence whose translation is as long, from one place on that
        # moves from sentence to sentence.
        length = int(np.count_nonzero(source))
        stride = max(1, length // each)
        token = START
        for place in range(2 * length):
            inputs[TOKEN] = tf.constant([token], tf.int32)
            if place % stride == number % stride:
                found.append({name: np.asarray(value) for name, value in inputs.items()})
            outputs = step(inputs)
            inputs |= {
                name.removesuffix("_out"): value
                for name, value in outputs.items()
                if name.endswith("_out")
            }
            logits = np.array(outputs[LOGITS])[0]
            logits[[PADDING, START]] = -np.inf
            token = int(np.argmax(logits))
            if token == END:
                break
    kept = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[place] for place in kept]
