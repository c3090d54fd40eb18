"""How translations are searched for or drawn. Imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.base.errors import ConfigurationError

# With more, scores fall below the one that marks what was not found, and lengths exceed int32.
_LARGEST = {"coverage_penalty": 1000.0, "longest": 1000.0}


@dataclass(frozen=True)
class SearchOptions:
    """Beam search, or sampling, of translations.

    Args:
        beam_width: number of hypotheses kept at every step; 1 is greedy search.
        n_best: number of translations per sentence, at most `beam_width`; with sampling, the number
            drawn.
        length_penalty: alpha of ((5 + length) / 6) ** alpha, by which a hypothesis' log
            probability is divided (Wu et al. 2016, equation 14).
        coverage_penalty: beta of beta * sum over source positions of log(min(attention, 1)), 0 to
            1000.
        longest: largest number of tokens per source token, 0 to 1000, with `longest_extra` more per
            sentence.
        longest_extra: number of tokens per sentence beyond `longest`.
        shortest: smallest number of tokens per source token.
        no_repeat: length of the token sequences of which none may occur twice; 0 for no such rule.
        allow_unknown: true if the token for unknown text may be written. It may be replaced
            afterwards, see `replace_unknown`.
        replace_unknown: true if an unknown token is replaced by a word that the source's vocabulary
            does not know, or by a glossary's translation, if there is one near the place of most
            attention.
        temperature: temperature of sampling. Above 0, translations are drawn instead of searched
            for, from probabilities raised to the power of 1 / temperature.
        top_k: number of most probable tokens to draw from; 0 for all.
        top_p: probability that the smallest set of most probable tokens must reach together; only
            these are drawn.
        seed: seed of sampling. Each sentence is drawn for itself: the same sentence gives the same
            translations in any batch.
        longest_source: largest number of tokens in a source sentence; longer ones are refused,
            since they would take very long.
        min_p: share of the largest probability that a token must have to be drawn (Nguyen et al.
            2024); 0 for all. Applied after `top_p`.
        typical_p: probability that the smallest set of tokens of typical surprise must reach
            together; only these are drawn (Meister et al. 2023). 1 for all. Applied last.
        repetition_penalty: factor of the log probability of each token that the translation has
            already, where the next token is chosen; above 1 makes repetition rarer, 1 changes
            nothing. Scores and log probabilities stay those of the model.
    """

    beam_width: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    longest: float = 2.0
    longest_extra: int = 10
    shortest: float = 0.0
    no_repeat: int = 0
    allow_unknown: bool = True
    replace_unknown: bool = True
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    longest_source: int = 1000
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.beam_width < 1 or self.n_best < 1:
            raise ConfigurationError(
                f"beam_width = {self.beam_width} and n_best = {self.n_best} must be at least 1"
            )
        if self.n_best > self.beam_width and not self.temperature:
            raise ConfigurationError(
                f"n_best = {self.n_best} must be from 1 to beam_width = {self.beam_width}"
            )
        for name in ("length_penalty", "coverage_penalty", "longest", "shortest", "temperature"):
            value, most = getattr(self, name), _LARGEST.get(name, math.inf)
            if not (0 <= value <= most and value < math.inf):
                wanted = "a finite number of at least 0" if most == math.inf else f"0 to {most:,g}"
                raise ConfigurationError(f"{name} = {value} must be {wanted}")
        if self.longest_extra < 0 or self.longest + self.longest_extra < 1:
            raise ConfigurationError("longest and longest_extra leave no room for a token")
        if self.no_repeat < 0 or self.top_k < 0:
            raise ConfigurationError(
                f"no_repeat = {self.no_repeat} and top_k = {self.top_k} must be at least 0"
            )
        for name in ("top_p", "typical_p"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigurationError(
                    f"{name} = {getattr(self, name)} must be above 0 and at most 1"
                )
        if not 0 <= self.min_p <= 1:
            raise ConfigurationError(f"min_p = {self.min_p} must be from 0 to 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise ConfigurationError(
                f"repetition_penalty = {self.repetition_penalty} must be finite and above 0"
            )
        if self.longest_source < 1:
            raise ConfigurationError(f"longest_source = {self.longest_source} must be at least 1")

    @property
    def samples(self) -> bool:
        """Whether translations are drawn."""
        return self.temperature > 0
