"""The words' times of a recording that was recognised with noise around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rnn_apps.edge.speech.transcripts import Transcript


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
