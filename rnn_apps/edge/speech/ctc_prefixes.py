"""What a prefix beam search keeps from frame to frame: linked prefixes, alignments, the beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnn_apps.edge.speech.ctc import AlignedLabel, Scores


class Prefix:
    """Labels of the beam, linked to the prefix without the last one.

    Attributes:
        depth: number of labels, settled ones included.
        slot: place of the prefix in the beam; -1 if it is kept only for prefixes that extend it.
        children: the prefixes that extend it by a label and are in use, by that label.
        extensions: what the scorer returned for each following label, kept while the prefix is in
            the beam.
    """

    __slots__ = ("children", "depth", "extensions", "gained", "label", "parent", "slot", "state")

    def __init__(
        self, parent: Prefix | None, label: int, depth: int, gained: float, state: Any
    ) -> None:
        self.parent, self.label, self.depth = parent, label, depth
        self.gained, self.state = gained, state
        self.slot = -1
        self.children: dict[int, Prefix] = {}
        self.extensions: dict[int, tuple[Any, float]] = {}


class Span:
    """A label on an alignment, linked to the one before it."""

    __slots__ = ("depth", "end", "label", "parent", "peak", "start")

    def __init__(
        self, parent: Span | None, label: int, depth: int, start: int, end: int, peak: float
    ) -> None:
        self.parent, self.label, self.depth = parent, label, depth
        self.start, self.end, self.peak = start, end, peak

    def aligned(self) -> AlignedLabel:
        """The label and its frames, without the link."""
        return AlignedLabel(self.label, self.start, self.end, self.peak)


@dataclass
class Beam:
    """The prefixes that are kept, best first, with what is known of each; arrays are [prefixes].

    Attributes:
        in_blank, in_label: log probability of the alignments that end in a blank, and in the last
            label.
        best_blank, best_label: log probability of the single best such alignment.
        blank_spans, label_spans: the single best alignments themselves.
    """

    prefixes: list[Prefix]
    last: npt.NDArray[np.int64]
    gained: Scores
    in_blank: Scores
    in_label: Scores
    best_blank: Scores
    best_label: Scores
    blank_spans: list[Span | None]
    label_spans: list[Span | None]

    def ranks(self) -> Scores:
        """What prefixes are judged by."""
        ranks: Scores = np.logaddexp(self.in_blank, self.in_label) + self.gained
        return ranks


@dataclass(frozen=True)
class Step:
    """What one frame makes of the beam.

    Attributes:
        frame: log probability of each label.
        labels: labels by which prefixes are extended.
        in_blank, in_label: log probabilities of the unextended prefixes, as in `Beam`.
        grown: log probability of each extension, [prefixes, labels].
        gained: sum of what the scorer adds to each extension, [prefixes, labels].
        merged: place in `grown` of an extension that gives a prefix which the beam already holds,
            by that prefix's slot.
    """

    frame: Scores
    labels: list[int]
    in_blank: Scores
    in_label: Scores
    grown: Scores
    gained: Scores
    merged: dict[int, tuple[int, int]]


def ancestor(prefix: Prefix, depth: int) -> Prefix:
    """The ancestor of `prefix` with `depth` labels."""
    while prefix.depth > depth and prefix.parent is not None:
        prefix = prefix.parent
    return prefix
