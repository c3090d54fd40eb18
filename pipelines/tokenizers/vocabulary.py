"""Choosing the tokens of a vocabulary by their counts, and reading them from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.base.errors import ConfigurationError, DataError

MOST_TOKENS = 4_000_000


def most_frequent(
    counts: Counter[str], *, specials: int, vocabulary_size: int, minimum_count: int, kind: str
) -> list[str]:
    """The tokens of a vocabulary, the most frequent first, ties in code point order.

    Args:
        counts: number of times that each token occurs.
        specials: number of ids that are already used; they count towards the size.
        vocabulary_size: largest number of ids; 0 for no limit.
        minimum_count: number of times that a token must occur.
        kind: plural noun for the tokens, for messages.

    Raises:
        ConfigurationError: the size leaves no room for a token.
        DataError: no token occurs often enough.
    """
    if vocabulary_size < 0 or 0 < vocabulary_size <= specials:
        raise ConfigurationError(
            f"vocabulary_size = {vocabulary_size} leaves no room for {kind}: the special ids take "
            f"{specials}; 0 means no limit"
        )
    if minimum_count < 1:
        raise ConfigurationError(f"minimum_count = {minimum_count} must be at least 1")
    if not counts:
        raise DataError("the text is empty: there is nothing to make a vocabulary of")
    frequent = [(token, count) for token, count in counts.items() if count >= minimum_count]
    frequent.sort(key=lambda pair: (-pair[1], pair[0]))
    chosen = [token for token, _ in frequent]
    if not chosen:
        raise DataError(
            f"none of {len(counts)} different {kind} occurs {minimum_count} times",
            advice="Lower minimum_count or give more text.",
        )
    return chosen[: vocabulary_size - specials] if vocabulary_size else chosen


def stored_tokens(content: Mapping[str, Any], file: Path) -> list[str]:
    """The list of tokens in a tokenizer's file, checked.

    Raises:
        DataError: the field is not a list of distinct texts.
    """
    tokens = content.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise DataError("the field 'tokens' is not a list of texts", file=file)
    if not tokens or len(tokens) > MOST_TOKENS or len(set(tokens)) != len(tokens):
        raise DataError(
            f"has {len(tokens):,} tokens, {len(set(tokens)):,} of them different: there must be 1 "
            f"to {MOST_TOKENS:,}, all different",
            file=file,
            advice="Put back the original from a copy of the model's folder.",
        )
    return tokens
