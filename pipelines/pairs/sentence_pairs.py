"""Sentence pairs in memory, and the parts of a data set of sentence pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipelines.data_report import DataReport


@dataclass(frozen=True)
class SentencePairs:
    """Sentences and their translations.

    Attributes:
        source, target: sentences of the two sides, in the same order.
        name: name of the source, for messages.
        places: place of each pair in its source, for messages; empty if the places are not known.
        report: findings of reading, and the pairs that were left out, by reason.
        languages: languages of source and target; "" for an unknown language.
        further: correct translations of each pair other than `target`, which are references of an
            evaluation; empty if no pair has any. Training does not read them.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    name: str = "sentence pairs"
    places: tuple[str, ...] = ()
    report: DataReport = field(default_factory=DataReport, compare=False)
    languages: tuple[str, str] = ("", "")
    further: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.source) != len(self.target):
            raise ValueError(f"{len(self.source)} source and {len(self.target)} target sentences")
        if self.further and len(self.further) != len(self.source):
            raise ValueError(
                f"{len(self.source)} pairs and further references of {len(self.further)}"
            )

    def __len__(self) -> int:
        return len(self.source)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all pairs with their further references, in hexadecimal."""
        digest = hashlib.sha256()
        for source, references in zip(self.source, self.references, strict=True):
            pair = "\0".join((source, *references))
            digest.update(pair.encode("utf-8", "surrogatepass") + b"\1")
        return digest.hexdigest()

    @property
    def references(self) -> list[tuple[str, ...]]:
        """All correct translations of each pair: the target, and the further ones."""
        further = self.further or ((),) * len(self)
        return [(target, *others) for target, others in zip(self.target, further, strict=True)]

    @property
    def reference_counts(self) -> str:
        """How many references the pairs have each, such as "1" or "2 to 4"."""
        counts = [1 + len(others) for others in self.further] or [1]
        fewest, most = min(counts), max(counts)
        return str(most) if fewest == most else f"{fewest} to {most}"

    def place(self, number: int) -> str:
        """The place of pair `number` in its source."""
        return self.places[number] if self.places else f"{self.name}, pair {number + 1}"

    def take(self, numbers: Iterable[int], name: str = "") -> SentencePairs:
        """The pairs of these numbers, in this order."""
        chosen = list(numbers)
        return SentencePairs(
            tuple(self.source[n] for n in chosen),
            tuple(self.target[n] for n in chosen),
            name or self.name,
            tuple(self.place(n) for n in chosen),
            self.report,
            self.languages,
            tuple(self.further[n] for n in chosen) if self.further else (),
        )


@dataclass(frozen=True)
class PairParts:
    """The parts of a data set; None for a part that does not exist."""

    train: SentencePairs
    validation: SentencePairs | None
    test: SentencePairs | None
