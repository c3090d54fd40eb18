"""The translation network: every kind of attention and decoder, whole and step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.translation.network.model import Network, TranslationModel
from rnn_apps.translation.network.objective import _consistent_losses, divergence, make_objective

KINDS: list[dict[str, Any]] = [
    {},
    {"attention": "none", "decoder": "plain", "tied": "none"},
    {"decoder": "plain", "bidirectional": False, "cell": "simple"},
    {"attention": "general", "decoder": "plain", "input_feeding": True, "tied": "all"},
    {"attention": "concat", "decoder": "plain", "cell": "lstm", "decoder_layers": 2},
    {"attention": "dot", "decoder": "plain", "bidirectional": False},
    {"coverage": True, "cell": "lstm", "encoder_layers": 2, "decoder_layers": 2, "residual": True},
]


def network(**options: Any) -> TranslationModel:
    return TranslationModel(Network(20, 20, units=8, embedding_size=6, **options))


def batch() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    source = generator.integers(4, 20, (3, 7)).astype(np.int32)
    source[1, 5:] = 0
    return {"source": source, "target": generator.integers(4, 20, (3, 5)).astype(np.int32)}


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_every_kind_trains_every_weight_and_steps_as_it_reads(
    options: dict[str, Any], tmp_path: Path
) -> None:
    model, inputs = network(**options), batch()
    objective = make_objective(label_smoothing=0.1)
    with tf.GradientTape() as tape:
        targets = tf.constant(inputs["target"])
        loss, weight = objective(model, (inputs, targets, tf.ones(targets.shape)), True)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert float(weight) == 15
    assert all(float(tf.norm(tf.convert_to_tensor(gradient))) > 0 for gradient in gradients)

    whole = model(inputs).numpy()
    source, states = model.encode(tf.constant(inputs["source"]))
    for timestep in range(5):
        tokens = tf.constant(inputs["target"][:, timestep])
        logits, states, weights = model.decode_step(tokens, source, states)
        np.testing.assert_allclose(logits, whole[:, timestep], atol=1e-5)
        if options.get("attention") != "none":
            np.testing.assert_allclose(tf.reduce_sum(weights, axis=1), 1.0, atol=1e-5)
            assert not np.any(weights[1, 5:])

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs), whole)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_padding_changes_nothing(options: dict[str, Any]) -> None:
    model, inputs = network(**options), batch()
    alone = {"source": inputs["source"][1:2, :5], "target": inputs["target"][1:2]}
    np.testing.assert_allclose(model(alone)[0], model(inputs)[1], atol=1e-5)


def test_label_smoothing_costs_what_its_definition_says() -> None:
    model, inputs = network(), batch()
    targets = tf.constant(inputs["target"])
    weights = tf.ones(targets.shape)
    log_probabilities = tf.nn.log_softmax(model(inputs)).numpy()
    spread = np.full(20, 0.2 / 20)
    expected = 0.0
    for place, token in np.ndenumerate(inputs["target"]):
        wanted = spread + 0.8 * np.eye(20)[token]
        expected -= float(wanted @ log_probabilities[place])
    loss, _ = make_objective(0.2)(model, (inputs, targets, weights), True)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_consistency_costs_half_of_what_equation_3_says() -> None:
    """R-Drop: -log p1 - log p2 + alpha (KL(p1 || p2) + KL(p2 || p1)) / 2, here per reading."""
    rows = np.random.default_rng(0).normal(size=(2, 6, 20)).astype(np.float32)
    first, second = tf.nn.log_softmax(rows).numpy().astype(np.float64)
    p, q = np.exp(first), np.exp(second)
    both = (p * (first - second)).sum(-1) + (q * (second - first)).sum(-1)
    np.testing.assert_allclose(divergence(*tf.nn.log_softmax(rows)), both / 2, rtol=1e-5)

    # Without dropout both readings are one, and the loss is that of one reading.
    model, inputs = network(), batch()
    targets = tf.constant(inputs["target"])
    weights = tf.constant(np.arange(15).reshape(3, 5) % 4 > 0, tf.float32)
    example = (inputs, targets, weights)
    plain = make_objective(0.2)(model, example, True)
    twice = make_objective(0.2, consistency=3.0)(model, example, True)
    np.testing.assert_allclose(twice, plain, rtol=1e-5)

    # With it, the divergence comes on top, and only in training.
    model = network(output_dropout=0.5)
    tf.random.set_seed(0)
    found = make_objective(0.0, consistency=3.0)(model, example, True)
    assert float(found[1]) == float(plain[1]) and float(found[0]) > 0
    validated = make_objective(0.0, consistency=3.0)(model, example, False)
    np.testing.assert_allclose(validated, make_objective(0.0)(model, example, False))


def test_consistent_losses_are_those_of_the_two_halves() -> None:
    model = network()
    readouts = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
    targets = tf.constant([4, 5, 6, 7] * 2)
    first, second = tf.split(tf.nn.log_softmax(model.logits(readouts[None])[0]), 2)
    picked = [tf.gather(one, targets[:4], batch_dims=1) for one in (first, second)]
    expected = -(picked[0] + picked[1]) / 2 + 3.0 / 2 * divergence(first, second)
    found = _consistent_losses(model, tf.constant(readouts), targets, 0.0, 3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"attention": "none"}, "conditional"),
        ({"attention": "dot", "decoder": "plain"}, "general"),
        ({"attention": "bahdanau", "decoder": "plain", "input_feeding": True}, "input_feeding"),
        ({"attention": "concat", "decoder": "plain", "coverage": True}, "coverage"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        network(**options)


def test_one_vocabulary_for_all_needs_equal_sizes() -> None:
    with pytest.raises(ConfigurationError, match="joint_vocabulary"):
        Network(20, 21, tied="all")
