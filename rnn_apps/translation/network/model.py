"""The network: an encoder, the first state, a decoder that runs step by step, an output layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.layers import Bidirectional
from rnn_apps.layers.cells.registry import find_cell
from rnn_apps.layers.token_embedding import TiedEmbedding, TokenEmbedding
from rnn_apps.translation.network.decoder import DecoderStep

PADDING, START, END, UNKNOWN = 0, 1, 2, 3


@dataclass(frozen=True)
class Network:
    """The sizes and options of a network; fields as in `TranslationConfig`."""

    source_vocabulary: int
    target_vocabulary: int
    cell: str = "gru"
    units: int = 256
    encoder_layers: int = 1
    decoder_layers: int = 1
    embedding_size: int = 128
    embedding_range: float = 0.5
    bidirectional: bool = True
    attention: str = "bahdanau"
    decoder: str = "conditional"
    input_feeding: bool = False
    coverage: bool = False
    residual: bool = False
    layer_norm: bool = False
    tied: str = "target"
    embedding_dropout: float = 0.0
    annotation_dropout: float = 0.0
    output_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.tied == "all" and self.source_vocabulary != self.target_vocabulary:
            raise ConfigurationError("tied = 'all' needs one vocabulary: joint_vocabulary = true")


class Source(NamedTuple):
    """A batch of encoded sentences, as the decoder reads them.

    Attributes:
        annotations: encoder outputs, [batch, positions, size].
        keys: keys of the annotations, computed once per source, [batch, positions, n].
        present: 1 where there is a token, float32 [batch, positions].
    """

    annotations: Any
    keys: Any
    present: Any


@keras.saving.register_keras_serializable(package="rnn_apps")
class TranslationModel(keras.Model):
    """Source and target tokens -> logits of the target's tokens (Bahdanau et al. 2015).

    Inputs: a dict of "source" int32 [batch, positions], each sentence ended by `END`, and "target"
    int32 [batch, timesteps], begun by `START`; both padded with `PADDING` on the right. Output:
    float32 [batch, timesteps, target_vocabulary], the logits of the token after each.

    The decoder's first states are tanh(W m + b), m the mean of the annotations (Sennrich et al.
    2017); without attention m is the encoder's final state.

    Args:
        network: sizes and options, a `Network` or its fields as a dict.
    """

    def __init__(self, network: Network | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(network, dict):
            network = Network(**network)
        self.network = network
        embedding = TokenEmbedding if network.tied == "none" else TiedEmbedding
        size, initial_range = network.embedding_size, network.embedding_range
        self.target_embedding = embedding(
            network.target_vocabulary, size, initial_range=initial_range, name="target_embedding"
        )
        self.source_embedding = (
            self.target_embedding
            if network.tied == "all"
            else TokenEmbedding(
                network.source_vocabulary, size, initial_range=initial_range,
                name="source_embedding",
            )
        )  # fmt: skip
        self.encoder_layers = [self._encoder_layer(i) for i in range(network.encoder_layers)]
        self.step = DecoderStep(
            network.cell, network.units, network.decoder_layers, size,
            attention=network.attention, decoder=network.decoder,
            input_feeding=network.input_feeding, coverage=network.coverage,
            residual=network.residual, layer_norm=network.layer_norm, dtype=self.dtype_policy,
            name="decoder_step",
        )  # fmt: skip
        count = len(find_cell(network.cell).states) * network.decoder_layers
        self.bridge = keras.layers.Dense(network.units * count, activation="tanh", name="bridge")
        self.output_layer = (
            keras.layers.Dense(network.target_vocabulary, dtype="float32", name="output")
            if network.tied == "none"
            else None
        )
        self.embedding_dropout = keras.layers.Dropout(network.embedding_dropout)
        self.annotation_dropout = keras.layers.Dropout(network.annotation_dropout)
        self.output_dropout = keras.layers.Dropout(network.output_dropout)
        self.build(None)

    def build(self, input_shape: Any) -> None:
        """Makes all weights."""
        network = self.network
        shape = (None, None, network.embedding_size)
        for embedding in {
            id(e): e for e in (self.target_embedding, self.source_embedding)
        }.values():
            embedding.build((None, None))
        for layer in self.encoder_layers:
            layer.build(shape)
            shape = (None, None, network.units * (2 if network.bidirectional else 1))
        self.step.build((None, network.embedding_size), shape)
        self.bridge.build((None, shape[-1]))
        if self.output_layer is not None:
            self.output_layer.build((None, None, network.embedding_size))
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """See the class."""
        source, states = self.encode(inputs["source"], training=training)
        readouts, _ = self.decode(inputs["target"], source, states, training=training)
        return self.logits(readouts, training=training)

    def encode(
        self, tokens: Any, training: bool = False, padded: bool = True
    ) -> tuple[Source, list[Any]]:
        """Encodes source sentences.

        Args:
            tokens: source tokens, int32 [batch, positions].
            training: True to apply dropout.
            padded: True if rows may be padded; a single sentence is read without a mask.

        Returns:
            The encoded source, and the decoder's first states.
        """
        mask = tf.not_equal(tokens, PADDING) if padded else None
        hidden = self.embedding_dropout(self.source_embedding(tokens), training=training)
        for index, layer in enumerate(self.encoder_layers):
            new = layer(hidden, mask=mask, training=training)
            hidden = hidden + new if self.network.residual and index else new
        present = tf.ones_like(hidden[..., 0]) if mask is None else tf.cast(mask, tf.float32)
        summary = self._summary(hidden, present)
        annotations = self.annotation_dropout(hidden, training=training)
        source = Source(annotations, self.step.keys(annotations), present)
        states = tf.split(self.bridge(summary), self.bridge.units // self.network.units, axis=-1)
        return source, [*states, *self.step.further_states(present)]

    def decode(
        self, tokens: Any, source: Source, states: list[Any], training: bool = False
    ) -> tuple[Any, Any]:
        """Runs the decoder over target tokens, int32 [batch, timesteps].

        Returns:
            The readouts [batch, timesteps, size], and the attention weights
            [batch, timesteps, positions].
        """
        embedded = self.embedding_dropout(self.target_embedding(tokens), training=training)
        if training:
            # Imported late: what only decodes needs no loop that trains.
            from rnn_apps.translation.network.decoder_loop import run_decoder

            decoded = run_decoder(self.step, embedded, source, states)
            if decoded is not None:
                return decoded
        embedded = tf.transpose(embedded, [1, 0, 2])
        timesteps = tf.shape(embedded)[0]
        steps_in = tf.TensorArray(embedded.dtype, timesteps).unstack(embedded)

        def one_step(index: Any, carried: Any, readouts: Any, weights: Any) -> Any:
            readout, new, attended = self.step(steps_in.read(index), carried, *source)
            attended = tf.cast(attended, readout.dtype)
            return index + 1, new, readouts.write(index, readout), weights.write(index, attended)

        first = (
            0,
            list(states),
            tf.TensorArray(embedded.dtype, timesteps),
            tf.TensorArray(embedded.dtype, timesteps),
        )
        _, _, readouts, weights = tf.while_loop(
            lambda index, *_: index < timesteps, one_step, first, maximum_iterations=timesteps
        )
        return tf.transpose(readouts.stack(), [1, 0, 2]), tf.transpose(weights.stack(), [1, 0, 2])

    def decode_step(
        self, tokens: Any, source: Source, states: list[Any]
    ) -> tuple[Any, list[Any], Any]:
        """One step from tokens int32 [batch].

        Returns:
            Logits float32 [batch, target_vocabulary], the states, the attention weights.
        """
        embedded = self.target_embedding(tokens[:, None])[:, 0]
        readout, states, weights = self.step(embedded, list(states), *source)
        return self.logits(readout[:, None])[:, 0], states, weights

    def logits(self, readouts: Any, training: bool = False) -> Any:
        """Readouts [batch, timesteps, size] -> float32 [batch, timesteps, target_vocabulary]."""
        readouts = self.output_dropout(readouts, training=training)
        if self.output_layer is not None:
            return self.output_layer(readouts)
        return self.target_embedding(readouts, reverse=True)

    def token_losses(
        self, readouts: Any, targets: Any, label_smoothing: float = 0.0, training: bool = False
    ) -> Any:
        """The cross-entropy of each token, in nats, float32 [n].

        `label_smoothing` of the probability is spread evenly over the vocabulary. That asks for
        the mean of the logits, which is the product with the mean of the output's columns.

        Args:
            readouts: readouts of the decoder, [n, size].
            targets: tokens that follow, int32 [n].
            label_smoothing: share of the probability that is spread, see above.
            training: True to apply dropout.
        """
        readouts = tf.cast(self.output_dropout(readouts, training=training), tf.float32)
        rows, bias = self._output_weights()
        logits = tf.matmul(readouts, rows, transpose_b=True) + bias
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        if not label_smoothing:
            return losses
        wanted = tf.reduce_sum(readouts * tf.gather(rows, targets), axis=-1)
        wanted += tf.gather(bias, targets)
        mean = tf.linalg.matvec(readouts, tf.reduce_mean(rows, axis=0)) + tf.reduce_mean(bias)
        return losses + label_smoothing * (wanted - mean)

    def _output_weights(self) -> tuple[Any, Any]:
        """The output weights, one row per target token [tokens, size], and the biases."""
        if self.output_layer is not None:
            kernel = keras.ops.convert_to_tensor(self.output_layer.kernel)
            return tf.transpose(kernel), keras.ops.convert_to_tensor(self.output_layer.bias)
        embedding = self.target_embedding
        return (
            keras.ops.convert_to_tensor(embedding.embeddings),
            keras.ops.convert_to_tensor(embedding.bias),
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "network": asdict(self.network)}

    def _encoder_layer(self, index: int) -> keras.layers.Layer:
        cell, units = find_cell(self.network.cell), self.network.units
        options: dict[str, Any] = {
            "return_sequences": True,
            "dtype": self.dtype_policy,
            "name": f"encoder_{index + 1}",
        }
        if self.network.layer_norm:
            one_step = cell.normalised_variant().keras_cell(units, dtype=self.dtype_policy)
            layer = keras.layers.RNN(one_step, **options)
        else:
            layer = cell.layer(units, **options)
        if not self.network.bidirectional:
            return layer
        return Bidirectional(layer, dtype=self.dtype_policy, name=f"encoder_{index + 1}")

    def _summary(self, hidden: Any, present: Any) -> Any:
        """The summary of the source that the first states are computed from, [batch, size]."""
        if self.step.attention is not None:
            weights = tf.cast(present, hidden.dtype)[..., None]
            return tf.reduce_sum(hidden * weights, axis=1) / tf.maximum(
                tf.reduce_sum(weights, axis=1), 1
            )
        # Forwards, the last token's; backwards, the first's, which has read all of the sentence.
        last = tf.maximum(tf.reduce_sum(tf.cast(present, tf.int32), axis=1) - 1, 0)
        final = tf.gather(hidden, last, batch_dims=1)
        if not self.network.bidirectional:
            return final
        units = self.network.units
        return tf.concat([final[:, :units], hidden[:, 0, units:]], axis=-1)
