"""Models that can stream or look as if they could, and their steps run by TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model, Sequential, layers, ops

FEATURES, TIMESTEPS = 3, 12


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_chunks(step: Any, states: Any, inputs: dict[str, np.ndarray], chunk: int) -> np.ndarray:
    """The one output of a step that is no state, over a stream of `inputs`."""
    (timesteps,) = {value.shape[1] for value in inputs.values()}
    state = {name: np.zeros(shape, np.float32) for name, shape in states.items()}
    parts = []
    for start in range(0, timesteps, chunk):
        outputs = step({n: v[:, start : start + chunk] for n, v in inputs.items()} | state)
        state = {name: outputs.pop(f"{name}_out") for name in state}
        parts.extend(outputs.values())
    return np.concatenate(parts, axis=1)


def step_in_form(plan: Any, form: str) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """A plan's step with its layers in one form, run by TensorFlow, and its states' shapes."""
    forms = {use.layer.path: form for use in plan.uses}
    traced = tf.function(plan.function(forms), autograph=False)
    names = [i.name for i in plan.inputs if f"{i.name}_out" in plan.outputs]
    states = {i.name: tuple(i.shape) for i in plan.inputs if i.name in names}

    def step(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(value) for name, value in arrays.items()}
        return {name: value.numpy() for name, value in traced(tensors).items()}

    return step, states


class StartedGRU(layers.GRU):
    """A GRU that learns the state it starts from."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.first = self.add_weight(
            shape=(1, self.units), initializer=keras.initializers.RandomNormal(stddev=0.5)
        )

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        return [ops.tile(self.first, (batch_size, 1))]


class Scaled(layers.LSTM):
    """Wraps something of its own around Keras' `call`."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        return 3.0 * super().call(sequences + 0.5, initial_state=initial_state, mask=mask)


class OwnArguments(layers.SimpleRNN):
    def call(self, sequences: Any, initial_state: Any = None) -> Any:
        return ops.tanh(super().call(2.0 * sequences)) + sequences[..., :1]


class OwnLoop(layers.GRU):
    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        last, outputs, states = super().inner_loop(sequences, initial_state, mask, training)
        return 2.0 * last, 2.0 * outputs, states


class StartsAtHalf(layers.GRU):
    """Gives Keras' `call` a state of its own to start from."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        half = 0.5 * ops.ones((ops.shape(sequences)[0], self.units))
        return super().call(sequences, initial_state=[half], mask=mask)


class Centred(layers.GRU):
    """Takes the mean over all timesteps away, which no chunk has."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        return super().call(sequences - ops.mean(sequences, axis=1, keepdims=True), mask=mask)


class CellWithStart(layers.Layer):
    """A cell of the user's own: two states, another width of output, a start that is not zero."""

    state_size = (3, 2)
    output_size = 4

    def build(self, shape: Any) -> None:
        self.inner = layers.Dense(3, activation="tanh")
        self.inner.build((None, shape[-1] + 3))
        self.outer = layers.Dense(4)
        self.outer.build((None, 5))

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        return [0.3 * ops.ones((batch_size, 3)), ops.zeros((batch_size, 2))]

    def call(self, inputs: Any, states: Any) -> Any:
        hidden = self.inner(ops.concatenate([inputs, states[0]], axis=-1))
        slow = 0.5 * states[1] + ops.mean(inputs, axis=-1, keepdims=True)
        return self.outer(ops.concatenate([hidden, slow], axis=-1)), [hidden, slow]


def sequential(*stack: Any) -> keras.Model:
    return Sequential([Input((TIMESTEPS, FEATURES), name="series"), *stack])


def started_from_static() -> tuple[keras.Model, Any]:
    series = Input((TIMESTEPS, FEATURES), name="series")
    static = Input((4,), name="static")
    first = layers.Dense(5, activation="tanh")(static)
    hidden = layers.GRU(5, return_sequences=True)(series, initial_state=first)
    model = Model({"series": series, "static": static}, layers.Dense(2)(hidden))
    return model, {"series": normal(3, TIMESTEPS, FEATURES), "static": normal(3, 4, seed=2)}


