"""Models as users write them, none made by this toolkit, with data that fits them.

Those whose numbers depend on it are trained for some steps on a task that can be learned, since
random weights hide what saturated gates and large activations do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import Input, Model, Sequential, layers

FEATURES, TIMESTEPS, VOCABULARY = 4, 12, 11
Built = tuple[keras.Model, Any]
FOREIGN: dict[str, Callable[[], Built]] = {}


def foreign(make: Callable[[], Built]) -> Callable[[], Built]:
    FOREIGN[make.__name__] = make
    return make


def sequences(rows: int = 6, features: int = FEATURES, timesteps: int = TIMESTEPS) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, timesteps, features)).astype(np.float32)


def tokens(rows: int = 6) -> np.ndarray:
    """Token ids; every second row is padded with zeros at its end."""
    ids = np.random.default_rng(2).integers(1, VOCABULARY, (rows, TIMESTEPS)).astype(np.int32)
    ids[1::2, 8:] = 0
    return ids


def trained(model: keras.Model, inputs: Any, targets: Any, loss: str = "mse") -> Built:
    # Few steps: to trace them would take longer than they do.
    model.compile(keras.optimizers.Adam(0.02), loss, run_eagerly=True)
    model.fit(inputs, targets, epochs=4, verbose=0)
    return model, inputs


@foreign
def bidirectional_classifier() -> Built:
    x = sequences(32)
    model = Sequential(
        [
            Input((None, FEATURES)),
            layers.Bidirectional(layers.LSTM(6, return_sequences=True)),
            layers.Bidirectional(layers.GRU(5), merge_mode="sum"),
            layers.Dense(2, activation="softmax"),
        ]
    )
    return trained(model, x, x.sum((1, 2)) > 0, "sparse_categorical_crossentropy")


@foreign
def stacked_gru_regressor() -> Built:
    x = sequences(32)
    model = Sequential(
        [
            Input((None, FEATURES)),
            layers.GRU(8, return_sequences=True),
            layers.GRU(6, reset_after=False),
            layers.Dense(1),
        ]
    )
    return trained(model, x, x.mean((1, 2)))


@foreign
def convolution_and_lstm() -> Built:
    model = Sequential(
        [
            Input((TIMESTEPS, FEATURES)),
            layers.Conv1D(6, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.LSTM(5),
            layers.Dense(3),
        ]
    )
    x = sequences(32)
    return trained(model, x, x[:, -1, :3])


@foreign
def encoder_decoder_with_states() -> Built:
    source = Input((None, FEATURES), name="source")
    target = Input((None, 3), name="target")
    _, hidden, carry = layers.LSTM(6, return_state=True)(source)
    decoded = layers.LSTM(6, return_sequences=True)(target, initial_state=[hidden, carry])
    model = Model([source, target], layers.Dense(3)(decoded))
    y = sequences(32, 3, 7)
    return trained(model, [sequences(32), y], np.roll(y, -1, 1))[0], (sequences(), y[:6])


@foreign
def gru_encoder_decoder() -> Built:
    source = Input((TIMESTEPS, FEATURES), name="source")
    _, state = layers.GRU(6, return_state=True)(source)
    repeated = layers.RepeatVector(5)(state)
    decoded = layers.GRU(6, return_sequences=True)(repeated, initial_state=state)
    return Model(source, layers.TimeDistributed(layers.Dense(2))(decoded)), sequences()


@foreign
def stateful_lstm() -> Built:
    model = Sequential(
        [Input(batch_shape=(2, 5, 3)), layers.LSTM(4, stateful=True), layers.Dense(1)]
    )
    model.predict(sequences(2, 3, 5), verbose=0)
    return model, sequences(6, 3, 5)


@foreign
def time_distributed_heads() -> Built:
    inputs = Input((None, FEATURES))
    hidden = layers.LSTM(6, return_sequences=True)(inputs)
    labels = layers.TimeDistributed(layers.Dense(3, activation="softmax"), name="labels")(hidden)
    value = layers.TimeDistributed(layers.Dense(1), name="value")(hidden)
    return Model(inputs, {"labels": labels, "value": value}), sequences()


@foreign
def attention_on_top() -> Built:
    inputs = Input((TIMESTEPS, FEATURES))
    hidden = layers.GRU(6, return_sequences=True)(inputs)
    context = layers.Attention(use_scale=True)([hidden, hidden])
    pooled = layers.GlobalAveragePooling1D()(layers.Concatenate()([hidden, context]))
    return Model(inputs, layers.Dense(2)(pooled)), sequences()


@foreign
def several_inputs_and_outputs() -> Built:
    series = Input((None, FEATURES), name="series")
    month = Input((), dtype="int32", name="month")
    static = Input((3,), name="static")
    embedded = layers.Embedding(12, 4)(month)
    hidden = layers.LSTM(5)(series)
    joined = layers.Concatenate()([hidden, embedded, static])
    model = Model(
        {"series": series, "month": month, "static": static},
        [layers.Dense(2, name="mean")(joined), layers.Dense(2, "softplus", name="scale")(joined)],
    )
    data = {
        "series": sequences(),
        "month": np.arange(6, dtype=np.int32),
        "static": np.ones((6, 3), np.float32),
    }
    return model, data


@foreign
def masking_embedding() -> Built:
    model = Sequential(
        [
            Input((None,), dtype="int32"),
            layers.Embedding(VOCABULARY, 5, mask_zero=True),
            layers.LSTM(6, return_sequences=True),
            layers.GRU(5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    x = tokens(32)
    return trained(model, x, (x == 3).any(1).astype(np.float32), "binary_crossentropy")


@foreign
def masking_layer_bidirectional() -> Built:
    x = sequences()
    x[1, 7:] = 0
    x[2, :3] = 0
    inputs = Input((TIMESTEPS, FEATURES))
    masked = layers.Masking()(inputs)
    hidden = layers.Bidirectional(layers.GRU(4, return_sequences=True))(masked)
    return Model(inputs, layers.Bidirectional(layers.LSTM(3))(hidden)), x


@foreign
def layer_norm_and_residual() -> Built:
    inputs = Input((None, 6))
    hidden = inputs
    for _ in range(2):
        hidden = layers.LayerNormalization()(
            layers.Add()([hidden, layers.LSTM(6, return_sequences=True)(hidden)])
        )
    return Model(inputs, layers.Dense(2)(hidden)), sequences(features=6)


@foreign
def multiply_nested() -> Built:
    core = Sequential([Input((None, FEATURES)), layers.GRU(5, return_sequences=True)], name="core")
    middle_input = Input((None, FEATURES))
    middle = Model(middle_input, layers.Dense(FEATURES)(core(middle_input)), name="middle")
    inputs = Input((None, FEATURES))
    # The same inner model twice: its layers are shared.
    return Model(inputs, layers.LSTM(3)(middle(middle(inputs)))), sequences()


@foreign
def mixed_precision_trained() -> Built:
    policy = "mixed_bfloat16"
    x = sequences(32)
    model = Sequential(
        [
            Input((None, FEATURES)),
            layers.LSTM(8, return_sequences=True, dtype=policy),
            layers.GRU(6, dtype=policy),
            layers.Dense(1, dtype="float32"),
        ]
    )
    return trained(model, x, x[:, -1, 0])


@foreign
def backwards() -> Built:
    inputs = Input((None, FEATURES))
    lstm = layers.LSTM(5, go_backwards=True, return_sequences=True)(inputs)
    return Model(inputs, layers.SimpleRNN(4, go_backwards=True)(lstm)), sequences()


@foreign
def simple_rnn_relu() -> Built:
    model = Sequential(
        [
            Input((None, FEATURES)),
            layers.SimpleRNN(6, activation="relu", return_sequences=True),
            layers.SimpleRNN(4, use_bias=False),
            layers.Dense(1),
        ]
    )
    x = sequences(32)
    return trained(model, x, x[:, -1, 0])


@foreign
def lstm_of_other_activations() -> Built:
    model = Sequential(
        [
            Input((None, FEATURES)),
            layers.LSTM(6, use_bias=False, return_sequences=True),
            layers.LSTM(5, activation="elu", recurrent_activation="hard_sigmoid"),
        ]
    )
    return model, sequences()


@foreign
def gru_without_bias() -> Built:
    inputs = Input((None, FEATURES))
    hidden = layers.GRU(6, use_bias=False, return_sequences=True)(inputs)
    outputs, state = layers.GRU(
        5, reset_after=False, use_bias=False, return_sequences=True, return_state=True
    )(hidden)
    return Model(inputs, [outputs, state]), sequences()


@foreign
def dropout_everywhere() -> Built:
    model = Sequential(
        [
            Input((None, FEATURES)),
            layers.LSTM(6, dropout=0.3, recurrent_dropout=0.2, return_sequences=True),
            layers.SpatialDropout1D(0.2),
            layers.GRU(5, dropout=0.1),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )
    x = sequences(32)
    return trained(model, x, x[:, -1, :2])


@foreign
def operations_of_keras() -> Built:
    inputs = Input((TIMESTEPS, FEATURES))
    hidden = layers.LSTM(5, return_sequences=True)(keras.ops.tanh(inputs) * 2.0)
    weights = keras.ops.softmax(keras.ops.sum(hidden, axis=-1, keepdims=True), axis=1)
    return Model(inputs, keras.ops.sum(weights * hidden, axis=1)), sequences()


@foreign
def own_cell_and_stacked_cells() -> Built:
    inputs = Input((TIMESTEPS, FEATURES))
    stacked = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_sequences=True)(inputs)
    return Model(inputs, layers.RNN(LeakyCell(3))(stacked)), sequences()


@keras.saving.register_keras_serializable(package="foreign")
class LeakyCell(keras.layers.Layer):
    """A cell of the user's own."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.state_size = units
        self.dense = layers.Dense(units, activation="tanh")

    def build(self, shape: Any) -> None:
        self.dense.build((shape[0], shape[-1] + self.units))

    def call(self, inputs: Any, states: Any) -> Any:
        new = 0.5 * states[0] + 0.5 * self.dense(keras.ops.concatenate([inputs, states[0]], -1))
        return new, [new]


class RecurrentInList(keras.Model):
    """A subclassed model with a recurrent layer in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = [layers.GRU(5, return_sequences=True), layers.LSTM(4)]
        self.head = layers.Dense(2)

    def call(self, inputs: Any, training: bool = False) -> Any:
        hidden = inputs
        for layer in self.recurrent:
            hidden = layer(hidden, training=training)
        return {"logits": self.head(hidden)}


@foreign
def subclassed_model() -> Built:
    model, x = RecurrentInList(), sequences()
    model(x)
    return model, x
