"""Contenders of `benchmarks.layers` in a separate process, which times a layer on request.

Argument: the number of threads, 0 for the default. Each line of standard input is JSON
[contender, cell, [batch, timesteps, features, units], order]; for "forward" and "training" the
answer is [milliseconds of wall-clock time, milliseconds of processor time], for "memory" the peak
of the process in MiB. The calls of one cell and shape are kept at a time.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

Calls = dict[str, Callable[[], Any]]


def main() -> None:
    """See the module."""
    threads = int(sys.argv[1])
    kept: dict[tuple[str, ...], Calls] = {}
    for line in sys.stdin:
        contender, cell, shape, order = json.loads(line)
        key = (contender, cell, str(shape))
        if key not in kept:
            kept = {k: calls for k, calls in kept.items() if k[1:] == key[1:]}
            kept[key] = _calls(contender, cell, shape, threads)
        if order == "memory":
            print(_peak(), flush=True)
            continue
        clock, processor = time.perf_counter(), time.process_time()
        kept[key][order]()
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        print(json.dumps([clock * 1e3, processor * 1e3]), flush=True)


def _calls(contender: str, cell: str, shape: list[int], threads: int) -> Calls:
    if contender == "torch":
        if threads:
            import torch

            torch.set_num_threads(threads)
        return _torch_calls(cell, *shape)
    import rnn_apps  # noqa: F401  (turns oneDNN on, unless the environment says otherwise)

    if threads:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if contender == "limit":
        return _limit_calls(cell, *shape)
    return _tensorflow_calls(contender, cell, *shape)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _tensorflow_calls(
    contender: str, cell: str, batch: int, timesteps: int, features: int, units: int
) -> Calls:
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


def _limit_calls(cell: str, batch: int, timesteps: int, features: int, units: int) -> Calls:
    import tensorflow as tf

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


def _torch_calls(cell: str, batch: int, timesteps: int, features: int, units: int) -> Calls:
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
