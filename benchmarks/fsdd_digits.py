"""What recorded and synthetic digits share: sample rate, longest string, and a recording."""

from __future__ import annotations

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
