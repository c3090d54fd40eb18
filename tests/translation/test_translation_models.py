"""The decoder's training loop against the same decoder step by step; options of training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_apps.translation.network.decoder_loop import run_decoder
from rnn_apps.translation.network.model import END, PADDING, START, Network, TranslationModel
from rnn_apps.translation.network.objective import make_objective

KINDS: list[dict[str, Any]] = [
    {},
    {"attention": "none", "decoder": "plain"},
    {"decoder": "plain", "bidirectional": False, "cell": "simple"},
    {"attention": "general", "decoder": "plain", "decoder_layers": 2, "residual": True},
    {"attention": "concat", "decoder": "plain", "cell": "lstm"},
    {"coverage": True, "cell": "lstm", "decoder_layers": 2},
    {"layer_norm": True, "cell": "simple", "attention": "dot", "decoder": "plain",
     "bidirectional": False},
]  # fmt: skip
# Normalised gates take the longest to differentiate.
SLOW_KINDS: list[dict[str, Any]] = [{"layer_norm": True}, {"layer_norm": True, "cell": "lstm"}]


def network(**options: Any) -> TranslationModel:
    return TranslationModel(Network(20, 20, units=8, embedding_size=6, **options))


def batch() -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    generator = np.random.default_rng(0)
    source = generator.integers(4, 20, (3, 7)).astype(np.int32)
    source[1, 5:] = PADDING
    following = generator.integers(4, 20, (3, 5)).astype(np.int32)
    following[2, 3:] = END, PADDING
    target = np.concatenate([np.full((3, 1), START, np.int32), following[:, :-1]], axis=1)
    target[target == END] = PADDING
    weights = (following != PADDING).astype(np.float32)
    inputs = {"source": tf.constant(source), "target": tf.constant(target)}
    return inputs, tf.constant(following), tf.constant(weights)


@pytest.mark.parametrize(
    "options",
    [*KINDS, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW_KINDS)],
    ids=str,
)
def test_the_training_loop_gives_the_results_and_gradients_of_the_steps(
    options: dict[str, Any],
) -> None:
    # Some draws of the weights make a layer normalisation divide by almost nothing, which magnifies
    # rounding beyond the tolerance.
    keras.utils.set_random_seed(0)
    model = network(**options)
    inputs, _, _ = batch()

    def gradients(decode: Any) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            source, states = model.encode(inputs["source"])
            readouts, weights = decode(source, states)
            loss = tf.reduce_sum(tf.sin(readouts)) + tf.reduce_sum(weights**2)
        found = tape.gradient(loss, model.trainable_variables)
        known = [tf.zeros(()) if one is None else tf.convert_to_tensor(one) for one in found]
        return [readouts, weights, *known]

    @tf.function(autograph=False)
    def both() -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        stepwise = gradients(lambda source, states: model.decode(inputs["target"], source, states))
        looped = gradients(
            lambda source, states: run_decoder(
                model.step, model.target_embedding(inputs["target"]), source, states
            )
        )
        return stepwise, looped

    stepwise, looped = both()
    for one, other in zip(stepwise, looped, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


def test_what_is_fed_back_is_trained_step_by_step() -> None:
    model = network(attention="general", decoder="plain", input_feeding=True)
    inputs, _, _ = batch()
    source, states = model.encode(inputs["source"])
    assert run_decoder(model.step, model.target_embedding(inputs["target"]), source, states) is None


def test_the_loss_counts_real_tokens_only() -> None:
    model = network()
    inputs, targets, weights = batch()
    loss, weight = make_objective(0.0)(model, (inputs, targets, weights), False)
    log_probabilities = tf.nn.log_softmax(model(inputs)).numpy()
    expected = -sum(
        log_probabilities[row, step, targets[row, step]]
        for row, step in zip(*np.nonzero(weights.numpy()), strict=True)
    )
    assert float(weight) == weights.numpy().sum() < 15
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_scheduled_sampling_replaces_a_share_of_the_tokens() -> None:
    model = network()
    share = tf.Variable(0.0)
    sampled, plain = make_objective(0.0, share), make_objective(0.0)
    data = batch()
    assert float(sampled(model, data, True)[0]) == pytest.approx(
        float(plain(model, data, True)[0]), rel=1e-6
    )
    share.assign(1.0)
    changed = float(sampled(model, data, True)[0])
    assert changed != pytest.approx(float(plain(model, data, True)[0]), rel=1e-4)
    # The same batch draws the same tokens, as a resumed run must.
    assert float(sampled(model, data, True)[0]) == pytest.approx(changed, rel=1e-6)
    # Validation reads the reference.
    assert float(sampled(model, data, False)[0]) == pytest.approx(
        float(plain(model, data, False)[0]), rel=1e-6
    )
