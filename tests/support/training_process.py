"""A training in a process of its own, to be killed: training_process.py FOLDER [flags]."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import keras
from training_setup import make_batches, squared_error

from rnn_apps.training import TrainedModel, TrainingConfig, fit

CONFIG = TrainingConfig(
    seed=3,
    epochs=6,
    batch_size=8,
    optimizer="adamw",
    learning_rate=0.02,
    schedule="cosine",
    warmup_steps=20,
    weight_decay=0.01,
    average_decay=0.9,
    patience=5,
    # After every step, so that the last checkpoint may lie anywhere in an epoch.
    checkpoint_minutes=1e-9,
)


# Validation, checkpoints and a falling learning rate inside epochs of 13 steps.
STEERED = replace(
    CONFIG, schedule="plateau", plateau_patience=1, plateau_factor=0.7, patience=0,
    validate_steps=3, checkpoint_steps=2, checkpoint_minutes=0.0, data_seed=7,
)  # fmt: skip


def build_model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((12, 2)),
            keras.layers.LSTM(8, dropout=0.2, recurrent_dropout=0.2, return_sequences=True),
            keras.layers.BatchNormalization(),
            keras.layers.LSTM(6),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )


def train(folder: Path, resume: bool, config: TrainingConfig = CONFIG) -> TrainedModel:
    return fit(
        build_model,
        make_batches(100),
        squared_error,
        config,
        folder=folder,
        validation=make_batches(30, seed=1),
        resume=resume,
    )


if __name__ == "__main__":
    train(
        Path(sys.argv[1]),
        resume="--resume" in sys.argv,
        config=STEERED if "--steered" in sys.argv else CONFIG,
    )
