"""Recordings dealt out to training, validation and test where the data does not say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.base.errors import DataError
from pipelines.batches import random_numbers
from pipelines.speech.recordings.recording import PARTS, Recording, Recordings

FEWEST_SPEAKERS = 10
"""From so many speakers on, whole speakers are held out."""


def deal(
    recordings: Recordings, shares: Sequence[float], *, seed: int = 0
) -> dict[str, Recordings]:
    """The recordings of each part: as the source says; where it says nothing, by shares.

    Where the source names parts, a recording without one is for training, and only validation is
    taken from training if the source has none. Whole speakers are held out where at least ten are
    named, so that the figures are of people whom the model has not heard; else recordings are.

    Args:
        recordings: all of them.
        shares: of training, validation and test.
        seed: of what is held out.

    Raises:
        DataError: nothing is left for training.
    """
    named = bool(recordings.parts)
    found: dict[str, list[Recording]] = {part: [] for part in PARTS}
    for one in recordings:
        found[one.part or "train"].append(one)
        if named and not one.part:
            recordings.report.note(
                "without a part, where others have one", "for training", one.place
            )
    wanted = dict(zip(PARTS, shares, strict=True))
    if named:
        wanted["test"] = 0.0
        if found["validation"]:
            wanted["validation"] = 0.0
    left = found["train"]
    for part in ("test", "validation"):
        if wanted[part]:
            # Of what was there at first, however much the other part has taken.
            share = wanted[part] / (1.0 if part == "test" else 1.0 - wanted["test"])
            left, found[part] = _held_out(left, share, seed)
    found["train"] = left
    if not left:
        raise DataError(
            "no recording is left for training", file=recordings.report.source,
            advice="Give more recordings, or a larger share for training.",
        )  # fmt: skip
    return {
        part: Recordings(tuple(items), recordings.report) for part, items in found.items() if items
    }


def _held_out(
    items: list[Recording], share: float, seed: int
) -> tuple[list[Recording], list[Recording]]:
    """What stays, and what is held out: about a share of the items, at least one of several."""
    speakers = sorted({one.speaker for one in items if one.speaker})
    generator = random_numbers(seed, len(items))
    if len(speakers) >= FEWEST_SPEAKERS:
        count = max(1, round(share * len(speakers)))
        chosen = set(generator.permutation(np.array(speakers))[:count].tolist())
        taken = [one.speaker in chosen for one in items]
    else:
        count = max(1, round(share * len(items))) if len(items) > 1 else 0
        places = set(generator.permutation(len(items))[:count].tolist())
        taken = [number in places for number in range(len(items))]
    pairs = list(zip(items, taken, strict=True))
    return [one for one, out in pairs if not out], [one for one, out in pairs if out]
