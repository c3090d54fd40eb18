"""Text from an exported language model: numpy and one runtime, with the exported folder."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.base.errors import UserError
from pipelines.tokenizers import TextDecoder, load_tokenizer
from pipelines.tokenizers.unknown_text import REFUSE, encode_checked
from rnn_apps.edge.contract import CONTRACT, read_contract, require_described
from rnn_apps.edge.runtime.model import load
from rnn_apps.edge.runtime.streaming import StreamingSession
from rnn_apps.edge.sampling import SamplingConfig, generate, next_logits

TOKENIZER = "tokenizer"
STEP_MODEL = "model.tflite"


class EdgeLanguageModel:
    """An exported language model with its vocabulary.

    Args:
        folder: folder that exporting a language model wrote, with `contract.json`, `tokenizer/` and
            step models.
        file: name of the step model's file in the folder.
        target: runtime that runs the file: "litert", "tflm" or, for a folder of C code, "c".

    Raises:
        UserError: a file is missing or damaged, or the vocabulary or the contract is another
            model's.
        DataError: the vocabulary cannot be read.
    """

    def __init__(self, folder: str | Path, file: str = STEP_MODEL, target: str = "litert") -> None:
        self.tokenizer = load_tokenizer(Path(folder) / TOKENIZER)
        contract = read_contract(Path(folder), "a language model")
        expected = str(contract.get("vocabulary_sha256"))
        self.tokenizer.require_same(expected, str(Path(folder) / CONTRACT))
        require_described(Path(folder), contract, file)
        self._model = load(Path(folder) / file, target)
        self._session()
        unknown = self.tokenizer.unknown_id
        self._banned = () if unknown is None else (unknown,)

    def write(
        self,
        prompt: str,
        most_tokens: int = 200,
        config: SamplingConfig | None = None,
        stop: str = "",
        unknown: str = REFUSE,
    ) -> Iterator[str]:
        """Yields what the model writes after a prompt, in pieces of whole characters.

        Args:
            prompt: text to continue, of any length; an empty one starts a new line.
            most_tokens: largest number of tokens to write.
            config: rules by which tokens are drawn.
            stop: text of one token that ends the writing; the token itself is not returned.
            unknown: treatment of a prompt with text outside the vocabulary; "refuse", or
                "accept" to read it as the unknown token.

        Raises:
            DataError: the prompt is not in the vocabulary and is refused, or the stop text is not.
            UserError: the prompt is empty and the vocabulary has no line end.
        """
        tokens = encode_checked(self.tokenizer, prompt, "the prompt", unknown).tolist()
        if not tokens and self.tokenizer.line_end_id is not None:
            tokens = [self.tokenizer.line_end_id]
        ends = self.tokenizer.encode_known(stop, "the stop text").tolist()
        if len(ends) > 1:
            raise UserError(f"stop = {stop!r} is {len(ends)} tokens; the device knows one only")
        decoder = TextDecoder(self.tokenizer, prompt)
        for token in generate(self._session(), tokens, most_tokens, config, ends, self._banned):
            piece = decoder.add(token)
            if piece:
                yield piece
        rest = decoder.finish()
        if rest:
            yield rest

    def log_probabilities(self, text: str, unknown: str = REFUSE) -> np.ndarray:
        """The log probability of each token of a text but the first; float64 [tokens - 1], nats.

        Args:
            text: text to score.
            unknown: treatment of text outside the vocabulary; "refuse", or "accept" to score it
                as the unknown token.

        Raises:
            DataError: something is not in the vocabulary, and this is refused.
        """
        return self.score_tokens(encode_checked(self.tokenizer, text, "the text", unknown))

    def score_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """As `log_probabilities`, of integers [tokens]."""
        return score_tokens(self._session(), tokens)

    def _session(self) -> StreamingSession:
        """A stream for one text, so that texts which are written at the same time do not mix."""
        return StreamingSession(self._model)


def score_tokens(session: StreamingSession, tokens: np.ndarray) -> np.ndarray:
    """The log probability of each of integers [tokens] but the first; float64 [tokens - 1], nats.

    The session is reset first.
    """
    session.reset()
    found = np.zeros(max(0, len(tokens) - 1))
    for place, (token, following) in enumerate(itertools.pairwise(tokens)):
        logits = next_logits(session, int(token)).astype(np.float64)
        largest = logits.max()
        found[place] = logits[following] - largest - np.log(np.exp(logits - largest).sum())
    return found
