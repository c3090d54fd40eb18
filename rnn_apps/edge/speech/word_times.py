"""When words begin and end: by the loudness of the sound around the labels that spell them.

A CTC model writes a word's labels somewhere in its sound or soon after it, and says nothing of
where the sound ends. So labels only tell where to look: neighbouring words are parted in the
longest and deepest gap between their labels, and a word reaches as far from its labels as the sound
is louder than the background on that side.

The numbers below were chosen on joined digits of the four speakers that the model in
`saved_models/speech` knows, recordings 10 to 12 (`benchmarks/speech_word_times.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HOP_SECONDS = 0.01
"""Time from one level to the next, in seconds; each is measured over three times as long."""

LONGEST_SECONDS = 300.0
"""Length of the latest sound of a stream whose levels are kept, in seconds."""

Levels = npt.NDArray[np.float64]

_LEAST_POWER = 1e-10
# Labels come this much later than the middle of their sound; 0.10 to 0.14 give the same figures.
_DELAY = 12
# A word is as loud as the loudest level that near to its labels.
_NEAR = 25
# A word ends at most this far from its first or last label.
_REACH = 60
# A pause inside a word, such as that before a stop consonant, is at most this long.
_PAUSE = 15
# A sound is at least this long.
_SOUND = 2
# Levels in decibels: what is that far below a word's loudest level, or that little above the
# background, is not the word; what is almost as loud as the word belongs to it in any case.
_BELOW_PEAK, _ABOVE_BACKGROUND, _ALMOST_PEAK = 30.0, 4.0, 6.0
# Share of the levels on one side that are quieter than the background is taken to be.
_BACKGROUND = 0.1
# Words are parted in what is below this share of the way from the background to the quieter word.
_PARTED = 0.15
_DEEPEST_GAP = 12.0
# With less contrast, in decibels, loudness does not tell a word from the background.
_LEAST_CONTRAST = 6.0


@dataclass(frozen=True)
class LabelTimes:
    """When a word's labels were written, in seconds from the beginning of the stream.

    Attributes:
        first: beginning of the first label.
        last: beginning of the last label.
        end: end of the last label.
    """

    first: float
    last: float
    end: float


class SoundLevels:
    """The loudness of a sound, every 10 ms.

    The levels do not depend on the pieces in which samples come.

    Args:
        sample_rate: sample rate of the sound, in Hz.
        longest_seconds: length of the latest sound whose levels are kept, in seconds; None for all
            of it, where the sound is heard before its words are known.
    """

    def __init__(self, sample_rate: int, longest_seconds: float | None = LONGEST_SECONDS) -> None:
        self._hop = max(1, round(HOP_SECONDS * sample_rate))
        self.hop_seconds = self._hop / sample_rate
        self._longest = longest_seconds
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self._rest = np.zeros(0, np.float32)
        self._powers: Levels = np.zeros(0)
        self.first = 0

    @property
    def end(self) -> int:
        """Number of the level after the latest one."""
        return self.first + len(self._powers)

    def push(self, samples: npt.NDArray[np.float32]) -> None:
        """Takes the next samples, float32 [samples]."""
        waiting = np.concatenate([self._rest, samples])
        whole = len(waiting) // self._hop * self._hop
        blocks = waiting[:whole].reshape(-1, self._hop)
        powers = np.mean(np.square(blocks, dtype=np.float64), axis=1)
        self._powers = np.concatenate([self._powers, powers])
        self._rest = waiting[whole:]
        if self._longest is not None:
            self.forget(self.end - round(self._longest / self.hop_seconds))

    def forget(self, before: int) -> None:
        """Drops the levels before this number."""
        dropped = min(max(0, before - self.first), len(self._powers))
        self._powers = self._powers[dropped:]
        self.first += dropped

    def between(self, start: int, end: int) -> Levels:
        """Levels in decibels of full scale, from number `start` to before `end`, each a mean of
        its own power and that of its neighbours.

        Args:
            start: number of the first level, counted from the beginning of the stream.
            end: number of the level after the last one.
        """
        low, high = max(start, self.first), min(end, self.end)
        if high <= low:
            return np.zeros(0)
        at = low - self.first
        around = self._powers[max(0, at - 1) : high - self.first + 1]
        padded = np.pad(around, (int(at == 0), int(high == self.end)), mode="edge")
        mean = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
        decibels: Levels = 10 * np.log10(np.maximum(mean, _LEAST_POWER))
        return decibels


class WordTimes:
    """Times of the words of a stream, in the order in which they were said.

    Args:
        sound: levels of the stream, which the caller fills.
    """

    def __init__(self, sound: SoundLevels) -> None:
        self.sound = sound
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self._gap = _Gap(0, 0)

    def begin_utterance(self, start: float) -> None:
        """An utterance begins at `start` seconds; the sound before it is no longer needed, but for
        the beginning of a word whose labels came later."""
        self._forget(self._number(start))

    def end_utterance(self, end: float) -> None:
        """The utterance's last word ended at `end` seconds; words that follow begin later."""
        if self._number(end) > self._gap.middle:
            self._gap = _Gap(self._number(end), self._number(end))

    def times(
        self, words: Sequence[LabelTimes], following: LabelTimes | None = None, *, keep: bool
    ) -> list[tuple[float, float]]:
        """Start and end of each word in seconds, from the beginning of the stream.

        Args:
            words: labels' times of the next words.
            following: labels' times of the word after them, if it is known.
            keep: true if the words are final, so that the next call is about those after them.
        """
        everything = [*words, *([] if following is None else [following])]
        anchors = [(self._anchor(one.first), self._anchor(one.last)) for one in everything]
        gaps = [self._gap]
        for (_, before), (after, _) in itertools.pairwise(anchors):
            gap = self._gap_between(before, after)
            gaps.append(gap if gap.middle >= gaps[-1].middle else gaps[-1])
        if following is None:
            gaps.append(_Gap(self.sound.end, self.sound.end))
        found = [
            self._word(one, *anchor, *around)
            for one, anchor, around in zip(words, anchors, itertools.pairwise(gaps), strict=False)
        ]
        if keep and words:
            self._gap = gaps[len(words)]
            self._forget(self._gap.start)
        return found

    def _forget(self, before: int) -> None:
        self.sound.forget(before - _REACH - _DELAY - _NEAR)

    def _number(self, seconds: float) -> int:
        return round(seconds / self.sound.hop_seconds)

    def _anchor(self, seconds: float) -> int:
        """Number of a level inside the sound of a label, or near to it."""
        return max(0, min(self.sound.end - 1, self._number(seconds) - _DELAY))

    def _gap_between(self, before: int, after: int) -> _Gap:
        """The longest and deepest gap between two anchors."""
        levels = self.sound.between(before, after)
        if len(levels) < 2 or before < self.sound.first:
            return _Gap(max(before, after), max(before, after))
        background = _background(levels)
        # What comes after the second anchor may not have been heard yet.
        quieter = min(levels[: _NEAR + 1].max(), levels[-_NEAR - 1 :].max())
        threshold = background + _PARTED * (quieter - background)
        start, end = _largest_sum(np.minimum(threshold - levels, _DEEPEST_GAP))
        return _Gap(before + start, before + end)

    def _word(
        self, labels: LabelTimes, first: int, last: int, before: _Gap, after: _Gap
    ) -> tuple[float, float]:
        """Start and end of a word between two gaps, in seconds.

        Args:
            labels: times of the word's labels.
            first: number of a level near the first label's sound.
            last: number of a level near the last label's sound.
            before: gap before the word; the word does not reach beyond its middle, but all of it
                shows how loud the background is.
            after: gap after the word.
        """
        low = max(before.start, first - _REACH)
        high = max(min(after.end, last + _REACH), low + 1)
        levels = self.sound.between(low, high)
        if low < self.sound.first or len(levels) < high - low:
            return labels.first, labels.end
        parted_before = max(before.middle - low, 0)
        parted_after = max(min(after.middle - low, len(levels)), parted_before + 1)
        inside = levels[parted_before:parted_after]
        if not len(inside):
            return labels.first, labels.end
        first, last = (
            parted_before + _loudest_near(inside, one - low - parted_before)
            for one in (first, last)
        )
        peak = float(max(levels[first], levels[last]))
        if peak - float(levels.min()) < _LEAST_CONTRAST:
            return labels.first, labels.end
        earlier = _reach(levels[: first + 1][::-1], first + 1 - parted_before, peak)
        later = _reach(levels[last:], parted_after - last, peak)
        hop = self.sound.hop_seconds
        return (low + first + 1 - earlier) * hop, (low + last + later) * hop


