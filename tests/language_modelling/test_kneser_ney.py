"""The n-gram baseline: a distribution, equal to the formulae written out, and fast."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.errors import ConfigurationError, DataError
from rnn_apps.language_modelling.judging.kneser_ney import KneserNey
from rnn_apps.training.ngram_discounts import FALLBACK_DISCOUNTS, estimate_discounts


def written_out(stream: list[int], vocabulary: int, order: int, text: list[int]) -> list[float]:
    """Interpolated Kneser-Ney with dictionaries, straight from the paper's equations."""
    raw = {
        n: Counter(tuple(stream[i - n : i]) for i in range(n, len(stream) + 1))
        for n in range(1, order + 1)
    }
    counts: dict[int, Counter] = {order: raw[order]}
    for n in range(1, order):
        counts[n] = Counter(gram[1:] for gram in raw[n + 1])
    following: dict[int, dict] = {n: defaultdict(dict) for n in counts}
    for n, grams in counts.items():
        for gram, count in grams.items():
            following[n][gram[:-1]][gram[-1]] = count

    def probability(context: tuple[int, ...], token: int) -> float:
        n = len(context) + 1
        lower = probability(context[1:], token) if context else 1 / vocabulary
        after = following[n].get(context)
        if not after:
            return lower
        discounts = (0.0, *estimate_discounts(np.array(list(counts[n].values()))))
        total = sum(after.values())
        freed = sum(discounts[min(c, 3)] for c in after.values())
        mine = after.get(token, 0)
        return (mine - discounts[min(mine, 3)]) / total + freed / total * lower

    return [
        float(np.log(probability(tuple(text[max(0, i - order + 1) : i]), token)))
        for i, token in enumerate(text)
    ]


tokens = st.integers(0, 5)


@settings(deadline=None, max_examples=60)
@given(
    stream=st.lists(tokens, min_size=6, max_size=200),
    text=st.lists(tokens, min_size=1, max_size=30),
    order=st.integers(1, 5),
)
def test_it_is_what_the_paper_says(stream: list[int], text: list[int], order: int) -> None:
    model = KneserNey(np.array(stream), vocabulary=6, order=order)
    found = model.log_probabilities(np.array(text))
    np.testing.assert_allclose(found, written_out(stream, 6, order, text), rtol=1e-10)


@settings(deadline=None, max_examples=40)
@given(
    stream=st.lists(tokens, min_size=8, max_size=300),
    context=st.lists(tokens, min_size=0, max_size=8),
)
def test_probabilities_sum_to_one(stream: list[int], context: list[int]) -> None:
    model = KneserNey(np.array(stream), vocabulary=9)
    total = sum(
        np.exp(model.log_probabilities(np.array([*context, token]))[-1]) for token in range(9)
    )
    assert total == pytest.approx(1.0, abs=1e-12)


def test_discounts_are_estimated_where_the_counts_allow() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [100, 40, 20, 12, 7])
    ratio = 100 / 180
    expected = (1 - 2 * ratio * 40 / 100, 2 - 3 * ratio * 20 / 40, 3 - 4 * ratio * 12 / 20)
    assert estimate_discounts(counts) == pytest.approx(expected)
    assert estimate_discounts(np.array([500, 700])) == FALLBACK_DISCOUNTS


def test_longer_context_helps_on_text_that_has_it() -> None:
    text = np.tile(np.frombuffer(b"the cat sat on the mat and the hat. ", np.uint8), 50)
    costs = [
        -KneserNey(text, 256, order).log_probabilities(text[:360])[5:].mean()
        for order in (1, 2, 3, 5)
    ]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.1


def test_a_large_vocabulary_does_not_overflow() -> None:
    generator = np.random.default_rng(0)
    stream = generator.integers(0, 60_000, 5_000)
    model = KneserNey(stream, 60_000)
    assert np.isfinite(model.log_probabilities(stream[::-1])).all()
    assert model.log_probabilities(stream[:300])[5:].mean() > -2


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(DataError, match="3 tokens are too few"):
        KneserNey(np.array([1, 2, 3]), 5)
    with pytest.raises(ConfigurationError, match="order = 0"):
        KneserNey(np.arange(9), 9, order=0)
