"""What a trained model says of utterances: log probabilities of labels, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipelines.speech import SpeechBatches
from pipelines.speech.recordings.labels import LabelSet
from rnn_apps.edge.speech.ctc import ctc_greedy
from rnn_apps.speech.judging.metrics import character_errors, total, word_errors

LogProbabilities = npt.NDArray[np.float32]


class Recogniser:
    """A model compiled once for batches of any size.

    Args:
        model: model that `build_model` made.
    """

    def __init__(self, model: keras.Model) -> None:
        size = model.input["features"].shape[-1]
        inputs = {
            "features": tf.TensorSpec((None, None, size), tf.float32),
            "frame_lengths": tf.TensorSpec((None,), tf.int32),
        }

        @tf.function(input_signature=[inputs], autograph=False)
        def compute(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = model(batch, training=False)
            return tf.nn.log_softmax(outputs["logits"]), outputs["lengths"]

        self._compute: Any = compute

    def log_probabilities(self, inputs: dict[str, Any]) -> list[LogProbabilities]:
        """Of each row of a batch, float32 [its own output frames, labels].

        Args:
            inputs: arrays by name: "features" [rows, frames, size], "frame_lengths" [rows].
        """
        found, lengths = self._compute(inputs)
        rows = zip(found.numpy(), lengths.numpy(), strict=True)
        return [row[:length] for row, length in rows]

    def of_batches(self, batches: SpeechBatches) -> Iterator[tuple[int, LogProbabilities]]:
        """Yields (number of the utterance in the source, its log probabilities)."""
        rows = batches.rows(0)
        for numbers, (inputs, _, _) in zip(rows, batches.epoch(0), strict=True):
            yield from zip(numbers.tolist(), self.log_probabilities(inputs), strict=True)


def greedy_error_rates(
    recogniser: Recogniser, batches: SpeechBatches, transcripts: tuple[str, ...], labels: LabelSet
) -> dict[str, float]:
    """Word and character error rate of greedy decoding, as figures of a training's epoch."""
    said, recognised = [], []
    for number, found in recogniser.of_batches(batches):
        said.append(transcripts[number])
        recognised.append(labels.decode(ctc_greedy(found, labels.blank)))
    return {
        "val_wer": total(word_errors(said, recognised)).rate,
        "val_cer": total(character_errors(said, recognised)).rate,
    }
