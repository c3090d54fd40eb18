"""Beam search in the graph: against brute force, whatever the batch, and with its options."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.search import BeamConfig, StepResult, greedy_search
from rnn_apps.edge.translation.translator import beam_config
from rnn_apps.translation.network.model import END, PADDING, START, Network, TranslationModel
from rnn_apps.translation.prediction import coverage_penalty
from rnn_apps.translation.search.beam_search import translate
from rnn_apps.translation.search.search_options import SearchOptions

VOCABULARY = 6


@pytest.fixture(scope="module")
def model() -> TranslationModel:
    built = TranslationModel(Network(12, VOCABULARY, units=7, embedding_size=5, tied="none"))
    generator = np.random.default_rng(3)
    # Weights far from their start, so that hypotheses differ.
    built.set_weights([generator.normal(0, 1.2, w.shape) for w in built.get_weights()])
    return built


def sources(*lengths: int) -> np.ndarray:
    generator = np.random.default_rng(7)
    rows = np.zeros((len(lengths), max(lengths) + 1), np.int32)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = generator.integers(4, 12, length)
        row[length] = END
    return rows


def log_probabilities(model: TranslationModel, source: np.ndarray, tokens: list[int]) -> np.ndarray:
    """log p of every token of a target, START left out."""
    inputs = {"source": source[None], "target": np.array([[START, *tokens[:-1]]], np.int32)}
    logits = model(inputs).numpy()[0]
    return tf.nn.log_softmax(logits).numpy()[np.arange(len(tokens)), tokens]


def brute_force(
    model: TranslationModel, source: np.ndarray, longest: int, alpha: float
) -> list[tuple[float, list[int]]]:
    """All targets up to a length, by score: those that end, and those cut off at the limit."""
    found = []
    written = [token for token in range(VOCABULARY) if token not in (PADDING, START, END)]
    for length in range(longest + 1):
        targets = [list(tokens) for tokens in itertools.product(written, repeat=length)]
        # Of one length, so that they can share a batch and nothing is padded.
        whole = np.array([t if length == longest else [*t, END] for t in targets], np.int32)
        begun = np.insert(whole[:, :-1], 0, START, axis=1)
        logits = model({"source": np.repeat(source[None], len(whole), 0), "target": begun})
        chosen = np.take_along_axis(
            tf.nn.log_softmax(logits).numpy(), whole[..., None].astype(np.int64), axis=2
        )
        scores = chosen.sum(axis=(1, 2)) / ((5 + whole.shape[1]) / 6) ** alpha
        found += list(zip(scores.tolist(), targets, strict=True))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_wide_beam_finds_what_brute_force_finds(model: TranslationModel, alpha: float) -> None:
    source = sources(3)
    options = SearchOptions(
        beam_width=100, n_best=5, length_penalty=alpha, longest=0, longest_extra=4
    )
    found = translate([model], source, options)
    expected = brute_force(model, source[0], 4, alpha)[:5]
    for row, (score, tokens) in enumerate(expected):
        got = [t for t in found.tokens[0, row].numpy().tolist() if t != PADDING]
        assert got == tokens
        assert float(found.scores[0, row]) == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("width", [1, 3])
def test_a_sentence_does_not_depend_on_its_batch(model: TranslationModel, width: int) -> None:
    batch = sources(6, 2, 4, 1)
    options = SearchOptions(beam_width=width, no_repeat=2, coverage_penalty=0.2)
    together = translate([model], batch, options)
    for row, length in enumerate((6, 2, 4, 1)):
        alone = translate([model], batch[row : row + 1, : length + 1], options)
        steps = alone.tokens.shape[2]
        np.testing.assert_array_equal(together.tokens[row, :, :steps], alone.tokens[0])
        assert not np.any(together.tokens[row, :, steps:])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-5)
        np.testing.assert_array_equal(together.looked_at[row, :, :steps], alone.looked_at[0])


def test_greedy_search_takes_the_most_probable_token(model: TranslationModel) -> None:
    source = sources(5)
    found = translate([model], source, SearchOptions(beam_width=1))
    tokens = [t for t in found.tokens[0, 0].numpy().tolist() if t != PADDING]
    for length in range(len(tokens)):
        target = np.array([[START, *tokens[:length]]], np.int32)
        logits = model({"source": source, "target": target}).numpy()[0, -1]
        logits[[PADDING, START]] = -np.inf
        assert int(np.argmax(logits)) == tokens[length]


def test_the_score_is_the_log_probability_of_the_tokens(model: TranslationModel) -> None:
    source = sources(4)
    found = translate([model], source, SearchOptions(beam_width=4, n_best=3, longest_extra=30))
    for row in range(3):
        tokens = [t for t in found.tokens[0, row].numpy().tolist() if t != PADDING]
        expected = log_probabilities(model, source[0], [*tokens, END]).sum()
        assert float(found.log_probabilities[0, row]) == pytest.approx(float(expected), abs=1e-4)


def test_no_ngram_repeats_and_lengths_are_kept(model: TranslationModel) -> None:
    source = sources(6, 5)
    options = SearchOptions(beam_width=4, shortest=1.0, longest=1.5, longest_extra=0, no_repeat=2)
    found = translate([model], source, options).tokens.numpy()
    for row, length in enumerate((6, 5)):
        tokens = [t for t in found[row, 0].tolist() if t != PADDING]
        assert length <= len(tokens) <= int(1.5 * length)
        pairs = list(itertools.pairwise(tokens))
        assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("width", [1, 4])
def test_the_repetition_penalty_changes_the_choice_and_not_the_scores(
    model: TranslationModel, width: int
) -> None:
    source = sources(6, 5)
    # So that every hypothesis has tokens that could come again.
    common = {"beam_width": width, "shortest": 0.6, "longest": 1.0, "longest_extra": 0}
    plain = translate([model], source, SearchOptions(**common))
    same = translate([model], source, SearchOptions(**common, repetition_penalty=1.0))
    np.testing.assert_array_equal(same.tokens, plain.tokens)
    np.testing.assert_array_equal(same.scores, plain.scores)
    found = translate([model], source, SearchOptions(**common, repetition_penalty=1e4))
    assert not np.array_equal(found.tokens, plain.tokens)
    for row in range(2):
        tokens = [t for t in found.tokens[row, 0].numpy().tolist() if t != PADDING]
        repeated = [t for t in plain.tokens[row, 0].numpy().tolist() if t != PADDING]
        # There are but three tokens that can be written.
        assert len(set(tokens)) == min(len(tokens), 3) and len(set(repeated)) < len(repeated)
        ended = len(tokens) < int((source[row] != PADDING).sum() - 1)
        written = [*tokens, END] if ended else tokens
        expected = log_probabilities(model, source[row], written).sum()
        assert float(found.log_probabilities[row, 0]) == pytest.approx(float(expected), abs=1e-4)
    for wrong in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigurationError, match="repetition_penalty"):
            SearchOptions(repetition_penalty=wrong)


def test_an_ensemble_votes_by_mean_probability(model: TranslationModel) -> None:
    keras.utils.set_random_seed(1)
    other = TranslationModel(Network(12, VOCABULARY, units=4, embedding_size=5, tied="none"))
    source = sources(3)
    found = translate([model, other], source, SearchOptions(beam_width=1, longest_extra=30))
    tokens = [t for t in found.tokens[0, 0].numpy().tolist() if t != PADDING]
    # What is cut at the length limit has no END that would count.
    written = [*tokens, END] if len(tokens) < found.tokens.shape[-1] else tokens
    both = [log_probabilities(m, source[0], written) for m in (model, other)]
    expected = np.log(np.mean(np.exp(both), axis=0)).sum()
    assert float(found.log_probabilities[0, 0]) == pytest.approx(float(expected), abs=1e-4)


def test_the_search_compiles_for_any_batch_and_length(model: TranslationModel) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def compiled(tokens: tf.Tensor) -> tf.Tensor:
        return translate([model], tokens, SearchOptions(beam_width=3)).tokens

    for batch in (sources(4, 2), sources(7)):
        expected = translate([model], batch, SearchOptions(beam_width=3)).tokens
        np.testing.assert_array_equal(compiled(tf.constant(batch)), expected)
    fixed = tf.function(lambda: translate([model], sources(7), SearchOptions(beam_width=3)).tokens)
    np.testing.assert_array_equal(fixed(), expected)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="n_best"):
        SearchOptions(beam_width=2, n_best=3)
    with pytest.raises(ConfigurationError, match="no room"):
        SearchOptions(longest=0.0, longest_extra=0)


def test_a_device_has_the_limits_and_penalties_of_the_graph() -> None:
    """Both round in float32, and cut the coverage off at the same attention."""
    lengths = range(1, 121)
    for factor in (1.1, 1.4, 2.1, 2.9):
        options = SearchOptions(longest=factor, shortest=factor, longest_extra=0)
        graph = tf.cast(tf.cast(lengths, tf.float32) * factor, tf.int32).numpy()
        device = [beam_config(length, None, options) for length in lengths]
        np.testing.assert_array_equal([one.max_steps for one in device], graph)
        np.testing.assert_array_equal([one.min_steps for one in device], graph)
    attention = np.array([[1.0, 1e-12, 2e-10]], np.float32)
    options = SearchOptions(coverage_penalty=1.0, length_penalty=0.0)

    def ends(tokens: list[int], states: list[None]) -> StepResult[None]:
        return StepResult(np.array([[-9.0, 0.0]], np.float32), states, attention)

    config = BeamConfig(
        start_token=0, end_token=1, max_steps=3, coverage_penalty=1.0, length_penalty=0.0
    )
    found = greedy_search(ends, None, config)
    expected = coverage_penalty(tf.constant(attention), tf.ones((1, 3)), options)
    assert found.score == pytest.approx(float(expected[0]), rel=1e-5)
