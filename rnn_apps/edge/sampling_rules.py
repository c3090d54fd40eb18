"""Rules that narrow the tokens a text is drawn from, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class SamplingRule:
    """A rule that keeps some of the tokens.

    Args:
        name: name of the setting in `SamplingConfig`.
        off: value of the setting that keeps all tokens.
        keep: function (probabilities float64 [vocabulary] that sum to 1, value) -> flags
            [vocabulary] of the tokens that can be drawn; at least one is true.
    """

    name: str
    off: float
    keep: Callable[[Probabilities, float], NDArray[np.bool_]]


def keep_most_probable(probabilities: Probabilities, count: float) -> NDArray[np.bool_]:
    """The `count` most probable tokens (Fan et al. 2018, section 5)."""
    return _first(np.argsort(-probabilities, kind="stable"), int(count))


def keep_nucleus(probabilities: Probabilities, mass: float) -> NDArray[np.bool_]:
    """The smallest set of most probable tokens whose sum reaches `mass` (Holtzman et al. 2020)."""
    order = np.argsort(-probabilities, kind="stable")
    return _first(order, _reaching(probabilities[order], mass))


def keep_relative(probabilities: Probabilities, share: float) -> NDArray[np.bool_]:
    """The tokens with at least `share` of the largest probability (Nguyen et al. 2024, min-p)."""
    kept: NDArray[np.bool_] = probabilities >= share * probabilities.max()
    return kept


def keep_typical(probabilities: Probabilities, mass: float) -> NDArray[np.bool_]:
    """The tokens whose surprise is nearest to the expected one (Meister et al. 2023).

    These are the tokens with the smallest distance between -ln p and the entropy of the
    distribution, as many as are needed for their probabilities to reach `mass` together.
    """
    surprise = -np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    entropy = float(np.sum(probabilities * surprise))
    order = np.argsort(np.abs(surprise - entropy), kind="stable")
    return _first(order, _reaching(probabilities[order], mass))


def _reaching(ordered: Probabilities, mass: float) -> int:
    """How many of the first probabilities are needed for their sum to reach `mass`."""
    return int(np.count_nonzero(np.cumsum(ordered) - ordered < mass))


def _first(order: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    kept = np.zeros(len(order), bool)
    kept[order[:count]] = True
    return kept


def rules_in_use(settings: Mapping[str, float]) -> list[str]:
    """The flags of the rules that a command line switches on, such as "--top-p"."""
    return [f"--{rule.name.replace('_', '-')}" for rule in RULES if settings[rule.name] != rule.off]


RULES = (
    SamplingRule("top_k", 0, keep_most_probable),
    SamplingRule("top_p", 1.0, keep_nucleus),
    SamplingRule("min_p", 0.0, keep_relative),
    SamplingRule("typical_p", 1.0, keep_typical),
)
"""The rules by the settings of `SamplingConfig`, first to last."""
