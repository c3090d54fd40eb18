"""Levels of a recording, taken while it is read: is it silent, is it clipped?"""

from __future__ import annotations

import numpy as np

from pipelines.speech.audio import Samples

SILENT_PEAK = 1e-4
"""-80 dB of full scale: three steps of 16 bit."""

_FULL_SCALE = 0.999
_CLIPPED_SHARE = 1e-3


class LevelMeter:
    """Watches the samples of a recording go by; see `audio.stream_audio`."""

    def __init__(self) -> None:
        self.samples = 0
        self.peak = 0.0
        self._at_full_scale = 0

    def __call__(self, block: Samples) -> None:
        """Takes the next samples, as they are in the file, before any resampling."""
        size = np.abs(block)
        self.samples += len(block)
        self.peak = max(self.peak, float(size.max(initial=0.0)))
        self._at_full_scale += int((size >= _FULL_SCALE).sum())

    @property
    def silent(self) -> bool:
        """No sample is louder than -80 dB of full scale."""
        return self.peak < SILENT_PEAK

    @property
    def clipped(self) -> bool:
        """More than one sample in a thousand is at full scale, where speech has few."""
        return self._at_full_scale > _CLIPPED_SHARE * self.samples
