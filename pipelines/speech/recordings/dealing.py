"""Divides recordings into training, validation and test if the data does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.base.errors import DataError
from pipelines.batches import random_numbers
from pipelines.speech.recordings.recording import PARTS, Recording, Recordings

FEWEST_SPEAKERS = 10
"""With at least this many speakers, whole speakers are held out."""


def deal(
    recordings: Recordings, shares: Sequence[float], *, seed: int = 0
) -> dict[str, Recordings]:
    """Divides recordings into parts: as the source says, or else by shares.

    If the source names parts, recordings without one are for training, and only a missing
    validation part is taken from training. If at least ten speakers are named, whole speakers are
    held out, so that results are for people whom the model has not heard; else recordings are.

    Args:
        recordings: all recordings of the source.
        shares: shares of training, validation and test.
        seed: seed of the draws that decide what is held out.

    Returns:
        The recordings of each part, "train", "validation" and "test", that is not empty.

    Raises:
        DataError: no recording is left for training.
    """
    named = bool(recordings.parts)
    parts: dict[str, list[Recording]] = {part: [] for part in PARTS}
    for recording in recordings:
        parts[recording.part or "train"].append(recording)
        if named and not recording.part:
            recordings.report.note(
                "without a part, where others have one", "for training", recording.place
            )
    wanted = dict(zip(PARTS, shares, strict=True))
    if named:
        wanted["test"] = 0.0
        if parts["validation"]:
            wanted["validation"] = 0.0
    left = parts["train"]
    # Decided once: what the test part leaves may name fewer, and must not be dealt otherwise.
    whole_speakers = len(_speakers(left)) >= FEWEST_SPEAKERS
    taken = [part for part in ("test", "validation") if wanted[part]]
    for number, part in enumerate(taken):
        # A share of all recordings, although the test part has been taken from them already.
        share = wanted[part] / (1.0 if part == "test" else 1.0 - wanted["test"])
        if whole_speakers:
            spared = len(taken) - number
            left, parts[part] = _held_out_speakers(left, share, seed, spared)
        else:
            left, parts[part] = _held_out_recordings(left, share, seed)
    parts["train"] = left
    if not left:
        raise DataError(
            "no recording is left for training", file=recordings.report.source,
            advice="Give more recordings, or a larger share for training.",
        )  # fmt: skip
    return {
        part: Recordings(tuple(items), recordings.report) for part, items in parts.items() if items
    }


def _speakers(items: list[Recording]) -> list[str]:
    return sorted({item.speaker for item in items if item.speaker})


def _held_out_speakers(
    items: list[Recording], share: float, seed: int, spared: int
) -> tuple[list[Recording], list[Recording]]:
    """The items that stay, and those of about `share` of the speakers, at least of one.

    The items of at least `spared` speakers stay: for training, and for the parts after this one.
    """
    speakers = _speakers(items)
    generator = random_numbers(seed, len(items))
    count = min(max(1, round(share * len(speakers))), len(speakers) - spared)
    chosen = set(generator.permutation(np.array(speakers))[:count].tolist())
    return _parted(items, [item.speaker in chosen for item in items])


def _held_out_recordings(
    items: list[Recording], share: float, seed: int
) -> tuple[list[Recording], list[Recording]]:
    """The items that stay, and about `share` of them that are held out, at least one of several."""
    generator = random_numbers(seed, len(items))
    count = max(1, round(share * len(items))) if len(items) > 1 else 0
    places = set(generator.permutation(len(items))[:count].tolist())
    return _parted(items, [number in places for number in range(len(items))])


def _parted(items: list[Recording], taken: list[bool]) -> tuple[list[Recording], list[Recording]]:
    """The items that are not taken, and those that are."""
    pairs = list(zip(items, taken, strict=True))
    return [item for item, out in pairs if not out], [item for item, out in pairs if out]
