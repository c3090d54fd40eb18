"""How far what was recognised is from what was said: word and character error rates, by jiwer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ErrorCounts:
    """Words (or characters) of the references, and what has to be done to get them.

    Levenshtein's distance of each pair, summed; the rate is the sum of the errors over the sum of
    the reference's length, so a long utterance counts for more than a short one.

    Attributes:
        reference: how many were said.
        substitutions: recognised as others.
        deletions: not recognised.
        insertions: recognised without having been said.
    """

    reference: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """All of them."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each that was said; above 1 where more was inserted than said."""
        return self.errors / self.reference if self.reference else float("nan")

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.reference + other.reference,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    def as_json(self) -> dict[str, float]:
        """Rate and counts."""
        return {"rate": self.rate, **vars(self)}


def word_errors(references: Sequence[str], recognised: Sequence[str]) -> list[ErrorCounts]:
    """The word errors of each pair; words are what stands between spaces."""
    return _each(references, recognised, by_word=True)


def character_errors(references: Sequence[str], recognised: Sequence[str]) -> list[ErrorCounts]:
    """The character errors of each pair; a space between words is a character."""
    return _each(references, recognised, by_word=False)


def total(counts: Sequence[ErrorCounts]) -> ErrorCounts:
    """The sum of counts."""
    return sum(counts, ErrorCounts(0, 0, 0, 0))


def _each(
    references: Sequence[str], recognised: Sequence[str], *, by_word: bool
) -> list[ErrorCounts]:
    import jiwer

    process: Any = jiwer.process_words if by_word else jiwer.process_characters
    found = []
    for reference, text in zip(references, recognised, strict=True):
        if not reference.split():
            length = len(text.split()) if by_word else len(text)
            found.append(ErrorCounts(0, 0, 0, length))
            continue
        one = process(reference, text)
        said = one.hits + one.substitutions + one.deletions
        found.append(ErrorCounts(said, one.substitutions, one.deletions, one.insertions))
    return found
