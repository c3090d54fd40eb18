"""What a model says of a given text, token by token."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.base.errors import DataError
from pipelines.tokenizers import Tokenizer
from rnn_apps.language_modelling.judging.scoring import score_tokens
from rnn_apps.language_modelling.network.carried_model import CarriedModel


@dataclass(frozen=True)
class ScoredToken:
    """One token of a text.

    Attributes:
        token: as it can be printed.
        log_probability: in nats, given all tokens before it; None for a text's first token, which
            nothing comes before.
        rank: how many tokens were held to be more probable; None for the first.
    """

    token: str
    log_probability: float | None
    rank: int | None


def score_text(model: CarriedModel, tokenizer: Tokenizer, text: str) -> list[ScoredToken]:
    """Scores every token of a text from its beginning, with the state carried through it.

    Raises:
        DataError: the text is empty, is a single token, or holds something that is not in the
            vocabulary.
    """
    if not text:
        raise DataError("the text is empty: there is nothing to score")
    tokens = tokenizer.encode_known(text, "the text")
    scores = score_tokens(model, tokens)
    first = ScoredToken(tokenizer.tokens[int(tokens[0])], None, None)
    return [first] + [
        ScoredToken(tokenizer.tokens[int(token)], float(log_probability), int(rank))
        for token, log_probability, rank in zip(
            tokens[1:], scores.log_probabilities, scores.ranks, strict=True
        )
    ]
