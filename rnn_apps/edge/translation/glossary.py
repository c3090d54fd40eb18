"""Unknown words of a translation, replaced by the source's unknown words where the attention was.

Source: Luong et al. (2015), "Addressing the rare word problem in neural machine translation",
section 3.3 (there with alignments of training data).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import DataError
from pipelines.text.line_ends import split_lines
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import SPECIALS, unknown_id
from pipelines.tokenizers.tokenizer import REPLACEMENT, UNKNOWN

MOST_DISTANCE = 3
"""Source tokens between what the attention was on and what an unknown token was written for."""

_PUNCTUATION = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


def read_glossary(path: str | Path) -> dict[str, str]:
    """A glossary from a file in UTF-8: a line for each word, its translation after a tab.

    Raises:
        DataError: the file cannot be read, or a line has another form.
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
    known: Sequence[bool],
    glossary: Mapping[str, str],
) -> str:
    """The text of a model's ids, each unknown token as what it was written for.

    Only what the source's vocabulary does not know, or the glossary does, can be what an unknown
    token was written for, and each of these once. Where nothing of the kind stands near the place
    that the attention was on, the unknown token stays.

    Args:
        tokenizer: tokenizer of the target language.
        ids: ids of the translation without padding, start and end.
        looked_at: number of the source token with the most attention, per id.
        source_words: word of each source token, from `words_of_tokens`.
        known: flags per source token: whether the source's vocabulary has it.
        glossary: translations of source words; other words are copied.
    """
    text = tokenizer.decode(np.asarray(ids, np.int64) - SPECIALS)
    unknown = unknown_id(tokenizer)
    if unknown is None:
        return text
    mark = UNKNOWN if tokenizer.kind == "words" else REPLACEMENT
    places = np.flatnonzero(np.asarray(ids) == unknown).tolist()
    parts = text.split(mark)
    if len(parts) != len(places) + 1:
        return text
    translated = [looked_up(word, glossary) for word in source_words]
    candidates = [
        number
        for number, (word, other) in enumerate(zip(source_words, translated, strict=True))
        if not known[number] or other != word
    ]
    written_for = _nearest([looked_at[place] for place in places], candidates)
    pieces = [parts[0]]
    for number, part in enumerate(parts[1:]):
        place = written_for.get(number)
        pieces += [mark if place is None else translated[place], part]
    return "".join(pieces)


def _nearest(looked_at: Sequence[int], candidates: Sequence[int]) -> dict[int, int]:
    """For each unknown token its candidate, by number; those that are left over have none.

    The attention is often on a neighbour of the word that is written, so the nearest counts. Tokens
    and candidates that were chosen are matched in order, which makes the sum of distances least.
    """
    distances = sorted(
        (abs(at - candidate), number, candidate)
        for number, at in enumerate(looked_at)
        for candidate in candidates
    )
    tokens: set[int] = set()
    chosen: set[int] = set()
    for distance, number, candidate in distances:
        if distance <= MOST_DISTANCE and number not in tokens and candidate not in chosen:
            tokens.add(number)
            chosen.add(candidate)
    ordered = sorted(tokens, key=lambda number: (looked_at[number], number))
    return dict(zip(ordered, sorted(chosen), strict=True))


def words_of_tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    """For each token of a text what it is a piece of: a word, or, of characters, itself."""
    if tokenizer.kind == "words":
        # At ASCII white space alone, as the tokenizer does, so that words and tokens agree.
        return tokenizer.normalised(text).split(" ")
    if tokenizer.kind == "characters":
        return list(text)
    words: list[str] = []
    # The vocabulary does not know what is written there, the text does.
    unknown = iter(piece for _, piece in tokenizer.unknown_places(text, len(text)))
    current: list[bytes] = []
    counts: list[int] = []
    for number in tokenizer.encode(text).tolist():
        piece = tokenizer.token_bytes[number]
        if piece.startswith(b" ") or not current:
            words.append("")
            counts.append(0)
            current = []
        known = number != tokenizer.unknown_id
        current.append(piece if known else next(unknown, "").encode() or piece)
        words[-1] = b"".join(current).decode("utf-8", errors="replace").strip()
        counts[-1] += 1
    return [word for word, count in zip(words, counts, strict=True) for _ in range(count)]
