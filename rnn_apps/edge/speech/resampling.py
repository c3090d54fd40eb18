"""Samples at another rate than the model's, by the package soxr where it is installed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UserError
from pipelines.speech.audio.samples import within_range

Array = npt.NDArray[np.float32]

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000


class Resampler:
    """Resamples a stream in chunks of any size.

    Args:
        source_rate: sample rate of the input, in Hz.
        sample_rate: sample rate of the output, in Hz.

    Raises:
        UserError: a rate is absurd, or soxr is not installed.
    """

    def __init__(self, source_rate: int, sample_rate: int) -> None:
        if not LOWEST_RATE <= source_rate <= HIGHEST_RATE:
            raise UserError(
                f"sample_rate = {source_rate} must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
            )
        try:
            self._package: Any = importlib.import_module("soxr")
        except ImportError:
            raise UserError(
                f"the samples have {source_rate} Hz, the model expects {sample_rate} Hz. Resample "
                "them, or install soxr: pip install soxr"
            ) from None
        self._rates = (source_rate, sample_rate)
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self._stream = self._package.ResampleStream(*self._rates, 1, dtype="float32", quality="HQ")

    def push(self, samples: Array) -> Array:
        """Takes the next samples; those of the other rate that are complete, float32 [samples]."""
        found: Array = self._stream.resample_chunk(np.ascontiguousarray(samples))
        return within_range(found)

    def finish(self) -> Array:
        """The samples that are left when the stream ends; begins a new one."""
        found: Array = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        self.reset()
        return within_range(found)


def resample(samples: Array, source_rate: int, sample_rate: int) -> Array:
    """Samples at another rate, float32 [samples].

    Raises:
        UserError: see `Resampler`.
    """
    if source_rate == sample_rate:
        return samples
    stream = Resampler(source_rate, sample_rate)
    return np.concatenate([stream.push(samples), stream.finish()])
