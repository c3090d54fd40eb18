"""Writing text with a step language model: greedily, or drawn by the rules of sampling."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge.runtime.streaming import StreamingSession
from rnn_apps.edge.sampling_rules import RULES


@dataclass(frozen=True)
class SamplingConfig:
    """How the next token is drawn from a model's logits.

    Attributes:
        temperature: number that logits are divided by; 0 takes the most probable token (greedy).
        top_k: number of most probable tokens that can be drawn; 0 for all.
        top_p: probability that the smallest set of most probable tokens must reach together; only
            these can be drawn (nucleus sampling, Holtzman et al. 2020). 1 for all. Applied after
            top_k.
        repetition_penalty: factor of the log probability of each token that was written recently,
            applied before anything else (Keskar et al. 2019, there on logits, whose zero is
            arbitrary); above 1 makes repetition rarer, 1 changes nothing.
        repetition_window: number of latest tokens, those of the prompt included, that count as
            recent.
        seed: seed of the generator; None for a new one each time.
        min_p: share of the largest probability that a token must have to be drawn (min-p, Nguyen et
            al. 2024); 0 for all. Applied after top_p.
        typical_p: probability that the smallest set of tokens of typical surprise must reach
            together; only these can be drawn (locally typical sampling, Meister et al. 2023). 1 for
            all. Applied last.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    repetition_window: int = 64
    seed: int | None = None
    min_p: float = 0.0
    typical_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ConfigurationError(
                f"temperature is {self.temperature}; it is a finite number, and not negative."
            )
        if self.top_k < 0:
            raise ConfigurationError(f"top_k is {self.top_k}; give 0 for all tokens, or more.")
        for name in ("top_p", "typical_p"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ConfigurationError(f"{name} is {value}; it lies above 0 and at most at 1.")
        if not 0 <= self.min_p <= 1:
            raise ConfigurationError(f"min_p is {self.min_p}; it lies from 0 to 1.")
        if not 0 < self.repetition_penalty < math.inf or self.repetition_window < 1:
            raise ConfigurationError(
                f"repetition_penalty is {self.repetition_penalty}, repetition_window "
                f"{self.repetition_window}; the first is finite and above 0, the second at least 1."
            )
        if self.seed is not None and self.seed < 0:
            raise ConfigurationError(f"seed is {self.seed}; it cannot be negative.")


def token_probabilities(
    logits: np.ndarray,
    config: SamplingConfig,
    written: Sequence[int] = (),
    banned: Collection[int] = (),
) -> np.ndarray:
    """The distribution a token is drawn from.

    Args:
        logits: the model's logits of the next token, [vocabulary].
        written: the tokens so far, for the repetition penalty.
        banned: tokens that cannot be drawn at all.

    Returns:
        float64 [vocabulary], summing to 1; 0 for every token that cannot be drawn. Among equally
        probable tokens the first ones are kept.
    """
    values = np.array(logits, np.float64)
    values[list(banned)] = -np.inf
    if config.repetition_penalty != 1 and len(written):
        values -= values.max()
        values -= np.log(np.exp(values).sum())
        lately = np.unique(written[-config.repetition_window :])
        values[lately] *= config.repetition_penalty
    if config.temperature == 0:
        chosen = np.zeros_like(values)
        chosen[np.argmax(values)] = 1.0
        return chosen
    values = (values - values.max()) / config.temperature
    probabilities = np.exp(values)
    probabilities /= probabilities.sum()
    for rule in RULES:
        value = getattr(config, rule.name)
        if value != rule.off:
            probabilities[~rule.keep(probabilities, value)] = 0.0
            probabilities /= probabilities.sum()
    return probabilities


class TokenSampler:
    """Draws the tokens of one text.

    Args:
        config: rules by which tokens are drawn.
        row: number of this text among those written at the same time. With one seed, each text has
            its own generator, so that none depends on the others.
        banned: tokens that are never drawn.
    """

    def __init__(self, config: SamplingConfig, row: int = 0, banned: Collection[int] = ()) -> None:
        self._config = config
        self._banned = banned
        seed = None if config.seed is None else (config.seed, row)
        self._generator = np.random.default_rng(seed)

    def draw(self, logits: np.ndarray, written: Sequence[int]) -> int:
        """The next token.

        Args:
            logits: the model's logits of the next token, [vocabulary].
            written: all tokens so far, the prompt among them.
        """
        probabilities = token_probabilities(logits, self._config, written, self._banned)
        if self._config.temperature == 0:
            return int(np.argmax(probabilities))
        return int(self._generator.choice(len(probabilities), p=probabilities))


def generate(
    session: StreamingSession,
    prompt: Sequence[int],
    steps: int,
    config: SamplingConfig | None = None,
    stop: Collection[int] = (),
    banned: Collection[int] = (),
) -> Iterator[int]:
    """Yields tokens as the model writes on after a prompt.

    Args:
        session: session over a step model that takes one token and returns the logits [...,
            vocabulary] of the next; it is reset first.
        prompt: tokens to continue, at least one.
        steps: largest number of tokens to write.
        stop: tokens that end the text; they are not yielded.
        banned: tokens that are never written.

    Raises:
        UserError: the prompt is empty, or the model takes more than one token at a time.
    """
    if not len(prompt):
        raise UserError("the prompt is empty: a language model needs a token to begin with.")
    sampler = TokenSampler(config or SamplingConfig(), banned=banned)
    written = [int(token) for token in prompt]
    session.reset()
    for token in written[:-1]:
        next_logits(session, token)
    for _ in range(steps):
        token = sampler.draw(next_logits(session, written[-1]), written)
        if token in stop:
            return
        written.append(token)
        yield token


def next_logits(session: StreamingSession, token: int) -> np.ndarray:
    """Feeds one token to a step language model: the logits [vocabulary] of what follows.

    Raises:
        UserError: the model takes more than one token at a time, or is not a language model.
    """
    names = [name for name in session.signature.inputs if name not in session.state]
    if len(names) != 1:
        raise UserError(f"a step language model takes one token; this one takes {names}.")
    spec = session.signature.inputs[names[0]]
    shape = tuple(1 if size == -1 else size for size in spec.shape)
    if np.prod(shape) != 1:
        raise UserError(f"the model takes {shape} tokens at a time; export it for one (chunk=1).")
    outputs = session.step(np.full(shape, token, spec.dtype))
    if isinstance(outputs, dict):
        raise UserError(f"a step language model gives logits only; this one gives {set(outputs)}.")
    return outputs.reshape(-1)
