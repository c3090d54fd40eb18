"""Dynamic evaluation: the model continues to learn from the text that has already been scored.

Source: Krause, Kahembwe, Murray and Renals (2018), "Dynamic evaluation of neural sequence models",
sections 4 and 5: gradient descent over the last segment only, each gradient divided by the root
mean square that it had on the training text (RMS), and a pull back to the trained weights, stronger
for weights of large gradients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rnn_apps.language_modelling.judging.scoring import Floats, require_two_tokens, shifted
from rnn_apps.language_modelling.network.carried_model import LOGITS, CarriedModel, States, pieces

# Keeps a weight that hardly ever had a gradient, as a rare token's, from leaping at its first one.
LEAST_RMS = 0.1


@dataclass(frozen=True)
class AdaptationSettings:
    """How the weights follow the text.

    Attributes:
        learning_rate: eta of the paper.
        decay: lambda of the paper, the pull back to the trained weights.
        segment: tokens between two changes of the weights.
    """

    learning_rate: float = 1e-4
    decay: float = 2e-3
    segment: int = 20


class DynamicEvaluation:
    """Scores text with a model whose weights follow it; they are restored afterwards.

    Args:
        model: trained model with explicit state.
        training_tokens: tokens of the text that the model was trained on, integers [tokens].
        segment: number of tokens between two changes of the weights.
        most_segments: number of segments, evenly spaced, on which the size of the gradients is
            measured.
    """

    def __init__(
        self,
        model: CarriedModel,
        training_tokens: NDArray[np.integer],
        segment: int = 20,
        most_segments: int = 400,
    ) -> None:
        self._model = model
        self._segment = segment
        self._variables = [v.value for v in model.model.trainable_variables]
        self._rms = self._gradient_sizes(training_tokens, most_segments)
        self._trained = [tf.identity(variable) for variable in self._variables]
        self._step = tf.function(self._scored_and_learnt, reduce_retracing=True, autograph=False)

    def log_probabilities(
        self, tokens: NDArray[np.integer], settings: AdaptationSettings
    ) -> Floats:
        """The log probability of each token but the first, before the model learns from it.

        Returns:
            float32 [tokens - 1], in nats.

        Raises:
            DataError: there are fewer than two tokens.
        """
        require_two_tokens(tokens)
        states = self._model.start()
        rate = tf.constant(settings.learning_rate, tf.float32)
        decay = tf.constant(settings.decay, tf.float32)
        found = []
        with self._restored():
            for piece in pieces(len(tokens) - 1, self._segment):
                inputs, targets = shifted(tokens, piece)
                scores, states = self._step(inputs, targets, states, rate, decay)
                found.append(scores.numpy())
        return np.concatenate(found)

    def choose(
        self,
        tokens: NDArray[np.integer],
        rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4, 1e-3),
        decays: tuple[float, ...] = (0.0, 2e-3, 2e-2),
    ) -> AdaptationSettings:
        """The settings that score this text best, which must not be the text to be judged on.

        The learning rate is chosen first, then the decay for it.

        Args:
            tokens: tokens of the validation part, integers [tokens].
        """

        def cost(settings: AdaptationSettings) -> float:
            loss = -float(self.log_probabilities(tokens, settings).mean(dtype=np.float64))
            return loss if np.isfinite(loss) else np.inf

        start = AdaptationSettings(segment=self._segment)
        rate = min(rates, key=lambda rate: cost(replace(start, learning_rate=rate)))
        found = replace(start, learning_rate=rate)
        decay = min(decays, key=lambda decay: cost(replace(found, decay=decay)))
        return replace(found, decay=decay)

    def _gradients(
        self, inputs: tf.Tensor, targets: tf.Tensor, states: States
    ) -> tuple[tf.Tensor, list[tf.Tensor], States]:
        with tf.GradientTape() as tape:
            outputs, following = self._model.advance(inputs[None], states)
            scores = tf.gather(tf.nn.log_softmax(outputs[LOGITS][0]), targets, batch_dims=1)
            loss = -tf.reduce_mean(scores)
        gradients = tape.gradient(loss, self._variables, unconnected_gradients="zero")
        return scores, [tf.convert_to_tensor(g) for g in gradients], following

    def _scored_and_learnt(
        self,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        states: States,
        rate: tf.Tensor,
        decay: tf.Tensor,
    ) -> tuple[tf.Tensor, States]:
        scores, gradients, following = self._gradients(inputs, targets, states)
        mean_rms = _mean(self._rms)
        for variable, gradient, rms, trained in zip(
            self._variables, gradients, self._rms, self._trained, strict=True
        ):
            pull = tf.minimum(decay * rms / mean_rms, 1.0)
            step = rate * gradient / (rms + LEAST_RMS * mean_rms)
            variable.assign_add(pull * (trained - variable) - step)
        return scores, following

    def _gradient_sizes(self, tokens: NDArray[np.integer], most_segments: int) -> list[tf.Tensor]:
        """The root of the mean square of every weight's gradient over training segments."""
        require_two_tokens(tokens)
        measure = tf.function(self._gradients, reduce_retracing=True, autograph=False)
        squares = [tf.zeros_like(variable) for variable in self._variables]
        every = list(pieces(len(tokens) - 1, self._segment))
        # Each segment follows one that is read for its state alone.
        chosen = every[1 :: max(1, len(every) // most_segments)] or every
        for piece in chosen:
            before = slice(max(0, piece.start - 10 * self._segment), piece.start)
            states = self._model.read(tokens[before]) if piece.start else self._model.start()
            inputs, targets = shifted(tokens, piece)
            _, gradients, _ = measure(inputs, targets, states)
            squares = [a + g * g for a, g in zip(squares, gradients, strict=True)]
        return [tf.sqrt(total / len(chosen)) for total in squares]

    @contextlib.contextmanager
    def _restored(self) -> Iterator[None]:
        try:
            yield
        finally:
            for variable, trained in zip(self._variables, self._trained, strict=True):
                variable.assign(trained)


def _mean(tensors: list[tf.Tensor]) -> tf.Tensor:
    """The mean over all numbers of all tensors."""
    total = tf.add_n([tf.reduce_sum(tensor) for tensor in tensors])
    return total / float(sum(int(np.prod(tensor.shape)) for tensor in tensors))
