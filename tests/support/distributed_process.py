"""Trains under a strategy and records what it saw: python distributed_process.py STRATEGY FOLDER.

The run's folder is FOLDER/run; FOLDER/seen-N.json lists the examples that worker N was given.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from training_setup import ArrayBatches, build_lstm, make_batches, squared_error

from rnn_apps.training import TrainedModel, TrainingConfig, fit, make_strategy

EXAMPLES = 30
CONFIG = TrainingConfig(epochs=3, batch_size=7, learning_rate=0.02, clip_norm=0.5)


class RecordedBatches:
    """Batches that note the number of every real example that leaves them, epoch by epoch."""

    def __init__(self, batches: ArrayBatches) -> None:
        self.batches = batches
        self.steps_per_epoch = batches.steps_per_epoch
        self.examples = batches.examples
        self.seen: dict[int, list[int]] = {}

    def epoch(self, index: int, **place: Any) -> tf.data.Dataset:
        dataset = self.batches.epoch(index, **place)
        seen = self.seen.setdefault(index, [])
        for inputs, _, weights in dataset:
            seen += [int(n) for n in inputs["number"][weights > 0]]
        return dataset


def train(strategy: str, folder: Path, epochs: int = CONFIG.epochs) -> TrainedModel:
    from dataclasses import replace

    # Before anything else runs: that is what several workers ask for.
    devices = make_strategy(strategy)
    batches = RecordedBatches(make_batches(EXAMPLES, CONFIG.batch_size))
    trained = fit(
        lambda: build_lstm(dropout=0.0),
        batches,
        squared_error,
        replace(CONFIG, strategy=strategy, epochs=epochs),
        folder=folder / "run",
        validation=make_batches(11, 4, seed=1),
        strategy=devices,
        resume=epochs > CONFIG.epochs,
    )
    worker = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]["index"]
    losses = [[row["loss"], row["val_loss"], row["gradient_norm"]] for row in trained.history]
    weights = [w.tolist() for w in trained.model.get_weights()]
    content = {"seen": batches.seen, "losses": losses, "weights": weights}
    (folder / f"seen-{worker}.json").write_text(json.dumps(content))
    return trained


if __name__ == "__main__":
    if sys.argv[1] == "mirrored":
        processor = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(processor, two)
    keras.utils.set_random_seed(100)
    train(sys.argv[1], Path(sys.argv[2]))
    if sys.argv[1] == "mirrored":
        train(sys.argv[1], Path(sys.argv[2]), epochs=CONFIG.epochs + 1)
