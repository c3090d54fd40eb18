"""Unknown words of a translation, replaced by what the source has where the attention was.

Source: Luong et al. (2015), "Addressing the rare word problem in neural machine translation",
section 3.3 (there with alignments of training data).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import DataError
from pipelines.line_ends import split_lines
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import SPECIALS, unknown_id
from pipelines.tokenizers.tokenizer import REPLACEMENT, UNKNOWN

_PUNCTUATION = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


def read_glossary(path: str | Path) -> dict[str, str]:
    """A glossary from a file in UTF-8: a line for each word, its translation after a tab.

    Raises:
        DataError: the file cannot be read, or a line is none of this kind.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the glossary cannot be read: {error}", file=path) from None
    found: dict[str, str] = {}
    for row, line in enumerate(split_lines(text), 1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) != 2 or not all(parts):
            raise DataError(
                "a line of a glossary is a word, a tab and its translation", file=path, row=row
            )
        if found.setdefault(parts[0], parts[1]) != parts[1]:
            raise DataError(f"{parts[0]!r} has two translations", file=path, row=row)
    return found


def looked_up(word: str, glossary: Mapping[str, str]) -> str:
    """The word's translation, punctuation at its ends kept; the word itself if it has none."""
    if word in glossary:
        return glossary[word]
    match = _PUNCTUATION.match(word)
    assert match is not None
    before, inner, after = match.groups()
    return f"{before}{glossary[inner]}{after}" if inner in glossary else word


def text_without_unknown(
    tokenizer: Tokenizer,
    ids: NDArray[np.integer],
    looked_at: Sequence[int],
    source_words: Sequence[str],
    glossary: Mapping[str, str],
) -> str:
    """The text of a model's ids, each unknown token as what it was written for.

    Args:
        tokenizer: the target's.
        ids: without padding, start and end.
        looked_at: for each, the source token that had the most attention.
        source_words: of each source token, from `words_of_tokens`.
        glossary: translations of source words; other words are copied.
    """
    text = tokenizer.decode(np.asarray(ids, np.int64) - SPECIALS)
    unknown = unknown_id(tokenizer)
    if unknown is None:
        return text
    places = np.flatnonzero(np.asarray(ids) == unknown).tolist()
    parts = text.split(UNKNOWN if tokenizer.kind == "words" else REPLACEMENT)
    # The last source position is the end: what looks there stands for nothing in the source.
    words = [source_words[at] if at < len(source_words) else "" for at in looked_at]
    if len(parts) != len(places) + 1:
        return text
    pieces = [parts[0]]
    for place, part in zip(places, parts[1:], strict=True):
        pieces += [looked_up(words[place], glossary), part]
    return "".join(pieces)


def words_of_tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    """For each token of a text what it is a piece of: a word, or, of characters, itself."""
    if tokenizer.kind == "words":
        return text.split()
    if tokenizer.kind == "characters":
        return list(text)
    words: list[str] = []
    current: list[bytes] = []
    counts: list[int] = []
    for number in tokenizer.encode(text).tolist():
        piece = tokenizer.token_bytes[number]
        if piece.startswith(b" ") or not current:
            words.append("")
            counts.append(0)
            current = []
        current.append(piece)
        words[-1] = b"".join(current).decode("utf-8", errors="replace").strip()
        counts[-1] += 1
    return [word for word, count in zip(words, counts, strict=True) for _ in range(count)]
