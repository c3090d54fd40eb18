"""A softmax over a large vocabulary that training computes over a sample of it."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from rnn_apps.layers.token_embedding import TiedEmbedding


def log_uniform_candidates(
    count: int, vocabulary_size: int, seed: keras.random.SeedGenerator
) -> tf.Tensor:
    """Tokens drawn with replacement, int32 [count]; see `log_expected_count`."""
    drawn = keras.random.uniform((count,), seed=seed)
    tokens = tf.exp(drawn * math.log(vocabulary_size + 1.0)) - 1.0
    return tf.minimum(tf.cast(tokens, tf.int32), vocabulary_size - 1)


def log_expected_count(tokens: tf.Tensor, count: int, vocabulary_size: int) -> tf.Tensor:
    """The logarithm of how often tokens are expected among `count` candidates, float32.

    Token k is drawn with probability log((k + 2) / (k + 1)) / log(V + 1), near to Zipf's law
    where tokens are sorted by frequency.
    """
    rank = tf.cast(tokens, tf.float32)
    probability = tf.math.log1p(1.0 / (rank + 1.0)) / math.log(vocabulary_size + 1.0)
    return tf.math.log(count * probability)


def sampled_losses(
    kernel: tf.Tensor, bias: tf.Tensor, hidden: tf.Tensor, targets: tf.Tensor, candidates: tf.Tensor
) -> tf.Tensor:
    """An estimate of -log p(target), float32 [N], with the candidates for the whole vocabulary.

    The softmax is over the target and the candidates, the logit of a candidate less the logarithm
    of how often it is expected, so that in the mean the sum of their exponentials is that of all
    other tokens (importance sampling: Bengio and Senécal 2008, "Adaptive importance sampling to
    accelerate training of a neural probabilistic language model"; Blanc and Rendle 2018, section
    2.2). A candidate that is the target itself is left out.

    Args:
        kernel: output weights, one row per token, float32 [vocabulary_size, size].
        bias: output bias per token, float32 [vocabulary_size].
        hidden: input of the output layer, float32 [N, size].
        targets: tokens to predict, int32 [N].
        candidates: sampled tokens from `log_uniform_candidates`, int32 [count].
    """
    own = tf.reduce_sum(hidden * tf.gather(kernel, targets), axis=-1) + tf.gather(bias, targets)
    others = tf.matmul(hidden, tf.gather(kernel, candidates), transpose_b=True)
    others += tf.gather(bias, candidates)
    others -= log_expected_count(candidates, int(candidates.shape[0]), int(kernel.shape[0]))
    others = tf.where(candidates[None] == targets[:, None], others.dtype.min, others)
    return tf.reduce_logsumexp(tf.concat([own[:, None], others], axis=1), axis=1) - own


def exact_losses(
    kernel: tf.Tensor, bias: tf.Tensor, hidden: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """-log p(target) of the whole vocabulary, float32 [rows, timesteps].

    The logits of one timestep at a time, and again for the gradient, so that memory grows with
    rows x vocabulary only.

    Args:
        kernel, bias: output weights and bias, as for `sampled_losses`.
        hidden: input of the output layer, float32 [rows, timesteps, size].
        targets: tokens to predict, int32 [rows, timesteps].
    """

    # A tensor that is no argument of such a function gets no gradient, in a graph without a word.
    @tf.recompute_grad
    def of_timestep(
        values: tf.Tensor, tokens: tf.Tensor, weights: tf.Tensor, biases: tf.Tensor
    ) -> tf.Tensor:
        logits = tf.matmul(values, weights, transpose_b=True) + biases
        return tf.nn.sparse_softmax_cross_entropy_with_logits(tokens, logits)

    by_time = (tf.transpose(hidden, [1, 0, 2]), tf.transpose(targets))
    losses = tf.map_fn(
        lambda pair: of_timestep(*pair, kernel, bias), by_time, fn_output_signature=tf.float32
    )
    return tf.transpose(losses)


class _SampledLosses:
    """What both layers below have; `_rows` gives the kernel [vocabulary_size, size]."""

    samples: int
    vocabulary_size: int
    bias: Any
    candidate_seeds: keras.random.SeedGenerator

    def _rows(self) -> Any:
        raise NotImplementedError

    def token_losses(self, hidden: tf.Tensor, targets: tf.Tensor, training: bool) -> tf.Tensor:
        """-log p(target) in nats, float32 [rows, timesteps]; in training an estimate.

        Args:
            hidden: input of the layer, [rows, timesteps, size].
            targets: tokens to predict, int32 [rows, timesteps].
        """
        kernel = tf.convert_to_tensor(self._rows())
        bias = tf.convert_to_tensor(self.bias)
        hidden = tf.cast(hidden, tf.float32)
        if not training:
            return exact_losses(kernel, bias, hidden, targets)
        candidates = log_uniform_candidates(
            self.samples, self.vocabulary_size, self.candidate_seeds
        )
        flat = tf.reshape(hidden, [-1, hidden.shape[-1]])
        losses = sampled_losses(kernel, bias, flat, tf.reshape(targets, [-1]), candidates)
        return tf.reshape(losses, tf.shape(targets))


@keras.saving.register_keras_serializable(package="rnn_apps")
class SampledSoftmax(_SampledLosses, keras.layers.Layer):
    """[..., size] -> float32 logits [..., vocabulary_size]; its `token_losses` samples.

    Args:
        vocabulary_size: number of tokens, which are sorted by frequency, the most frequent first.
        samples: number of candidates drawn per training step, shared by all its tokens.
        seed: seed of the random candidates.
    """

    def __init__(
        self, vocabulary_size: int, samples: int, seed: int | None = None, **kwargs: Any
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.samples = samples
        self.seed = seed
        self.candidate_seeds = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.vocabulary_size, input_shape[-1]),
            initializer="glorot_uniform",
        )
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary_size,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """The logits of the whole vocabulary."""
        kernel = keras.ops.transpose(self.kernel)
        return keras.ops.matmul(inputs, kernel) + self.bias

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """The last axis turns into the vocabulary; float32."""
        return keras.KerasTensor((*inputs.shape[:-1], self.vocabulary_size), "float32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "samples": self.samples,
            "seed": self.seed,
        }

    def _rows(self) -> Any:
        return self.kernel


@keras.saving.register_keras_serializable(package="rnn_apps")
class SampledTiedEmbedding(_SampledLosses, TiedEmbedding):
    """A `TiedEmbedding` whose `token_losses` samples, as those of `SampledSoftmax`.

    Args:
        vocabulary_size, size, dropout, seed: arguments of `TiedEmbedding`.
        samples: number of candidates drawn per training step, shared by all its tokens.
    """

    def __init__(
        self,
        vocabulary_size: int,
        size: int,
        dropout: float = 0.0,
        seed: int | None = None,
        *,
        samples: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocabulary_size, size, dropout, seed, **kwargs)
        self.samples = samples
        self.candidate_seeds = keras.random.SeedGenerator(seed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "samples": self.samples}

    def _rows(self) -> Any:
        return self.embeddings
