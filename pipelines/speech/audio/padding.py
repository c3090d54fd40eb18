"""Quiet noise around a recording that was cut where the word begins and ends.

A model that learnt from sentences with pauses expects to hear the room before the first word and
after the last one. Since no room is silent, the padding is white noise as loud as the quietest
20 ms of the recording, cut off at -1 and 1 like any sound.

Configurations import this module, so it imports NumPy only where samples are padded.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pipelines.base.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

LONGEST_PADDING = 5.0
"""Largest padding on each side, in seconds."""

_QUIET_SECONDS = 0.02


def require_padding(seconds: float) -> None:
    """Refuses a padding that is negative, or longer than `LONGEST_PADDING`.

    Raises:
        ConfigurationError: it is.
    """
    if not 0 <= seconds <= LONGEST_PADDING:
        raise ConfigurationError(
            f"padding_seconds = {seconds:g} must be from 0 to {LONGEST_PADDING:g}"
        )


def padding_length(sample_rate: int, seconds: float) -> int:
    """The number of samples that are added on each side."""
    return round(seconds * sample_rate)


def quiet_length(sample_rate: int) -> int:
    """The number of samples whose loudness is looked at in one piece."""
    return max(1, round(_QUIET_SECONDS * sample_rate))


@functools.lru_cache(maxsize=16)
def padding_noise(length: int) -> Samples:
    """White noise of standard deviation 1, the same each time, float32 [2, length].

    The first row goes before a recording, the second behind it. Read-only.
    """
    import numpy as np

    noise = np.random.default_rng(0).standard_normal((2, length), np.float32)
    noise.flags.writeable = False
    return noise


def padded(samples: Samples, sample_rate: int, seconds: float) -> Samples:
    """The samples with noise before and after them, the same noise each time, float32.

    Args:
        samples: float32 [samples].
        sample_rate: sample rate of the samples, in Hz.
        seconds: length of the noise on each side, in seconds; 0 for none.

    Raises:
        ConfigurationError: the length is negative, or longer than `LONGEST_PADDING`.
    """
    import numpy as np

    require_padding(seconds)
    length = padding_length(sample_rate, seconds)
    if not length or not len(samples):
        return samples
    size = min(quiet_length(sample_rate), len(samples))
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.float32(pieces.std(axis=1).min())
    before, after = np.clip(level * padding_noise(length), -1, 1)
    return np.concatenate([before, samples, after])
