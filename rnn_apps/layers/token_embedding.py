"""Tokens to vectors, with dropout of whole tokens, and back to logits with the same matrix."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="rnn_apps")
class TokenEmbedding(keras.layers.Layer):
    """Integer [batch, timesteps] -> float32 [batch, timesteps, size], a matrix row per token.

    With `dropout` a token is left out wherever it occurs in a step, as if its row were zero, and
    the others are scaled up by 1 / (1 - dropout) (Gal and Ghahramani 2016, section 4.2).

    Args:
        vocabulary_size: number of tokens, the rows of the matrix.
        size: number of features per token, the columns of the matrix.
        dropout: share of the vocabulary that is left out in training, drawn anew in every call.
        seed: seed of the dropout.
        initial_range: largest initial value; the matrix starts uniform in +- this. 0.1 is usual for
            wide embeddings (Merity et al. 2017); narrow ones need more, since the recurrent layer
            above sees a signal of variance size x initial_range^2 / 3.
    """

    def __init__(
        self,
        vocabulary_size: int,
        size: int,
        dropout: float = 0.0,
        seed: int | None = None,
        initial_range: float = 0.1,
        **kwargs: Any,
    ) -> None:
        # Whatever the precision of other layers: logits need all of it, and looking up is no work.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.size = size
        self.dropout = dropout
        self.seed = seed
        self.initial_range = initial_range
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None

    def build(self, input_shape: Any) -> None:
        """Makes the matrix."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.vocabulary_size, self.size),
            initializer=keras.initializers.RandomUniform(
                -self.initial_range, self.initial_range, seed=self.seed
            ),
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """See the class."""
        tokens = keras.ops.cast(inputs, "int32")
        embedded = keras.ops.take(keras.ops.convert_to_tensor(self.embeddings), tokens, axis=0)
        if training and self.dropout:
            drawn = keras.random.uniform((self.vocabulary_size,), seed=self.seed_generator)
            factors = keras.ops.cast(drawn >= self.dropout, "float32") / (1.0 - self.dropout)
            embedded *= keras.ops.take(factors, tokens)[..., None]
        return embedded

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """One more axis."""
        return (*input_shape, self.size)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "size": self.size,
            "dropout": self.dropout,
            "seed": self.seed,
            "initial_range": self.initial_range,
        }


@keras.saving.register_keras_serializable(package="rnn_apps")
class TiedEmbedding(TokenEmbedding):
    """A `TokenEmbedding` whose matrix is also the output layer's (Press and Wolf 2017).

    Called with `reverse=True` on [batch, timesteps, size] it gives float32 logits
    [batch, timesteps, vocabulary_size]: the products with every token's row, plus a bias.
    """

    def build(self, input_shape: Any) -> None:
        """Makes the matrix and the bias of the logits."""
        super().build(input_shape)
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary_size,), initializer="zeros")

    def call(self, inputs: Any, training: bool = False, reverse: bool = False) -> Any:
        """See the class."""
        if not reverse:
            return super().call(inputs, training=training)
        kernel = keras.ops.transpose(self.embeddings)
        return keras.ops.matmul(inputs, kernel) + self.bias

    def compute_output_shape(self, input_shape: Any, reverse: bool = False) -> tuple[Any, ...]:
        """The last axis turns into the vocabulary, or one more axis is added."""
        if reverse:
            return (*input_shape[:-1], self.vocabulary_size)
        return super().compute_output_shape(input_shape)

    def compute_output_spec(
        self, inputs: Any, training: bool = False, reverse: bool = False
    ) -> keras.KerasTensor:
        """See `compute_output_shape`."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape, reverse), "float32")
