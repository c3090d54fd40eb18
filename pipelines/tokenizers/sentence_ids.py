"""Sentences as the ids that a translation model takes: a tokenizer's ids, after three of its own.

Id 0 pads, 1 starts a target, 2 ends a sentence; a tokenizer's id is 3 more. So 3 is what characters
and words give for what they do not know. Needs NumPy and the tokenizer only, as devices do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.tokenizers.tokenizer import Ids, Tokenizer

PADDING, START, END = 0, 1, 2
SPECIALS = 3

CONTROL_CHARACTERS = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_CONTROL = re.compile(f"[{CONTROL_CHARACTERS}]+")


def one_line(sentence: str) -> str:
    """The text with control characters and line breaks as spaces, none at its ends."""
    # Other white space stays, as in a served model, where the tokenizer decides about it.
    return _CONTROL.sub(" ", sentence).strip(" ")


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """The ids of a model that reads or writes with this tokenizer."""
    return tokenizer.size + SPECIALS


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The model's id of what the tokenizer does not know; None if it knows every text."""
    return None if tokenizer.unknown_id is None else tokenizer.unknown_id + SPECIALS


def sentence_ids(tokenizer: Tokenizer, sentence: str) -> Ids:
    """A sentence's ids with `END` after them, int32 [tokens + 1]; see `one_line`."""
    encoded = tokenizer.encode(one_line(sentence)) + SPECIALS
    return np.append(encoded, END).astype(np.int32)


def sentence_text(tokenizer: Tokenizer, ids: Iterable[int] | npt.NDArray[np.integer[Any]]) -> str:
    """The text of a model's ids; padding, starts and ends are left out."""
    given = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), np.int64)
    return tokenizer.decode(given[given >= SPECIALS] - SPECIALS)


def comparable_text(tokenizer: Tokenizer, sentence: str) -> str:
    """A sentence as a model with this vocabulary would write it, were every piece of it known.

    What a vocabulary normalises, such as unbreakable spaces, no model writes: references are
    compared with translations after the same is done to them.
    """
    return tokenizer.normalised(one_line(sentence))


def padded(sentences: Sequence[npt.NDArray[np.integer[Any]]]) -> Ids:
    """Sentences of different lengths as rows, int32 [sentences, longest], padded on the right."""
    rows = np.full((len(sentences), max(map(len, sentences), default=0)), PADDING, np.int32)
    for row, sentence in zip(rows, sentences, strict=True):
        row[: len(sentence)] = sentence
    return rows
