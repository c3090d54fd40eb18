"""Inside the graph: tokens are drawn as in numpy, and a served model scores and writes as Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_apps.edge.sampling import SamplingConfig, token_probabilities
from rnn_apps.language_modelling.graph_sampling import GraphSampling, draw

LOGITS = np.random.default_rng(3).normal(0, 2, 12).astype(np.float32)


def sampling(config: SamplingConfig) -> GraphSampling:
    return GraphSampling(
        tf.constant(config.temperature, tf.float32), tf.constant(config.top_k),
        tf.constant(config.top_p, tf.float32), tf.constant(config.repetition_penalty, tf.float32),
        tf.constant(config.seed or 0),
    )  # fmt: skip


def drawn(config: SamplingConfig, lately: Any, rows: int, step: int = 0) -> np.ndarray:
    logits = tf.constant(np.tile(LOGITS, (rows, 1)))
    recent = tf.constant(np.tile(lately, (rows, 1)), tf.int32)
    return draw(logits, recent, tf.constant(step), sampling(config), banned=4).numpy()


@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(),
        SamplingConfig(temperature=0.5),
        SamplingConfig(top_k=3),
        SamplingConfig(top_p=0.6),
        SamplingConfig(temperature=1.3, top_k=8, top_p=0.8, repetition_penalty=1.7),
        SamplingConfig(temperature=0, repetition_penalty=3.0),
    ],
)
def test_tokens_are_drawn_from_numpys_distribution(config: SamplingConfig) -> None:
    order = np.argsort(-LOGITS)
    lately = [int(order[0]), -1]
    expected = token_probabilities(LOGITS, config, [lately[0]], banned=[4])
    found = np.bincount(drawn(config, lately, 6000), minlength=12) / 6000
    assert not found[expected == 0].any()
    np.testing.assert_allclose(found, expected, atol=0.025)


def test_a_row_does_not_depend_on_how_many_there_are() -> None:
    config = SamplingConfig(seed=9)
    for step in range(5):
        many = drawn(config, [-1], 7, step)
        np.testing.assert_array_equal(drawn(config, [-1], 3, step), many[:3])
    assert len({tuple(drawn(config, [-1], 30, step)) for step in range(5)}) == 5
