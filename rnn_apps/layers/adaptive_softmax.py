"""A softmax over a large vocabulary in clusters: little work and memory for rare tokens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

_SMALLEST_PROJECTION = 8


def default_cutoffs(vocabulary_size: int) -> tuple[int, ...]:
    """Cutoffs for a vocabulary: a sixteenth and a quarter of it."""
    return tuple(
        sorted({max(vocabulary_size // 16, 1), max(vocabulary_size // 4, 1)} - {vocabulary_size})
    )


@keras.saving.register_keras_serializable(package="rnn_apps")
class AdaptiveSoftmax(keras.layers.Layer):
    """[batch, timesteps, size] -> float32 log probabilities [batch, timesteps, vocabulary_size].

    Grave, Joulin, Cissé, Grangier and Jégou 2017, "Efficient softmax approximation for GPUs": the
    most frequent tokens and one entry for every cluster of rarer ones share a first softmax; each
    cluster has a softmax of its own, over a projection that is `factor` times smaller than that of
    the cluster before (figure 3). log p(token) is then log p(cluster) + log p(token | cluster).

    Args:
        vocabulary_size: number of tokens, which are sorted by frequency, the most frequent first.
        cutoffs: first token of every cluster, in ascending order.
        factor: factor by which each cluster's projection is smaller than the one before.

    Raises:
        ValueError: cutoffs that do not ascend from 1 to the vocabulary's size.
    """

    def __init__(
        self, vocabulary_size: int, cutoffs: Sequence[int], factor: int = 4, **kwargs: Any
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        borders = [0, *cutoffs, vocabulary_size]
        if len(borders) < 3 or any(a >= b for a, b in itertools.pairwise(borders)):
            raise ValueError(
                f"cutoffs = {tuple(cutoffs)} must ascend, above 0 and below the vocabulary's "
                f"size, {vocabulary_size}"
            )
        self.vocabulary_size = vocabulary_size
        self.cutoffs = list(cutoffs)
        self.factor = factor
        self._clusters = list(itertools.pairwise(borders[1:]))

    def build(self, input_shape: Any) -> None:
        """Makes the first softmax and the clusters' projections and softmaxes."""
        size, first = int(input_shape[-1]), self.cutoffs[0] + len(self.cutoffs)
        self.head_kernel = self._kernel("head_kernel", size, first)
        self.head_bias = self._bias("head_bias", first)
        self.tails: list[tuple[Any, Any, Any]] = []
        for index, (start, stop) in enumerate(self._clusters):
            smaller = max(size // self.factor ** (index + 1), _SMALLEST_PROJECTION)
            self.tails.append(
                (
                    self._kernel(f"projection_{index + 1}", size, smaller),
                    self._kernel(f"kernel_{index + 1}", smaller, stop - start),
                    self._bias(f"bias_{index + 1}", stop - start),
                )
            )

    def call(self, inputs: Any) -> Any:
        """The log probabilities of all tokens."""
        first = self.cutoffs[0]
        head = keras.ops.log_softmax(keras.ops.matmul(inputs, self.head_kernel) + self.head_bias)
        parts = [head[..., :first]]
        for index in range(len(self.tails)):
            within = keras.ops.log_softmax(self._tail_logits(index, inputs))
            parts.append(head[..., first + index : first + index + 1] + within)
        return keras.ops.concatenate(parts, axis=-1)

    def token_losses(self, hidden: tf.Tensor, targets: tf.Tensor, training: bool) -> tf.Tensor:
        """-log p(target) in nats, float32 [rows, timesteps], exact.

        A cluster's softmax is computed for its own targets only.

        Args:
            hidden: input of the layer, [rows, timesteps, size].
            targets: tokens to predict, int32 [rows, timesteps].
            training: True in training, which makes no difference here.
        """
        flat = tf.reshape(tf.cast(hidden, tf.float32), [-1, hidden.shape[-1]])
        tokens = tf.reshape(targets, [-1])
        entries, first = tokens, self.cutoffs[0]
        for index, (start, stop) in enumerate(self._clusters):
            entries = tf.where((tokens >= start) & (tokens < stop), first + index, entries)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            entries, tf.matmul(flat, self.head_kernel) + self.head_bias
        )
        for index, (start, stop) in enumerate(self._clusters):
            places = tf.where((tokens >= start) & (tokens < stop))
            within = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.gather_nd(tokens, places) - start,
                self._tail_logits(index, tf.gather_nd(flat, places)),
            )
            losses = tf.tensor_scatter_nd_add(losses, places, within)
        return tf.reshape(losses, tf.shape(targets))

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """The last axis turns into the vocabulary; float32."""
        return keras.KerasTensor((*inputs.shape[:-1], self.vocabulary_size), "float32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "cutoffs": self.cutoffs,
            "factor": self.factor,
        }

    def _tail_logits(self, index: int, hidden: Any) -> Any:
        projection, kernel, bias = self.tails[index]
        return keras.ops.matmul(keras.ops.matmul(hidden, projection), kernel) + bias

    def _kernel(self, name: str, rows: int, columns: int) -> Any:
        return self.add_weight(name=name, shape=(rows, columns), initializer="glorot_uniform")

    def _bias(self, name: str, columns: int) -> Any:
        return self.add_weight(name=name, shape=(columns,), initializer="zeros")
