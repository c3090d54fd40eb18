"""What recorded and synthetic digits share: a recording, its sample rate, tables of lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 8000
LONGEST_STRING = 7

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Digit:
    """A recording of one digit.

    Attributes:
        digit: "0" to "9".
        speaker: name of who says it.
        index: number of the recording among those of the same digit and speaker.
        samples: sound at `SAMPLE_RATE`, [samples].
    """

    digit: str
    speaker: str
    index: int
    samples: Samples


def print_lengths(digits: Iterable[Digit], column: str, group: Callable[[str], str]) -> None:
    """Prints how long recordings are, as a table with a row per group of speakers.

    Args:
        digits: the recordings.
        column: title of the column of groups.
        group: function that gives the group of a speaker's name.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for one in digits:
        seconds[group(one.speaker)].append(len(one.samples) / SAMPLE_RATE)
    print(f"| {column} | recordings | shortest 5 %, s | median, s | longest 5 %, s |")
    print("|---|---|---|---|---|")
    for name, lengths in sorted(seconds.items()):
        low, middle, high = np.quantile(lengths, [0.05, 0.5, 0.95])
        print(f"| {name} | {len(lengths)} | {low:.2f} | {middle:.2f} | {high:.2f} |")
