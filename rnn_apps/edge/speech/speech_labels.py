"""What the outputs of a speech model stand for, and what can be written with them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipelines.base.errors import ConfigurationError
from pipelines.speech.recordings.spelling import Spelling
from rnn_apps.edge.speech.ctc import AlignedLabel

if TYPE_CHECKING:
    from pipelines.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True)
class SpeechLabels:
    """What the outputs of a speech model stand for.

    Attributes:
        pieces: UTF-8 bytes of each label; empty for a label that stands for nothing.
        blank: number of the blank label.
        spelling: spelling of the transcripts that the model has learnt; of its `lowercase` only
            what the labels show counts.
    """

    pieces: tuple[bytes, ...]
    blank: int
    spelling: Spelling = field(default_factory=Spelling)

    @classmethod
    def of(cls, tokenizer: Tokenizer, spelling: Spelling | None = None) -> SpeechLabels:
        """A tokenizer's labels, and the blank after them; what is unknown stands for nothing.

        Args:
            tokenizer: tokenizer of the transcripts.
            spelling: spelling of the transcripts; None for the default.
        """
        pieces = list(tokenizer.token_bytes)
        if tokenizer.unknown_id is not None:
            pieces[tokenizer.unknown_id] = b""
        return cls((*pieces, b""), tokenizer.size, spelling or Spelling())

    @property
    def silent(self) -> list[int]:
        """The labels that stand for nothing."""
        return [number for number, piece in enumerate(self.pieces) if not piece]

    @property
    def pauses(self) -> list[int]:
        """The labels that are no sound: the blank, those that stand for nothing, and spaces."""
        return [number for number, piece in enumerate(self.pieces) if not piece.strip()]

    @functools.cached_property
    def lone_space(self) -> int | None:
        """The label that is a space, if words are parted by it alone, as where labels are letters.

        None where other labels hold spaces too, or where each label is a word: then no label tells
        that a word has ended.
        """
        spaces = [number for number, piece in enumerate(self.pieces) if b" " in piece]
        return spaces[0] if len(spaces) == 1 and self.pieces[spaces[0]] == b" " else None

    @functools.cached_property
    def lowercase(self) -> bool:
        """Whether no label holds a capital letter: then the transcripts were in lower case."""
        text = b"\n".join(self.pieces).decode("utf-8", errors="ignore")
        return text == text.lower()

    def tidy(self, text: str) -> str:
        """A text in the spelling that the model has learnt."""
        return replace(self.spelling, lowercase=self.lowercase).tidy(text)

    def writes(self, text: str) -> bool:
        """Whether labels in a row give a text of whole words.

        Args:
            text: words with single spaces between them.
        """
        known, longest = self._known
        # A label may hold the space before a word, or the one after it.
        target = b" " + text.encode() + b" "
        reached = {0, 1}
        for at in range(len(target)):
            if at in reached:
                for end in range(at + 1, min(at + longest, len(target)) + 1):
                    if target[at:end] in known:
                        reached.add(end)
        return bool(reached & {len(target) - 1, len(target)})

    @functools.cached_property
    def _known(self) -> tuple[frozenset[bytes], int]:
        known = frozenset(piece for piece in self.pieces if piece)
        return known, max(map(len, known), default=0)

    def hot_words(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Hot words in the spelling of the labels.

        Raises:
            ConfigurationError: the labels cannot write one of them, so it could never be heard.
        """
        found = tuple(map(self.tidy, phrases))
        for given, phrase in zip(phrases, found, strict=True):
            if phrase and not self.writes(phrase):
                raise ConfigurationError(f"hot_words: {given!r} {self._unwritable(phrase)}")
        return found

    def _unwritable(self, phrase: str) -> str:
        characters = sorted({c for c in phrase if not c.isspace() and not self.writes(c)})
        words = [word for word in phrase.split() if not self.writes(word)]
        if len(characters) < len(set(phrase.replace(" ", ""))) and characters:
            what = ", ".join(map(repr, characters))
            return f"holds {what}, which the model does not write. Spell it as transcripts do"
        what = ", ".join(map(repr, words)) or repr(phrase)
        return f"cannot be written: {what} is not among the words that the model has learnt"


def words_of(
    aligned: Sequence[AlignedLabel], labels: SpeechLabels
) -> list[tuple[bytes, list[AlignedLabel]]]:
    """Each word that a row of labels spells, in UTF-8, with the labels that spell it."""
    words: list[tuple[bytes, list[AlignedLabel]]] = []
    begun, members = b"", list[AlignedLabel]()
    for item in aligned:
        first, *others = labels.pieces[item.label].split(b" ")
        if first:
            begun += first
            members.append(item)
        for part in others:
            if begun:
                words.append((begun, members))
            begun, members = part, [item] if part else []
    if begun:
        words.append((begun, members))
    return words
