"""Sentences as the ids of a translation model: three special ids, then those of a tokenizer.

Id 0 pads, 1 starts a target and 2 ends a sentence; a tokenizer's ids are raised by 3. So 3 is the
id of unknown characters and words. Only NumPy and the tokenizer are needed, since devices use this
module too.
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
    """The text with spaces for control characters and line breaks, and none at its ends."""
    # Other white space is kept; as in a served model, the tokenizer decides about it.
    return _CONTROL.sub(" ", sentence).strip(" ")


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """The number of ids of a model that reads or writes with this tokenizer."""
    return tokenizer.size + SPECIALS


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The model's id of unknown text; None if the tokenizer knows every text."""
    return None if tokenizer.unknown_id is None else tokenizer.unknown_id + SPECIALS


def sentence_ids(tokenizer: Tokenizer, sentence: str) -> Ids:
    """The ids of a sentence, followed by `END`, int32 [tokens + 1]; see `one_line`."""
    encoded = tokenizer.encode(one_line(sentence)) + SPECIALS
    return np.append(encoded, END).astype(np.int32)


def sentence_text(tokenizer: Tokenizer, ids: Iterable[int] | npt.NDArray[np.integer[Any]]) -> str:
    """The text of a model's ids, without padding, starts and ends."""
    numbers = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), np.int64)
    return tokenizer.decode(numbers[numbers >= SPECIALS] - SPECIALS)


def comparable_text(tokenizer: Tokenizer, sentence: str) -> str:
    """A sentence as a model with this vocabulary would write it if every piece of it were known.

    A model never writes what its vocabulary normalises, such as unbreakable spaces. References are
    therefore normalised in the same way before translations are compared with them.
    """
    return tokenizer.normalised(one_line(sentence))


def padded(sentences: Sequence[npt.NDArray[np.integer[Any]]]) -> Ids:
    """Sentences of different lengths as rows, int32 [sentences, longest], padded on the right."""
    rows = np.full((len(sentences), max(map(len, sentences), default=0)), PADDING, np.int32)
    for row, sentence in zip(rows, sentences, strict=True):
        row[: len(sentence)] = sentence
    return rows
