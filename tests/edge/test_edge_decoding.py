"""Decoders on the device against brute force and straightforward references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge.sampling import SamplingConfig, token_probabilities
from rnn_apps.edge.search import (
    BeamConfig,
    StepResult,
    beam_search,
    greedy_search,
)
from rnn_apps.edge.sequence_to_sequence import log_softmax
from rnn_apps.edge.speech.ctc import CtcHypothesis, ctc_greedy
from rnn_apps.edge.speech.ctc_beam import CtcBeamSearch

START, END = 0, 1


def random_decoder(seed, vocabulary=4, source=3):
    """A decoder whose distribution depends on all tokens so far; the state is that history."""

    def row(history):
        generator = np.random.default_rng([seed, *history])
        alignment = generator.dirichlet(np.ones(source))
        return log_softmax(generator.normal(size=vocabulary) * 2), alignment

    def step(tokens, states):
        histories = [(*state, token) for token, state in zip(tokens, states, strict=True)]
        rows = [row(history) for history in histories]
        return StepResult(np.stack([r[0] for r in rows]), histories, np.stack([r[1] for r in rows]))

    return row, step


def every_complete_output(row, config, vocabulary=4):
    """All outputs up to max_steps with their scores, by enumeration."""
    words = [token for token in range(vocabulary) if token != END]
    for length in range(config.max_steps + 1):
        for tokens in itertools.product(words, repeat=length):
            history, total, attention = (START,), 0.0, []
            for token in (*tokens, END):
                log_probabilities, alignment = row(history)
                total += log_probabilities[token]
                attention.append(alignment)
                history = (*history, token)
            score = total / ((5 + length + 1) / 6) ** config.length_penalty
            covered = np.minimum(np.sum(attention, axis=0), 1.0)
            yield tokens, score + config.coverage_penalty * np.log(covered).sum()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    beta=st.sampled_from([0.0, 0.4]),
    n_best=st.integers(1, 4),
)
def test_a_beam_as_wide_as_the_tree_finds_the_best_of_all_outputs(seed, alpha, beta, n_best):
    row, step = random_decoder(seed)
    config = BeamConfig(START, END, 200, 3, length_penalty=alpha, coverage_penalty=beta)
    wanted = sorted(every_complete_output(row, config), key=lambda pair: -pair[1])[:n_best]
    found = beam_search(step, (), config, n_best)
    assert [item.tokens for item in found] == [tokens for tokens, _ in wanted]
    np.testing.assert_allclose([item.score for item in found], [score for _, score in wanted])
    for item in found:
        assert item.complete
        assert len(item.tokens) == (0 if item.alignment is None else len(item.alignment))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), max_steps=st.integers(1, 6))
def test_greedy_takes_the_most_probable_token_at_every_step(seed, max_steps):
    row, step = random_decoder(seed)
    config = BeamConfig(START, END, max_steps=max_steps)
    history, wanted, complete = (START,), [], False
    for _ in range(max_steps + 1):
        token = int(np.argmax(row(history)[0]))
        if token == END:
            complete = True
            break
        wanted.append(token)
        history = (*history, token)
    found = greedy_search(step, (), config)
    assert (found.tokens, found.complete) == (tuple(wanted[:max_steps]), complete)


def test_a_decoder_that_never_ends_gives_incomplete_outputs_of_full_length():
    never = np.log(np.array([[0.5, 1e-300, 0.3, 0.2]]))

    def step(tokens, states):
        return StepResult(np.repeat(never, len(tokens), axis=0), states)

    config = BeamConfig(START, END, beam=2, max_steps=4)
    assert not greedy_search(step, (), config).complete
    best = beam_search(step, (), BeamConfig(START, END, 2, 4, length_penalty=0.0))[0]
    assert best.tokens == (0, 0, 0, 0)
    assert not best.complete


def test_a_narrow_beam_is_never_better_than_a_wide_one():
    for seed in range(20):
        _, step = random_decoder(seed)
        scores = [
            beam_search(step, (), BeamConfig(START, END, beam, 4))[0].score for beam in (1, 300)
        ]
        assert scores[0] <= scores[1] + 1e-12


@pytest.mark.parametrize("wrong", [{"beam": 0}, {"max_steps": 0}, {"length_penalty": -1.0}])
def test_a_beam_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        BeamConfig(START, END, **wrong)


def collapse(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def brute_force_ctc(log_probabilities, blank):
    """Log probability of every label sequence: the sum over all its paths."""
    frames, labels = log_probabilities.shape
    totals = {}
    for path in itertools.product(range(labels), repeat=frames):
        score = sum(log_probabilities[t, label] for t, label in enumerate(path))
        key = collapse(path, blank)
        totals[key] = np.logaddexp(totals.get(key, -np.inf), score)
    return totals


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    frames=st.integers(1, 6),
    blank=st.integers(0, 2),
    cut=st.integers(0, 6),
)
def test_a_wide_prefix_beam_sums_every_path_whatever_the_pieces(seed, frames, blank, cut):
    values = log_softmax(np.random.default_rng(seed).normal(size=(frames, 3)) * 2)
    wanted = brute_force_ctc(values, blank)
    search = CtcBeamSearch(blank, beam=1000)
    search.push(values[:cut])
    search.push(values[cut:])
    found = {item.labels: item.score for item in search.hypotheses(1000)}
    assert set(found) == set(wanted)
    for labels, score in found.items():
        assert score == pytest.approx(wanted[labels], abs=1e-9)
    assert search.hypotheses()[0].score == pytest.approx(max(wanted.values()), abs=1e-9)
    search.reset()
    assert search.hypotheses() == [CtcHypothesis((), 0.0)]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_scorer_adds_its_part_to_every_prefix_once(seed):
    values = log_softmax(np.random.default_rng(seed).normal(size=(5, 3)))

    class Scorer:
        """Adds for each label, by its place, and at the end."""

        def start(self):
            return ()

        def extend(self, labels, label):
            return (*labels, label), -0.3 * (len(labels) + 1) + 0.2 * label

        def finish(self, labels):
            return 0.7 * len(labels)

    scorer = Scorer()
    wanted = {
        labels: score + sum(scorer.extend(labels[:i], label)[1] for i, label in enumerate(labels))
        for labels, score in brute_force_ctc(values, blank=2).items()
    }
    search = CtcBeamSearch(blank=2, beam=1000, scorer=scorer)
    search.push(values)
    best = search.hypotheses()[0]
    assert best.score == pytest.approx(max(wanted.values()), abs=1e-9)
    assert wanted[best.labels] == pytest.approx(best.score, abs=1e-9)
    ended = {labels: score + scorer.finish(labels) for labels, score in wanted.items()}
    assert search.hypotheses(final=True)[0].score == pytest.approx(max(ended.values()), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(path=st.lists(st.integers(0, 3), max_size=12), blank=st.integers(0, 3))
def test_greedy_ctc_collapses_its_best_path(path, blank):
    values = np.full((len(path), 4), -5.0)
    values[np.arange(len(path)), path] = 0.0
    assert ctc_greedy(values, blank) == collapse(path, blank)


def test_ctc_refuses_what_it_cannot_decode():
    search = CtcBeamSearch(blank=4)
    with pytest.raises(UserError, match="blank"):
        search.push(np.zeros((2, 4)))
    with pytest.raises(UserError, match="NaN"):
        CtcBeamSearch(blank=0).push(np.full((1, 3), np.nan))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    temperature=st.sampled_from([0.3, 1.0, 2.0]),
    top_k=st.integers(0, 8),
    top_p=st.sampled_from([0.2, 0.7, 0.95, 1.0]),
)
def test_sampling_distribution_against_a_loop_over_sorted_tokens(seed, temperature, top_k, top_p):
    logits = np.random.default_rng(seed).normal(size=6)
    found = token_probabilities(logits, SamplingConfig(temperature, top_k, top_p))
    ranked = sorted(range(6), key=lambda token: -logits[token])[: top_k or 6]
    weights = np.exp(logits[ranked] / temperature)
    weights /= weights.sum()
    kept, mass = [], 0.0
    for token, weight in zip(ranked, weights, strict=True):
        if mass >= top_p:
            break
        kept.append((token, weight))
        mass += weight
    wanted = np.zeros(6)
    for token, weight in kept:
        wanted[token] = weight / mass
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_temperature_zero_is_greedy():
    config = SamplingConfig(temperature=0)
    assert token_probabilities(np.array([0.1, 5.0, 4.9]), config).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0.0}])
def test_sampling_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        SamplingConfig(**wrong)
