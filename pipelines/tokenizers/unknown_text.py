"""Text that a vocabulary does not have: which words or characters, how often, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.tokenizers.tokenizer import UNKNOWN, Ids, Tokenizer, named_piece

REFUSE, ACCEPT = "refuse", "accept"
UNKNOWN_CHOICES = (REFUSE, ACCEPT)
"""What happens to unknown text: it is refused, or it is read as the unknown token and counted."""

_SHOWN = 5


@dataclass(frozen=True)
class UnknownText:
    """The words or characters of some texts that a vocabulary does not have.

    Attributes:
        kind: kind of the tokens, such as "words".
        pieces: each unknown word or character with the number of its occurrences, the most frequent
            first.
        texts: numbers of the texts, from 1, that have any.
    """

    kind: str
    pieces: tuple[tuple[str, int], ...] = ()
    texts: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """The number of occurrences."""
        return sum(times for _, times in self.pieces)

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def __str__(self) -> str:
        shown = ", ".join(
            named_piece(piece, self.kind) + (f" ({times} times)" if times > 1 else "")
            for piece, times in self.pieces[:_SHOWN]
        )
        further = len(self.pieces) - _SHOWN
        kind = self.kind.removesuffix("s") if self.count == 1 else self.kind
        return (
            f"{self.count:,} {kind} that the model does not know: {shown}"
            f"{f' and {further:,} more' if further > 0 else ''}"
        )


def unknown_text(tokenizer: Tokenizer, texts: Iterable[str]) -> UnknownText:
    """What a vocabulary does not have of some texts; the literal word <unk> is not counted."""
    counts: Counter[str] = Counter()
    holding = []
    for number, text in enumerate(texts, 1):
        places = tokenizer.unknown_places(text, len(text))
        counts.update(piece for _, piece in places)
        if places:
            holding.append(number)
    return UnknownText(tokenizer.kind, tuple(counts.most_common()), tuple(holding))


def encode_checked(tokenizer: Tokenizer, text: str, name: str, unknown: str = REFUSE) -> Ids:
    """The ids of a text whose unknown pieces are refused, or are read as the unknown token.

    Args:
        tokenizer: vocabulary of the model.
        text: text to encode.
        name: name of the text, for messages.
        unknown: "refuse" or "accept".

    Raises:
        DataError: the text has unknown pieces, or is known in another spelling only, and `unknown`
            is "refuse".
        ConfigurationError: `unknown` has another value.
    """
    require_choice(unknown)
    if unknown == ACCEPT:
        return tokenizer.encode(text)
    try:
        return tokenizer.encode_known(text, name)
    except DataError as refused:
        if tokenizer.unknown_id is None or refused.file != name:
            raise
        raise DataError(
            refused.problem,
            file=name,
            advice=f"{refused.advice} Or have it read as {UNKNOWN}: unknown = {ACCEPT}.",
        ) from None


def require_choice(unknown: str) -> None:
    """Refuses what is not a way to treat unknown text.

    Raises:
        ConfigurationError: `unknown` is neither "refuse" nor "accept".
    """
    if unknown not in UNKNOWN_CHOICES:
        raise ConfigurationError(
            f"unknown = {unknown!r}: choose one of {', '.join(UNKNOWN_CHOICES)}"
        )
