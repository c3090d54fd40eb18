"""Memory and time of a training step by output layer, as the vocabulary grows.

    python -m benchmarks.large_vocabularies [--vocabularies 10000,50000] [--to FILE.json]

Every case is a separate process. The table shows its peak of resident memory beyond that of the
imports, and the median time per step.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OUTPUTS = ("softmax", "adaptive", "sampled")
BATCH_SIZE, TIMESTEPS, UNITS, STEPS = 20, 35, 200, 6


def measure(output: str, vocabulary_size: int) -> dict[str, float]:
    """Trains some steps on tokens that follow Zipf's law; memory needs a fresh process."""
    import keras
    import numpy as np
    import tensorflow as tf

    from pipelines.text.token_streams import StreamBatches
    from rnn_apps.language_modelling.config import LanguageModellingConfig
    from rnn_apps.language_modelling.network.build import build_model
    from rnn_apps.language_modelling.network.objective import make_objective
    from rnn_apps.training import make_optimizer
    from rnn_apps.training.steps import Steps

    keras.utils.set_random_seed(0)
    config = LanguageModellingConfig(
        units=UNITS, batch_size=BATCH_SIZE, timesteps=TIMESTEPS, output=output, clip_norm=0.25,
        optimizer="sgd",
    )  # fmt: skip
    generator = np.random.default_rng(0)
    tokens = (vocabulary_size ** generator.random(BATCH_SIZE * TIMESTEPS * STEPS + 1)).astype("i4")
    batches = StreamBatches(tokens - 1, batch_size=BATCH_SIZE, timesteps=TIMESTEPS)
    before = peak_memory()
    model = build_model(config, vocabulary_size)
    optimizer = make_optimizer(config, STEPS)
    optimizer.build(model.trainable_variables)
    objective = make_objective(config)
    steps = Steps(model, optimizer, objective, config, tf.distribute.get_strategy())
    dataset = batches.epoch(0)
    seconds = []
    for batch in dataset:
        started = time.perf_counter()
        steps.train(batch, dataset.element_spec)
        seconds.append(time.perf_counter() - started)
    weights = 4 * model.count_params()
    return {
        "peak_mebibytes": (peak_memory() - before) / 2**20,
        "weights_mebibytes": weights / 2**20,
        "milliseconds": 1e3 * statistics.median(seconds[1:]),
    }


def peak_memory() -> int:
    """The process' peak of resident memory so far, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured_apart(output: str, vocabulary_size: int) -> dict[str, Any]:
    """Runs `measure` in a separate process."""
    command = [sys.executable, "-m", "benchmarks.large_vocabularies", "--case"]
    found = subprocess.run(
        [*command, f"{output},{vocabulary_size}"], check=True, stdout=subprocess.PIPE, text=True
    )
    figures = json.loads(found.stdout.splitlines()[-1])
    return {"output": output, "vocabulary": vocabulary_size, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vocabularies", default="10000,50000")
    parser.add_argument("--to", type=Path, help="file to which the figures are written, too")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        output, size = arguments.case.split(",")
        print(json.dumps(measure(output, int(size))))
        return
    sizes = [int(size) for size in arguments.vocabularies.split(",")]
    rows = [measured_apart(output, size) for size in sizes for output in OUTPUTS]
    print(f"{BATCH_SIZE} x {TIMESTEPS} tokens per step, LSTM 2 x {UNITS}, plain SGD with momentum")
    for row in rows:
        print(
            f"{row['vocabulary']:>8,}  {row['output']:<9} peak {row['peak_mebibytes']:7.0f} MiB  "
            f"weights {row['weights_mebibytes']:5.0f} MiB  step {row['milliseconds']:6.0f} ms"
        )
    if arguments.to:
        from pipelines.base.atomic_files import write_json

        write_json(arguments.to, rows)


if __name__ == "__main__":
    main()
