"""What words add to a beam search over characters or pieces of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnn_apps.edge.speech.hot_words import HotWords
from rnn_apps.edge.speech.word_model import WordModel, Words

_SPACE = b" "


class _State(NamedTuple):
    """Words so far as the model needs them, the word that is being written, and hot words."""

    words: Words
    begun: bytes
    hot: int
    unknown: bool


@dataclass(frozen=True)
class WordWeights:
    """How much words count compared with the acoustic model.

    Attributes:
        model: factor of the word model's log probability.
        bonus: bonus per word in nats, which makes up for that factor.
        unknown: penalty in nats of a word that the model does not know, from the point on where no
            known word begins like it.
    """

    model: float = 0.5
    bonus: float = 1.0
    unknown: float = 5.0


class WordScorer:
    """Scores prefixes word by word; see `ctc.PrefixScorer`.

    Args:
        pieces: UTF-8 bytes that every label stands for; words end where a piece holds a space.
        weights: weights of the word model and the bonuses.
        model: n-gram model of words; if None, only hot words and the bonus count.
        hot_words: words and phrases to listen for.
        known_words: words and phrases that count as known although the model has not seen them.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        weights: WordWeights,
        model: WordModel | None = None,
        hot_words: HotWords | None = None,
        known_words: Sequence[str] = (),
    ) -> None:
        self._pieces = tuple(pieces)
        self._weights = weights
        self._model = model
        self._hot = hot_words
        listened = [word.encode() for phrase in known_words for word in phrase.split()]
        self._listened = frozenset(listened)
        self._beginnings = frozenset() if model is None else model.beginnings
        self._beginnings |= {w[:length] for w in listened for length in range(1, len(w) + 1)}

    def start(self) -> _State:
        """See `ctc.PrefixScorer`."""
        words = () if self._model is None else self._model.start()
        return _State(words, b"", 0 if self._hot is None else self._hot.start, False)

    def extend(self, state: _State, label: int) -> tuple[_State, float]:
        """See `ctc.PrefixScorer`."""
        piece = self._pieces[label]
        words, begun, hot, unknown = state
        gained = 0.0
        if self._hot is not None:
            hot, gained = self._heard(state, piece)
        first, *others = piece.split(_SPACE)
        begun += first
        for part in others:
            if begun:
                words, more = self._ended(words, begun, unknown)
                gained += more
            begun, unknown = part, False
        if self._model is not None and begun and not unknown and begun not in self._beginnings:
            unknown = True
            gained -= self._weights.unknown
        return _State(words, begun, hot, unknown), gained

    def finish(self, state: _State) -> float:
        """See `ctc.PrefixScorer`."""
        gained = 0.0 if self._hot is None else self._hot.finish(state.hot)
        words = state.words
        if state.begun:
            words, more = self._ended(words, state.begun, state.unknown)
            gained += more
        if self._model is not None:
            gained += self._weights.model * self._model.finish(words)
        return gained

    def _heard(self, state: _State, piece: bytes) -> tuple[int, float]:
        assert self._hot is not None
        # Two spaces are one, and a text begins as after a space.
        if not state.begun and piece.startswith(_SPACE):
            piece = piece[1:]
        return self._hot.read(state.hot, piece)

    def _ended(self, words: Words, word: bytes, unknown: bool) -> tuple[Words, float]:
        if self._model is None:
            return words, self._weights.bonus
        text = word.decode("utf-8", errors="replace")
        words, found = self._model.score(words, text)
        gained = self._weights.model * found + self._weights.bonus
        # The beginning of a known word is not yet one.
        if not unknown and not self._model.knows(text) and word not in self._listened:
            gained -= self._weights.unknown
        return words, gained
