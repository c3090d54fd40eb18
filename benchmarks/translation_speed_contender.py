"""The translation models of `benchmarks.translation_speed`, made of keras.layers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops


class ConditionalCell(layers.Layer):
    """Two GRUCells with an attention of Dense layers between them; holds the source as it runs."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.first, self.second = layers.GRUCell(units), layers.GRUCell(units)
        self.query = layers.Dense(units, use_bias=False)
        self.energy = layers.Dense(1, use_bias=False)
        self.state_size = units
        self.source: Any = None

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        units = self.state_size
        self.first.build(shape)
        self.second.build((None, 2 * units))
        self.query.build((None, units))
        self.energy.build((None, None, units))

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """One time step: the output joined with the context, and the state."""
        annotations, keys, present = self.source
        hidden, _ = self.first(inputs, states)
        energies = self.energy(ops.tanh(keys + self.query(hidden)[:, None]))[..., 0]
        weights = ops.softmax(ops.where(present, energies, -1e9))
        context = ops.matmul(weights[:, None], annotations)[:, 0]
        output, new = self.second(context, [hidden])
        return ops.concatenate([output, context], axis=-1), new


class ConditionalDecoder(layers.Layer):
    """keras.layers.RNN around a `ConditionalCell`."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.keys = layers.Dense(units)
        self.cell = ConditionalCell(units)
        self.rnn = layers.RNN(self.cell, return_sequences=True)

    def build(
        self, written_shape: Any, annotations_shape: Any, first_shape: Any, present_shape: Any
    ) -> None:
        """Makes the weights."""
        self.keys.build(annotations_shape)
        self.rnn.build(written_shape)

    def call(self, written: Any, annotations: Any, first: Any, present: Any) -> Any:
        """The outputs and the contexts of all timesteps."""
        self.cell.source = annotations, self.keys(annotations), present
        found = self.rnn(written, initial_state=[first])
        return found[..., : self.units], found[..., self.units :]

    def compute_output_shape(
        self, written_shape: Any, annotations_shape: Any, first_shape: Any, present_shape: Any
    ) -> Any:
        """Two sequences as long as the target."""
        outputs, contexts = self.units, annotations_shape[-1]
        return (*written_shape[:2], outputs), (*written_shape[:2], contexts)


def conditional_model(vocabulary: int, units: int, size: int) -> keras.Model:
    """The conditional GRU."""

    def decoded(written: Any, annotations: Any, first: Any, present: Any) -> Any:
        return ConditionalDecoder(units)(written, annotations, first, present)

    return _model(vocabulary, units, size, decoded)


def plain_model(vocabulary: int, units: int, size: int) -> keras.Model:
    """A GRU and, after it, attention by a product with a matrix between (Luong's "general")."""

    def decoded(written: Any, annotations: Any, first: Any, present: Any) -> Any:
        outputs = layers.GRU(units, return_sequences=True)(written, initial_state=first)
        keys = layers.Dense(units, use_bias=False)(annotations)
        contexts = layers.Attention()([outputs, annotations, keys], mask=[None, present])
        return outputs, contexts

    return _model(vocabulary, units, size, decoded)


def _model(vocabulary: int, units: int, size: int, decoded: Callable[..., Any]) -> keras.Model:
    source = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    present = ops.not_equal(source, 0)
    read = layers.Dropout(0.2)(layers.Embedding(vocabulary, size)(source))
    encoder = layers.Bidirectional(layers.GRU(units, return_sequences=True))
    annotations = encoder(read, mask=present)
    mean = layers.GlobalAveragePooling1D()(annotations, mask=present)
    first = layers.Dense(units, activation="tanh")(mean)
    annotations = layers.Dropout(0.4)(annotations)
    written = layers.Dropout(0.2)(layers.Embedding(vocabulary, size)(target))
    outputs, contexts = decoded(written, annotations, first, present)
    joined = layers.Concatenate()([outputs, written, contexts])
    readouts = layers.Dropout(0.4)(layers.Dense(size, activation="tanh")(joined))
    return keras.Model([source, target], layers.Dense(vocabulary)(readouts))


def smoothed_loss(model: keras.Model, vocabulary: int) -> Callable[..., Any]:
    """Keras' cross-entropy with label smoothing, as a function of a batch."""
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)

    def loss(source: Any, target: Any, following: Any) -> Any:
        logits = model([source, target], training=True)
        return smoothed(tf.one_hot(following, vocabulary), logits)

    return loss
