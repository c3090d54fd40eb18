"""Adaptive and sampled softmax against the full one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_apps.layers.adaptive_softmax import AdaptiveSoftmax, default_cutoffs
from rnn_apps.layers.sampled_softmax import (
    SampledSoftmax,
    SampledTiedEmbedding,
    exact_losses,
    log_expected_count,
    log_uniform_candidates,
    sampled_losses,
)

VOCABULARY, SIZE = 60, 16
GENERATOR = np.random.default_rng(0)
HIDDEN = tf.constant(GENERATOR.normal(size=(3, 5, SIZE)), tf.float32)
TARGETS = tf.constant(GENERATOR.integers(0, VOCABULARY, (3, 5)), tf.int32)


def randomised(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer with weights far from their initial ones, its biases too."""
    layer.set_weights(
        [np.random.default_rng(1).normal(size=w.shape) * 0.5 for w in layer.get_weights()]
    )
    return layer


def gradients(loss: tf.Tensor, tape: tf.GradientTape, sources: list[tf.Tensor]) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(g) for g in tape.gradient(loss, sources)]


@pytest.mark.parametrize("cutoffs", [(10,), (5, 20), (1, 2, 59)])
def test_an_adaptive_softmax_is_a_distribution_and_its_losses_are_exact(
    cutoffs: tuple[int, ...],
) -> None:
    layer = AdaptiveSoftmax(VOCABULARY, cutoffs)
    layer(HIDDEN)
    randomised(layer)
    variables = layer.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(HIDDEN)
        log_probabilities = layer(HIDDEN)
        whole = -tf.gather(log_probabilities, TARGETS, batch_dims=2)
        losses = layer.token_losses(HIDDEN, TARGETS, True)
    np.testing.assert_allclose(tf.reduce_sum(tf.exp(log_probabilities), -1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(losses, whole, rtol=1e-5)
    for mine, theirs in zip(
        gradients(losses, tape, [HIDDEN, *variables]),
        gradients(whole, tape, [HIDDEN, *variables]),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_rare_tokens_cost_an_adaptive_softmax_little() -> None:
    layer = AdaptiveSoftmax(10_000, default_cutoffs(10_000))
    layer.build((None, None, 128))
    assert default_cutoffs(10_000) == (625, 2500)
    assert layer.count_params() < 0.2 * 128 * 10_000


@pytest.mark.parametrize("cutoffs", [(), (0,), (60,), (9, 9), (9, 5)])
def test_cutoffs_must_ascend_within_the_vocabulary(cutoffs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        AdaptiveSoftmax(VOCABULARY, cutoffs)


def test_candidates_come_as_often_as_expected() -> None:
    seeds, count = keras.random.SeedGenerator(3), 200_000
    drawn = log_uniform_candidates(count, VOCABULARY, seeds).numpy()
    assert drawn.min() == 0 and drawn.max() == VOCABULARY - 1
    found = np.bincount(drawn, minlength=VOCABULARY)
    expected = np.exp(log_expected_count(tf.range(VOCABULARY), count, VOCABULARY))
    assert expected.sum() == pytest.approx(count, rel=1e-4)
    # Five standard deviations of a count.
    assert (np.abs(found - expected) < 5 * np.sqrt(expected)).all()
    assert (log_uniform_candidates(count, VOCABULARY, seeds).numpy() != drawn).any()


def test_the_sampled_loss_and_its_gradient_are_near_the_full_ones() -> None:
    """With many candidates; and those that are the target itself do not count against it."""
    kernel = tf.constant(GENERATOR.normal(size=(VOCABULARY, SIZE)) * 0.3, tf.float32)
    bias = tf.constant(GENERATOR.normal(size=VOCABULARY), tf.float32)
    hidden, targets = tf.reshape(HIDDEN, [-1, SIZE]), tf.reshape(TARGETS, [-1])
    candidates = log_uniform_candidates(200_000, VOCABULARY, keras.random.SeedGenerator(1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([kernel, hidden])
        logits = tf.matmul(hidden, kernel, transpose_b=True) + bias
        full = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        sampled = sampled_losses(kernel, bias, hidden, targets, candidates)
    np.testing.assert_allclose(sampled, full, rtol=0.03, atol=0.01)
    for mine, theirs in zip(
        gradients(sampled, tape, [kernel, hidden]),
        gradients(full, tape, [kernel, hidden]),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, atol=0.03)
    only_targets = sampled_losses(kernel, bias, hidden[:1], targets[:1], targets[:1])
    assert float(only_targets[0]) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_exact_loss_timestep_by_timestep_is_the_full_one(compiled: bool) -> None:
    kernel = tf.constant(GENERATOR.normal(size=(VOCABULARY, SIZE)), tf.float32)
    bias = tf.constant(GENERATOR.normal(size=VOCABULARY), tf.float32)

    def losses_with_gradients() -> list[list[tf.Tensor]]:
        sources = [HIDDEN, kernel, bias]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(sources)
            logits = tf.einsum("btd,vd->btv", HIDDEN, kernel) + bias
            full = tf.nn.sparse_softmax_cross_entropy_with_logits(TARGETS, logits)
            found = exact_losses(kernel, bias, HIDDEN, TARGETS)
        return [[x, *gradients(x, tape, sources)] for x in (found, full)]

    run = tf.function(losses_with_gradients) if compiled else losses_with_gradients
    for mine, theirs in zip(*run(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


def test_both_sampled_layers_give_logits_and_losses() -> None:
    output = SampledSoftmax(VOCABULARY, 30, seed=1)
    output(HIDDEN)
    randomised(output)
    kernel, bias = output.get_weights()
    np.testing.assert_allclose(output(HIDDEN), HIDDEN.numpy() @ kernel.T + bias, 1e-4, 1e-5)
    tied = SampledTiedEmbedding(VOCABULARY, SIZE, samples=30, seed=1)
    tied(TARGETS)
    tied.set_weights([kernel, bias])
    np.testing.assert_allclose(tied(HIDDEN, reverse=True), output(HIDDEN), 1e-5)
    for training in (False, True):
        np.testing.assert_allclose(
            tied.token_losses(HIDDEN, TARGETS, training),
            output.token_losses(HIDDEN, TARGETS, training),
            rtol=1e-4,
            atol=1e-5,
        )
    first, second = (output.token_losses(HIDDEN, TARGETS, True).numpy() for _ in range(2))
    assert (first != second).any(), "the same candidates twice"
