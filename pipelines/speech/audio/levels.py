"""Levels of a recording, taken while it is read: silent, clipped, channels that cancel?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.speech.audio.reading import Samples

SILENT_PEAK = 1e-4
"""-80 dB of full scale: three steps of 16 bit."""

_FULL_SCALE = 0.999
_CLIPPED_SHARE = 1e-3
# Two channels of opposite sign: their mean has less than a thousandth of the power of one.
_CANCELLED = 1e-3
_OFFSET = 0.02

Powers = npt.NDArray[np.float64]


class LevelMeter:
    """Watches the samples of a recording go by; see `audio.stream_audio`."""

    def __init__(self) -> None:
        self.samples = 0
        self.peak = 0.0
        self._at_full_scale = 0
        self._powers: Powers = np.zeros(1)
        self._mono_power = 0.0
        self._sum = 0.0

    def __call__(self, block: Samples) -> None:
        """Takes the next samples, [samples, channels], as they are in the file."""
        mono = block.mean(axis=1)
        self.samples += len(block)
        self.peak = max(self.peak, float(np.abs(mono).max(initial=0.0)))
        self._at_full_scale += int((np.abs(block).max(axis=1, initial=0.0) >= _FULL_SCALE).sum())
        self._powers = self._powers + np.square(block, dtype=np.float64).sum(axis=0)
        self._mono_power += float(np.square(mono, dtype=np.float64).sum())
        self._sum += float(mono.sum(dtype=np.float64))

    @property
    def silent(self) -> bool:
        """No sample of the mean of the channels is louder than -80 dB of full scale."""
        return self.peak < SILENT_PEAK

    @property
    def clipped(self) -> bool:
        """More than one sample in a thousand is at full scale, where speech has few."""
        return self._at_full_scale > _CLIPPED_SHARE * self.samples

    @property
    def unusable(self) -> tuple[str, str] | None:
        """Why nothing can be heard, as kind and problem; None if something can."""
        loudest = float(self._powers.max())
        # Noise of several channels adds up to less, but never to so little.
        if len(self._powers) > 1 and self._mono_power < _CANCELLED * loudest:
            return (
                "channels cancel",
                "has channels that are each other's negative: take one of them",
            )
        if self.silent:
            return "silent", f"has no sample above {self.peak:.1g} of full scale"
        return None

    @property
    def notes(self) -> list[str]:
        """What is peculiar, in few words each."""
        loudest = float(self._powers.max())
        found = ["clipped"] if self.clipped else []
        if len(self._powers) > 1 and float(self._powers.min()) < _CANCELLED * loudest:
            found.append("a silent channel")
        if abs(self._sum) > _OFFSET * self.samples:
            found.append("samples that are not around zero")
        return found
