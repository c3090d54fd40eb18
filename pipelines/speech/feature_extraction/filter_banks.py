"""Window, mel bands, cosine transform and deltas as arrays, computed with NumPy only.

They equal those of librosa 0.11; tests compare every number. Only NumPy is needed, since devices
use this module without librosa.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError
from pipelines.speech.feature_extraction.configuration import DELTA_WIDTH, FeatureConfig

Array = npt.NDArray[np.float64]

# Slaney's "Auditory Toolbox" (1998): linear up to 1 kHz at 200/3 Hz per mel, then logarithmic.
_HERTZ_PER_MEL = 200.0 / 3
_BREAK_HERTZ = 1000.0
_BREAK_MEL = _BREAK_HERTZ / _HERTZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def window(config: FeatureConfig) -> Array:
    """The periodic Hann window with zeros on both sides, float64 [fft_length]."""
    length = config.window_length
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    before = (config.fft_length - length) // 2
    return np.pad(hann, (before, config.fft_length - length - before))


def hertz_to_mel(hertz: npt.ArrayLike) -> Array:
    """Frequencies in Hz as mels on Slaney's scale."""
    hertz = np.asarray(hertz, np.float64)
    above = _BREAK_MEL + np.log(np.maximum(hertz, _BREAK_HERTZ) / _BREAK_HERTZ) / _LOG_STEP
    return np.where(hertz < _BREAK_HERTZ, hertz / _HERTZ_PER_MEL, above)


def mel_to_hertz(mel: npt.ArrayLike) -> Array:
    """The inverse of `hertz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    above = _BREAK_HERTZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HERTZ_PER_MEL, above)


@functools.cache
def mel_bands(config: FeatureConfig, stretch: float = 1.0) -> Array:
    """Triangles of area 1 over frequency (Slaney's), float64 [fft_length / 2 + 1, bands].

    Args:
        config: configuration with the number and the limits of the bands.
        stretch: factor for all frequencies of the recording, as if the speaker's vocal tract were
            shorter by this factor; see `_stretched`.

    Raises:
        ConfigurationError: a band is so narrow that it has no frequency of the transform.
    """
    ends = hertz_to_mel([config.lowest_frequency, config.top_frequency])
    corners = mel_to_hertz(np.linspace(ends[0], ends[1], config.bands + 2))
    corners = _stretched(corners, 1.0 / stretch, config.sample_rate / 2)
    bins = np.arange(config.fft_length // 2 + 1) * (config.sample_rate / config.fft_length)
    rising = (bins[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins[:, None]) / (corners[2:] - corners[1:-1])
    bands = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (corners[2:] - corners[:-2]))
    empty = np.flatnonzero(bands.sum(axis=0) == 0)
    if len(empty):
        raise ConfigurationError(
            f"bands = {config.bands}: band {empty[0] + 1} around {corners[empty[0] + 1]:.0f} Hz "
            f"has no frequency of a transform of {config.fft_length} samples at "
            f"{config.sample_rate} Hz. Use fewer bands or a larger fft_size"
        )
    bands.setflags(write=False)
    return bands


def _stretched(hertz: Array, factor: float, top: float) -> Array:
    """Multiplies frequencies by a factor, with a bend so that `top` does not move.

    This is the piecewise linear warping of vocal tract length perturbation (Jaitly and Hinton 2013,
    section 3.1); the place of the bend, which they leave open, is 0.8 of the band.
    """
    if factor == 1.0:
        return hertz
    bend = 0.8 * top * min(1.0, 1.0 / factor)
    slope = (top - bend * factor) / (top - bend)
    return np.where(hertz <= bend, hertz * factor, top - slope * (top - hertz))


def cosine_transform(config: FeatureConfig) -> Array:
    """The first coefficients of an orthonormal DCT of type II, float64 [bands, coefficients]."""
    band = np.arange(config.bands)[:, None] + 0.5
    cosines = np.cos(np.pi / config.bands * band * np.arange(config.coefficients))
    cosines *= np.sqrt(2.0 / config.bands)
    cosines[:, 0] /= np.sqrt(2.0)
    return cosines


def delta_filter(order: int) -> Array:
    """Weights of nine frames whose weighted sum is the derivative in the middle, float64 [9].

    It is the derivative of the best-fitting polynomial of degree `order` (Savitzky and Golay 1964).
    """
    places = np.arange(DELTA_WIDTH) - DELTA_WIDTH // 2
    powers = np.vander(places.astype(np.float64), order + 1, increasing=True)
    # The derivative of x^order at 0 is order!, which is order itself for orders 1 and 2.
    return np.linalg.pinv(powers)[order] * order
