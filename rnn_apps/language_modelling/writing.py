"""Text in, text out: prompts are encoded, and what the model writes is decoded as it comes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError, UserError
from pipelines.tokenizers import TextDecoder, Tokenizer
from pipelines.tokenizers.tokenizer import UNKNOWN
from pipelines.tokenizers.unknown_text import (
    REFUSE,
    encode_checked,
    require_choice,
    unknown_text,
)
from rnn_apps.edge.sampling import SamplingConfig
from rnn_apps.language_modelling.generation import most_probable, write_on
from rnn_apps.language_modelling.network.carried_model import CarriedModel

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WritingConfig:
    """How a text is written.

    Attributes:
        most_tokens: tokens that are written after a prompt.
        sampling: how each is drawn.
        beam: number of hypotheses of a beam search for the most probable text, which replaces
            drawing; 0 to draw. It goes without a repetition penalty.
        stop: a text that ends the writing once it is written; "" for none. It is kept.
        unknown: treatment of a prompt with text outside the vocabulary; "refuse", or "accept" to
            read it as the unknown token, which is said before anything is written.
    """

    most_tokens: int = 200
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    beam: int = 0
    stop: str = ""
    unknown: str = REFUSE

    def __post_init__(self) -> None:
        require_choice(self.unknown)
        if self.most_tokens < 1 or self.beam < 0:
            raise ConfigurationError(
                f"most_tokens is {self.most_tokens}, beam {self.beam}: at least 1 and 0."
            )
        if self.beam and self.sampling.repetition_penalty != 1:
            raise ConfigurationError(
                f"repetition_penalty = {self.sampling.repetition_penalty} goes with drawing: beam "
                f"= {self.beam} searches the text that is most probable to the model itself. Leave "
                "one of them out"
            )


class Writer:
    """Writes on after prompts with a trained model.

    Args:
        model: trained model with explicit state.
        tokenizer: vocabulary that the model was trained with.
    """

    def __init__(self, model: CarriedModel, tokenizer: Tokenizer) -> None:
        self._model = model
        self._tokenizer = tokenizer
        # The token for unknown text cannot be written.
        unknown = tokenizer.unknown_id
        self._banned = () if unknown is None else (unknown,)

    def encode(self, prompt: str, unknown: str = REFUSE) -> NDArray[np.int32]:
        """A prompt as tokens; an empty one as the line end before a text.

        Args:
            prompt: text to continue.
            unknown: treatment of text outside the vocabulary, as in `WritingConfig`.

        Raises:
            DataError: it holds something that is not in the vocabulary, and this is refused.
            UserError: it is empty, and the vocabulary has no line end to begin with.
        """
        tokens = encode_checked(self._tokenizer, prompt, "the prompt", unknown)
        outside = unknown_text(self._tokenizer, [prompt])
        if outside:
            _log.warning("The prompt holds %s. The model reads them as %s", outside, UNKNOWN)
        if len(tokens):
            return tokens
        if self._tokenizer.line_end_id is None:
            raise UserError(
                "the prompt is empty, and the model's vocabulary has no line end that a text could "
                "begin after. Give a prompt"
            )
        return np.array([self._tokenizer.line_end_id], np.int32)

    def write(self, prompts: Sequence[str], config: WritingConfig | None = None) -> list[str]:
        """What is written after each prompt, without the prompt: prompt and text join as they are.

        A text does not depend on the other prompts. The same seed gives the same texts.

        Raises:
            DataError: a prompt holds something that is not in the vocabulary.
            UserError: no prompts, or an empty one that nothing can begin.
        """
        config = config or WritingConfig()
        encoded = [self.encode(prompt, config.unknown) for prompt in prompts]
        if config.beam:
            return [
                self._beam(tokens, config, prompt)
                for tokens, prompt in zip(encoded, prompts, strict=True)
            ]
        rows = [_Row(self._tokenizer, config.stop, prompt) for prompt in prompts]
        steps = write_on(self._model, encoded, config.most_tokens, config.sampling, self._banned)
        for tokens in steps:
            for row, token in zip(rows, tokens, strict=True):
                row.add(int(token))
            if all(row.ended for row in rows):
                break
        return [row.finish() for row in rows]

    def stream(self, prompt: str, config: WritingConfig | None = None) -> Iterator[str]:
        """Yields what `write` gives for one prompt in pieces, as whole characters come.

        Raises:
            DataError, UserError: as `write`.
        """
        config = config or WritingConfig()
        encoded = self.encode(prompt, config.unknown)
        if config.beam:
            yield self._beam(encoded, config, prompt)
            return
        row = _Row(self._tokenizer, config.stop, prompt)
        shown = 0
        for tokens in write_on(
            self._model, [encoded], config.most_tokens, config.sampling, self._banned
        ):
            row.add(int(tokens[0]))
            if len(row.text) > shown:
                yield row.text[shown:]
                shown = len(row.text)
            if row.ended:
                break
        rest = row.finish()[shown:]
        if rest:
            yield rest

    def _beam(self, prompt: NDArray[np.int32], config: WritingConfig, after: str) -> str:
        end = None
        if config.stop:
            stop = self._tokenizer.encode_known(config.stop, "the stop text")
            if len(stop) != 1:
                raise ConfigurationError(
                    f"stop = {config.stop!r} is {len(stop)} tokens: beam search ends a text at one "
                    "token only"
                )
            end = int(stop[0])
        tokens, _ = most_probable(
            self._model, prompt, config.most_tokens, config.beam, end, self._banned
        )
        ended = end is not None and len(tokens) < config.most_tokens
        row = _Row(self._tokenizer, "", after)
        # The end is decoded like all tokens: a word has a space before it.
        for token in (*tokens, end) if end is not None and ended else tokens:
            row.add(token)
        return row.finish()


class _Row:
    """One text while it is written after another one."""

    def __init__(self, tokenizer: Tokenizer, stop: str, after: str) -> None:
        self._decoder = TextDecoder(tokenizer, after)
        self._stop = stop
        self.text = ""
        self.ended = False

    def add(self, token: int) -> None:
        """Takes the next token, unless the text has ended."""
        if self.ended:
            return
        before = max(0, len(self.text) - len(self._stop) + 1)
        self.text += self._decoder.add(token)
        place = self.text.find(self._stop, before) if self._stop else -1
        if place >= 0:
            self.text = self.text[: place + len(self._stop)]
            self.ended = True

    def finish(self) -> str:
        """The whole text; what is incomplete at its end as U+FFFD."""
        return self.text if self.ended else self.text + self._decoder.finish()
