"""Where the cost of a text lies: by kind of token, by place, by token; and calibration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.tokenizers.tokenizer import Tokenizer
from rnn_apps.language_modelling.judging.scoring import TokenScores

CLASSES = (
    "begins a word", "goes on with a word", "digit", "space", "line break", "punctuation, other",
    "part of a character", "unknown",
)  # fmt: skip
_BEGINS, _GOES_ON, _DIGIT, _SPACE, _LINE, _OTHER, _PART, _UNKNOWN = range(len(CLASSES))

Table = list[dict[str, Any]]


def token_classes(tokenizer: Tokenizer, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
    """The number in `CLASSES` of each token of a text, [tokens].

    A token goes on with a word if it starts with a letter and the token before it ends with one.
    """
    alone = np.full(tokenizer.size, _OTHER, np.int64)
    joins = np.zeros(tokenizer.size, bool)
    ends = np.zeros(tokenizer.size, bool)
    for number, content in enumerate(tokenizer.token_bytes):
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            alone[number] = _PART
            continue
        alone[number] = _class_alone(text)
        joins[number], ends[number] = text[:1].isalpha(), text[-1:].isalpha()
    if tokenizer.unknown_id is not None:
        alone[tokenizer.unknown_id] = _UNKNOWN
    found = alone[tokens]
    if tokenizer.kind == "words":
        return found
    after_letter = np.concatenate([[False], ends[tokens[:-1]]])
    found[(found == _BEGINS) & joins[tokens] & after_letter] = _GOES_ON
    return found


def _class_alone(text: str) -> int:
    core = text.strip()
    if not core:
        return _LINE if "\n" in text else _SPACE
    if core[0].isalpha():
        return _BEGINS
    return _DIGIT if core[0].isdigit() else _OTHER


def by_class(tokenizer: Tokenizer, tokens: NDArray[np.integer], scores: TokenScores) -> Table:
    """One row a class that comes in the text: how often, how costly, how often foreseen."""
    classes = token_classes(tokenizer, tokens)[1:]
    bits = _bits(scores)
    rows = []
    for number, name in enumerate(CLASSES):
        here = classes == number
        if here.any():
            rows.append({
                "class": name,
                "share": float(here.mean()),
                "bits": float(bits[here].mean()),
                "share_of_cost": float(bits[here].sum() / bits.sum()),
                "top_1": float(np.mean(scores.ranks[here] == 0)),
            })  # fmt: skip
    return rows


def by_position(scores: TokenScores) -> Table:
    """Mean bits of the tokens 1 to 10, 11 to 100 and so on: what the carried state is worth."""
    bits = _bits(scores)
    rows = []
    first = 0
    while first < len(bits):
        last = min(10 * max(first, 1), len(bits))
        rows.append({
            "from": first + 1, "to": last, "bits": float(bits[first:last].mean())
        })  # fmt: skip
        first = last
    return rows


def most_costly(
    tokenizer: Tokenizer, tokens: NDArray[np.integer], scores: TokenScores, most: int = 15
) -> Table:
    """The tokens that the most bits went to altogether, first the largest share."""
    bits = _bits(scores)
    targets = np.asarray(tokens[1:], np.int64)
    totals = np.bincount(targets, bits, tokenizer.size)
    counts = np.bincount(targets, minlength=tokenizer.size)
    return [
        {
            "token": tokenizer.tokens[number],
            "count": int(counts[number]),
            "bits": float(totals[number] / counts[number]),
            "share_of_cost": float(totals[number] / totals.sum()),
        }
        for number in np.argsort(-totals, kind="stable")[:most]
        if counts[number]
    ]


def over_the_text(scores: TokenScores, pieces: int = 100) -> Table:
    """Mean bits in each piece of the text, which is cut into at most `pieces` equal pieces."""
    parts = np.array_split(_bits(scores), min(pieces, len(scores.log_probabilities)))
    ends = np.cumsum([len(part) for part in parts])
    return [
        {"to": int(end), "bits": float(part.mean())} for end, part in zip(ends, parts, strict=True)
    ]


def calibration(scores: TokenScores, bins: int = 10) -> tuple[Table, float]:
    """How often the most probable token came, where the model gave it so much probability.

    Returns:
        A row for each tenth of probability in which there are tokens; and the expected
        calibration error (Guo et al. 2017, equation 5).
    """
    place = np.minimum((scores.confidences * bins).astype(int), bins - 1)
    came = scores.ranks == 0
    rows, error = [], 0.0
    for number in range(bins):
        here = place == number
        if not here.any():
            continue
        said, found = float(scores.confidences[here].mean()), float(came[here].mean())
        rows.append({"share": float(here.mean()), "probability": said, "came": found})
        error += float(here.mean()) * abs(said - found)
    return rows, error


def _bits(scores: TokenScores) -> NDArray[np.float64]:
    return -scores.log_probabilities.astype(np.float64) / math.log(2)
