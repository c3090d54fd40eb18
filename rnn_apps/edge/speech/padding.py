"""Quiet noise around a recording that was cut where the word begins and ends.

A model that learnt from sentences with pauses expects to hear the room before the first word and
after the last one. Since no room is silent, the padding is white noise as loud as the quietest
20 ms of the recording.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.speech.transcripts import Transcript

LONGEST_PADDING = 5.0
"""Largest padding on each side, in seconds."""

_QUIET_SECONDS = 0.02

Samples = npt.NDArray[np.float32]


def require_padding(seconds: float) -> None:
    """Refuses a padding that is negative, or longer than `LONGEST_PADDING`.

    Raises:
        ConfigurationError: it is.
    """
    if not 0 <= seconds <= LONGEST_PADDING:
        raise ConfigurationError(
            f"padding_seconds = {seconds:g} must be from 0 to {LONGEST_PADDING:g}"
        )


def padded(samples: Samples, sample_rate: int, seconds: float) -> Samples:
    """The samples with noise before and after them, the same noise each time, float32.

    Args:
        samples: float32 [samples].
        sample_rate: sample rate of the samples, in Hz.
        seconds: length of the noise on each side, in seconds; 0 for none.

    Raises:
        ConfigurationError: the length is negative, or longer than `LONGEST_PADDING`.
    """
    require_padding(seconds)
    length = round(seconds * sample_rate)
    if not length or not len(samples):
        return samples
    size = min(max(1, round(_QUIET_SECONDS * sample_rate)), len(samples))
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.float32(pieces.std(axis=1).min())
    before, after = level * np.random.default_rng(0).standard_normal((2, length), np.float32)
    return np.concatenate([before, samples, after])


def of_unpadded(
    transcripts: Sequence[Transcript], seconds: float, recording_seconds: float
) -> list[Transcript]:
    """Transcripts of a padded recording with the words' times in the recording itself.

    Args:
        transcripts: transcripts of the padded recording.
        seconds: length of the noise on each side, in seconds.
        recording_seconds: length of the recording without it, in seconds.
    """
    if not seconds:
        return list(transcripts)

    def inside(time: float) -> float:
        return min(max(time - seconds, 0.0), recording_seconds)

    return [
        dataclasses.replace(
            one,
            words=tuple(
                dataclasses.replace(word, start=inside(word.start), end=inside(word.end))
                for word in one.words
            ),
        )
        for one in transcripts
    ]
