"""How gradients flow through 200 steps of SimpleRNN, LSTM and GRU, and what improves the flow.

    python -m benchmarks.gradient_flow [--chart FILE.svg]

Prints, for cells and initialisations, the norm of dLoss/dh_t at some steps t, relative to the last
step but one, before training; and the results of training with and without clipping.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from pipelines.base.errors import UserError
from pipelines.batches import IndexedBatches
from rnn_apps.layers.initializers import ChronoGRUBias, ChronoLSTMBias
from rnn_apps.training import TrainingConfig, fit, gradient_flow, plot_gradient_flow

TIMESTEPS = 200
UNITS = 32
SHOWN = (0, 49, 99, 149, 179, 189, 198)


def networks() -> dict[str, keras.layers.Layer]:
    """Recurrent layers by their name in the table."""
    orthogonal = keras.initializers.Orthogonal
    simple, lstm, gru = keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU
    return {
        "SimpleRNN tanh, 0.8 x orthogonal": simple(
            UNITS, recurrent_initializer=orthogonal(0.8, seed=1)
        ),
        "SimpleRNN tanh, orthogonal": simple(UNITS, recurrent_initializer=orthogonal(seed=1)),
        "SimpleRNN linear, 1.25 x orthogonal": simple(
            UNITS, "linear", recurrent_initializer=orthogonal(1.25, seed=1)
        ),
        "SimpleRNN ReLU, identity (Le et al. 2015)": simple(
            UNITS, "relu", recurrent_initializer="identity"
        ),
        "LSTM, forget bias 0": lstm(UNITS, unit_forget_bias=False),
        "LSTM, forget bias 1": lstm(UNITS),
        "LSTM, chrono bias (Tallec, Ollivier 2018)": lstm(
            UNITS, bias_initializer=ChronoLSTMBias(TIMESTEPS, seed=0), unit_forget_bias=False
        ),
        "GRU": gru(UNITS),
        "GRU, chrono bias": gru(UNITS, bias_initializer=ChronoGRUBias(TIMESTEPS, seed=0)),
    }


def flow_of(layer: keras.layers.Layer) -> np.ndarray:
    """The norms of dLoss/dh_t of a network with this layer, on noise, before training."""
    model = keras.Sequential([keras.Input((TIMESTEPS, 2)), layer, keras.layers.Dense(1)])
    inputs = np.random.default_rng(0).normal(size=(16, TIMESTEPS, 2)).astype("float32") * 0.1
    targets = np.ones((16, 1), "float32")
    loss = keras.losses.MeanSquaredError()
    [norms] = gradient_flow(model, inputs, targets, loss).values()
    return norms


class MeanOfNoise(IndexedBatches):
    """64 sequences of noise; the target is 3 times the mean of the first of two features."""

    def __init__(self) -> None:
        super().__init__(64, batch_size=16, shuffle=True, seed=0)
        noise = np.random.default_rng(0).normal(size=(64, TIMESTEPS, 2))
        self._inputs = tf.constant(noise, tf.float32)

    def gather(self, numbers: tf.Tensor, real: tf.Tensor) -> tuple[Any, Any, Any]:
        """See `IndexedBatches`."""
        inputs = tf.gather(self._inputs, numbers)
        return inputs, 3.0 * tf.reduce_mean(inputs[:, :, :1], axis=1), real


def squared_error(model: keras.Model, batch: Any, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """The objective."""
    inputs, targets, weights = batch
    errors = tf.square(model(inputs, training=training) - targets)[:, 0]
    return tf.reduce_sum(errors * weights), tf.reduce_sum(weights)


def identity_network() -> keras.Model:
    """A network that diverges within a few steps of plain SGD, unless gradients are clipped."""
    layer = keras.layers.SimpleRNN(
        16,
        "relu",
        recurrent_initializer="identity",
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.05),
    )
    return keras.Sequential([keras.Input((TIMESTEPS, 2)), layer, keras.layers.Dense(1)])


def outcome(build: Callable[[], keras.Model], clip_norm: float) -> str:
    """The result of 8 epochs of SGD."""
    config = TrainingConfig(
        epochs=8,
        batch_size=16,
        optimizer="sgd",
        learning_rate=0.003,
        clip_norm=clip_norm,
        gradient_flow=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = fit(build, MeanOfNoise(), squared_error, config, folder=Path(folder)).history
        except UserError as error:
            return str(error).split(". ")[0]
    return f"loss {rows[0]['loss']:.3f} in epoch 1, {rows[-1]['loss']:.4f} in epoch {len(rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chart", type=Path, help="also draw the flows into this file")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    flows = {name: flow_of(layer) for name, layer in networks().items()}
    table = Table(title="norm of dLoss/dh_t over that of t = 199 (of 200)")
    table.add_column("network")
    for step in SHOWN:
        table.add_column(f"t = {step + 1}", justify="right")
    for name, norms in flows.items():
        table.add_row(name, *(f"{norms[step] / norms[-2]:.1e}" for step in SHOWN))
    console = Console(width=140)
    console.print(table)
    if arguments.chart:
        plot_gradient_flow(flows, "Before training").savefig(arguments.chart)
    for clip_norm in (0.0, 1.0):
        what = outcome(identity_network, clip_norm)
        console.print(f"SimpleRNN ReLU, identity, SGD, clip_norm = {clip_norm:g}: {what}")


if __name__ == "__main__":
    main()
