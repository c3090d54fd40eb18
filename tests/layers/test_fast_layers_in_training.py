"""The layers of rnn_apps.layers in what surrounds them: precision, devices, compilation, models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_apps import layers
from rnn_apps.layers.layers_within import layers_within
from rnn_apps.layers.recurrence import paths

KINDS = ("SimpleRNN", "LSTM", "GRU")
SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture(autouse=True, scope="module")
def short_sequences_too() -> Iterator[None]:
    """The fast loop takes what it otherwise leaves to Keras as too short to gain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "FEWEST_TIMESTEPS", 1)
        yield


def examples(batch: int, timesteps: int, features: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(batch, timesteps, features))
    return drawn.astype(np.float32)


def assert_close(ours: list[np.ndarray], theirs: list[np.ndarray], tolerance: float) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert np.isfinite(a).all()
        assert np.abs(a - b).max() <= tolerance * max(1e-3, np.abs(b).max())


@pytest.mark.parametrize(("policy", "epsilon"), [("mixed_float16", 2e-3), ("mixed_bfloat16", 2e-2)])
@pytest.mark.parametrize("kind", KINDS)
def test_mixed_precision(kind: str, policy: str, epsilon: float) -> None:
    """Weights and their gradients are float32, the rest is the policy's, as with Keras."""
    made = [
        getattr(x, kind)(6, return_sequences=True, dtype=policy) for x in (layers, keras.layers)
    ]
    inputs = tf.constant(examples(3, 5, 4))
    mask = tf.constant([[True] * 5, [False, True, True, False, True], [True] * 3 + [False] * 2])
    for layer in made:
        layer.build(inputs.shape)
    made[0].set_weights(made[1].get_weights())

    @tf.function
    def run() -> list[Any]:
        found = []
        for layer in made:
            weights = [weight.value for weight in layer.trainable_weights]
            with tf.GradientTape() as tape:
                outputs = layer(inputs, mask=mask, training=True)
                loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
            found.append([outputs, *tape.gradient(loss, weights)])
        return found

    ours, theirs = run()
    assert layers.describe_path(made[0]).fast
    assert [x.dtype for x in ours] == [x.dtype for x in theirs]
    assert ours[0].dtype == made[0].compute_dtype != "float32"
    assert {x.dtype for x in ours[1:]} == {tf.float32}
    as_numbers = [[tf.cast(x, tf.float32).numpy() for x in each] for each in (ours, theirs)]
    # Both round at every step, not at the same places: a few units in the last place.
    assert_close(*as_numbers, 8 * epsilon)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_trained_as_keras_trains(jit_compile: bool) -> None:
    """`fit`, with a short last batch, or compiled as a whole (once: that is slow)."""
    inputs = keras.Input((None, 3))
    hidden = keras.layers.Masking()(inputs)
    hidden = keras.layers.LSTM(4, return_sequences=True)(hidden)
    theirs = keras.Model(inputs, keras.layers.GRU(2)(hidden))
    ours = layers.accelerate(theirs)
    data = examples(5, 4, 3)
    data[1, 2:] = 0.0
    for model in (ours, theirs):
        model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=jit_compile)
        targets = examples(5, 1, 2)[:, 0]
        batch_size = 5 if jit_compile else 3
        model.fit(data, targets, batch_size=batch_size, shuffle=False, verbose=0)
    assert_close(ours.get_weights(), theirs.get_weights(), 1e-5)


