"""Whether the lines of two files can be translations of each other.

A translation roughly keeps the length of a sentence, its numbers, and whether it asks or exclaims.
If two files are shifted against each other by some lines, these features agree at that shift.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BLOCK, SMALLEST_BLOCK = 100, 50
STEP = 50
MOST_BLOCKS = 2000
"""Number of blocks that are examined in longer files, evenly spread."""
MOST_SHIFT = 5
# The mean correlation is about 0.5 to 0.9 for lines that belong together, and about 0 for others.
HIGHEST_OF_STRANGERS = 0.3
LOWEST_OF_TRANSLATIONS = 0.5
LEAST_DIFFERENCE = 0.35
_FEWEST_MARKED = 10
FEWEST_PAIRS, MOST_PAIRS = 200, 5000
"""Smallest and largest number of pairs that `agreement` compares."""

Features = npt.NDArray[np.float64]


def suspected_shift(source: Sequence[str], target: Sequence[str]) -> tuple[int, int] | None:
    """The first block of lines that fit the translations of neighbouring lines.

    Args:
        source, target: lines of the two files, equally many.

    Returns:
        The line at which the block begins, counted from 1, and how many lines later the
        translations are in the target (negative if earlier); None if nothing is suspected.
    """
    block = min(BLOCK, len(source))
    if block < SMALLEST_BLOCK:
        return None
    starts = range(0, len(source) - block + 1, STEP)
    for start in starts[:: -(-len(starts) // MOST_BLOCKS) or 1]:
        # Further lines on both sides, since shifted blocks reach beyond this one.
        begin = max(start - MOST_SHIFT, 0)
        lines = slice(begin, start + block + MOST_SHIFT)
        first, second = _features(source[lines]), _features(target[lines])
        here = _agreement(first, second, start - begin, block, 0)
        if here is None or here > HIGHEST_OF_STRANGERS:
            continue
        shifts = [shift for shift in range(-MOST_SHIFT, MOST_SHIFT + 1) if shift]
        agreements = {
            shift: _agreement(first, second, start - begin, block, shift) or 0.0 for shift in shifts
        }
        best = max(agreements, key=lambda shift: agreements[shift])
        if agreements[best] >= max(LOWEST_OF_TRANSLATIONS, here + LEAST_DIFFERENCE):
            return start + 1, best
    return None


def agreement(source: Sequence[str], target: Sequence[str]) -> float | None:
    """How well the sentences of pairs agree, as a correlation, -1 to 1.

    The agreement of translations is 0.4 or more, that of shuffled sentences about 0.

    Returns:
        The agreement; None for fewer than `FEWEST_PAIRS` pairs, or if no feature varies.
    """
    if len(source) < FEWEST_PAIRS:
        return None
    step = -(-len(source) // MOST_PAIRS)
    first, second = _features(source[::step]), _features(target[::step])
    return _agreement(first, second, 0, first.shape[1], 0)


def _features(lines: Sequence[str]) -> Features:
    """Logarithm of length, number of digits, final question and exclamation mark: [4, lines]."""
    rows = np.zeros((4, len(lines)))
    for number, line in enumerate(lines):
        text = line.strip()
        end = unicodedata.normalize("NFKC", text[-1:])
        rows[:, number] = (
            np.log1p(len(text)), sum(map(str.isdigit, text)), end in ("?", ";", "؟"), end == "!",
        )  # fmt: skip
    return rows


def _agreement(
    first: Features, second: Features, start: int, block: int, shift: int
) -> float | None:
    """Mean correlation of the features of a block with those `shift` lines later."""
    lines = first.shape[1]
    begin, end = max(start, -shift), min(start + block, lines - max(shift, 0))
    correlations = []
    for number, (source, target) in enumerate(zip(first, second, strict=True)):
        a, b = source[begin:end], target[begin + shift : end + shift]
        marked = min(np.count_nonzero(a), np.count_nonzero(b))
        if (number and marked < _FEWEST_MARKED) or not (a.std() and b.std()):
            continue
        correlations.append(float(np.corrcoef(a, b)[0, 1]))
    return float(np.mean(correlations)) if correlations else None
