"""Sound files on a device: with the standard library and NumPy alone where that is enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UserError
from pipelines.speech.audio.audio_error import no_channel
from pipelines.speech.audio.riff_files import PCM, wave_layout

Array = npt.NDArray[np.float32]


def read_recording(path: Path, sample_rate: int, channel: int = 0) -> Array:
    """A sound file as float32 [samples].

    Args:
        path: path of the file.
        sample_rate: sample rate of the samples, in Hz.
        channel: number of the channel to read, counted from 1; 0 for the mean of all.

    Raises:
        UserError: it cannot be read, does not have the channel, or a package is missing for it.
    """
    plain = _plain_wave(path, sample_rate, channel)
    if plain is not None:
        return plain
    try:
        from pipelines.speech.audio.reading import read_audio

        return read_audio(path, sample_rate, most_seconds=float("inf"), channel=channel)
    except ImportError as error:
        raise UserError(
            f"{path}: only WAV files with 16 bits and {sample_rate} Hz can be read without the "
            f"packages soundfile and soxr ({error})"
        ) from None


def _plain_wave(path: Path, sample_rate: int, channel: int) -> Array | None:
    """A whole WAV file with 16 bits at this rate, one channel or the mean; None for others.

    Raises:
        AudioError: it is a WAV file that is truncated, holds no samples or lacks the channel.
    """
    layout = wave_layout(path) if path.is_file() and path.stat().st_size else None
    if layout is None or (layout.code, layout.bits, layout.sample_rate) != (PCM, 16, sample_rate):
        return None
    if layout.block != 2 * layout.channels:
        return None
    if channel > layout.channels:
        raise no_channel(channel, layout.channels, path)
    count = layout.length // layout.block * layout.channels
    values = np.fromfile(path, "<i2", count, offset=layout.start).reshape(-1, layout.channels)
    if channel:
        return values[:, channel - 1].astype(np.float32) / 32768
    return (values.astype(np.float32) / 32768).mean(axis=1)
