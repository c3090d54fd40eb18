"""How fast a character model trains and writes, and in how much memory.

    python -m benchmarks.language_speed [--cell lstm --units 384 --layers 2]
        [--to benchmarks/results/language_speed]

The weights are random, which does not affect the speed. Each row is a separate process, whose
peak memory includes start-up and libraries. Training uses all cores; writing uses one thread, one
text and greedy choice. Writing is measured in processor time, so that other work on the machine
counts little; training is measured as the median wall-clock time of a step.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json, write_text

CHARACTERS = "".join(chr(code) for code in range(32, 123)) + "\n"
BATCH_SIZE, TIMESTEPS, STEPS = 32, 100, 15
PROMPT, WRITTEN = "To be, or not", 1000
ROWS = ("train", "keras", "saved_model", "tflite", "tflite_dynamic")
NAMES = {
    "train": "training, all cores",
    "keras": "writing, Keras",
    "saved_model": "writing, SavedModel (loop and vocabulary inside)",
    "tflite": "writing, LiteRT float32",
    "tflite_dynamic": "writing, LiteRT int8 weights",
}


def main(arguments: list[str] | None = None) -> None:
    """Measures every row in a separate process; writes TO.md and TO.json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cell", default="lstm", choices=("simple", "lstm", "gru"))
    parser.add_argument("--units", type=int, default=384)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--to", default="benchmarks/results/language_speed")
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.row:
        row, folder = given.row
        print(json.dumps(measured(row, Path(folder))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        in_process("prepare", folder, given)
        rows = [in_process(row, folder, given) for row in ROWS]
    content = {
        "model": f"{given.layers} {given.cell} layer(s) of {given.units} units, "
        f"{len(CHARACTERS)} characters",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rows": rows,
    }
    write_json(Path(f"{given.to}.json"), content)
    write_text(Path(f"{given.to}.md"), markdown(content))
    print(markdown(content))


def in_process(row: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """A row, measured by a process that does nothing else."""
    command = [
        sys.executable, "-m", "benchmarks.language_speed", "--row", row, str(folder),
        "--cell", given.cell, "--units", str(given.units), "--layers", str(given.layers),
    ]  # fmt: skip
    if row == "prepare":
        write_json(folder / "settings.json", vars(given))
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(row: str, folder: Path) -> dict[str, Any]:
    """Tokens per second of a row, and the peak memory of this process."""
    if row == "prepare":
        prepare(folder)
        return {}
    steps: dict[str, Callable[[Path], float]] = {
        "train": trained, "keras": written_by_keras, "saved_model": written_by_saved_model,
    }  # fmt: skip
    rate = steps[row](folder) if row in steps else written_by_device(folder, row)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"row": row, "tokens_per_second": round(rate), "peak_mebibytes": round(peak)}


def prepare(folder: Path) -> None:
    """Makes a run with random weights, and its exports."""
    from pipelines.tokenizers import train_tokenizer
    from rnn_apps.application.run_training import claimed_run
    from rnn_apps.language_modelling import LanguageModellingConfig, build_model, load
    from rnn_apps.language_modelling.config import APPLICATION
    from rnn_apps.language_modelling.judging.example_text import EXAMPLES, save_examples
    from rnn_apps.language_modelling.trained import TOKENIZER

    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    config = LanguageModellingConfig(
        run=str(folder / "run"),
        cell=settings["cell"],
        units=settings["units"],
        layers=settings["layers"],
        embedding_size=64,
        batch_size=BATCH_SIZE,
        timesteps=TIMESTEPS,
    )
    tokenizer = train_tokenizer("characters", [CHARACTERS])
    with claimed_run(config.run, APPLICATION) as made:
        with made.begin(config) as beside:
            tokenizer.save(beside / TOKENIZER)
        with made.finish() as beside:
            build_model(config, tokenizer.size).save(beside / made.model.name)
            save_examples(beside / EXAMPLES, tokenizer.encode(PROMPT * 100))
    load(config.run).export(folder / "exported", ("saved_model", "tflite", "tflite_dynamic"))


def trained(folder: Path) -> float:
    """Characters per second, by the median training step."""
    import numpy as np
    import tensorflow as tf

    from rnn_apps.language_modelling import load
    from rnn_apps.language_modelling.network.objective import make_objective
    from rnn_apps.training import make_optimizer
    from rnn_apps.training.steps import Steps

    run = load(folder / "run")
    tokens = np.random.default_rng(0).integers(0, run.tokenizer.size, (BATCH_SIZE, TIMESTEPS + 1))
    targets = tf.constant(tokens[:, 1:], tf.int32)
    batch = (
        {"tokens": tf.constant(tokens[:, :-1], tf.int32), "learning_rate_scale": tf.ones(())},
        targets,
        tf.ones(targets.shape),
    )
    optimizer = make_optimizer(run.config, total_steps=STEPS)
    optimizer.build(run.model.trainable_variables)
    objective = make_objective(run.config)
    steps = Steps(run.model, optimizer, objective, run.config, tf.distribute.get_strategy())
    specification = tf.nest.map_structure(tf.TensorSpec.from_tensor, batch)
    seconds = []
    for _ in range(STEPS):
        began = time.perf_counter()
        steps.train(batch, specification)
        seconds.append(time.perf_counter() - began)
    return BATCH_SIZE * TIMESTEPS / statistics.median(seconds[2:])


def one_thread() -> None:
    """Makes TensorFlow compute on one thread; must be called before its first operation."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def rate(write: Callable[[int], Any]) -> float:
    """Tokens per second of processor time, after a first call that compiles."""
    write(20)
    began = time.process_time()
    write(WRITTEN)
    return WRITTEN / (time.process_time() - began)


def written_by_keras(folder: Path) -> float:
    """Characters per second, one by one through the compiled Keras model."""
    one_thread()
    from rnn_apps.edge.sampling import SamplingConfig
    from rnn_apps.language_modelling import load
    from rnn_apps.language_modelling.writing import WritingConfig

    run = load(folder / "run")
    greedy = SamplingConfig(temperature=0)
    return rate(lambda count: run.generate(PROMPT, WritingConfig(count, greedy)))


def written_by_saved_model(folder: Path) -> float:
    """Characters per second of one call of the signature `generate`."""
    one_thread()
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / "exported" / "saved_model"))
    generate = loaded.signatures["generate"]

    def write(count: int) -> Any:
        return generate(
            prompt=tf.constant([PROMPT]), most_tokens=tf.constant(count),
            temperature=tf.constant(0.0), top_k=tf.constant(0), top_p=tf.constant(1.0),
            repetition_penalty=tf.constant(1.0), seed=tf.constant(0),
        )["text"].numpy()  # fmt: skip

    return rate(write)


def written_by_device(folder: Path, name: str) -> float:
    """Characters per second of a step model on LiteRT, driven by numpy."""
    from rnn_apps.edge import EdgeLanguageModel, SamplingConfig

    file = {"tflite": "model.tflite", "tflite_dynamic": "model_dynamic.tflite"}[name]
    model = EdgeLanguageModel(folder / "exported", file)
    greedy = SamplingConfig(temperature=0)
    return rate(lambda count: "".join(model.write(PROMPT, count, greedy)))


def markdown(content: dict[str, Any]) -> str:
    """The table."""
    lines = [
        "# Speed of a character language model",
        "",
        f"{content['model']}; {content['machine']}. Made by `python -m benchmarks.language_speed`; "
        "training in wall-clock time, writing in processor time of one thread.",
        "",
        "| | characters per second | peak memory, MiB |",
        "|---|---|---|",
    ]
    for row in content["rows"]:
        rate_, peak = row["tokens_per_second"], row["peak_mebibytes"]
        lines.append(f"| {NAMES[row['row']]} | {rate_:,} | {peak:,} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
