"""Writing on after prompts: sampling row by row, and beam search."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.base.errors import UserError
from rnn_apps.edge.sampling import SamplingConfig, TokenSampler
from rnn_apps.edge.search import BeamConfig, StepResult, beam_search
from rnn_apps.language_modelling.network.carried_model import CarriedModel, States

Tokens = Sequence[int] | NDArray[np.integer]
_NO_END = -1


def write_on(
    model: CarriedModel,
    prompts: Sequence[Tokens],
    steps: int,
    config: SamplingConfig,
    banned: Collection[int] = (),
) -> Iterator[NDArray[np.int32]]:
    """Yields the next token of every text, step by step.

    Every prompt is read on its own from its beginning, however long, and what follows is drawn by
    a generator of the row: a text is the same whatever the other prompts are.

    Args:
        model: trained model with explicit state.
        prompts: tokens of each prompt, at least one; of any lengths.
        steps: number of tokens to write after each prompt.
        config: settings of the draws.
        banned: tokens that are never written.

    Yields:
        int32 [prompts].

    Raises:
        UserError: a prompt is empty.
    """
    _require_tokens(prompts)
    samplers = [TokenSampler(config, row, banned) for row in range(len(prompts))]
    written = [[int(token) for token in prompt] for prompt in prompts]
    states = _joined([model.read(np.asarray(prompt[:-1])) for prompt in prompts])
    for _ in range(steps):
        last = np.array([text[-1] for text in written], np.int32)
        logits, states = model.step(last[:, None], states)
        rows = logits.numpy()[:, -1]
        drawn = [
            sampler.draw(row, text)
            for sampler, row, text in zip(samplers, rows, written, strict=True)
        ]
        for text, token in zip(written, drawn, strict=True):
            text.append(token)
        yield np.array(drawn, np.int32)


def most_probable(
    model: CarriedModel,
    prompt: Tokens,
    steps: int,
    beam: int,
    end_token: int | None = None,
    banned: Collection[int] = (),
) -> tuple[list[int], float]:
    """The most probable continuation that a beam finds, whatever its length.

    Args:
        prompt: tokens of the prompt, at least one.
        steps: number of tokens in the continuation; fewer where it ends with `end_token`.
        beam: number of hypotheses that are kept at every step.
        end_token: token that ends a continuation and is left out of it; None if each continuation
            has this many `steps`.
        banned: tokens that are never written.

    Returns:
        The tokens and their log probability, in nats.

    Raises:
        UserError: the prompt is empty.
    """
    _require_tokens([prompt])

    def step(last: Sequence[int], states: Sequence[States]) -> StepResult[States]:
        tokens = np.array(last, np.int32)[:, None]
        logits, following = model.step(tokens, _joined(states))
        scores = tf.nn.log_softmax(logits[:, -1]).numpy()
        scores[:, list(banned)] = -np.inf
        rows = [
            {name: state[row : row + 1] for name, state in following.items()}
            for row in range(len(last))
        ]
        return StepResult(scores, rows)

    config = BeamConfig(
        start_token=int(prompt[-1]),
        end_token=_NO_END if end_token is None else end_token,
        beam=beam,
        max_steps=steps,
        # What is asked for is the text that is most probable itself, whatever its length.
        length_penalty=0.0,
        # One that has not ended by then is as long as was asked for, and may be more probable.
        cut=True,
    )
    [best] = beam_search(step, model.read(np.asarray(prompt[:-1])), config)
    return list(best.tokens), best.log_probability


def _joined(states: Sequence[States]) -> States:
    """The states of several texts as those of one batch."""
    return {name: tf.concat([one[name] for one in states], axis=0) for name in states[0]}


def _require_tokens(prompts: Sequence[Tokens]) -> None:
    if not prompts or any(len(prompt) == 0 for prompt in prompts):
        raise UserError("the prompt is empty: a language model needs a token to begin with")
