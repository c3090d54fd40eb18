"""What is said of the transcripts of a recording in which nothing can be heard."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rnn_apps.edge.speech.transcripts import Transcript

SILENT = "the recording is silent: no sample is above -80 dB of full scale"


def of_silence(transcripts: Sequence[Transcript]) -> list[Transcript]:
    """Transcripts of a silent recording, which say so: their confidence does not."""
    return [dataclasses.replace(one, note=SILENT) for one in transcripts]
