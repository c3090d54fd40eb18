"""The rules of sampling, compared with numbers worked by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.sampling import SamplingConfig, token_probabilities
from rnn_apps.edge.sampling_rules import RULES, keep_relative, keep_typical, rules_in_use
from rnn_apps.edge.search import BeamConfig
from rnn_apps.edge.translation.options import SearchOptions

# Entropy: 0.5 ln 2 + 0.25 ln 4 + 2 * 0.125 ln 8 = 1.75 ln 2 = 1.2130.
HALVES = np.array([0.5, 0.25, 0.125, 0.125])


def drawn(probabilities: np.ndarray, **settings: float) -> list[float]:
    return token_probabilities(np.log(probabilities), SamplingConfig(**settings)).tolist()  # type: ignore[arg-type]


def test_min_p_keeps_what_is_near_the_most_probable() -> None:
    # The threshold is 0.4 * 0.5 = 0.2: the second token stays, the last two do not.
    assert keep_relative(HALVES, 0.4).tolist() == [True, True, False, False]
    assert drawn(HALVES, min_p=0.4) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert drawn(HALVES, min_p=0.25) == pytest.approx(HALVES.tolist())
    assert drawn(HALVES, min_p=1.0) == pytest.approx([1, 0, 0, 0])


def test_typical_sampling_prefers_the_expected_surprise() -> None:
    # Surprises over ln 2 are 1, 2, 3, 3; 1.75 is expected; so 0.75, 0.25, 1.25, 1.25 away.
    assert keep_typical(HALVES, 0.2).tolist() == [False, True, False, False]
    assert drawn(HALVES, typical_p=0.2) == pytest.approx([0, 1, 0, 0])
    assert drawn(HALVES, typical_p=0.7) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    # Of equals the first is kept.
    assert drawn(HALVES, typical_p=0.8) == pytest.approx([4 / 7, 2 / 7, 1 / 7, 0])


def test_rules_apply_one_after_the_other() -> None:
    # top_k leaves 4/7, 2/7, 1/7; of these, the first two reach 0.8; min_p then needs 0.6 * 2/3.
    assert drawn(HALVES, top_k=3, top_p=0.8) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert drawn(HALVES, top_k=3, top_p=0.8, min_p=0.6) == pytest.approx([1, 0, 0, 0])
    # The temperature comes first: squared and normalised, the second has a quarter of the first.
    assert drawn(HALVES, temperature=0.5, min_p=0.3) == pytest.approx([1, 0, 0, 0])
    assert drawn(HALVES, temperature=2.0, min_p=0.7) == pytest.approx(
        [2**0.5 / (1 + 2**0.5), 1 / (1 + 2**0.5), 0, 0]
    )


def test_every_rule_is_off_by_default_and_keeps_a_token() -> None:
    for rule in RULES:
        assert getattr(SamplingConfig(), rule.name) == rule.off
        assert getattr(SearchOptions(), rule.name) == rule.off
        smallest = 1 if rule.name == "top_k" else 1e-9
        assert rule.keep(HALVES, smallest).any()
    assert token_probabilities(np.log(HALVES), SamplingConfig()) == pytest.approx(HALVES)


@pytest.mark.parametrize("made", [SamplingConfig, SearchOptions])
@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_numbers_that_are_not_finite_are_refused(made: Any, wrong: float) -> None:
    floats = [field.name for field in dataclasses.fields(made) if field.type == "float"]
    assert {"temperature", "top_p", "min_p", "typical_p", "repetition_penalty"} <= set(floats)
    for name in floats:
        with pytest.raises(ConfigurationError, match=name):
            made(**{name: wrong})


def test_penalties_and_lengths_beyond_a_score_and_a_number_of_tokens_are_refused() -> None:
    for name in ("coverage_penalty", "longest"):
        assert getattr(SearchOptions(**{name: 1000.0}), name) == 1000  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match=f"{name} = 1.* must be 0 to 1,000"):
            SearchOptions(**{name: 1e9})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["length_penalty", "coverage_penalty", "repetition_penalty"])
def test_a_beam_takes_finite_penalties_only(name: str) -> None:
    for wrong in (math.inf, math.nan):
        with pytest.raises(ConfigurationError, match=name):
            BeamConfig(0, 1, **{name: wrong})  # type: ignore[arg-type]


def test_rules_that_have_no_effect_are_named() -> None:
    off = {rule.name: rule.off for rule in RULES}
    assert rules_in_use(off) == []
    assert rules_in_use({**off, "top_k": 3, "typical_p": 0.9}) == ["--top-k", "--typical-p"]


@pytest.mark.parametrize(
    "wrong", [{"min_p": -0.1}, {"min_p": 1.1}, {"typical_p": 0.0}, {"typical_p": 1.5}]
)
def test_values_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    [name] = wrong
    with pytest.raises(ConfigurationError, match=name):
        SamplingConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=name):
        SearchOptions(**wrong)  # type: ignore[arg-type]
