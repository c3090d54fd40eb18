"""What is computed from samples; the same everywhere, so it needs the standard library alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from pipelines.base.errors import ConfigurationError

KINDS = ("log_mel", "mfcc", "spectrogram")
NORMALISATIONS = ("none", "utterance", "global")

DELTA_WIDTH = 9
"""Frames that a delta is fitted to, as librosa's."""

LEAST_DEVIATION = 1e-3
"""A feature whose standard deviation is smaller is divided by this: it says nothing anyway."""

_COMPUTATION = 2
"""Raised whenever the same config comes to mean other numbers, so that caches notice."""


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """How samples become features, frame by frame, as librosa 0.11 computes them.

    Frames are centred (librosa's `center=True`): frame t is about sample t x hop, and zeros stand
    before the first and after the last sample. The window is a periodic Hann window.

    Args:
        kind: "log_mel": natural logarithm of the power in mel bands (Slaney's scale and
            normalisation); "mfcc": its orthonormal discrete cosine transform of type II; or
            "spectrogram": natural logarithm of the power at each frequency of the DFT.
        sample_rate: in Hz.
        window_seconds: length of the window.
        hop_seconds: from frame to frame.
        fft_size: length of the Fourier transform; 0: the power of two from the window's length on.
        bands: mel bands.
        lowest_frequency: of the bands, in Hz.
        highest_frequency: likewise; 0: half the sample rate.
        coefficients: of MFCC, the first included.
        deltas: 0, 1 (with first differences) or 2 (and second ones) of MFCC: Savitzky-Golay filters
            of order 1 and 2 over nine frames, the first and last frame repeated beyond the ends
            (`librosa.feature.delta` with mode="nearest").
        floor: smallest power that the logarithm is taken of.
        normalisation: of each feature to mean 0 and standard deviation 1: "none", by the utterance
            itself (needs all of it, so it cannot stream), or "global": by the training data's.

    Raises:
        ConfigurationError: the numbers do not go together.
    """

    kind: str = "log_mel"
    sample_rate: int = 16_000
    window_seconds: float = 0.025
    hop_seconds: float = 0.010
    fft_size: int = 0
    bands: int = 80
    lowest_frequency: float = 0.0
    highest_frequency: float = 0.0
    coefficients: int = 13
    deltas: int = 0
    floor: float = 1e-10
    normalisation: str = "global"

    def __post_init__(self) -> None:
        for name, choices in (("kind", KINDS), ("normalisation", NORMALISATIONS)):
            if getattr(self, name) not in choices:
                raise ConfigurationError(
                    f"{name} = {getattr(self, name)!r}: choose from {', '.join(choices)}"
                )
        for name, least in (("sample_rate", 1000), ("bands", 1), ("coefficients", 1)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} = {getattr(self, name)} must be at least {least}")
        if not 0 < self.hop_length <= self.window_length:
            raise ConfigurationError(
                f"hop_seconds = {self.hop_seconds} and window_seconds = {self.window_seconds} make "
                f"{self.hop_length} and {self.window_length} samples: the hop must be at least one "
                "sample and not longer than the window"
            )
        if self.fft_length < self.window_length or self.fft_length % 2:
            raise ConfigurationError(
                f"fft_size = {self.fft_size} must be even and at least the window's "
                f"{self.window_length} samples"
            )
        if not 0 <= self.lowest_frequency < self.top_frequency <= self.sample_rate / 2:
            raise ConfigurationError(
                f"lowest_frequency = {self.lowest_frequency:g} and highest_frequency = "
                f"{self.top_frequency:g} must rise within 0 to {self.sample_rate / 2:g} Hz"
            )
        if self.kind == "mfcc" and self.coefficients > self.bands:
            raise ConfigurationError(
                f"coefficients = {self.coefficients} cannot be more than bands = {self.bands}"
            )
        if self.deltas not in (0, 1, 2) or (self.deltas and self.kind != "mfcc"):
            raise ConfigurationError(
                f"deltas = {self.deltas} must be 0, 1 or 2, and 0 unless kind = 'mfcc'"
            )
        if not self.floor > 0:
            raise ConfigurationError(f"floor = {self.floor:g} must be above 0")

    @property
    def window_length(self) -> int:
        """Samples of the window."""
        return round(self.window_seconds * self.sample_rate)

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return round(self.hop_seconds * self.sample_rate)

    @property
    def fft_length(self) -> int:
        """Samples of the Fourier transform."""
        if self.fft_size:
            return self.fft_size
        return max(2, 1 << (max(self.window_length, 1) - 1).bit_length())

    @property
    def top_frequency(self) -> float:
        """Where the highest band ends, in Hz."""
        return self.highest_frequency or self.sample_rate / 2

    @property
    def size(self) -> int:
        """Numbers a frame."""
        if self.kind == "spectrogram":
            return self.fft_length // 2 + 1
        return self.bands if self.kind == "log_mel" else self.coefficients * (1 + self.deltas)

    @property
    def lookahead_frames(self) -> int:
        """Frames that a frame waits for, beyond the half transform that centres it."""
        return DELTA_WIDTH // 2 if self.deltas else 0

    def frames(self, samples: int) -> int:
        """Frames of an utterance of so many samples."""
        return 1 + samples // self.hop_length

    @property
    def key(self) -> str:
        """SHA-256 in hexadecimal of what decides the features before their normalisation."""
        fields = asdict(self)
        del fields["normalisation"]
        text = json.dumps([_COMPUTATION, fields], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
