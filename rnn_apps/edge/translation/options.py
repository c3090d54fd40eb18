"""How translations are searched for or drawn. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.base.errors import ConfigurationError


@dataclass(frozen=True)
class SearchOptions:
    """Beam search, or sampling, of translations.

    Args:
        beam_width: hypotheses kept at every step; 1 is greedy search.
        n_best: translations given for a sentence, at most `beam_width`; with sampling, how many
            are drawn.
        length_penalty: alpha of ((5 + length) / 6) ** alpha, by which a hypothesis' log
            probability is divided (Wu et al. 2016, equation 14).
        coverage_penalty: beta of beta * sum over source positions of log(min(attention, 1)).
        longest: tokens at most, for each source token, and `longest_extra` more.
        longest_extra: see `longest`.
        shortest: tokens at least, for each source token.
        no_repeat: no sequence of so many tokens occurs twice; 0: no such rule.
        allow_unknown: whether the token for unknown text may be written. It may be replaced
            afterwards, see `replace_unknown`.
        replace_unknown: an unknown token gives way to a word that the source's vocabulary does not
            know, or to a glossary's translation, if there is one near where the attention was.
        temperature: above 0, translations are drawn instead of searched for, from probabilities
            raised to the power of 1 / temperature.
        top_k: draw from the so many most probable tokens; 0: from all.
        top_p: draw from the fewest most probable tokens that have this probability together.
        seed: of what is drawn. Each sentence is drawn for itself: the same sentence gives the same
            translations in any batch.
        longest_source: longer source sentences, in tokens, are refused: they would take very long.
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
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"{name} = {getattr(self, name)} must be at least 0")
        if self.longest_extra < 0 or self.longest + self.longest_extra < 1:
            raise ConfigurationError("longest and longest_extra leave no room for a token")
        if self.no_repeat < 0 or self.top_k < 0:
            raise ConfigurationError(
                f"no_repeat = {self.no_repeat} and top_k = {self.top_k} must be at least 0"
            )
        if not 0 < self.top_p <= 1:
            raise ConfigurationError(f"top_p = {self.top_p} must be above 0 and at most 1")
        if self.longest_source < 1:
            raise ConfigurationError(f"longest_source = {self.longest_source} must be at least 1")

    @property
    def samples(self) -> bool:
        """Whether translations are drawn."""
        return self.temperature > 0
