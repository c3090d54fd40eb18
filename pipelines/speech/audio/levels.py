"""Levels of a recording, measured while it is read: silence, clipping, channels that cancel.

Only the standard library and NumPy are needed, since devices use this module too.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.speech.audio.audio_error import AudioError
from pipelines.speech.audio.samples import Samples

SILENT_PEAK = 1e-4
"""-80 dB of full scale: three steps of 16-bit samples."""

_FULL_SCALE = 0.999
_CLIPPED_SHARE = 1e-3
# If two channels cancel, their mean has less than a thousandth of the power of one channel.
_CANCELLED = 1e-3
_OFFSET = 0.02
_CANCELLED_KIND = "channels cancel"

Powers = npt.NDArray[np.float64]


def is_silent(samples: Samples) -> bool:
    """Whether no sample reaches -80 dB of full scale."""
    return float(np.abs(samples).max(initial=0.0)) < SILENT_PEAK


class LevelMeter:
    """Measures the samples of a recording block by block; see `reading.stream_audio`."""

    def __init__(self) -> None:
        self.samples = 0
        self.peak = 0.0
        self._at_full_scale = 0
        self._powers: Powers = np.zeros(1)
        self._mono_power = 0.0
        self._sum = 0.0

    def __call__(self, block: Samples) -> None:
        """Adds the next samples of the file, [samples, channels]."""
        mono = block.mean(axis=1)
        self.samples += len(block)
        self.peak = max(self.peak, float(np.abs(mono).max(initial=0.0)))
        self._at_full_scale += int((np.abs(block).max(axis=1, initial=0.0) >= _FULL_SCALE).sum())
        self._powers = self._powers + np.square(block, dtype=np.float64).sum(axis=0)
        self._mono_power += float(np.square(mono, dtype=np.float64).sum())
        self._sum += float(mono.sum(dtype=np.float64))

    @property
    def silent(self) -> bool:
        """Whether the mean of the channels nowhere reaches -80 dB of full scale."""
        return self.peak < SILENT_PEAK

    @property
    def clipped(self) -> bool:
        """Whether more than one sample in a thousand is at full scale, where speech has few."""
        return self._at_full_scale > _CLIPPED_SHARE * self.samples

    @property
    def unusable(self) -> tuple[str, str] | None:
        """The reason why nothing can be heard, as kind and problem; None if something can."""
        if self._cancelled:
            return (
                _CANCELLED_KIND,
                "has channels that are the negative of each other: use only one of them",
            )
        if self.silent:
            return "silent", f"has no sample above {self.peak:.1g} of full scale"
        return None

    def refuse_cancelled(self, path: str | Path) -> None:
        """Refuses a recording that is to be recognised and whose mean is next to nothing.

        Args:
            path: path of the recording.

        Raises:
            AudioError: its channels are the negative of each other.
        """
        if self._cancelled:
            name = Path(path).name
            one = shlex.quote(f"{Path(path).stem}-channel-1.wav")
            raise AudioError(
                _CANCELLED_KIND, "has channels that are the negative of each other, so that "
                "nothing is left of their mean", path,
                f"Write one of them to a file: sox {shlex.quote(name)} {one} remix 1. A run that "
                "was trained with channel = 1 reads that one.",
            )  # fmt: skip

    @property
    def _cancelled(self) -> bool:
        """Whether channels are the negative of each other."""
        # The mean of independent noise is also quieter, but never by this much.
        loudest = float(self._powers.max())
        return len(self._powers) > 1 and self._mono_power < _CANCELLED * loudest

    @property
    def notes(self) -> list[str]:
        """Peculiarities of the recording, in few words each."""
        loudest = float(self._powers.max())
        notes = ["clipped"] if self.clipped else []
        if len(self._powers) > 1 and float(self._powers.min()) < _CANCELLED * loudest:
            notes.append("a silent channel")
        if abs(self._sum) > _OFFSET * self.samples:
            notes.append("samples that are not around zero")
        return notes
