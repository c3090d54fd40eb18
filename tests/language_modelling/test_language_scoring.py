"""Scores of a text: exact, whatever the chunks; dynamic evaluation and the cache beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from language_setup import random_tokens, small_model

from pipelines.base.errors import ConfigurationError, DataError
from rnn_apps.language_modelling.judging.dynamic_evaluation import (
    AdaptationSettings,
    DynamicEvaluation,
)
from rnn_apps.language_modelling.judging.neural_cache import CacheSettings, NeuralCache
from rnn_apps.language_modelling.judging.scoring import (
    FEWEST_COMPILED_CHUNKS,
    score_tokens,
    score_windows,
)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_scores_do_not_depend_on_the_chunks(cell: str) -> None:
    model = small_model(cell=cell)
    tokens = random_tokens(150)
    whole = score_tokens(model, tokens, chunk=1000)
    outputs = model.model({"tokens": tf.constant(tokens[None, :-1]), **model.start()})
    expected = tf.nn.log_softmax(outputs["logits"][0]).numpy()
    rows = np.arange(149)
    np.testing.assert_allclose(whole.log_probabilities, expected[rows, tokens[1:]], atol=1e-5)
    np.testing.assert_array_equal(
        whole.ranks, (expected > expected[rows, tokens[1:], None]).sum(axis=1)
    )
    np.testing.assert_allclose(whole.confidences, np.exp(expected.max(axis=1)), rtol=1e-5)
    for chunk in (1, 7, 149):
        pieces = score_tokens(model, tokens, chunk=chunk)
        np.testing.assert_allclose(pieces.log_probabilities, whole.log_probabilities, atol=1e-5)
        np.testing.assert_array_equal(pieces.ranks, whole.ranks)


@pytest.mark.parametrize(
    "settings",
    [
        {"cell": "lstm", "output": "adaptive"},
        {"cell": "lstm", "layer_norm": True, "zoneout": 0.2, "scale": 1.0},
        {"cell": "gru", "residual": True, "tied": True},
        {"cell": "simple", "output": "sampled", "sampled_tokens": 9},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_the_compiled_chunks_of_a_long_text_score_it_alike(settings: dict[str, Any]) -> None:
    model = small_model(vocabulary=40, **settings)
    tokens = random_tokens(3 * FEWEST_COMPILED_CHUNKS + 2, vocabulary=40)
    whole = score_tokens(model, tokens, chunk=len(tokens))
    compiled = score_tokens(model, tokens, chunk=3)
    np.testing.assert_allclose(compiled.log_probabilities, whole.log_probabilities, atol=1e-5)
    np.testing.assert_allclose(compiled.confidences, whole.confidences, rtol=1e-4)
    np.testing.assert_array_equal(compiled.ranks, whole.ranks)


@pytest.mark.parametrize(("window", "length"), [(1, 24), (7, 60), (300, 600)])
def test_each_window_is_scored_as_a_text_of_its_own(window: int, length: int) -> None:
    model = small_model(cell="lstm")
    tokens = random_tokens(length)
    found = score_windows(model, tokens, window, batch=5)
    firsts = range(0, len(tokens) - 1, window)
    alone = [
        score_tokens(model, tokens[first : first + window + 1]).log_probabilities
        for first in firsts
    ]
    np.testing.assert_allclose(found, np.concatenate(alone), atol=1e-5)
    carried = score_tokens(model, tokens).log_probabilities
    # From the second window on, what came before is not known.
    assert not np.allclose(found[window:], carried[window:], atol=1e-3)


def test_windows_are_not_empty() -> None:
    with pytest.raises(ConfigurationError, match="window = 0 must be at least 1"):
        score_windows(small_model(), random_tokens(5), 0)
    with pytest.raises(DataError, match="the text has 1 token;"):
        score_windows(small_model(), random_tokens(1), 5)


def test_a_text_too_short_to_score_is_refused() -> None:
    model = small_model()
    for count in (0, 1):
        with pytest.raises(DataError, match=f"the text has {count} tokens?; at least"):
            score_tokens(model, random_tokens(count))


def test_dynamic_evaluation_learns_and_leaves_the_weights_as_they_were() -> None:
    model = small_model()
    before = [v.numpy().copy() for v in model.model.trainable_variables]
    text = np.tile(random_tokens(10), 40)
    plain = score_tokens(model, text).log_probabilities
    adaptive = DynamicEvaluation(model, random_tokens(600, seed=1), segment=10, most_segments=20)
    still = adaptive.log_probabilities(text, AdaptationSettings(0.0, 0.0, 10))
    np.testing.assert_allclose(still, plain, atol=1e-5)
    chosen = adaptive.choose(text[:200], rates=(0.0, 1e-3, 1e-2), decays=(0.0, 1e-2))
    assert chosen.learning_rate > 0
    learnt = adaptive.log_probabilities(text, chosen)
    assert learnt[-100:].mean() > plain[-100:].mean() + 0.2
    # The first segment is scored before anything is learnt from it.
    np.testing.assert_allclose(learnt[:10], plain[:10], atol=1e-5)
    for variable, old in zip(model.model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_dynamic_evaluation_steps_as_the_paper_says() -> None:
    """One segment, then the weights that score the next one, written out for every weight."""
    model = small_model(layers=1)
    training, text = random_tokens(100, seed=1), random_tokens(21)
    adaptive = DynamicEvaluation(model, training, segment=10, most_segments=1)
    settings = AdaptationSettings(learning_rate=0.02, decay=0.0, segment=10)
    found = adaptive.log_probabilities(text, settings)

    def segment(tokens: np.ndarray, states: dict) -> tuple[np.ndarray, list, dict]:
        with tf.GradientTape() as tape:
            outputs, following = model.advance(tf.constant(tokens[None, :-1]), states)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(tokens[1:], outputs["logits"][0])
            )
        variables = [v.value for v in model.model.trainable_variables]
        gradients = tape.gradient(loss, variables)
        return loss.numpy(), [tf.convert_to_tensor(g).numpy() for g in gradients], following

    states = model.read(training[:10])
    _, sizes, _ = segment(training[10:21], states)
    sizes = [np.abs(size) for size in sizes]
    mean = np.concatenate([size.ravel() for size in sizes]).mean()
    first, gradients, states = segment(text[:11], model.start())
    assert -found[:10].mean() == pytest.approx(first, abs=1e-5)
    for variable, gradient, size in zip(
        model.model.trainable_variables, gradients, sizes, strict=True
    ):
        variable.assign_sub(0.02 * gradient / (size + 0.1 * mean))
    second, _, _ = segment(text[10:], states)
    assert -found[10:].mean() == pytest.approx(second, abs=1e-4)


def test_the_cache_is_what_the_paper_says() -> None:
    model = small_model(units=5, layers=1)
    tokens = random_tokens(300, vocabulary=11)
    cache = NeuralCache(model, tokens)
    settings = CacheSettings(flatness=0.7, share=0.2, window=40)
    found = cache.log_probabilities(settings)
    outputs = model.model({"tokens": tf.constant(tokens[None, :-1]), **model.start()})
    hidden = outputs["hidden"][0].numpy().astype(np.float64)
    alone = tf.nn.softmax(outputs["logits"][0]).numpy()
    for t in (0, 1, 5, 39, 40, 41, 257, 298):
        places = range(max(0, t - 40), t)
        weights = np.exp([0.7 * hidden[t] @ hidden[i] for i in places])
        same = np.array([tokens[i + 1] == tokens[t + 1] for i in places], bool)
        expected = alone[t, tokens[t + 1]]
        if t:
            expected = 0.8 * expected + 0.2 * weights[same].sum() / weights.sum()
        assert found[t] == pytest.approx(np.log(expected), abs=1e-4), t


def test_the_cache_helps_where_tokens_come_again() -> None:
    model = small_model()
    text = np.tile(random_tokens(15), 20)
    cache = NeuralCache(model, text)
    chosen = cache.choose(flatnesses=(0.1, 5.0), shares=(0.01, 0.5), window=100)
    assert chosen.share == 0.5
    assert cache.log_probabilities(chosen).mean() > cache.model_log_probabilities.mean() + 0.3