@pytest.mark.slow
def test_mirrored_over_two_devices() -> None:
    """In a process of its own, which can still say how many devices the CPU is."""
    command = [sys.executable, str(SUPPORT / "mirrored_layers.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "2 replicas" in done.stdout


def operations(layer: keras.layers.Layer) -> set[str]:
    """The types of all operations of a layer's graph in training."""
    call = tf.function(lambda inputs: layer(inputs, training=True))
    graph = call.get_concrete_function(tf.TensorSpec((2, 3, 4))).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return {node.op for node in nodes}


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_on_a_gpu_cudnn_is_chosen_under_its_conditions(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is made as if there were a GPU; it need not run for that."""
    made = getattr(layers, kind)
    refused: list[dict[str, Any]] = [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"recurrent_dropout": 0.1},
        {"use_bias": False},
        {"unroll": True},
        {"use_cudnn": False},
    ]
    if kind == "GRU":
        refused.append({"reset_after": False})
    assert "CudnnRNNV3" not in operations(made(2)), "without a GPU"
    devices = tf.config.list_logical_devices
    monkeypatch.setattr(
        tf.config,
        "list_logical_devices",
        lambda kind=None: ["a GPU"] if kind == "GPU" else devices(kind),
    )
    assert "CudnnRNNV3" in operations(made(2))
    assert "CudnnRNNV3" in operations(made(2, dropout=0.1, return_sequences=True))
    assert "CudnnRNNV3" in operations(layers.Bidirectional(made(2)))
    for options in refused:
        assert "CudnnRNNV3" not in operations(made(2, **options)), options


def test_accelerated_layers_stay_shared_and_keep_their_names() -> None:
    """A layer that reads two inputs, inside a model inside a model."""
    shared = keras.layers.GRU(3, name="reader")
    first, second = keras.Input((None, 2), name="first"), keras.Input((None, 2), name="second")
    inner = keras.Model([first, second], [shared(first), shared(second)], name="inner")
    a, b = keras.Input((None, 2), name="a"), keras.Input((None, 2), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Concatenate()(inner([a, b])))
    fast = layers.accelerate(model)
    [found] = [x for x in layers_within(fast) if isinstance(x, keras.layers.RNN)]
    assert type(found) is layers.GRU
    assert found.name == "reader"
    assert [w.path for w in fast.weights] == [w.path for w in model.weights]
    data = {"a": examples(2, 4, 2), "b": examples(2, 5, 2, seed=1)}
    assert_close([fast(data).numpy()], [model(data).numpy()], 1e-6)
    fast.get_layer("inner").set_weights([0 * w for w in fast.get_layer("inner").get_weights()])
    assert np.abs(model(data).numpy()).max() > 0, "the copy has weights of its own"


def test_a_file_of_fast_layers_is_read_as_one_of_keras(tmp_path: Path) -> None:
    """Weights go either way between the two, also through a file of weights alone."""
    inputs = keras.Input((None, 2))
    theirs = keras.Model(inputs, keras.layers.Bidirectional(keras.layers.LSTM(3))(inputs))
    ours = layers.accelerate(theirs)
    data = examples(2, 4, 2)
    ours.set_weights([w + 0.25 for w in ours.get_weights()])
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    assert_close([theirs(data).numpy()], [ours(data).numpy()], 1e-6)
    theirs.set_weights([2 * w for w in theirs.get_weights()])
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert_close([ours(data).numpy()], [theirs(data).numpy()], 1e-6)


def test_a_new_process_loads_a_file_of_fast_layers(tmp_path: Path) -> None:
    """There Keras has not heard of the package's classes yet."""
    inputs = keras.Input((None, 2))
    layer = layers.Bidirectional(layers.GRU(3, return_sequences=True))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "inputs.npy", examples(2, 4, 2))
    script = (
        "import sys, numpy as np\n"
        "from rnn_apps import layers\n"
        "model = layers.load_model(sys.argv[1] + '/model.keras')\n"
        "found = model(np.load(sys.argv[1] + '/inputs.npy')).numpy()\n"
        "np.save(sys.argv[1] + '/found.npy', found)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    expected = model(examples(2, 4, 2)).numpy()
    assert_close([np.load(tmp_path / "found.npy")], [expected], 1e-6)


def test_bidirectional_with_a_mask_has_keras_gradients() -> None:
    made = []
    for package in (layers, keras.layers):
        inside = package.LSTM(3, return_sequences=True, zero_output_for_mask=True)
        made.append(package.Bidirectional(inside, merge_mode="sum"))
    inputs = tf.constant(examples(3, 5, 2))
    mask = tf.constant([[True] * 5, [True] * 2 + [False] * 3, [False, True, False, True, True]])
    for layer in made:
        layer.build(inputs.shape)
    made[0].set_weights(made[1].get_weights())

    @tf.function
    def run() -> list[Any]:
        found = []
        for layer in made:
            weights = [weight.value for weight in layer.trainable_weights]
            with tf.GradientTape() as tape:
                outputs = layer(inputs, mask=mask, training=True)
                loss = tf.reduce_sum(tf.sin(outputs))
            found.append([outputs, *tape.gradient(loss, weights)])
        return found

    ours, theirs = ([x.numpy() for x in each] for each in run())
    assert_close(ours, theirs, 1e-5)
