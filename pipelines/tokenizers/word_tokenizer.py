"""Words between white space as tokens, as in the PTB and WikiText benchmarks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.tokenizers.tokenizer import (
    FILE_NAME,
    LINE_END,
    UNKNOWN,
    Ids,
    Tokenizer,
    printable,
    utf8,
)
from pipelines.tokenizers.vocabulary import most_frequent, stored_tokens

WHITE_SPACE = " \t\n\v\f\r"
"""Separators of words: only ASCII white space, so that TensorFlow's string operations agree."""

_WORD = re.compile(rf"[^{WHITE_SPACE}]+")
SPECIALS = (UNKNOWN, LINE_END)


class WordTokenizer(Tokenizer):
    """Each known word is a token, each line end is <eos> (id 1), all other words are <unk> (id 0).

    The text is not changed otherwise: "end.", "end" and "End" are three words. A literal <unk> or
    <eos> in the text, as in PTB, gets that id; <unk> can be scored.

    `decode` puts one space between words and a line break for <eos>: runs of white space and
    spaces at line ends are not kept.

    Args:
        words: words of the vocabulary, in the order of their ids, which begin at 2.
    """

    kind = "words"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self.tokens = (*SPECIALS, *(printable(word) for word in words))
        known = (utf8(f" {word}") for word in words)
        self.token_bytes = (f" {UNKNOWN}".encode(), b"\n", *known)
        self.unknown_id = 0
        self.line_end_id = 1
        self._ids = _Ids((utf8(word), number) for number, word in enumerate((*SPECIALS, *words)))

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocabulary_size: int = 0,
        minimum_count: int = 1,
        learn_unknown: bool = False,
    ) -> WordTokenizer:
        """The words of a text, the most frequent first.

        Args:
            texts: consecutive pieces of the text.
            vocabulary_size: largest number of ids; 0 for no limit.
            minimum_count: number of times that a word must occur to get an id.
            learn_unknown: True to leave out words that occur once if the text would otherwise have
                no unknown word, from which a model could not learn to handle unknown words.
        """
        encoded: Counter[bytes] = Counter()
        for text in texts:
            encoded.update(_words(text))
        counts = Counter({word.decode(): count for word, count in encoded.items()})
        stated = counts.pop(UNKNOWN, 0)
        counts.pop(LINE_END, None)
        left_out = stated or 0 < vocabulary_size < len(counts) + len(SPECIALS)
        if learn_unknown and not left_out and any(count > 1 for count in counts.values()):
            minimum_count = max(minimum_count, 2)
        chosen = most_frequent(
            counts,
            specials=len(SPECIALS),
            vocabulary_size=vocabulary_size,
            minimum_count=minimum_count,
            kind=cls.kind,
        )
        return cls(chosen)

    def encode(self, text: str) -> Ids:
        """See `Tokenizer.encode`."""
        words = _words(text)
        return np.fromiter(map(self._ids.__getitem__, words), np.int32, len(words))

    def decode(self, ids: Iterable[int] | npt.NDArray[np.integer[Any]]) -> str:
        """See `Tokenizer.decode`."""
        return super().decode(ids).replace("\n ", "\n").removeprefix(" ")

    def normalised(self, text: str) -> str:
        """See `Tokenizer.normalised`."""
        return "\n".join(" ".join(_WORD.findall(line)) for line in text.split("\n"))

    def unknown_places(self, text: str, most: int = 5) -> list[tuple[int, str]]:
        """See `Tokenizer.unknown_places`."""
        places: list[tuple[int, str]] = []
        for match in _WORD.finditer(text):
            if len(places) == most:
                break
            # The literal word <unk> is known to be the unknown word.
            word = match.group()
            if word != UNKNOWN and self._ids[utf8(word)] == self.unknown_id:
                places.append((match.start(), match.group()))
        return places

    @classmethod
    def from_json(cls, content: Mapping[str, Any], folder: Path) -> WordTokenizer:
        """The inverse of `save`."""
        words = stored_tokens(content, folder / FILE_NAME)
        bad = [word for word in words if word in SPECIALS or not _WORD.fullmatch(word)]
        if bad:
            raise DataError(f"{bad[0]!r} is not a word", file=folder / FILE_NAME)
        return cls(words)

    def _content(self) -> dict[str, Any]:
        return {"tokens": list(self.words)}


class _Ids(dict[bytes, int]):
    """Ids by word; 0 for all other words."""

    def __missing__(self, word: bytes) -> int:
        return 0


def _words(text: str) -> list[bytes]:
    """Words and line ends. On bytes, `split` is fast and separates at ASCII white space only."""
    return utf8(text).replace(b"\n", f" {LINE_END} ".encode()).split()
