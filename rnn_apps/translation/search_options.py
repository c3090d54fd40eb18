"""How translations are searched for. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.errors import ConfigurationError


@dataclass(frozen=True)
class SearchOptions:
    """Beam search, or sampling, of translations.

    Args:
        beam_width: hypotheses kept at every step; 1 is greedy search.
        n_best: translations given for a sentence, at most `beam_width`.
        length_penalty: alpha of ((5 + length) / 6) ** alpha, by which a hypothesis' log
            probability is divided (Wu et al. 2016, equation 14).
        coverage_penalty: beta of beta * sum over source positions of log(min(attention, 1)).
        longest: tokens at most, for each source token, and `longest_extra` more.
        longest_extra: see `longest`.
        shortest: tokens at least, for each source token.
        no_repeat: no sequence of so many tokens occurs twice; 0: no such rule.
    """

    beam_width: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    longest: float = 2.0
    longest_extra: int = 10
    shortest: float = 0.0
    no_repeat: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.beam_width:
            raise ConfigurationError(
                f"n_best = {self.n_best} must be from 1 to beam_width = {self.beam_width}"
            )
        for name in ("length_penalty", "coverage_penalty", "longest", "shortest"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} = {getattr(self, name)} must be at least 0")
        if self.longest_extra < 0 or self.longest + self.longest_extra < 1:
            raise ConfigurationError("longest and longest_extra leave no room for a token")
        if self.no_repeat < 0:
            raise ConfigurationError(f"no_repeat = {self.no_repeat} must be at least 0")
