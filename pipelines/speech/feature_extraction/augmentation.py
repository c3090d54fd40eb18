"""Random changes of recordings and features, so that a model learns to ignore them.

Every function is pure: all randomness comes from the `numpy.random.Generator` that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.feature_extraction.noise import noise_section

Samples = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]

_LEAST_POWER = 1e-12
_CHANNEL_POINTS = 6


def change_speed(samples: Samples, factor: float, sample_rate: int) -> Samples:
    """Changes speed and pitch: faster for factors above 1, else slower (Ko et al. 2015).

    Args:
        samples: samples of the recording, float32 [samples].
        factor: speed in relation to the original.
        sample_rate: sample rate in Hz.

    Returns:
        The changed recording, float32 [about samples / factor].
    """
    if factor == 1.0:
        return samples
    import soxr

    return soxr.resample(samples, round(sample_rate * factor), sample_rate, quality="HQ")


def add_noise(samples: Samples, noise: Samples, signal_to_noise: float) -> Samples:
    """Adds noise whose mean power is `signal_to_noise` decibels below that of the samples.

    Args:
        samples: samples of speech, [samples].
        noise: samples of noise, at least as many; surplus samples are not used.
        signal_to_noise: ratio of the power of speech to that of noise, in decibels.
    """
    noise = noise[: len(samples)]
    if len(noise) < len(samples):
        raise ConfigurationError(f"{len(noise)} samples of noise for {len(samples)} of speech")
    speech_power = np.mean(np.square(samples, dtype=np.float64))
    noise_power = np.mean(np.square(noise, dtype=np.float64)) + _LEAST_POWER
    scale = np.sqrt(speech_power / noise_power) * 10 ** (-signal_to_noise / 20)
    return samples + noise * np.float32(scale)


def coloured_noise(length: int, slope: float, generator: np.random.Generator) -> Samples:
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown.

    Args:
        length: number of samples.
        slope: exponent of the fall in power.
        generator: random number generator that draws the noise.

    Returns:
        float32 [length], with a standard deviation of about 1.
    """
    # A power of two, since transforms of other lengths can take many times as long.
    size = 1 << max(length - 1, 1).bit_length()
    spectrum = np.fft.rfft(generator.standard_normal(size, np.float32))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-slope / 2)
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, size)[:length].astype(np.float32)
    return noise / max(float(noise.std()), 1e-6)


def room_response(
    seconds: float, sample_rate: int, direct_share: float, generator: np.random.Generator
) -> Samples:
    """The impulse response of an imaginary room: noise that falls by 60 dB in `seconds`.

    Polack's model (1988) of late reverberation, preceded by the direct sound.

    Args:
        seconds: the reverberation time RT60.
        sample_rate: sample rate in Hz.
        direct_share: share of the direct sound in the total energy, 0 to 1.
        generator: random number generator that draws the noise.

    Returns:
        float32 [seconds x sample_rate] with energy 1; the first sample is the direct sound.
    """
    length = max(int(seconds * sample_rate), 2)
    # 60 dB are a factor of 10^-3 in amplitude.
    decay = np.exp(-np.log(1e3) * np.arange(length) / length)
    tail = generator.standard_normal(length) * decay
    tail[0] = 0.0
    tail *= np.sqrt((1.0 - direct_share) / max(np.square(tail).sum(), _LEAST_POWER))
    tail[0] = np.sqrt(direct_share)
    return tail.astype(np.float32)


def reverberate(samples: Samples, response: Samples) -> Samples:
    """The samples as heard in a room, float32 [samples]; reverberation after their end is cut."""
    length = len(samples) + len(response) - 1
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.fft.irfft(product, size)[: len(samples)].astype(np.float32)


def change_tempo(features: Features, factor: float) -> Features:
    """Features of faster speech (factor above 1) or slower speech at the same pitch.

    Frames are interpolated linearly; n frames become round(n / factor), at least one.
    """
    if factor == 1.0:
        return features
    frames = len(features)
    places = np.linspace(0, frames - 1, max(round(frames / factor), 1))
    before = places.astype(np.int64)
    after = np.minimum(before + 1, frames - 1)
    share = (places - before).astype(np.float32)[:, None]
    return features[before] * (1 - share) + features[after] * share


def change_channel(features: Features, decibels: float, generator: np.random.Generator) -> Features:
    """Logarithmic powers as recorded by another microphone: each frequency gets its own gain.

    Args:
        features: natural logarithms of powers, [frames, size], ascending in frequency.
        decibels: largest gain or loss; the gains at six frequencies are drawn uniformly, and
            interpolated between them.
        generator: random number generator that draws the gains.
    """
    gains = generator.uniform(-decibels, decibels, _CHANNEL_POINTS) * (np.log(10.0) / 10.0)
    size = features.shape[1]
    places = np.linspace(0, size - 1, _CHANNEL_POINTS)
    return features + np.interp(np.arange(size), places, gains).astype(np.float32)


def change_gain(samples: Samples, decibels: float) -> Samples:
    """Makes samples louder or quieter by `decibels`; nothing is clipped."""
    return samples * np.float32(10 ** (decibels / 20))


