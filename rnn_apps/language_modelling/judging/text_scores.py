"""What a model says of a given text, token by token."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.base.errors import DataError
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.unknown_text import REFUSE, UnknownText, encode_checked, unknown_text
from rnn_apps.language_modelling.judging.figures import mean_perplexity
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
        unknown: True if it stands for text that the vocabulary does not have.
    """

    token: str
    log_probability: float | None
    rank: int | None
    unknown: bool = False


class ScoredText(list[ScoredToken]):
    """The tokens of a scored text, with its sums.

    Args:
        tokens: tokens of the text in their order; nothing was predicted of the first.
        unknown: words or characters of the text that the vocabulary does not have.

    Attributes:
        unknown: as the argument.
    """

    def __init__(self, tokens: Iterable[ScoredToken], unknown: UnknownText) -> None:
        super().__init__(tokens)
        self.unknown = unknown

    @property
    def nats(self) -> float:
        """Minus the log probability of all tokens but the first."""
        return -sum(one.log_probability or 0.0 for one in self[1:])

    @property
    def perplexity(self) -> float:
        """exp(nats per token), the tokens for unknown text counted."""
        return mean_perplexity([one.log_probability or 0.0 for one in self[1:]]) or math.inf

    @property
    def perplexity_of_known_tokens(self) -> float | None:
        """As `perplexity`, of the tokens that the vocabulary has; None if there is none."""
        return mean_perplexity([one.log_probability or 0.0 for one in self[1:] if not one.unknown])


def score_text(
    model: CarriedModel, tokenizer: Tokenizer, text: str, unknown: str = REFUSE
) -> ScoredText:
    """Scores every token of a text from its beginning, with the state carried through it.

    Args:
        model: trained model with explicit state.
        tokenizer: vocabulary that the model was trained with.
        text: text to score.
        unknown: treatment of text outside the vocabulary; "refuse", or "accept" to score it as
            the unknown token.

    Raises:
        DataError: the text is empty, is a single token, or holds something that is not in the
            vocabulary, and this is refused.
    """
    if not text:
        raise DataError("the text is empty: there is nothing to score")
    tokens = encode_checked(tokenizer, text, "the text", unknown)
    scores = score_tokens(model, tokens)
    outside = tokens == (-1 if tokenizer.unknown_id is None else tokenizer.unknown_id)
    first = ScoredToken(tokenizer.tokens[int(tokens[0])], None, None, bool(outside[0]))
    following = [
        ScoredToken(tokenizer.tokens[int(token)], float(log_probability), int(rank), bool(held))
        for token, log_probability, rank, held in zip(
            tokens[1:], scores.log_probabilities, scores.ranks, outside[1:], strict=True
        )
    ]
    return ScoredText([first, *following], unknown_text(tokenizer, [text]))
