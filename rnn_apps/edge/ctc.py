"""From the frame-wise outputs of a CTC model to labels: greedy, and prefix beam search.

Sources: Graves et al. (2006), "Connectionist temporal classification"; Hannun et al. (2014),
"First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs",
algorithm 1, for the prefix beam search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipelines.errors import ConfigurationError, UserError

Labels = tuple[int, ...]

# (labels so far, the label that is added) -> what is added to the log probability, such as a
# weighted language model's log probability and a bonus for each label.
Scorer = Callable[[Labels, int], float]


@dataclass(frozen=True)
class CtcHypothesis:
    """Labels with the log probability of all their alignments, and the scorer's part in it."""

    labels: Labels
    score: float


def ctc_greedy(log_probabilities: np.ndarray, blank: int) -> Labels:
    """The labels on the most probable path: repeats joined, blanks removed.

    Args:
        log_probabilities: [frames, labels], or logits.
        blank: number of the blank label.
    """
    best = np.argmax(log_probabilities, axis=-1)
    changed = np.concatenate([[True], best[1:] != best[:-1]]) if len(best) else best.astype(bool)
    return tuple(int(label) for label in best[changed] if label != blank)


class CtcBeamSearch:
    """Prefix beam search that takes a stream in pieces.

    The state between two pieces is the beam itself, so that the cost of a frame does not grow with
    the length of the stream, and the result is that of the whole stream at once.

    Args:
        blank: number of the blank label.
        beam: prefixes kept after every frame.
        scorer: see `Scorer`; None for the acoustic model alone.
        least_log_probability: labels below it are not tried in a frame; -inf tries all.
    """

    def __init__(
        self,
        blank: int,
        beam: int = 16,
        scorer: Scorer | None = None,
        least_log_probability: float = -np.inf,
    ) -> None:
        if beam < 1:
            raise ConfigurationError(f"beam is {beam}; it is at least 1.")
        self._blank = blank
        self._beam = beam
        self._scorer = scorer
        self._least = least_log_probability
        self.frames = 0
        # Prefix -> log probability of its alignments that end in a blank, and in its last label.
        self._prefixes: dict[Labels, tuple[float, float]] = {}
        self._added: dict[Labels, float] = {}
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self.frames = 0
        self._prefixes = {(): (0.0, -np.inf)}
        self._added = {(): 0.0}

    def push(self, log_probabilities: np.ndarray) -> None:
        """Takes the next frames.

        Args:
            log_probabilities: [frames, labels], each frame normalised (log-softmax).

        Raises:
            UserError: the shape does not fit, or a number is NaN.
        """
        frames = np.asarray(log_probabilities, np.float64)
        if frames.ndim != 2 or not 0 <= self._blank < frames.shape[1]:
            raise UserError(
                f"log probabilities have the shape {frames.shape}; wanted is [frames, labels] "
                f"with more than {self._blank} labels, since that is the blank."
            )
        if np.isnan(frames).any():
            raise UserError("log probabilities contain NaN; the model's output is wrong.")
        for frame in frames:
            self._advance(frame)
        self.frames += len(frames)

    def hypotheses(self, n_best: int = 1) -> list[CtcHypothesis]:
        """The best label sequences for what was pushed so far, best first."""
        ranked = sorted(self._prefixes, key=self._rank, reverse=True)[:n_best]
        return [CtcHypothesis(labels, self._rank(labels)) for labels in ranked]

    def _rank(self, labels: Labels) -> float:
        return float(np.logaddexp(*self._prefixes[labels])) + self._added[labels]

    def _advance(self, frame: np.ndarray) -> None:
        following: dict[Labels, tuple[float, float]] = {}

        def add(labels: Labels, in_blank: float, in_label: float) -> None:
            before = following.get(labels, (-np.inf, -np.inf))
            following[labels] = (
                float(np.logaddexp(before[0], in_blank)),
                float(np.logaddexp(before[1], in_label)),
            )

        tried = [int(i) for i in np.flatnonzero(frame > self._least) if i != self._blank]
        for labels, (in_blank, in_label) in self._prefixes.items():
            total = float(np.logaddexp(in_blank, in_label))
            repeated = in_label + frame[labels[-1]] if labels else -np.inf
            add(labels, total + frame[self._blank], repeated)
            for label in tried:
                # The same label twice needs a blank between.
                start = in_blank if labels and label == labels[-1] else total
                if start + frame[label] == -np.inf:
                    continue
                extended = (*labels, label)
                if extended not in self._added:
                    gained = self._scorer(labels, label) if self._scorer else 0.0
                    self._added[extended] = self._added[labels] + gained
                add(extended, -np.inf, start + frame[label])
        self._prefixes = following
        kept = sorted(following, key=self._rank, reverse=True)[: self._beam]
        self._prefixes = {labels: following[labels] for labels in kept}
        self._added = {labels: self._added[labels] for labels in kept}
