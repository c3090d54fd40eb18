"""One layer of `benchmarks.mingru` in a process of its own: times a training step when asked.

Argument: the contender's name. Each line of standard input is JSON [size, timesteps], as in
`benchmarks.mingru.LAYERS`; the answer is [milliseconds by the clock, milliseconds of processor
time].
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    """See the module."""
    calls: dict[tuple[str, int], Callable[[], Any]] = {}
    for line in sys.stdin:
        size, timesteps = json.loads(line)
        if (size, timesteps) not in calls:
            calls[size, timesteps] = _training_step(sys.argv[1], size, timesteps)
        clock, processor = time.perf_counter(), time.process_time()
        calls[size, timesteps]()
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        print(json.dumps([clock * 1e3, processor * 1e3]), flush=True)


def _training_step(contender: str, size: str, timesteps: int) -> Callable[[], Any]:
    import rnn_apps  # noqa: F401  (sets up TensorFlow's environment)

    # isort: split
    import keras
    import tensorflow as tf

    from benchmarks.mingru import BATCH, LAYERS
    from rnn_apps import layers

    name = contender.removesuffix(", jit")
    features, units = LAYERS[size][name.removeprefix("keras ")]
    package = keras.layers if name.startswith("keras ") else layers
    kind = name.removeprefix("keras ").split(" ")[0]
    layer = getattr(package, kind)(units, return_sequences=True)
    inputs = tf.random.stateless_normal((BATCH, timesteps, features), [1, 2])
    direction = tf.random.stateless_normal((BATCH, timesteps, units), [3, 4])
    layer.build(inputs.shape)

    @tf.function(jit_compile=contender.endswith(", jit"))
    def training(inputs: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(layer(inputs, training=True) * direction)
        gradients: list[tf.Tensor] = tape.gradient(
            loss, [inputs, *(weight.value for weight in layer.trainable_weights)]
        )
        return gradients

    # Taking the numbers out waits for them.
    return lambda: [gradient.numpy() for gradient in training(inputs)]


if __name__ == "__main__":
    main()
