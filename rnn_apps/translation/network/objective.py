"""The loss that training lowers: label-smoothed cross-entropy, in nats per target token."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rnn_apps.training.steps import Objective
from rnn_apps.translation.network.model import PADDING

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]


def make_objective(
    label_smoothing: float, sampled_share: Any = None, consistency: float = 0.0
) -> Objective:
    """A function of (model, (inputs, targets, weights), training) that training calls.

    inputs has "source" and "target" as `TranslationModel` takes them; targets int32
    [batch, timesteps] are the tokens that follow; weights float32, 0 where a row is padded. In
    training, `label_smoothing` of the probability is spread evenly over the vocabulary (Szegedy et
    al. 2016, section 7); in validation the loss is the plain one, so that it can be compared.

    With scheduled sampling (Bengio et al. 2015) that share of the target's tokens is replaced by
    the tokens that the model finds most probable in their place, computed by a first pass without a
    gradient (two passes: Mihaylova and Martins 2019). The draw depends on the batch itself, so that
    a resumed run draws the same.

    With `consistency` each batch is read twice, with different dropout, and the divergence of the
    two predictions is part of the loss (R-Drop, Wu et al. 2021, equation 3, whose alpha it is; the
    loss here is half of theirs, so that it stays that of one reading).

    Args:
        label_smoothing: share of the probability that is spread over the vocabulary.
        sampled_share: float32 variable from 0 to 1, for scheduled sampling; None for none.
        consistency: weight of the divergence; 0 to read each batch once.

    It returns the sum of the weighted losses and the sum of the weights, float32 scalars.
    """

    def objective(model: keras.Model, batch: Batch, training: bool) -> tuple[Any, Any]:
        twice = training and consistency > 0
        inputs, targets, weights = _twice(batch) if twice else batch
        source, states = model.encode(inputs["source"], training=training)
        target = inputs["target"]
        if training and sampled_share is not None:
            target = _with_own_tokens(model, target, source, states, sampled_share)
        readouts, _ = model.decode(target, source, states, training=training)
        # What only pads is not multiplied with the output's matrix, the largest of all.
        real = weights > 0
        weights = tf.cast(tf.boolean_mask(weights, real), tf.float32)
        readouts, targets = tf.boolean_mask(readouts, real), tf.boolean_mask(targets, real)
        if twice:
            losses = _consistent_losses(model, readouts, targets, label_smoothing, consistency)
            weights = weights[: tf.shape(losses)[0]]
        else:
            losses = model.token_losses(
                readouts, targets, label_smoothing if training else 0.0, training=training
            )
        return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)

    return objective


def _twice(batch: Batch) -> Batch:
    """The rows of a batch, and after them the same rows again."""
    doubled: Batch = tf.nest.map_structure(lambda rows: tf.concat([rows, rows], axis=0), batch)
    return doubled


def _consistent_losses(
    model: Any, readouts: Any, targets: Any, label_smoothing: float, consistency: float
) -> Any:
    """The losses of tokens that were read twice, float32 [n].

    Args:
        readouts: readouts of the first reading, and after them those of the second, [2 n, size].
        targets: tokens that follow, int32 [2 n], the second half like the first.
        label_smoothing: share of the probability that is spread over the vocabulary.
        consistency: weight of the divergence.
    """
    logits = model.logits(readouts[None], training=True)[0]
    scores = tf.nn.log_softmax(logits)
    first, second = tf.split(scores, 2)
    targets = tf.split(targets, 2)[0]
    mean = 0.5 * (first + second)
    losses = -(1.0 - label_smoothing) * tf.gather(mean, targets, batch_dims=1)
    if label_smoothing:
        losses -= label_smoothing * tf.reduce_mean(mean, axis=-1)
    return losses + 0.5 * consistency * divergence(first, second)


def divergence(first: Any, second: Any) -> Any:
    """The mean of both Kullback-Leibler divergences between two rows of predictions.

    As a term of the loss it makes a network predict the same whichever units dropout leaves out
    (R-Drop, Wu et al. 2021, equation 2). The divergence of p from q and of q from p add up to
    sum((p - q) (log p - log q)).

    Args:
        first: logarithms of probabilities, float32 [..., classes].
        second: logarithms of probabilities of the same shape.

    Returns:
        The divergence in nats, float32 [...], 0 where both are the same.
    """
    difference = (tf.exp(first) - tf.exp(second)) * (first - second)
    return 0.5 * tf.reduce_sum(difference, axis=-1)


def _with_own_tokens(
    model: Any, target: tf.Tensor, source: Any, states: Any, share: Any
) -> tf.Tensor:
    """The target's tokens, of which `share` (start and padding aside) are the model's own."""
    readouts, _ = model.decode(target, source, states, training=True)
    own = tf.argmax(model.logits(tf.stop_gradient(readouts)), axis=-1, output_type=tf.int32)
    own = tf.concat([target[:, :1], own[:, :-1]], axis=1)
    places = tf.range(1, tf.shape(target)[1] + 1)
    content = tf.reduce_sum(target * places) % 2_000_003
    drawn = tf.random.stateless_uniform(tf.shape(target), [content, tf.cast(share * 1e6, tf.int32)])
    changes = (drawn < share) & (places > 1) & (target != PADDING)
    return tf.where(changes, own, target)
