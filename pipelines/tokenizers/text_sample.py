"""A sample of a text that may be larger than memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

PIECE = 2000
"""Approximate number of characters in a piece of the sample."""


def sample_text(texts: Iterable[str], sample_bytes: int, seed: int) -> list[str]:
    """Pieces of a text in their order: all of a short text, a uniform sample of a long one.

    Pieces are cut at line ends where lines are short, and drawn by reservoir sampling (Vitter,
    "Random sampling with a reservoir", 1985, algorithm R).

    Args:
        texts: consecutive pieces of the text, read once.
        sample_bytes: approximate largest size of the sample.
        seed: seed of the draws; the same seed and text give the same sample.
    """
    generator = random.Random(seed)
    room = max(1, sample_bytes // PIECE)
    kept: list[tuple[int, str]] = []
    for number, piece in enumerate(_pieces(texts)):
        if len(kept) < room:
            kept.append((number, piece))
        else:
            place = generator.randrange(number + 1)
            if place < room:
                kept[place] = (number, piece)
    return [piece for _, piece in sorted(kept)]


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        start = 0
        while start < len(text):
            line_end = text.find("\n", start + PIECE, start + 2 * PIECE)
            stop = line_end + 1 if line_end >= 0 else start + PIECE
            yield text[start:stop]
            start = stop
