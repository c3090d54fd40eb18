"""Greedy and beam search over any decoder that works step by step.

Sources: Graves (2012), "Sequence transduction with recurrent neural networks", for the search;
Wu et al. (2016), "Google's neural machine translation system", equation 14, for the length and
coverage penalties.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from pipelines.base.errors import ConfigurationError

State = TypeVar("State")
LEAST_COVERAGE = 1e-9
"""The least attention of a source position in the coverage penalty, whose logarithm is finite."""


class StepResult(NamedTuple, Generic[State]):
    """What one step gave for n hypotheses.

    Attributes:
        log_probabilities: log probabilities [n, vocabulary] of the next token.
        states: the decoder's state after each hypothesis' last token.
        alignments: attention over the source, [n, source]; None without attention.
    """

    log_probabilities: np.ndarray
    states: Sequence[State]
    alignments: np.ndarray | None = None


# (the last token of each hypothesis, the state of each) -> what comes next.
Step = Callable[[Sequence[int], Sequence[State]], StepResult[State]]


@dataclass(frozen=True)
class BeamConfig:
    """How a decoder is searched.

    Attributes:
        start_token: token that the first step is given.
        end_token: token that ends a hypothesis.
        beam: number of hypotheses kept at every step.
        max_steps: largest number of tokens, the end token not counted.
        length_penalty: alpha of ((5 + length) / 6) ** alpha, by which the log probability is
            divided; 0 prefers short outputs, 1 nearly the mean log probability of a token.
        coverage_penalty: beta of beta * sum(log(min(attention a source position got, 1))).
        min_steps: smallest number of tokens, the end token not counted.
        no_repeat: length of the token sequences of which none may occur twice; 0 for no such rule.
        repetition_penalty: factor of the log probability of each token that a hypothesis has
            already, where its next token is chosen; 1 changes nothing. Hypotheses are ranked by
            the model's own log probabilities.
        banned: tokens that are never taken.
        cut: true if a hypothesis that has not ended after `max_steps` tokens ends there and is
            ranked among the complete outputs, as in a search inside a graph; otherwise it is taken
            only where complete outputs are too few.
    """

    start_token: int
    end_token: int
    beam: int = 5
    max_steps: int = 100
    length_penalty: float = 0.6
    coverage_penalty: float = 0.0
    min_steps: int = 0
    no_repeat: int = 0
    repetition_penalty: float = 1.0
    banned: tuple[int, ...] = ()
    cut: bool = False

    def __post_init__(self) -> None:
        if self.min_steps < 0 or self.no_repeat < 0:
            raise ConfigurationError(
                f"min_steps is {self.min_steps}, no_repeat {self.no_repeat}; neither is negative."
            )
        if not 0 < self.repetition_penalty < math.inf:
            raise ConfigurationError(
                f"repetition_penalty is {self.repetition_penalty}; it is finite and above 0."
            )
        if self.beam < 1 or self.max_steps < 1:
            raise ConfigurationError(
                f"beam is {self.beam}, max_steps {self.max_steps}; both are at least 1."
            )
        for name in ("length_penalty", "coverage_penalty"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}; it is a finite number, and not negative."
                )


@dataclass(frozen=True)
class Hypothesis:
    """An output of the search.

    Attributes:
        tokens: the tokens without start and end token.
        score: number that hypotheses are ranked by: the log probability with both penalties.
        log_probability: log probability of the tokens and, where `complete`, of the end token.
        complete: true if the end token was reached within the allowed steps.
        alignment: attention [tokens, source] while each token was written.
    """

    tokens: tuple[int, ...]
    score: float
    log_probability: float
    complete: bool
    alignment: np.ndarray | None = None


class _Live(NamedTuple, Generic[State]):
    tokens: tuple[int, ...]
    log_probability: float
    state: State
    alignment: tuple[np.ndarray, ...]


def greedy_search(
    step: Step[State],
    start: State,
    config: BeamConfig,
    choose: Callable[[np.ndarray], int] = lambda values: int(np.argmax(values)),
) -> Hypothesis:
    """Takes the most probable token at every step.

    Args:
        choose: function that chooses another token from log probabilities [vocabulary], -inf where
            forbidden; the most probable one if None.
    """
    live = _Live((), 0.0, start, ())
    for length in range(config.max_steps + (0 if config.cut else 1)):
        token = live.tokens[-1] if live.tokens else config.start_token
        result = step([token], [live.state])
        best = choose(_allowed([live], result, config)[0])
        if best == config.end_token:
            return _hypothesis(_extend(live, best, result, 0), config, complete=True)
        if length < config.max_steps:
            live = _extend(live, best, result, 0)
    return _hypothesis(live, config, complete=False)


def beam_search(
    step: Step[State], start: State, config: BeamConfig, n_best: int = 1
) -> list[Hypothesis]:
    """The best hypotheses that a beam finds, best first.

    The search ends when no live hypothesis can still come among the `n_best`: its log probability
    only falls, and no length is favoured more than `max_steps`.

    Args:
        step: the decoder, called with all live hypotheses at once.
        start: the decoder's state before the start token.
    """
    live: list[_Live[State]] = [_Live((), 0.0, start, ())]
    finished: list[Hypothesis] = []
    for length in range(config.max_steps + 1):
        last = [item.tokens[-1] if item.tokens else config.start_token for item in live]
        result = step(last, [item.state for item in live])
        extended = _best_extensions(live, result, config)
        ended = [item for item in extended if item.tokens[-1] == config.end_token]
        finished += [_hypothesis(item, config, complete=True) for item in ended]
        going_on = [item for item in extended if item.tokens[-1] != config.end_token]
        if config.cut and length == config.max_steps - 1:
            finished += [_hypothesis(item, config, complete=False) for item in going_on]
            break
        if length == config.max_steps or not going_on:
            break
        live = going_on[: config.beam]
        if _settled(live, finished, config, n_best):
            break
    if len(finished) < n_best:
        finished += [_hypothesis(item, config, complete=False) for item in live]
    return sorted(finished, key=lambda item: -item.score)[:n_best]


def _best_extensions(
    live: Sequence[_Live[State]], result: StepResult[State], config: BeamConfig
) -> list[_Live[State]]:
    """The most probable one-token extensions, best first: the beam's width of them and, since an
    end token leaves the beam, as many more as could end; with `cut` as many again, as in a graph.
    """
    totals = _allowed(live, result, config)
    totals = totals + np.array([[item.log_probability] for item in live], totals.dtype)
    vocabulary = totals.shape[1]
    more = config.beam if config.cut else len(live)
    order = _largest(totals.reshape(-1), min(config.beam + more, totals.size))
    pairs = [divmod(int(place), vocabulary) for place in order]
    return [
        _extend(live[row], token, result, row)
        for row, token in pairs
        if np.isfinite(totals[row, token])
    ]


def _allowed(
    live: Sequence[_Live[State]], result: StepResult[State], config: BeamConfig
) -> np.ndarray:
    """The values [hypotheses, vocabulary] by which the next token is chosen.

    They are log probabilities, with the repetition penalty; -inf where the options forbid a token.
    """
    values = np.array(result.log_probabilities)
    if config.repetition_penalty != 1:
        for row, item in zip(values, live, strict=True):
            row[list(set(item.tokens))] *= config.repetition_penalty
    values[:, list(config.banned)] = -np.inf
    for row, item in zip(values, live, strict=True):
        if len(item.tokens) < config.min_steps:
            row[config.end_token] = -np.inf
        if config.no_repeat:
            row[_repeating(item.tokens, config.no_repeat)] = -np.inf
    return values


def _repeating(tokens: tuple[int, ...], size: int) -> list[int]:
    """The tokens that would end a sequence of `size` tokens a second time."""
    latest = tokens[len(tokens) - size + 1 :] if size > 1 else ()
    if len(latest) < size - 1:
        return []
    return [
        tokens[start + size - 1]
        for start in range(len(tokens) - size + 1)
        if tokens[start : start + size - 1] == latest
    ]


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` largest of [n], in falling order; of equals the first first."""
    places = np.argpartition(values, len(values) - count)[len(values) - count :]
    return places[np.lexsort((places, -values[places]))]


