"""The loss that training lowers: connectionist temporal classification, in nats per label."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

Batch = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Tensor]


def ctc_objective(model: keras.Model, batch: Batch, training: bool) -> tuple[Any, Any]:
    """The CTC loss (Graves et al. 2006) of a batch of `pipelines.speech.SpeechBatches`.

    The lengths of logits and labels are the true ones, so that padding costs nothing.

    Returns:
        The sum of the weighted -log p(labels) in nats and the weighted number of labels, float32
        scalars.
    """
    inputs, targets, weights = batch
    outputs = model(inputs, training=training)
    lengths = targets["label_lengths"]
    # The kernel of sparse labels is many times faster on a CPU than the loop of dense ones.
    labels = tf.RaggedTensor.from_tensor(targets["labels"], lengths).to_sparse()
    losses = tf.nn.ctc_loss(
        labels,
        outputs["logits"],
        None,
        outputs["lengths"],
        logits_time_major=False,
        blank_index=-1,
    )
    return tf.reduce_sum(losses * weights), tf.reduce_sum(tf.cast(lengths, tf.float32) * weights)
