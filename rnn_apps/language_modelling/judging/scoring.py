"""What a model says of every token of a text, with the state carried from the text's beginning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError, DataError
from rnn_apps.language_modelling.network.carried_model import (
    HIDDEN,
    LOGITS,
    CarriedModel,
    States,
    pieces,
)

CHUNK = 256
# Windows that are read alongside each other.
WINDOWS = 64
# Of a text with fewer chunks, compiling takes longer than it saves.
FEWEST_COMPILED_CHUNKS = 20

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TokenScores:
    """The predictions of all tokens of a text but the first, which nothing comes before.

    Attributes:
        log_probabilities: float32 [tokens - 1], in nats.
        ranks: int32 [tokens - 1], how many tokens were held to be more probable.
        confidences: float32 [tokens - 1], the probability of the token held most probable.
    """

    log_probabilities: Floats
    ranks: NDArray[np.int32]
    confidences: Floats


def score_tokens(
    model: CarriedModel, tokens: NDArray[np.integer], chunk: int = CHUNK
) -> TokenScores:
    """Scores a text as one stream. The result does not depend on the length of the chunks.

    Args:
        model: trained model with explicit state.
        tokens: tokens of the text, integers [tokens], in memory or mapped from a file.
        chunk: number of time steps per call.

    Raises:
        DataError: there are fewer than two tokens, so that there is nothing to predict.
    """

    def scored(outputs: dict[str, tf.Tensor], targets: tf.Tensor) -> list[tf.Tensor]:
        log_probabilities = tf.nn.log_softmax(outputs[LOGITS][0])
        found = tf.gather(log_probabilities, targets, batch_dims=1)
        above = log_probabilities > found[:, None]
        ranks = tf.reduce_sum(tf.cast(above, tf.int32), axis=-1)
        return [found, ranks, tf.exp(tf.reduce_max(log_probabilities, axis=-1))]

    return TokenScores(*_over_the_text(model, tokens, chunk, scored))


def score_windows(
    model: CarriedModel, tokens: NDArray[np.integer], window: int, batch: int = WINDOWS
) -> Floats:
    """Scores a text in windows, each read from states of zeros, as transformers are judged.

    A model with a context of `window` tokens knows nothing before them. So the text is cut into
    neighbouring windows, and the predictions at all their places are counted, the first ones too.

    Args:
        model: trained model with explicit state.
        tokens: tokens of the text, integers [tokens], in memory or mapped from a file.
        window: number of tokens that a window reads, and so predicts; the last one may be shorter.
        batch: number of windows that are read alongside each other.

    Returns:
        The log probability of each token but the first, float32 [tokens - 1], in nats.

    Raises:
        ConfigurationError: the window has no token.
        DataError: there are fewer than two tokens, so that there is nothing to predict.
    """
    if window < 1:
        raise ConfigurationError(f"window = {window} must be at least 1 token")
    require_two_tokens(tokens)
    found = []
    whole = (len(tokens) - 1) // window
    for rows in pieces(whole, batch):
        cut = slice(rows.start * window, rows.stop * window)
        found.append(_from_zeros(model, tokens, cut, rows.stop - rows.start))
    if whole * window < len(tokens) - 1:
        found.append(_from_zeros(model, tokens, slice(whole * window, len(tokens) - 1), 1))
    return np.concatenate(found)


def _from_zeros(
    model: CarriedModel, tokens: NDArray[np.integer], piece: slice, windows: int
) -> Floats:
    """The log probabilities of the tokens after a piece's, which is read as equal windows."""
    inputs, targets = (tf.reshape(ids, [windows, -1]) for ids in shifted(tokens, piece))
    states, found = model.start(windows), []
    for chunk in pieces(int(inputs.shape[1]), CHUNK):
        logits, states = model.step(inputs[:, chunk].numpy(), states)
        found.append(tf.gather(tf.nn.log_softmax(logits), targets[:, chunk], batch_dims=2))
    return tf.reshape(tf.concat(found, axis=1), [-1]).numpy()


def hidden_vectors(
    model: CarriedModel, tokens: NDArray[np.integer], chunk: int = CHUNK
) -> tuple[Floats, Floats]:
    """The last layer's output before each token but the first, and that token's log probability.

    Returns:
        float32 [tokens - 1, units] and float32 [tokens - 1].

    Raises:
        DataError: there are fewer than two tokens.
    """

    def read(outputs: dict[str, tf.Tensor], targets: tf.Tensor) -> list[tf.Tensor]:
        log_probabilities = tf.nn.log_softmax(outputs[LOGITS][0])
        found = tf.gather(log_probabilities, targets, batch_dims=1)
        return [tf.cast(outputs[HIDDEN][0], tf.float32), found]

    hidden, found = _over_the_text(model, tokens, chunk, read)
    return hidden, found


def _over_the_text(
    model: CarriedModel,
    tokens: NDArray[np.integer],
    chunk: int,
    measure: Callable[[dict[str, tf.Tensor], tf.Tensor], list[tf.Tensor]],
) -> list[NDArray[Any]]:
    """What `measure` finds in the outputs before each target, the state carried: [tokens - 1, ...].

    One text is one row, whose timesteps wait for each other: what a loop costs beside its products
    counts. XLA's loop takes a quarter to a half of TensorFlow's time, so the whole chunks of a long
    text are compiled. `measure` is not: a fusion may compute a number twice, and not to the same
    last bit, so that a token would be more probable than itself.

    Args:
        measure: function (outputs of one text, targets [timesteps]) -> tensors [timesteps, ...],
            which TensorFlow can trace.
    """
    require_two_tokens(tokens)

    def measured_by(advance: Callable[..., Any]) -> Callable[..., Any]:
        def measured(
            inputs: tf.Tensor, targets: tf.Tensor, states: States
        ) -> tuple[list[tf.Tensor], States]:
            outputs, following = advance(inputs[None], states)
            return measure(outputs, targets), following

        return tf.function(measured, reduce_retracing=True, autograph=False)

    plain = measured_by(model.advance)
    compiled = plain
    if (len(tokens) - 1) // chunk >= FEWEST_COMPILED_CHUNKS:
        compiled = measured_by(tf.function(model.advance, jit_compile=True, autograph=False))
    states = model.start()
    rows = []
    for piece in pieces(len(tokens) - 1, chunk):
        inputs, targets = shifted(tokens, piece)
        measured = compiled if len(inputs) == chunk else plain
        found, states = measured(inputs, targets, states)
        rows.append([value.numpy() for value in found])
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def shifted(tokens: NDArray[np.integer], piece: slice) -> tuple[tf.Tensor, tf.Tensor]:
    """The tokens of a piece, and the tokens that follow each; int32 [timesteps]."""
    both = np.asarray(tokens[piece.start : piece.stop + 1], np.int32)
    return tf.constant(both[:-1]), tf.constant(both[1:])


def require_two_tokens(tokens: NDArray[np.integer]) -> None:
    """Refuses a text in which there is nothing to predict.

    Raises:
        DataError: there are fewer than two tokens.
    """
    if len(tokens) < 2:
        raise DataError(
            f"the text has {len(tokens)} token{'s' if len(tokens) != 1 else ''}; at least two are "
            "needed, since the first only gives the context of the second"
        )
