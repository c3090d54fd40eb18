"""The layers of rnn_apps.layers compute what Keras' do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.errors import UserError
from rnn_apps import layers
from rnn_apps.layers.layers_within import layers_within
from rnn_apps.layers.recurrence import paths

KINDS = ("SimpleRNN", "LSTM", "GRU")


@pytest.fixture(autouse=True, scope="module")
def short_sequences_too() -> Iterator[None]:
    """The fast loop takes what it otherwise leaves to Keras as too short to gain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "FEWEST_TIMESTEPS", 1)
        yield


def pair(kind: str, features: int, units: int, batch: int | None = None, **options: Any) -> Any:
    """Keras' layer and ours with the same weights, all of them drawn."""
    theirs = getattr(keras.layers, kind)(units, **options)
    ours = getattr(layers, kind)(units, **options)
    random = np.random.default_rng(0)
    for layer in (theirs, ours):
        layer.build((batch, None, features))
    theirs.set_weights([0.5 * random.normal(size=w.shape) for w in theirs.weights])
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def results(layer: Any, inputs: Any, states: Any, mask: Any, **call: Any) -> list[np.ndarray]:
    """What the layer gives out, and the gradients of a loss of it by everything."""

    def run(inputs: Any, states: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([inputs, *(states or [])])
            found = tf.nest.flatten(layer(inputs, initial_state=states, mask=mask, **call))
            loss = tf.add_n([tf.reduce_sum(tf.sin((i + 1.0) * x)) for i, x in enumerate(found)])
        weights = [w.value for w in layer.trainable_weights]
        return found, tape.gradient(loss, [inputs, *(states or []), *weights])

    return [x.numpy() for x in tf.nest.flatten(tf.function(run)(inputs, states))]


def assert_equal(ours: list[np.ndarray], theirs: list[np.ndarray], tolerance: float) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max(initial=0) <= tolerance * max(1e-3, np.abs(b).max(initial=0))


def compare(kind: str, batch: int, timesteps: int, masked: str, given_states: bool, o: Any) -> None:
    theirs, ours = pair(kind, 3, 4, **o)
    random = np.random.default_rng(batch * 100 + timesteps)
    inputs = tf.constant(random.normal(size=(batch, timesteps, 3)), tf.float32)
    mask = None
    if masked != "none":
        lengths = random.integers(0, timesteps + 1, size=(batch, 1))
        order = np.arange(timesteps)[None]
        mask = {
            "right": order < lengths,
            "left": order >= lengths,
            "holes": random.random((batch, timesteps)) < 0.6,
        }[masked]
        mask = tf.constant(mask)
    states = None
    if given_states:
        count = 2 if kind == "LSTM" else 1
        states = [tf.constant(random.normal(size=(batch, 4)), tf.float32) for _ in range(count)]
    found = results(ours, inputs, states, mask, training=True)
    assert_equal(found, results(theirs, inputs, states, mask, training=True), 1e-5)


OPTIONS = st.fixed_dictionaries(
    {
        "return_sequences": st.booleans(),
        "return_state": st.booleans(),
        "go_backwards": st.booleans(),
        "zero_output_for_mask": st.booleans(),
        "use_bias": st.booleans(),
        "activation": st.sampled_from(["tanh", "relu", "linear", "elu"]),
        "dropout": st.sampled_from([0.0, 0.3]),
        "recurrent_dropout": st.sampled_from([0.0, 0.0, 0.0, 0.3]),
        "seed": st.just(7),
    }
)
CASES = {
    "kind": st.sampled_from(KINDS),
    "batch": st.sampled_from([1, 3, 17]),
    "timesteps": st.integers(1, 6),
    "masked": st.sampled_from(["none", "right", "left", "holes"]),
    "given_states": st.booleans(),
    "options": OPTIONS,
    "gates": st.fixed_dictionaries(
        {
            "reset_after": st.booleans(),
            "recurrent_activation": st.sampled_from(["sigmoid", "hard_sigmoid"]),
        }
    ),
}


def options_of(kind: str, options: Any, gates: Any) -> dict[str, Any]:
    if kind == "SimpleRNN":
        return dict(options)
    taken = gates if kind == "GRU" else {"recurrent_activation": gates["recurrent_activation"]}
    return {**options, **taken}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(**CASES)
def test_equal_to_keras(
    kind: str, batch: int, timesteps: int, masked: str, given_states: bool, options: Any, gates: Any
) -> None:
    compare(kind, batch, timesteps, masked, given_states, options_of(kind, options, gates))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_equal_to_keras_at_length(
    kind: str, batch: int, timesteps: int, masked: str, given_states: bool, options: Any, gates: Any
) -> None:
    compare(kind, batch, timesteps, masked, given_states, options_of(kind, options, gates))


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_the_numerical_one(kind: str) -> None:
    """In float64, by central differences along a direction drawn for every argument."""
    layer = getattr(layers, kind)(3, return_sequences=True, dtype="float64", seed=1)
    random = np.random.default_rng(1)
    inputs = tf.constant(random.normal(size=(2, 5, 2)))
    mask = tf.constant([[True, True, False, True, True], [False, True, True, True, False]])
    layer.build(inputs.shape)
    weights = [tf.Variable(0.5 * random.normal(size=w.shape)) for w in layer.weights]

    @tf.function
    def loss(inputs: Any, *values: Any) -> Any:
        for weight, value in zip(layer.weights, values, strict=True):
            weight.assign(value)
        return tf.reduce_sum(tf.sin(layer(inputs, mask=mask, training=True)))

    @tf.function
    def gradients(inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            found = tf.reduce_sum(tf.sin(layer(inputs, mask=mask, training=True)))
        return tape.gradient(found, [inputs, *[w.value for w in layer.weights]])

    arguments = [inputs, *weights]
    loss(*arguments)
    for index, gradient in enumerate(gradients(inputs)):
        direction = random.normal(size=gradient.shape)

        def moved(by: float, index: int = index, direction: Any = direction) -> float:
            changed = [tf.convert_to_tensor(x) for x in arguments]
            changed[index] += by * direction
            return float(loss(*changed))

        numerical = (moved(1e-5) - moved(-1e-5)) / 2e-5
        loss(*arguments)
        assert np.sum(gradient * direction) == pytest.approx(numerical, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_free_batch_and_time(kind: str) -> None:
    """Sequences of every length run in loops compiled for a multiple of 32 steps."""
    theirs, ours = pair(kind, 3, 4, return_sequences=True)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def run(inputs: Any) -> Any:
        found = []
        for layer in (ours, theirs):
            with tf.GradientTape() as tape:
                outputs = layer(inputs, training=True)
                loss = tf.reduce_sum(outputs**2)
            found.append([outputs, *tape.gradient(loss, [w.value for w in layer.weights])])
        return found

    for shape in ((1, 1, 3), (5, 33, 3)):
        mine, keras_ = run(tf.random.stateless_normal(shape, [1, 2]))
        assert_equal([x.numpy() for x in mine], [x.numpy() for x in keras_], 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_stateful_carries_the_state(kind: str) -> None:
    theirs, ours = pair(kind, 3, 4, batch=2, stateful=True)
    inputs = tf.random.stateless_normal((2, 5, 3), [3, 4])
    for training in (True, True, False):
        mine = ours(inputs, training=training).numpy()
        assert_equal([mine], [theirs(inputs, training=training).numpy()], 1e-5)
    ours.reset_state()
    theirs.reset_state()
    assert_equal([ours(inputs).numpy()], [theirs(inputs).numpy()], 1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_of_an_eager_persistent_tape(training: bool) -> None:
    theirs, ours = pair("LSTM", 3, 4)
    inputs = tf.random.stateless_normal((2, 5, 3), [5, 6])
    found = []
    for layer in (ours, theirs):
        with tf.GradientTape(persistent=True) as tape:
            loss = tf.reduce_sum(layer(inputs, training=training) ** 2)
        weights = [w.value for w in layer.weights]
        found.append([x.numpy() for x in tape.gradient(loss, weights)])
        again = [x.numpy() for x in tape.gradient(loss, weights)]
        assert_equal(again, found[-1], 0.0)
    assert_equal(*found, 1e-5)


def test_a_second_derivative_is_refused() -> None:
    layer = layers.LSTM(4)
    inputs = tf.random.stateless_normal((1, 3, 2), [5, 6])

    @tf.function
    def second() -> Any:
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(layer(inputs, training=True) ** 2)
            found = tf.reduce_sum(inner.gradient(loss, inputs) ** 2)
        return outer.gradient(found, inputs)

    layer(inputs)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no second derivative"):
        second()


def test_weight_dropout_is_one_mask_for_all_timesteps() -> None:
    layer = layers.LSTM(8, recurrent_weight_dropout=0.5, seed=0, return_sequences=True)
    inputs = tf.random.stateless_normal((2, 6, 3), [7, 8])
    first, second = (layer(inputs, training=True).numpy() for _ in range(2))
    assert np.array_equal(first[:, 0], second[:, 0]), "the first step sees no recurrent weight"
    assert not np.allclose(first[:, 1:], second[:, 1:])
    assert np.array_equal(layer(inputs).numpy(), layer(inputs).numpy())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs, training=True) ** 2)
    gradient = tape.gradient(loss, layer.cell.recurrent_kernel.value).numpy()
    assert 0.3 < np.mean(gradient == 0) < 0.7, "a weight dropped at one step is dropped at all"
    copy = layers.LSTM.from_config(layer.get_config())
    assert copy.recurrent_weight_dropout == 0.5


def test_weight_dropout_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="recurrent_weight_dropout"):
        layers.GRU(4, recurrent_weight_dropout=1.0)


def test_accelerated_model_is_the_same_model(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    hidden = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(inputs)
    inner = keras.Sequential([keras.layers.GRU(5, return_sequences=True)])
    model = keras.Model(inputs, keras.layers.SimpleRNN(2)(inner(hidden)))
    fast = layers.accelerate(model)
    recurrent = [x for x in layers_within(fast) if isinstance(x, keras.layers.RNN)]
    assert len(recurrent) == 4
    assert all(layers.describe_path(x).fast for x in recurrent)
    data = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    for training in (True, False):
        mine = fast(data, training=training).numpy()
        assert_equal([mine], [model(data, training=training).numpy()], 1e-5)
    fast.save(tmp_path / "fast.keras")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "fast.keras")
    assert_equal([loaded(data).numpy()], [model(data).numpy()], 1e-5)
    loaded = layers.accelerate(keras.saving.load_model(tmp_path / "model.keras"))
    assert_equal([loaded(data).numpy()], [model(data).numpy()], 1e-5)


def test_a_model_of_its_own_class_is_not_accelerated() -> None:
    class Own(keras.Model):
        pass

    with pytest.raises(UserError, match="neither a Functional"):
        layers.accelerate(Own())


def test_the_path_and_why() -> None:
    assert layers.describe_path(layers.LSTM(2)).fast
    assert not layers.describe_path(layers.LSTM(2), training=False).fast
    for options in ({"recurrent_dropout": 0.1}, {"unroll": True}, {"activation": "elu"}):
        path = layers.describe_path(layers.LSTM(2, **options))
        assert not path.fast
        assert next(iter(options)) in path.reason
    with pytest.raises(TypeError):
        layers.describe_path(keras.layers.LSTM(2))


def test_short_sequences_are_left_to_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "FEWEST_TIMESTEPS", 16)
    layer = layers.Bidirectional(layers.GRU(2))
    assert layers.describe_path(layer, timesteps=16).fast
    path = layers.describe_path(layer, timesteps=15)
    assert not path.fast
    assert "15 time steps" in path.reason


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_keras_own_call_is_made(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "gpu_is_visible", lambda: True)
    layer = getattr(layers, kind)(2)
    assert "GPU" in layers.describe_path(layer).reason
    calls = []
    original = getattr(keras.layers, kind).inner_loop

    def spy(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(type(self))
        return original(self, *arguments, **options)

    monkeypatch.setattr(getattr(keras.layers, kind), "inner_loop", spy)
    layer(tf.zeros((2, 3, 4)), training=True)
    assert calls == [type(layer)]
