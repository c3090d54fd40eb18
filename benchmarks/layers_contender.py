"""One contender of `benchmarks.layers` in a process of its own: times a layer when it is told to.

Reads lines from standard input; for "forward" and "training" it answers with milliseconds, for
"memory" with the peak of the process above what it had before the first call, in MB.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Arguments: the contender, the cell, and [batch, timesteps, features, units] as JSON."""
    contender, cell, shape = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    make = _torch_calls if contender == "torch" else _limit_calls
    calls = make(cell, *shape) if contender in ("torch", "limit") else None
    if calls is None:
        calls = _tensorflow_calls(contender, cell, *shape)
    before = _peak()
    print("ready", flush=True)
    for line in sys.stdin:
        order = line.strip()
        if order == "memory":
            print(_peak() - before, flush=True)
            continue
        start = time.perf_counter()
        calls[order]()
        print((time.perf_counter() - start) * 1e3, flush=True)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _tensorflow_calls(
    contender: str, cell: str, batch: int, timesteps: int, features: int, units: int
) -> dict[str, Callable[[], Any]]:
    import keras
    import tensorflow as tf

    from rnn_apps import layers

    package = layers if contender.startswith("rnn_apps") else keras.layers
    layer = getattr(package, cell)(units, return_sequences=True)
    inputs = tf.random.stateless_normal((batch, timesteps, features), [1, 2])
    direction = tf.random.stateless_normal((batch, timesteps, units), [3, 4])
    layer.build(inputs.shape)
    options = {"jit_compile": True} if contender.endswith("jit") else {}

    @tf.function(**options)
    def forward(inputs: tf.Tensor) -> tf.Tensor:
        return layer(inputs, training=False)

    @tf.function(**options)
    def training(inputs: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(layer(inputs, training=True) * direction)
        found: list[tf.Tensor] = tape.gradient(
            loss, [inputs, *(w.value for w in layer.trainable_weights)]
        )
        return found

    # Taking the numbers out waits for them.
    return {
        "forward": lambda: forward(inputs).numpy(),
        "training": lambda: [x.numpy() for x in training(inputs)],
    }


def _limit_calls(
    cell: str, batch: int, timesteps: int, features: int, units: int
) -> dict[str, Callable[[], Any]]:
    import tensorflow as tf

    import rnn_apps  # noqa: F401  (turns oneDNN on)

    gates = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}[cell]
    left = tf.random.stateless_normal((batch * timesteps, features + units), [1, 2])
    right = tf.random.stateless_normal((features + units, gates * units), [3, 4])

    @tf.function
    def product(left: tf.Tensor) -> tf.Tensor:
        return tf.matmul(left, right)

    def thrice() -> None:
        for _ in range(3):
            product(left).numpy()

    return {"forward": lambda: product(left).numpy(), "training": thrice}


def _torch_calls(
    cell: str, batch: int, timesteps: int, features: int, units: int
) -> dict[str, Callable[[], Any]]:
    import torch

    kind = {"SimpleRNN": torch.nn.RNN, "GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}[cell]
    layer = kind(features, units, batch_first=True)
    inputs = torch.randn(batch, timesteps, features, requires_grad=True)
    direction = torch.randn(batch, timesteps, units)

    def forward() -> None:
        with torch.no_grad():
            layer(inputs)

    def training() -> None:
        layer.zero_grad(set_to_none=True)
        inputs.grad = None
        (layer(inputs)[0] * direction).sum().backward()

    return {"forward": forward, "training": training}


if __name__ == "__main__":
    main()
