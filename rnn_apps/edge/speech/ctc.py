"""From the frame-wise outputs of a CTC model to labels: what searches share, and the greedy one.

Source: Graves et al. (2006), "Connectionist temporal classification".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UserError

Labels = tuple[int, ...]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AlignedLabel:
    """A label and where the best alignment emits it.

    Attributes:
        start: number of the label's first frame.
        end: number of the frame after its last one.
        log_probability: largest log probability, in nats, that the model gives the label in those
            frames.
    """

    label: int
    start: int
    end: int
    log_probability: float


@dataclass(frozen=True)
class CtcHypothesis:
    """Labels with the log probability of all their alignments, and the scorer's part in it.

    Attributes:
        labels: all labels that were not taken with `CtcBeamSearch.take_settled`.
        score: log probability in nats, the scorer's part included.
        alignment: one entry per label, from the single most probable alignment.
    """

    labels: Labels
    score: float
    alignment: tuple[AlignedLabel, ...] = ()


class PrefixScorer(Protocol):
    """What adds to the log probability of prefixes, such as a weighted word model."""

    def start(self) -> Any:
        """The state of the empty prefix; states are never changed, only replaced."""

    def extend(self, state: Any, label: int) -> tuple[Any, float]:
        """The state after one more label, and what that adds in nats."""

    def finish(self, state: Any) -> float:
        """What the end of the utterance adds in nats."""


def ctc_greedy(log_probabilities: np.ndarray, blank: int) -> Labels:
    """The labels on the most probable path: repeats joined, blanks removed.

    Args:
        log_probabilities: log probabilities or logits, [frames, labels].
        blank: number of the blank label.
    """
    best = np.argmax(log_probabilities, axis=-1)
    changed = np.concatenate([[True], best[1:] != best[:-1]]) if len(best) else best.astype(bool)
    return tuple(int(label) for label in best[changed] if label != blank)


class CtcGreedy:
    """Greedy decoding of a stream in pieces, with alignment; its steps are `CtcBeamSearch`'s.

    Args:
        blank: number of the blank label.
        silent: labels that stand for nothing and are left out like the blank.
    """

    def __init__(self, blank: int, silent: Iterable[int] = ()) -> None:
        self._blank = blank
        self._silent = frozenset((blank, *silent))
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self.frames = 0
        self.score = 0.0
        self._last = self._blank
        self._wrote = False
        self._open: list[AlignedLabel] = []

    def push(self, log_probabilities: np.ndarray) -> None:
        """Takes the next frames, [frames, labels], each normalised (log-softmax).

        Raises:
            UserError: the shape does not fit, or a number is NaN.
        """
        frames = checked_frames(log_probabilities, self._blank)
        best = np.argmax(frames, axis=1)
        values = np.take_along_axis(frames, best[:, None], axis=1)[:, 0]
        self.score += float(values.sum())
        changes = np.flatnonzero(np.diff(best, prepend=self._last))
        ends = np.append(changes[1:], len(best))
        first = int(changes[0]) if len(changes) else len(best)
        if first and self._last not in self._silent:
            self._lengthen(first, float(values[:first].max()))
        for start, end in zip(changes.tolist(), ends.tolist(), strict=True) if len(changes) else ():
            if int(best[start]) not in self._silent:
                peak = float(values[start:end].max())
                at = self.frames
                self._open.append(AlignedLabel(int(best[start]), at + start, at + end, peak))
        if len(best):
            self._wrote = self._wrote or bool(self._open)
            self._last = int(best[-1])
        self.frames += len(best)

    @property
    def wrote(self) -> bool:
        """Whether anything was written so far."""
        return self._wrote

    @property
    def last_label(self) -> int | None:
        """The label that was written last; None if none was."""
        return self._open[-1].label if self._open else None

    def _lengthen(self, frames: int, peak: float) -> None:
        last = self._open[-1]
        self._open[-1] = AlignedLabel(
            last.label, last.start, last.end + frames, max(last.log_probability, peak)
        )

    def take_settled(self) -> list[AlignedLabel]:
        """Gives away the labels that can no longer change: all but the last."""
        settled, self._open = self._open[:-1], self._open[-1:]
        return settled

    def hypotheses(self, n_best: int = 1, *, final: bool = False) -> list[CtcHypothesis]:
        """The one hypothesis there is; its score is that of its path alone."""
        labels = tuple(item.label for item in self._open)
        return [CtcHypothesis(labels, self.score, tuple(self._open))]


def checked_frames(log_probabilities: np.ndarray, blank: int) -> Scores:
    """Log probabilities as float64 [frames, labels].

    Raises:
        UserError: the shape does not fit, or a number is NaN.
    """
    frames = np.asarray(log_probabilities, np.float64)
    if frames.ndim != 2 or not 0 <= blank < frames.shape[1]:
        raise UserError(
            f"log probabilities have the shape {frames.shape}; wanted is [frames, labels] "
            f"with more than {blank} labels, since that is the blank."
        )
    if np.isnan(frames).any():
        raise UserError("log probabilities contain NaN; the model's output is wrong.")
    return frames


def trailing(flags: npt.NDArray[np.bool_], before: int) -> int:
    """How many flags at the end are set, with those that were set before if all are."""
    unset = np.flatnonzero(~flags)
    return before + len(flags) if not len(unset) else int(len(flags) - 1 - unset[-1])