def _extend(item: _Live[State], token: int, result: StepResult[State], row: int) -> _Live[State]:
    alignment = item.alignment
    if result.alignments is not None:
        alignment = (*alignment, result.alignments[row])
    gained = float(result.log_probabilities[row, token])
    return _Live(
        (*item.tokens, token), item.log_probability + gained, result.states[row], alignment
    )


def _hypothesis(item: _Live[State], config: BeamConfig, complete: bool) -> Hypothesis:
    tokens = item.tokens[:-1] if complete else item.tokens
    score = item.log_probability / _length_divisor(len(item.tokens), config)
    alignment = np.stack(item.alignment) if item.alignment else None
    if alignment is not None:
        # The step that wrote the end token attended too; it counts for coverage only.
        covered = np.minimum(alignment.sum(axis=0), 1.0)
        score += config.coverage_penalty * float(np.log(np.maximum(covered, LEAST_COVERAGE)).sum())
        alignment = alignment[: len(tokens)]
    return Hypothesis(tokens, score, item.log_probability, complete, alignment)


def _length_divisor(length: int, config: BeamConfig) -> float:
    return ((5 + length) / 6) ** config.length_penalty


def _settled(
    live: Sequence[_Live[State]], finished: Sequence[Hypothesis], config: BeamConfig, n_best: int
) -> bool:
    if len(finished) < n_best:
        return False
    worst = sorted((item.score for item in finished), reverse=True)[n_best - 1]
    longest = _length_divisor(config.max_steps + 1, config)
    return max(item.log_probability for item in live) / longest <= worst
