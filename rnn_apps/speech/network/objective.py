"""The loss that training lowers: connectionist temporal classification, in nats per label."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.training.steps import Objective

Batch = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Tensor]


def make_objective(consistency: float = 0.0) -> Objective:
    """A function of (model, (inputs, targets, weights), training) that training calls.

    It computes the CTC loss (Graves et al. 2006) of a batch of `pipelines.speech.SpeechBatches`.
    The lengths of logits and labels are the true ones, so that padding costs nothing.

    With `consistency` the second half of a training batch holds the utterances of the first,
    changed differently, and the divergence of the predictions of a frame from those of its other
    copy, which are taken as given, is part of the loss (CR-CTC, Yao et al. 2025, equations 3 and 4,
    whose alpha it is).

    Args:
        consistency: weight of the divergence; 0 for the CTC loss alone.

    Returns:
        A function that returns the sum of the weighted losses in nats and the weighted number of
        labels, float32 scalars.
    """

    def objective(model: keras.Model, batch: Batch, training: bool) -> tuple[Any, Any]:
        inputs, targets, weights = batch
        outputs = model(inputs, training=training)
        losses = _ctc_losses(targets, outputs)
        if training and consistency:
            losses += consistency * _divergences(outputs)
        labels = tf.cast(targets["label_lengths"], tf.float32)
        return tf.reduce_sum(losses * weights), tf.reduce_sum(labels * weights)

    return objective


def _ctc_losses(targets: dict[str, Any], outputs: dict[str, Any]) -> Any:
    """-log p(labels) of each utterance, float32 [rows]."""
    # The kernel of sparse labels is many times faster on a CPU than the loop of dense ones.
    labels = tf.RaggedTensor.from_tensor(targets["labels"], targets["label_lengths"]).to_sparse()
    return tf.nn.ctc_loss(
        labels,
        outputs["logits"],
        None,
        outputs["lengths"],
        logits_time_major=False,
        blank_index=-1,
    )


def _divergences(outputs: dict[str, Any]) -> Any:
    """The divergence of each utterance's frames from those of its other copy, float32 [rows]."""
    scores = tf.nn.log_softmax(tf.cast(outputs["logits"], tf.float32))
    first, second = tf.split(scores, 2)
    given = tf.stop_gradient(tf.concat([second, first], axis=0))
    found = tf.reduce_sum(tf.exp(given) * (given - scores), axis=-1)
    real = tf.sequence_mask(outputs["lengths"], tf.shape(scores)[1], tf.float32)
    return tf.reduce_sum(found * real, axis=-1)
