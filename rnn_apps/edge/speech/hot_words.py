"""Words and phrases that a recogniser is to listen for: a bonus for every one that it writes.

Source: Aho and Corasick (1975), "Efficient string matching", over the bytes of the phrases with a
space on both sides, so that a phrase is found as whole words and overlapping ones are too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pipelines.base.errors import ConfigurationError

_SPACE = 0x20


class HotWords:
    """An automaton that reads text byte by byte and says what each byte adds.

    A part of a phrase is given its share of the bonus at once, so that a beam keeps it, and loses
    it again if the phrase does not go on. A text that holds a phrase has gained its bonus in all.

    Args:
        phrases: words or phrases of several words, as transcripts spell them.
        boost: bonus per phrase, in nats.

    Raises:
        ConfigurationError: a phrase is empty.
    """

    start = 0
    """The state before a text, which is as after a space."""

    def __init__(self, phrases: Sequence[str], boost: float) -> None:
        self._following: list[dict[int, int]] = [{}]
        self._shares = [0.0]
        self._complete = [0.0]
        for phrase in dict.fromkeys(phrases):
            words = phrase.split()
            if not words:
                raise ConfigurationError("hot_words: one of them is empty. Leave it out")
            self._add(b" " + " ".join(words).encode() + b" ", boost)
        self._fall_back()
        self.start = self.step(0, _SPACE)[0]

    def _add(self, text: bytes, boost: float) -> None:
        state = 0
        for place, byte in enumerate(text):
            state = self._following[state].setdefault(byte, len(self._following))
            if state == len(self._shares):
                self._following.append({})
                self._shares.append(0.0)
                self._complete.append(0.0)
            # The first space is part of every text and earns nothing.
            self._shares[state] = max(self._shares[state], boost * place / (len(text) - 1))
        self._complete[state] = boost

    def _fall_back(self) -> None:
        """Where a state goes on when its phrase does not: the longest one that still fits."""
        self._fallback = [0] * len(self._following)
        waiting = deque(self._following[0].values())
        while waiting:
            state = waiting.popleft()
            for byte, following in self._following[state].items():
                self._fallback[following] = self._next(self._fallback[state], byte)
                waiting.append(following)
        for state, complete in enumerate(self._complete):
            if complete:
                # The share of a whole phrase is earned for good; only its last space goes on.
                self._shares[state] = self._shares[self._fallback[state]]

    def _next(self, state: int, byte: int) -> int:
        while byte not in self._following[state]:
            if state == 0:
                return 0
            state = self._fallback[state]
        return self._following[state][byte]

    def step(self, state: int, byte: int) -> tuple[int, float]:
        """The state after one more byte, and what that adds in nats; less than 0 takes away."""
        following = self._next(state, byte)
        gained = self._shares[following] - self._shares[state]
        # A phrase may end inside a longer one: its end is where any of the fallbacks ends.
        ending = following
        while ending:
            gained += self._complete[ending]
            ending = self._fallback[ending]
        return following, gained

    def read(self, state: int, text: bytes) -> tuple[int, float]:
        """As `step`, for several bytes."""
        gained = 0.0
        for byte in text:
            state, more = self.step(state, byte)
            gained += more
        return state, gained

    def finish(self, state: int) -> float:
        """What the end of the text adds: it ends the last word, and what is half said is lost."""
        following, gained = self.step(state, _SPACE)
        return gained - self._shares[following]
