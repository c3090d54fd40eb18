"""Writing text with a step language model: greedy, temperature, top-k and nucleus sampling."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.errors import ConfigurationError, UserError
from rnn_apps.edge.streaming import StreamingSession


@dataclass(frozen=True)
class SamplingConfig:
    """How the next token is drawn from a model's logits.

    Attributes:
        temperature: logits are divided by it; 0 takes the most probable token (greedy).
        top_k: only the k most probable tokens can be drawn; 0 for all.
        top_p: only the smallest set of most probable tokens that together have this probability
            can be drawn (nucleus sampling, Holtzman et al. 2020); 1 for all. Applied after top_k.
        seed: of the generator; None draws anew each time.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ConfigurationError(f"temperature is {self.temperature}; it cannot be negative.")
        if self.top_k < 0:
            raise ConfigurationError(f"top_k is {self.top_k}; give 0 for all tokens, or more.")
        if not 0 < self.top_p <= 1:
            raise ConfigurationError(f"top_p is {self.top_p}; it lies above 0 and at most at 1.")


def token_probabilities(logits: np.ndarray, config: SamplingConfig) -> np.ndarray:
    """The distribution a token is drawn from.

    Args:
        logits: [vocabulary].

    Returns:
        float64 [vocabulary], summing to 1; 0 for every token that cannot be drawn. Among equally
        probable tokens the first ones are kept.
    """
    values = np.asarray(logits, np.float64)
    if config.temperature == 0:
        chosen = np.zeros_like(values)
        chosen[np.argmax(values)] = 1.0
        return chosen
    values = (values - values.max()) / config.temperature
    order = np.argsort(-values, kind="stable")
    if 0 < config.top_k < len(values):
        values[order[config.top_k :]] = -np.inf
    probabilities = np.exp(values)
    probabilities /= probabilities.sum()
    if config.top_p < 1:
        before = np.cumsum(probabilities[order]) - probabilities[order]
        probabilities[order[before >= config.top_p]] = 0.0
        probabilities /= probabilities.sum()
    return probabilities


def generate(
    session: StreamingSession,
    prompt: Sequence[int],
    steps: int,
    config: SamplingConfig | None = None,
    stop: Collection[int] = (),
) -> Iterator[int]:
    """Yields tokens as the model writes on after a prompt.

    Args:
        session: over a step model that takes one token and gives its successor's logits
            [..., vocabulary]; it is reset first.
        prompt: at least one token.
        steps: how many tokens at most.
        stop: tokens that end the text; they are not yielded.

    Raises:
        UserError: the prompt is empty, or the model takes more than one token at a time.
    """
    if not prompt:
        raise UserError("the prompt is empty: a language model needs a token to begin with.")
    config = config or SamplingConfig()
    generator = np.random.default_rng(config.seed)
    session.reset()
    for token in prompt[:-1]:
        _logits(session, token)
    token = prompt[-1]
    for _ in range(steps):
        probabilities = token_probabilities(_logits(session, token), config)
        token = int(generator.choice(len(probabilities), p=probabilities))
        if token in stop:
            return
        yield token


def _logits(session: StreamingSession, token: int) -> np.ndarray:
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
