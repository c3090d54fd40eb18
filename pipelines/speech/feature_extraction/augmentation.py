"""Recordings and features changed at random, so that a model learns what does not matter.

Every function is pure: what is random comes from the `numpy.random.Generator` that is passed in.
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
    """Plays faster (factor above 1) or slower; pitch changes too (Ko et al. 2015).

    Returns:
        float32 [about samples / factor].
    """
    if factor == 1.0:
        return samples
    import soxr

    return soxr.resample(samples, round(sample_rate * factor), sample_rate, quality="HQ")


def add_noise(samples: Samples, noise: Samples, signal_to_noise: float) -> Samples:
    """Adds noise whose mean power is `signal_to_noise` decibels below that of the samples.

    Args:
        samples: [samples].
        noise: at least as long; what is longer is left out.
        signal_to_noise: in decibels.
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

    Returns:
        float32 [length], of standard deviation near 1.
    """
    # A power of two, since the transform of another length can take many times as long.
    size = 1 << max(length - 1, 1).bit_length()
    spectrum = np.fft.rfft(generator.standard_normal(size, np.float32))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-slope / 2)
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, size)[:length].astype(np.float32)
    return noise / max(float(noise.std()), 1e-6)


def room_response(
    seconds: float, sample_rate: int, direct_share: float, generator: np.random.Generator
) -> Samples:
    """The impulse response of a made-up room: noise that falls by 60 dB in `seconds`.

    Polack's model (1988) of late reverberation behind the direct sound.

    Args:
        seconds: the reverberation time RT60.
        sample_rate: in Hz.
        direct_share: of the direct sound in the whole energy, 0 to 1.
        generator: draws the noise.

    Returns:
        float32 [seconds x sample_rate], of energy 1; the direct sound is its first sample.
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
    """The samples as heard in a room, float32 [samples]: what rings on after them is cut off."""
    length = len(samples) + len(response) - 1
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.fft.irfft(product, size)[: len(samples)].astype(np.float32)


def change_tempo(found: Features, factor: float) -> Features:
    """Features as of somebody who speaks faster (factor above 1) or slower at the same pitch.

    Frames are interpolated linearly; of n frames round(n / factor) are left, at least one.
    """
    if factor == 1.0:
        return found
    frames = len(found)
    places = np.linspace(0, frames - 1, max(round(frames / factor), 1))
    before = places.astype(np.int64)
    after = np.minimum(before + 1, frames - 1)
    share = (places - before).astype(np.float32)[:, None]
    return found[before] * (1 - share) + found[after] * share


def change_channel(found: Features, decibels: float, generator: np.random.Generator) -> Features:
    """Logarithmic powers as through another microphone: some frequencies louder, others quieter.

    Args:
        found: natural logarithms of powers, [frames, size], ascending in frequency.
        decibels: the gain at each of six frequencies is drawn from minus this to this; between
            them it is interpolated.
        generator: draws it.
    """
    gains = generator.uniform(-decibels, decibels, _CHANNEL_POINTS) * (np.log(10.0) / 10.0)
    places = np.linspace(0, found.shape[1] - 1, _CHANNEL_POINTS)
    return found + np.interp(np.arange(found.shape[1]), places, gains).astype(np.float32)


def change_gain(samples: Samples, decibels: float) -> Samples:
    """Louder or quieter by so many decibels; nothing is clipped."""
    return samples * np.float32(10 ** (decibels / 20))


@dataclass(frozen=True, kw_only=True)
class WaveformAugmentation:
    """What is done to a recording before its features are computed. The default does nothing.

    Args:
        speeds: one is drawn for each utterance, such as (0.9, 1.0, 1.1).
        noise_probability: share of utterances with noise.
        noise_files: recordings of it (see `noise.noise_files`); none: white to brown noise.
        lowest_signal_to_noise: in decibels.
        highest_signal_to_noise: likewise.
        reverberation_probability: share of utterances that sound as in a room.
        longest_reverberation: RT60 in seconds; it is drawn from 0.1 to this.
        gain_decibels: the gain is drawn from minus this to this.
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
        samples = change_speed(samples, float(generator.choice(self.speeds)), sample_rate)
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
        time_masks: how many.
        longest_time_mask: in frames; each length is drawn from 0 to this.
        largest_time_share: of the utterance that one mask may cover, for short utterances.
        frequency_masks: how many.
        widest_frequency_mask: in features; each width is drawn from 0 to this.
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

    def __call__(self, found: Features, generator: np.random.Generator) -> Features:
        """Masked features, float32 [frames, size]; the argument is left as it is."""
        found = found.copy()
        frames, size = found.shape
        longest = min(self.longest_time_mask, int(self.largest_time_share * frames))
        for _ in range(self.time_masks):
            length = int(generator.integers(0, longest + 1))
            start = int(generator.integers(0, frames - length + 1))
            found[start : start + length] = 0.0
        for _ in range(self.frequency_masks):
            width = int(generator.integers(0, min(self.widest_frequency_mask, size) + 1))
            start = int(generator.integers(0, size - width + 1))
            found[:, start : start + width] = 0.0
        return found
