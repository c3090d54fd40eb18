"""A trained language model with its state in the open: given, taken, carried on by the caller."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

TOKENS, LOGITS, HIDDEN = "tokens", "logits", "hidden"
States = dict[str, tf.Tensor]


class CarriedModel:
    """Runs an `inference_model` piece by piece.

    Args:
        model: Keras model with inputs "tokens" int32 [batch, timesteps] and the states, each
            [batch, units]; outputs "logits" float32 [batch, timesteps, vocabulary], the states by
            the same names, and "hidden" [batch, timesteps, units], from which the logits are
            computed.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.state_sizes = {
            tensor.name: int(tensor.shape[-1]) for tensor in model.inputs if tensor.name != TOKENS
        }
        self.vocabulary = int(model.output[LOGITS].shape[-1])
        self._advance = tf.function(self.advance, reduce_retracing=True, autograph=False)

    def start(self, batch: int | tf.Tensor = 1) -> States:
        """The states before a text: zeros."""
        return {name: tf.zeros((batch, size)) for name, size in self.state_sizes.items()}

    def advance(self, tokens: tf.Tensor, states: States) -> tuple[dict[str, tf.Tensor], States]:
        """The outputs that are not states, and the states after the last timestep; traceable."""
        outputs = dict(self.model({TOKENS: tokens, **states}, training=False))
        following = {name: outputs.pop(name) for name in self.state_sizes}
        return outputs, following

    def step(self, tokens: NDArray[np.integer], states: States) -> tuple[tf.Tensor, States]:
        """The logits [batch, timesteps, vocabulary] of tokens [batch, timesteps], compiled."""
        outputs, following = self._advance(tf.constant(tokens, tf.int32), states)
        return outputs[LOGITS], following

    def read(self, tokens: NDArray[np.integer], chunk: int = 256) -> States:
        """The states after a text [tokens] of any length, read in pieces from its beginning."""
        states = self.start()
        for piece in pieces(len(tokens), chunk):
            _, states = self.step(np.asarray(tokens[piece])[None], states)
        return states


def pieces(length: int, chunk: int) -> Iterator[slice]:
    """Neighbouring slices of at most `chunk`, which together cover `length`."""
    for first in range(0, length, chunk):
        yield slice(first, min(first + chunk, length))
