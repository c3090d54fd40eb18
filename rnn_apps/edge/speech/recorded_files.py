"""Sound files on a device: with the standard library and NumPy alone where that is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UserError
from pipelines.speech.audio.audio_error import no_channel
from pipelines.speech.audio.levels import LevelMeter
from pipelines.speech.audio.riff_files import PCM, wave_layout

Array = npt.NDArray[np.float32]

_BLOCK = 2**16


def read_recording(path: Path, sample_rate: int, channel: int = 0) -> Array:
    """A sound file as float32 [samples].

    Args:
        path: path of the file.
        sample_rate: sample rate of the samples, in Hz.
        channel: number of the channel to read, counted from 1; 0 for the mean of all.

    Raises:
        UserError: it cannot be read, does not have the channel, has channels that cancel each
            other, or a package is missing for it.
    """
    plain = _plain_wave(path, sample_rate, channel)
    if plain is not None:
        return plain
    try:
        from pipelines.speech.audio.reading import read_audio

        meter = LevelMeter()
        samples = read_audio(
            path, sample_rate, most_seconds=float("inf"), observe=meter, channel=channel
        )
    except ImportError as error:
        raise UserError(
            f"{path}: only WAV files with 16 bits and {sample_rate} Hz can be read without the "
            f"packages soundfile and soxr ({error})"
        ) from None
    meter.refuse_cancelled(path)
    return samples


def _plain_wave(path: Path, sample_rate: int, channel: int) -> Array | None:
    """A whole WAV file with 16 bits at this rate, one channel or the mean; None for others.

    Raises:
        AudioError: it is a WAV file that is truncated, holds no samples, lacks the channel or has
            channels that cancel each other.
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
        return values[:, channel - 1].astype(np.float32) / np.float32(32768)
    blocks = _blocks(values, path)
    return np.concatenate([block.mean(axis=1) for block in blocks])


def _blocks(values: npt.NDArray[np.int16], path: Path) -> Iterator[Array]:
    """Yields the samples of all channels from -1 to 1; in blocks, since the levels of an hour take
    several times its memory."""
    meter = LevelMeter()
    for at in range(0, len(values), _BLOCK):
        block = values[at : at + _BLOCK].astype(np.float32) / np.float32(32768)
        meter(block)
        yield block
    meter.refuse_cancelled(path)
