"""The configuration of features; used everywhere, so it needs only the standard library."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from pipelines.base.errors import ConfigurationError
from pipelines.speech.audio.padding import padding_length, require_padding

KINDS = ("log_mel", "mfcc", "spectrogram")
NORMALISATIONS = ("none", "utterance", "global")

DELTA_WIDTH = 9
"""Number of frames that a delta is fitted to, as in librosa."""

LEAST_DEVIATION = 1e-3
"""Lower limit of the standard deviation that a feature is divided by; nearly constant features
carry no information."""

_COMPUTATION = 2
"""Version of the computation, raised whenever the same configuration gives other features, so that
caches notice."""


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """How samples become features, frame by frame, as librosa 0.11 computes them.

    Frames are centred (`center=True` in librosa): frame t is around sample t x hop, with zeros
    before the first and after the last sample. The window is a periodic Hann window. Noise may be
    added around whole utterances (`padding_seconds`); a stream, which has its room around it, gets
    none.

    Args:
        kind: kind of features: "log_mel", the natural logarithm of the power in mel bands (Slaney's
            scale and normalisation); "mfcc", its orthonormal discrete cosine transform of type II;
            or "spectrogram", the natural logarithm of the power at each frequency of the DFT.
        sample_rate: sample rate in Hz.
        window_seconds: length of the window, in seconds.
        hop_seconds: time from one frame to the next, in seconds.
        fft_size: length of the Fourier transform; 0 for the first power of two that is not shorter
            than the window.
        bands: number of mel bands.
        lowest_frequency: lower end of the bands, in Hz.
        highest_frequency: upper end of the bands, in Hz; 0 for half the sample rate.
        coefficients: number of MFCC, the first included.
        deltas: order of differences that are added to MFCC: 0 for none, 1 for the first, 2 for the
            first and second. They are Savitzky-Golay filters of order 1 and 2 over nine frames,
            with the first and last frame repeated beyond the ends (`librosa.feature.delta` with
            mode="nearest").
        floor: smallest power whose logarithm is taken.
        normalisation: how each feature gets mean 0 and standard deviation 1: "none" for not at all;
            "utterance" by the statistics of the utterance, which cannot stream because it needs the
            whole of it; "global" by those of the training data.
        padding_seconds: length of the quiet noise that is added before and after a whole utterance,
            in seconds, see `audio.padding`; 0 for none.

    Raises:
        ConfigurationError: the values contradict each other.
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
    padding_seconds: float = 0.0

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
        require_padding(self.padding_seconds)

    @property
    def window_length(self) -> int:
        """The number of samples in the window."""
        return round(self.window_seconds * self.sample_rate)

    @property
    def hop_length(self) -> int:
        """The number of samples from one frame to the next."""
        return round(self.hop_seconds * self.sample_rate)

    @property
    def fft_length(self) -> int:
        """The number of samples in the Fourier transform."""
        if self.fft_size:
            return self.fft_size
        return max(2, 1 << (max(self.window_length, 1) - 1).bit_length())

    @property
    def top_frequency(self) -> float:
        """The upper end of the highest band, in Hz."""
        return self.highest_frequency or self.sample_rate / 2

    @property
    def size(self) -> int:
        """The number of features per frame."""
        if self.kind == "spectrogram":
            return self.fft_length // 2 + 1
        return self.bands if self.kind == "log_mel" else self.coefficients * (1 + self.deltas)

    @property
    def lookahead_frames(self) -> int:
        """Number of later frames that a frame needs, in addition to half a transform."""
        return DELTA_WIDTH // 2 if self.deltas else 0

    def frames(self, samples: int) -> int:
        """The number of frames of a whole utterance with this number of samples."""
        padding = padding_length(self.sample_rate, self.padding_seconds)
        return 1 + (samples + 2 * padding) // self.hop_length

    @property
    def of_streams(self) -> FeatureConfig:
        """The same without padding."""
        return replace(self, padding_seconds=0.0)

    @property
    def key(self) -> str:
        """SHA-256, in hexadecimal, of all settings that affect features before normalisation."""
        fields = asdict(self)
        del fields["normalisation"]
        if not self.padding_seconds:
            # The keys of features without padding are those of before there was any.
            del fields["padding_seconds"]
        text = json.dumps([_COMPUTATION, fields], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
