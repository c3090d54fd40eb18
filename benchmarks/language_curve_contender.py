"""One contender of `benchmarks.language_curve` in a separate process, which trains on request.

Usage: language_curve_contender.py {rnn_apps|keras|torch} SETTINGS.json TOKENS.npz

Reads seconds from standard input, one number per line; trains for this time, measures the
validation loss, and answers with a line of JSON. The PyTorch contender imports nothing from this
project, so that it may be in another environment. All contenders have the same model: an
embedding, LSTM layers with dropout after each, a linear output; the same batches in the same
order; Adam; the state carried from batch to batch and its gradient cut there; the gradient's
global norm clipped.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

Settings = dict[str, Any]
Pair = tuple[np.ndarray, np.ndarray]


class Contender(Protocol):
    """A model under training.

    Attributes:
        states: states of the recurrent layers, carried from call to call; None at the start of a
            text.
    """

    states: Any

    def train(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        """Does one training step and returns the mean loss in nats."""
        ...

    def losses(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Loss of each token in nats, [rows, timesteps], with the state of the previous call."""
        ...


class InKeras:
    """The model in Keras, with this project's layers or Keras' own."""

    def __init__(self, settings: Settings, vocabulary: int, *, own_layers: bool) -> None:
        import keras
        import tensorflow as tf

        if own_layers:
            from rnn_apps.layers import LSTM
        else:
            LSTM = keras.layers.LSTM
        self._tf = tf
        keras.utils.set_random_seed(settings["seed"])
        units = settings["units"]
        inputs = keras.Input((None,), dtype="int32")
        states = [[keras.Input((units,)) for _ in range(2)] for _ in range(settings["layers"])]
        hidden = keras.layers.Embedding(vocabulary, settings["embedding"])(inputs)
        final = []
        for state in states:
            hidden, *new = LSTM(units, return_sequences=True, return_state=True)(
                hidden, initial_state=state
            )
            final.append(new)
            hidden = keras.layers.Dropout(settings["dropout"])(hidden)
        logits = keras.layers.Dense(vocabulary)(hidden)
        self._model = keras.Model([inputs, states], [logits, final])
        self._optimizer = keras.optimizers.Adam(
            settings["learning_rate"], global_clipnorm=settings["clip_norm"]
        )
        self._optimizer.build(self._model.trainable_variables)
        self._train = tf.function(self._step)
        self._losses = tf.function(self._evaluate, reduce_retracing=True)
        self._zeros = lambda rows: [
            [tf.zeros((rows, units)) for _ in range(2)] for _ in range(settings["layers"])
        ]
        self.states: Any = None

    def train(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        """See `Contender`."""
        states = self.states or self._zeros(len(inputs))
        loss, self.states = self._train(
            self._tf.constant(inputs), self._tf.constant(targets), states
        )
        return float(loss)

    def losses(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """See `Contender`."""
        states = self.states or self._zeros(len(inputs))
        losses, self.states = self._losses(
            self._tf.constant(inputs), self._tf.constant(targets), states
        )
        return losses.numpy()

    def _step(self, inputs: Any, targets: Any, states: Any) -> Any:
        tf = self._tf
        with tf.GradientTape() as tape:
            logits, states = self._model([inputs, states], training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        gradients = tape.gradient(loss, self._model.trainable_variables)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return loss, states

    def _evaluate(self, inputs: Any, targets: Any, states: Any) -> Any:
        logits, states = self._model([inputs, states], training=False)
        loss = self._tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return loss, states


class InTorch:
    """The model in PyTorch."""

    def __init__(self, settings: Settings, vocabulary: int) -> None:
        import torch

        torch.manual_seed(settings["seed"])
        self._torch = torch
        units, layers = settings["units"], settings["layers"]
        self._embedding = torch.nn.Embedding(vocabulary, settings["embedding"])
        self._lstm = torch.nn.LSTM(
            settings["embedding"], units, layers, batch_first=True, dropout=settings["dropout"]
        )
        self._dropout = torch.nn.Dropout(settings["dropout"])
        self._output = torch.nn.Linear(units, vocabulary)
        self._model = torch.nn.ModuleList(
            [self._embedding, self._lstm, self._dropout, self._output]
        )
        with torch.no_grad():
            # PyTorch adds two biases; the forget gate's sum is 1, as in Keras.
            for name, value in self._lstm.named_parameters():
                if "weight_ih" in name:
                    torch.nn.init.xavier_uniform_(value)
                elif "weight_hh" in name:
                    torch.nn.init.orthogonal_(value)
                else:
                    value.zero_()
                    if "bias_ih" in name:
                        value[units : 2 * units] = 1.0
            torch.nn.init.xavier_uniform_(self._output.weight)
            self._output.bias.zero_()
            torch.nn.init.uniform_(self._embedding.weight, -0.05, 0.05)
        self._optimizer = torch.optim.Adam(self._model.parameters(), settings["learning_rate"])
        self._clip = settings["clip_norm"]
        self.states: Any = None

    def train(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        """See `Contender`."""
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(inputs, targets, "mean")
        loss.backward()
        self._torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._clip)
        self._optimizer.step()
        return float(loss.detach())

    def losses(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """See `Contender`."""
        self._model.eval()
        with self._torch.inference_mode():
            return self._loss(inputs, targets, "none").numpy().reshape(targets.shape)

    def _loss(self, inputs: np.ndarray, targets: np.ndarray, reduction: str) -> Any:
        torch = self._torch
        hidden, states = self._lstm(
            self._embedding(torch.from_numpy(inputs.astype(np.int64))), self.states
        )
        self.states = tuple(state.detach() for state in states)
        logits = self._output(self._dropout(hidden))
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1),
            torch.from_numpy(targets.astype(np.int64)).flatten(),
            reduction=reduction,
        )


def streams(tokens: np.ndarray, rows: int, timesteps: int) -> Iterator[tuple[bool, Pair]]:
    """Endless passes over a text cut into `rows` streams; True where a pass begins."""
    length = (len(tokens) - 1) // rows
    inputs = tokens[: rows * length].reshape(rows, length)
    targets = tokens[1 : rows * length + 1].reshape(rows, length)
    while True:
        for start in range(0, length - timesteps + 1, timesteps):
            part = slice(start, start + timesteps)
            yield start == 0, (inputs[:, part], targets[:, part])


def validation_loss(contender: Contender, tokens: np.ndarray) -> float:
    """The mean loss over a text in one stream, with the state carried to its end."""
    carried, contender.states = contender.states, None
    found = [
        contender.losses(tokens[None, start : start + 512][:, : len(tokens) - 1 - start],
                         tokens[None, start + 1 : start + 513])
        for start in range(0, len(tokens) - 1, 512)
    ]  # fmt: skip
    contender.states = carried
    return float(np.concatenate([losses.ravel() for losses in found]).mean())


def main() -> None:
    """Sets up the contender and answers until standard input ends."""
    kind, settings_file, tokens_file = sys.argv[1:]
    with open(settings_file, encoding="utf-8") as file:
        settings: Settings = json.load(file)
    with np.load(tokens_file) as archive:
        training, validation = archive["training"], archive["validation"]
        vocabulary = int(archive["vocabulary"])
    contender: Contender = (
        InTorch(settings, vocabulary)
        if kind == "torch"
        else InKeras(settings, vocabulary, own_layers=kind == "rnn_apps")
    )
    batches = streams(training, settings["batch_size"], settings["timesteps"])
    # What is compiled or allocated once is not part of the curve: a step and a measurement whose
    # effect is the same for all.
    _, first = next(batches)
    contender.train(*first)
    print(json.dumps({"validation": validation_loss(contender, validation)}), flush=True)
    steps = 0
    for line in sys.stdin:
        losses, start = [], time.monotonic()
        while time.monotonic() - start < float(line):
            begins, pair = next(batches)
            if begins:
                contender.states = None
            losses.append(contender.train(*pair))
        seconds = time.monotonic() - start
        steps += len(losses)
        answer = {
            "seconds": seconds,
            "steps": steps,
            "training": float(np.mean(losses)),
            "validation": validation_loss(contender, validation),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