@dataclass(frozen=True, kw_only=True)
class WaveformAugmentation:
    """Changes of a recording before its features are computed. The default changes nothing.

    Args:
        speeds: speeds from which one is drawn for each utterance, such as (0.9, 1.0, 1.1).
        noise_probability: share of utterances with noise.
        noise_files: recordings of noise (see `noise.noise_files`); empty for artificial noise from
            white to brown.
        lowest_signal_to_noise: lower limit of the ratio of speech to noise, in decibels.
        highest_signal_to_noise: upper limit of the ratio of speech to noise, in decibels.
        reverberation_probability: share of utterances that sound as in a room.
        longest_reverberation: upper limit of the reverberation time RT60, in seconds; the lower
            limit is 0.1.
        gain_decibels: largest gain or loss in decibels; the gain is drawn uniformly.
    """

    speeds: tuple[float, ...] = (1.0,)
    noise_probability: float = 0.0
    noise_files: tuple[str, ...] = ()
    lowest_signal_to_noise: float = 5.0
    highest_signal_to_noise: float = 30.0
    reverberation_probability: float = 0.0
    longest_reverberation: float = 0.6
    gain_decibels: float = 0.0

    def __post_init__(self) -> None:
        if not self.speeds or min(self.speeds) < 0.5 or max(self.speeds) > 2.0:
            raise ConfigurationError(f"speeds = {self.speeds} must be from 0.5 to 2")
        for name in ("noise_probability", "reverberation_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} = {getattr(self, name)} must be from 0 to 1")
        if self.lowest_signal_to_noise > self.highest_signal_to_noise:
            raise ConfigurationError("lowest_signal_to_noise is above highest_signal_to_noise")
        if not 0.1 <= self.longest_reverberation <= 5 or not 0 <= self.gain_decibels <= 60:
            raise ConfigurationError(
                f"longest_reverberation = {self.longest_reverberation} must be from 0.1 to 5 s, "
                f"gain_decibels = {self.gain_decibels} from 0 to 60"
            )

    def __call__(
        self, samples: Samples, sample_rate: int, generator: np.random.Generator
    ) -> Samples:
        """The changed recording, float32; the same for the same state of the generator."""
        return self.at_its_speed(self.at_a_speed(samples, sample_rate, generator), sample_rate,
                                 generator)  # fmt: skip

    def at_a_speed(
        self, samples: Samples, sample_rate: int, generator: np.random.Generator
    ) -> Samples:
        """The recording at one of the speeds, float32; nothing else is changed."""
        return change_speed(samples, float(generator.choice(self.speeds)), sample_rate)

    def at_its_speed(
        self, samples: Samples, sample_rate: int, generator: np.random.Generator
    ) -> Samples:
        """The recording with all changes but that of speed, float32 of the same length."""
        if generator.random() < self.reverberation_probability:
            seconds = generator.uniform(0.1, self.longest_reverberation)
            share = generator.uniform(0.3, 0.9)
            response = room_response(seconds, sample_rate, share, generator)
            samples = reverberate(samples, response)
        if generator.random() < self.noise_probability:
            noise = self._noise(len(samples), sample_rate, generator)
            ratio = generator.uniform(self.lowest_signal_to_noise, self.highest_signal_to_noise)
            samples = add_noise(samples, noise, ratio)
        if self.gain_decibels:
            gain = generator.uniform(-self.gain_decibels, self.gain_decibels)
            samples = change_gain(samples, gain)
        return samples

    def _noise(self, length: int, sample_rate: int, generator: np.random.Generator) -> Samples:
        if self.noise_files:
            return noise_section(self.noise_files, length, sample_rate, generator)
        return coloured_noise(length, generator.uniform(0.0, 2.0), generator)


@dataclass(frozen=True, kw_only=True)
class SpecAugment:
    """Masks over time and frequency (Park et al. 2019, section 2, without time warping).

    Masked features become 0, which is their mean once they are normalised.

    Args:
        time_masks: number of masks over time.
        longest_time_mask: upper limit of the length of a time mask, in frames; lengths are drawn
            uniformly from 0.
        largest_time_share: largest share of an utterance that a time mask may cover, which limits
            masks of short utterances.
        frequency_masks: number of masks over frequency.
        widest_frequency_mask: upper limit of the width of a frequency mask, in features; widths are
            drawn uniformly from 0.
    """

    time_masks: int = 2
    longest_time_mask: int = 40
    largest_time_share: float = 0.2
    frequency_masks: int = 2
    widest_frequency_mask: int = 15

    def __post_init__(self) -> None:
        for name in ("time_masks", "longest_time_mask", "frequency_masks", "widest_frequency_mask"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} = {getattr(self, name)} must be at least 0")
        if not 0 <= self.largest_time_share <= 1:
            raise ConfigurationError(
                f"largest_time_share = {self.largest_time_share} must be from 0 to 1"
            )

    def __call__(self, features: Features, generator: np.random.Generator) -> Features:
        """A masked copy of the features, float32 [frames, size]."""
        masked = features.copy()
        frames, size = masked.shape
        longest = min(self.longest_time_mask, int(self.largest_time_share * frames))
        for _ in range(self.time_masks):
            length = int(generator.integers(0, longest + 1))
            start = int(generator.integers(0, frames - length + 1))
            masked[start : start + length] = 0.0
        for _ in range(self.frequency_masks):
            width = int(generator.integers(0, min(self.widest_frequency_mask, size) + 1))
            start = int(generator.integers(0, size - width + 1))
            masked[:, start : start + width] = 0.0
        return masked
