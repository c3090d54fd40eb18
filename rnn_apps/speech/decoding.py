"""From the outputs of a speech model to transcripts: what the device does, for applications.

The decoding itself is in `rnn_apps.edge`, which needs NumPy alone, so that a recogniser on a device
and an evaluation here write the same text.
"""

from __future__ import annotations

from rnn_apps.edge.speech.transcripts import (
    DecodingConfig,
    SpeechDecoder,
    SpeechLabels,
    Transcript,
    Word,
    decode,
)

__all__ = ["DecodingConfig", "SpeechDecoder", "SpeechLabels", "Transcript", "Word", "decode"]
