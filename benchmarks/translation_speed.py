"""How fast a translation model trains, compared with the same model of plain keras.layers.

    python -m benchmarks.translation_speed [--to benchmarks/results/translation_speed]

Both have oneDNN on, random batches of one shape, the same weights' shapes, the same Adam and one
thread, each in a separate process. The contender is the model that Keras' own layers can build: its
Embedding, Bidirectional, GRU and Dense layers, and for the conditional decoder a keras.layers.RNN
around a cell of two GRUCells with an attention of Dense layers between them. Measured is
the processor time of a compiled step, including gradient and optimizer, so that other work on the
machine counts little. Both take turns; the median step of the median turn counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json, write_text

BATCH, POSITIONS, TIMESTEPS, VOCABULARY = 64, 16, 16, 6000
UNITS, SIZE = 256, 128
STEPS = 12
ROUNDS = 5
MODELS = {
    "conditional GRU": {"attention": "bahdanau", "decoder": "conditional"},
    "GRU, general attention after it": {"attention": "general", "decoder": "plain"},
}


def main(arguments: list[str] | None = None) -> None:
    """Measures each model of each maker in a separate process; writes TO.md and TO.json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", default="benchmarks/results/translation_speed")
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.row:
        print(json.dumps(measured(*given.row)))
        return
    rows = [row for name in MODELS for row in in_turn(name)]
    content = {"machine": f"{platform.machine()}, {platform.system()}", "rows": rows}
    write_json(Path(given.to + ".json"), content)
    write_text(Path(given.to + ".md"), page(rows))


def in_turn(name: str) -> list[dict[str, Any]]:
    """Rows of a model: its makers take turns, so that other work on the machine affects both."""
    rounds = [[in_process(name, maker) for maker in _MAKERS] for _ in range(ROUNDS)]
    return [
        sorted(found, key=lambda row: row["milliseconds per step"])[ROUNDS // 2]
        for found in zip(*rounds, strict=True)
    ]


def in_process(name: str, maker: str) -> dict[str, Any]:
    """Measures one row in a process with one thread and oneDNN."""
    environment = {
        **os.environ,
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", "benchmarks.translation_speed", "--row", name, maker]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}, {maker}: {found}", file=sys.stderr)
    return found


def measured(name: str, maker: str) -> dict[str, Any]:
    """Trains some steps; returns the median processor time per step."""
    import numpy as np
    import tensorflow as tf

    import rnn_apps  # noqa: F401  # as every application does before TensorFlow starts

    generator = np.random.default_rng(0)

    def tokens(columns: int) -> tf.Tensor:
        return tf.constant(generator.integers(4, VOCABULARY, (BATCH, columns)).astype("int32"))

    batch = tokens(POSITIONS), tokens(TIMESTEPS), tokens(TIMESTEPS)
    model, loss = _MAKERS[maker](**MODELS[name])
    step = training_step(model, loss)
    began = time.monotonic()
    step(*batch)
    first = time.monotonic() - began
    seconds = []
    for _ in range(STEPS):
        start = time.process_time()
        float(step(*batch))
        seconds.append(time.process_time() - start)
    middle = statistics.median(seconds)
    return {
        "model": name,
        "made of": maker,
        "parameters": int(model.count_params()),
        "milliseconds per step": 1000 * middle,
        "target tokens per second": BATCH * TIMESTEPS / middle,
        "seconds until the first step is done": first,
    }


def ours(attention: str, decoder: str) -> tuple[Any, Callable[..., Any]]:
    """The toolkit's model and its loss."""
    import tensorflow as tf

    from rnn_apps.translation.network.model import Network, TranslationModel
    from rnn_apps.translation.network.objective import make_objective

    model = TranslationModel(
        Network(
            VOCABULARY, VOCABULARY, units=UNITS, embedding_size=SIZE, attention=attention,
            decoder=decoder, tied="none", annotation_dropout=0.4, output_dropout=0.4,
            embedding_dropout=0.2,
        )
    )  # fmt: skip
    objective = make_objective(0.1)
    weights = tf.ones((BATCH, TIMESTEPS))

    def loss(source: Any, target: Any, following: Any) -> Any:
        inputs = {"source": source, "target": target}
        total, count = objective(model, (inputs, following, weights), True)
        return total / count

    return model, loss


def plain(attention: str, decoder: str) -> tuple[Any, Callable[..., Any]]:
    """The same model of keras.layers and its loss."""
    from benchmarks.translation_speed_contender import conditional_model, plain_model, smoothed_loss

    made = conditional_model if decoder == "conditional" else plain_model
    model = made(VOCABULARY, UNITS, SIZE)
    return model, smoothed_loss(model, VOCABULARY)


_MAKERS = {"rnn_apps": ours, "keras": plain}


def training_step(model: Any, loss: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled step: loss, gradient, clipping, Adam."""
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    whole = tf.TensorSpec((BATCH, None), tf.int32)

    @tf.function(input_signature=[whole] * 3, autograph=False)
    def step(source: Any, target: Any, following: Any) -> Any:
        with tf.GradientTape() as tape:
            found = loss(source, target, following)
        gradients = tape.gradient(found, model.trainable_variables)
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        clipped, _ = tf.clip_by_global_norm(dense, 1.0)
        optimizer.apply(clipped, model.trainable_variables)
        return found

    made: Callable[..., Any] = step
    return made


def page(rows: list[dict[str, Any]]) -> str:
    """The table."""
    lines = [
        "# Training a translation model",
        "",
        f"Batches of {BATCH} pairs, {POSITIONS} source and {TIMESTEPS} target tokens, {UNITS} "
        f"units, embeddings of {SIZE}, {VOCABULARY:,} tokens, dropout and label smoothing; "
        "processor time of one thread, oneDNN on for both.",
        "",
        "| model | made of | parameters | ms per step | target tokens per second | first step, s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['model']} | {row['made of']} | {row['parameters']:,} | "
            f"{row['milliseconds per step']:.0f} | {row['target tokens per second']:,.0f} | "
            f"{row['seconds until the first step is done']:.0f} |"
            for row in rows
        ),
        "",
        "`python -m benchmarks.translation_speed`",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