@dataclass(frozen=True)
class _Gap:
    """Levels between two words, from number `start` to before `end`."""

    start: int
    end: int

    @property
    def middle(self) -> int:
        return (self.start + self.end) // 2


def _background(levels: Levels) -> float:
    return float(np.sort(levels)[int(len(levels) * _BACKGROUND)])


def _loudest_near(levels: Levels, place: int) -> int:
    """Place of the loudest level that is near to `place`, which may lie outside."""
    place = min(max(place, 0), len(levels) - 1)
    low = max(0, place - _NEAR)
    return low + int(np.argmax(levels[low : place + _NEAR + 1]))


def _largest_sum(values: Levels) -> tuple[int, int]:
    """The part of `values` with the largest sum, from its start to before its end; the largest
    value alone if none is positive."""
    best, found = 0.0, (int(np.argmax(values)), int(np.argmax(values)) + 1)
    total, start = 0.0, 0
    for at, value in enumerate(values.tolist()):
        if total <= 0:
            total, start = 0.0, at
        total += value
        if total > best:
            best, found = total, (start, at + 1)
    return found


def _reach(levels: Levels, most: int, peak: float) -> int:
    """Number of levels that belong to a word.

    Args:
        levels: levels from the word's loudest one outwards, to the end of the gap after it.
        most: largest number of levels that can belong to the word.
        peak: loudest level of the word.
    """
    above = min(_background(levels) + _ABOVE_BACKGROUND, peak - _ALMOST_PEAK)
    loud = levels[:most] > max(peak - _BELOW_PEAK, above)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    reached = 0
    for start, end in edges.reshape(-1, 2).tolist():
        if end - start < _SOUND:
            continue
        if start - reached > _PAUSE:
            break
        reached = end
    return max(reached, 1)
