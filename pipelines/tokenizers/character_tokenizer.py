"""Unicode characters (code points) as tokens."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.tokenizers.tokenizer import (
    FILE_NAME,
    REPLACEMENT,
    UNKNOWN,
    Ids,
    Tokenizer,
    printable,
    utf8,
)
from pipelines.tokenizers.vocabulary import most_frequent, stored_tokens


class CharacterTokenizer(Tokenizer):
    """Each character is a token; id 0 stands for any character that is not in the vocabulary.

    `decode` turns id 0 into U+FFFD.

    Args:
        characters: characters of the vocabulary, in the order of their ids, which begin at 1.
    """

    kind = "characters"

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = tuple(characters)
        self.tokens = (UNKNOWN, *(printable(character) for character in characters))
        self.token_bytes = tuple(utf8(c) for c in (REPLACEMENT, *characters))
        self.unknown_id = 0
        # Indexed by code point: these 4 MB make encoding a single NumPy operation.
        self._id_of_code = np.zeros(sys.maxunicode + 1, np.int32)
        codes = np.array([ord(character) for character in characters], np.uint32)
        self._id_of_code[codes] = np.arange(1, len(codes) + 1)
        self.line_end_id = int(self._id_of_code[ord("\n")]) or None

    @classmethod
    def train(
        cls, texts: Iterable[str], *, vocabulary_size: int = 0, minimum_count: int = 1
    ) -> CharacterTokenizer:
        """The characters of a text, in code point order.

        Args:
            texts: consecutive pieces of the text.
            vocabulary_size: largest number of ids, of which the most frequent characters get one;
                0 for no limit.
            minimum_count: number of times that a character must occur to get an id.
        """
        totals = np.zeros(sys.maxunicode + 1, np.int64)
        for text in texts:
            codes, counts = np.unique(_codes(text), return_counts=True)
            totals[codes] += counts
        counter = Counter({chr(code): int(totals[code]) for code in np.flatnonzero(totals)})
        chosen = most_frequent(
            counter,
            specials=1,
            vocabulary_size=vocabulary_size,
            minimum_count=minimum_count,
            kind=cls.kind,
        )
        return cls(sorted(chosen))

    def encode(self, text: str) -> Ids:
        """See `Tokenizer.encode`."""
        ids: Ids = self._id_of_code[_codes(text)]
        return ids

    def unknown_places(self, text: str, most: int = 5) -> list[tuple[int, str]]:
        """See `Tokenizer.unknown_places`."""
        places = np.flatnonzero(self.encode(text) == self.unknown_id)[:most]
        return [(int(place), text[place]) for place in places]

    @classmethod
    def from_json(cls, content: Mapping[str, Any], folder: Path) -> CharacterTokenizer:
        """The inverse of `save`."""
        characters = stored_tokens(content, folder / FILE_NAME)
        bad = [c for c in characters if len(c) != 1 or "\ud800" <= c <= "\udfff"]
        if bad:
            raise DataError(f"{bad[0]!r} is not one character", file=folder / FILE_NAME)
        return cls(characters)

    def _content(self) -> dict[str, Any]:
        return {"tokens": list(self.characters)}


def _codes(text: str) -> npt.NDArray[np.uint32]:
    """The code points, uint32 [characters]; half of a surrogate pair counts as a code point."""
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), "<u4")
