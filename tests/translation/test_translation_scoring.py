"""The probability of given translations: against the search, whatever the other pairs."""

from __future__ import annotations

import numpy as np
import pytest
from translation_setup import DIGITS, digit_pairs, wild_model

from rnn_apps.translation.judging.scoring import score_pairs
from rnn_apps.translation.search.search_options import SearchOptions
from rnn_apps.translation.translating import Translator


def test_what_a_search_finds_has_the_score_that_it_says() -> None:
    model = wild_model()
    sentences = [source for source, _ in digit_pairs(6, seed=9)]
    # Long enough for every hypothesis to come to its end.
    options = SearchOptions(beam_width=4, longest_extra=60)
    found = [
        best for [best, *_] in Translator([model], DIGITS, DIGITS).translate(sentences, options)
    ]
    pairs = [(source, best.text) for source, best in zip(sentences, found, strict=True)]
    scored = score_pairs(model, DIGITS, DIGITS, pairs)
    for best, one, source in zip(found, scored, sentences, strict=True):
        assert one.log_probability == pytest.approx(best.log_probability, abs=2e-3)
        assert one.tokens == (*best.tokens, "<end>")
        assert one.attention.shape == (len(best.tokens) + 1, len(source) + 1)
        np.testing.assert_allclose(one.attention.sum(axis=1), 1.0, atol=1e-5)
        assert one.attention.argmax(axis=1)[:-1].tolist() == list(best.alignment)
        assert one.perplexity == pytest.approx(
            np.exp(-one.token_log_probabilities.mean()), rel=1e-4
        )


def test_a_pair_is_scored_as_if_alone() -> None:
    model = wild_model(cell="lstm", attention="general", decoder="plain")
    pairs = [*digit_pairs(7, seed=3), ("", ""), ("1", "")]
    together = score_pairs(model, DIGITS, DIGITS, pairs)
    for pair, one in zip(pairs, together, strict=True):
        [alone] = score_pairs(model, DIGITS, DIGITS, [pair])
        assert one.log_probability == pytest.approx(alone.log_probability, abs=1e-4)
        assert one.tokens == alone.tokens
