"""The device's search under its rules, against enumeration; needs neither TensorFlow nor a file."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.search import BeamConfig, StepResult, beam_search, greedy_search
from rnn_apps.edge.sequence_to_sequence import log_softmax

START, END, VOCABULARY = 0, 1, 5


def decoder(seed):
    """Its distribution depends on all tokens so far; the state is that history."""

    def row(history):
        generator = np.random.default_rng([seed, *history])
        return log_softmax(generator.normal(size=VOCABULARY).astype(np.float32) * 2)

    def step(tokens, states):
        histories = [(*state, token) for token, state in zip(tokens, states, strict=True)]
        return StepResult(np.stack([row(history) for history in histories]), histories)

    return row, step


def follows_rules(tokens, config):
    size = config.no_repeat
    grams = [tokens[i : i + size] for i in range(len(tokens) - size + 1)] if size else []
    return len(tokens) >= config.min_steps and len(grams) == len(set(grams))


def best_of_all(row, config):
    """The best complete output by enumeration."""
    found = []
    words = [token for token in range(VOCABULARY) if token not in (END, *config.banned)]
    for length in range(config.max_steps + 1):
        for tokens in itertools.product(words, repeat=length):
            if not follows_rules(tokens, config):
                continue
            history, total = (START,), 0.0
            for token in (*tokens, END):
                total += float(row(history)[token])
                history = (*history, token)
            found.append((total / ((5 + length + 1) / 6) ** config.length_penalty, tokens))
    return max(found)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    least=st.integers(0, 3),
    no_repeat=st.sampled_from([0, 1, 2]),
    banned=st.sampled_from([(), (2,), (3,)]),
)
def test_a_wide_beam_finds_the_best_output_that_the_rules_allow(seed, least, no_repeat, banned):
    row, step = decoder(seed)
    config = BeamConfig(
        START, END, 300, 3, length_penalty=1.0, min_steps=least, no_repeat=no_repeat, banned=banned
    )
    score, tokens = best_of_all(row, config)
    [found] = beam_search(step, (), config)
    assert found.tokens == tokens
    assert found.score == pytest.approx(score, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), beam=st.integers(1, 4))
def test_narrow_and_greedy_searches_keep_the_rules_too(seed, beam):
    _, step = decoder(seed)
    config = BeamConfig(START, END, beam, 8, min_steps=4, no_repeat=2, banned=(3,))
    for found in (*beam_search(step, (), config), greedy_search(step, (), config)):
        assert 3 not in found.tokens
        assert follows_rules(found.tokens, config)


def test_what_is_cut_at_the_limit_is_ranked_among_what_ended():
    for seed in range(8):
        row, step = decoder(seed)
        config = BeamConfig(START, END, 400, 3, length_penalty=1.0, cut=True)
        found = []
        for length in range(4):
            for tokens in itertools.product(
                [t for t in range(VOCABULARY) if t != END], repeat=length
            ):
                whole = tokens if length == 3 else (*tokens, END)
                history, total = (START,), 0.0
                for token in whole:
                    total += float(row(history)[token])
                    history = (*history, token)
                found.append((total / ((5 + len(whole)) / 6), tokens))
        best = [tokens for _, tokens in sorted(found, reverse=True)[:3]]
        assert [one.tokens for one in beam_search(step, (), config, 3)] == best


def test_another_choice_is_taken_from_what_is_allowed():
    _, step = decoder(5)
    config = BeamConfig(START, END, 1, 6, min_steps=6, banned=(2,))
    seen = []

    def least_probable(values):
        seen.append(values)
        return int(np.argmin(np.where(np.isfinite(values), values, np.inf)))

    found = greedy_search(step, (), config, least_probable)
    assert not {END, 2} & set(found.tokens)
    assert all(np.isneginf(values[2]) for values in seen)


def test_log_probabilities_stay_in_single_precision():
    values = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32) * 30
    found = log_softmax(values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, log_softmax(values.astype(np.float64)), atol=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"min_steps": -1}, {"no_repeat": -1}, {"repetition_penalty": 0.0}]
)
def test_rules_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        BeamConfig(START, END, **wrong)