def static_tokens() -> tuple[keras.Model, Any]:
    series = Input((TIMESTEPS, FEATURES), name="series")
    static = Input((3,), dtype="int32", name="static")
    embedded = layers.Flatten()(layers.Embedding(5, 2)(static))
    last = layers.LSTM(4)(series)
    model = Model({"series": series, "static": static}, layers.Concatenate()([last, embedded]))
    tokens = np.random.default_rng(0).integers(0, 5, (3, 3)).astype(np.int32)
    return model, {"series": normal(3, TIMESTEPS, FEATURES), "static": tokens}


def static_row_at_every_timestep() -> tuple[keras.Model, Any]:
    series = Input((TIMESTEPS, FEATURES), name="series")
    static = Input((4,), name="static")
    repeated = layers.RepeatVector(TIMESTEPS)(layers.Dense(2)(static))
    hidden = layers.GRU(4, return_sequences=True)(layers.Concatenate()([series, repeated]))
    model = Model({"series": series, "static": static}, hidden)
    return model, {"series": normal(3, TIMESTEPS, FEATURES), "static": normal(3, 4, seed=2)}


class MaximumBetweenLayers(keras.Model):
    """Looks at all timesteps in its own `call`, between layers that do not."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = layers.GRU(4, return_sequences=True)
        self.head = layers.Dense(2, name="head")

    def call(self, inputs: Any, training: bool = False) -> Any:
        hidden = self.hidden(inputs)
        return self.head(hidden - ops.max(hidden, axis=1, keepdims=True))


class AlwaysNoisy(keras.Model):
    """Drops out at inference too."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = layers.Dropout(0.5, name="noise")
        self.hidden = layers.GRU(4, return_sequences=True)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.hidden(self.noise(inputs, training=True))


def subclassed(kind: type[keras.Model]) -> Callable[[], tuple[keras.Model, Any]]:
    def make() -> tuple[keras.Model, Any]:
        model, data = kind(), normal(3, TIMESTEPS, FEATURES)
        model(data)
        return model, data

    return make


def twice_the_same_layer() -> tuple[keras.Model, Any]:
    one, other = Input((None, 3), name="one"), Input((None, 3), name="other")
    shared = layers.GRU(4, return_sequences=True)
    model = Model({"one": one, "other": other}, layers.Subtract()([shared(one), shared(other)]))
    return model, {"one": normal(3, 12, 3), "other": normal(3, 12, 3, seed=1)}


def mask_as_an_input() -> tuple[keras.Model, Any]:
    series, valid = Input((None, 3), name="series"), Input((None,), dtype="bool", name="valid")
    hidden = layers.LSTM(4, return_sequences=True)(series, mask=valid)
    model = Model({"series": series, "valid": valid}, layers.Dense(2)(hidden))
    return model, {"series": normal(3, 12, 3), "valid": normal(3, 12) > -0.5}


def states_in_lists() -> tuple[keras.Model, Any]:
    series, hidden = Input((1, 3), name="series"), Input((5,), name="hidden")
    outputs, last = layers.GRU(5, return_sequences=True, return_state=True)(
        series, initial_state=hidden
    )
    return Model([series, hidden], [layers.Dense(2)(outputs), last]), normal(3, 12, 3)


def convolution_in_a_step() -> tuple[keras.Model, Any]:
    inner = Sequential([Input((6, 2)), layers.Conv1D(4, 3), layers.GlobalMaxPooling1D()])
    model = Sequential([Input((None, 6, 2)), layers.TimeDistributed(inner), layers.LSTM(5)])
    return model, normal(3, 12, 6, 2)


def bidirectional_over_frequency() -> tuple[keras.Model, Any]:
    frequencies = layers.TimeDistributed(layers.Bidirectional(layers.GRU(3)))
    model = Sequential([Input((None, 6, 2)), frequencies, layers.GRU(4, return_sequences=True)])
    return model, normal(3, 12, 6, 2)


def simple(*stack: Any, length: int | None = TIMESTEPS) -> Callable[[], tuple[keras.Model, Any]]:
    return lambda: (
        Sequential([Input((length, FEATURES), name="series"), *(make() for make in stack)]),
        normal(3, TIMESTEPS, FEATURES),
    )


def reset_states(model: keras.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, layers.RNN) and layer.stateful:
            layer.reset_state()
