"""Samples that come as an array: one channel of float32 from -1 to 1, or a refusal with the reason.

The standard library and NumPy alone: the device uses it too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UserError

Samples = npt.NDArray[np.float32]

LOUDEST = 2.0
"""Lossy formats and resampling go a little beyond 1. What goes beyond this has another range."""

_INTEGERS = ("int8", "uint8", "int16", "int32")
_FINEST_OF_24_BITS = 256
_LOUDEST_OF_16_BITS = 2**15


def one_channel(samples: npt.ArrayLike) -> Samples:
    """Samples as float32 [samples], from -1 to 1.

    Args:
        samples: [samples], or one column [samples, 1] or one row [1, samples]; floating-point
            numbers from -1 to 1, or int8, uint8, int16 or int32, which are divided by their range
            (uint8 is centred at 128, as in WAV files).

    Raises:
        UserError: they are bytes, text or objects, have several channels, an integer type that
            does not say its range, NaN or infinity, or numbers far beyond -1 to 1.
    """
    audio = _array(samples)
    if audio.ndim == 2 and 1 in audio.shape:
        audio = audio.reshape(-1)
    if audio.ndim != 1:
        raise UserError(_shape_problem(audio))
    if audio.dtype.kind in "iu":
        return _from_integers(audio)
    if audio.dtype.kind != "f":
        raise UserError(
            f"samples have the type {audio.dtype}; wanted are numbers from -1 to 1, or int16"
        )
    if not np.isfinite(audio).all():
        raise UserError("the samples hold NaN or infinity")
    loudest = float(np.abs(audio).max(initial=0.0))
    if loudest > LOUDEST:
        raise UserError(f"the samples reach {loudest:.6g}; {range_advice(loudest)}")
    return audio.astype(np.float32, copy=False)


def range_advice(loudest: float) -> str:
    """What samples that go so far beyond 1 may be, and what to do about it."""
    if loudest > 2**23:
        return "wanted are -1 to 1: if they are 32-bit samples, divide them by 2147483648"
    if loudest > 2**15:
        return "wanted are -1 to 1: if they are 24-bit samples, divide them by 8388608"
    if loudest > 128:
        return "wanted are -1 to 1: if they are 16-bit samples, divide them by 32768"
    return (
        "wanted are -1 to 1: give them as they were recorded, not normalised to another range, or "
        "divide them by their largest absolute value"
    )


def _array(samples: npt.ArrayLike) -> npt.NDArray[Any]:
    if isinstance(samples, bytes | bytearray | memoryview):
        raise UserError(
            "the samples are bytes, which do not say their format. If they are 16-bit samples, "
            "give numpy.frombuffer(samples, numpy.int16)"
        )
    try:
        return np.asarray(samples)
    except ValueError as error:
        raise UserError(f"the samples are not an array of numbers: {error}") from None


def _shape_problem(audio: npt.NDArray[Any]) -> str:
    wanted = "wanted is one channel, [samples]"
    if audio.ndim != 2:
        return f"samples have the shape {audio.shape}; {wanted}"
    axis = 1 if audio.shape[1] < audio.shape[0] else 0
    return (
        f"samples have the shape {audio.shape}, which is {audio.shape[axis]} channels; {wanted}. "
        f"Choose one, or average them with samples.mean(axis={axis}) as sound files' are"
    )


def _from_integers(audio: npt.NDArray[Any]) -> Samples:
    name = audio.dtype.name
    if name not in _INTEGERS:
        raise UserError(
            f"samples are {name}, which does not say their range. If they are 16-bit samples, "
            "give samples.astype(numpy.int16)"
        )
    if name == "uint8":
        return (audio.astype(np.float32) - np.float32(128)) / np.float32(128)
    if name == "int32" and len(audio):
        loudest = max(int(audio.max()), -int(audio.min()))
        # 16-bit and 24-bit samples in 32 bits fill the upper ones.
        if 0 < loudest <= _LOUDEST_OF_16_BITS and (audio % _FINEST_OF_24_BITS).any():
            raise UserError(
                f"samples are int32 and reach {loudest} of 2147483648, as 16-bit samples would "
                "that were copied into 32 bits. Give samples.astype(numpy.int16)"
            )
    return audio.astype(np.float32) / np.float32(-float(np.iinfo(audio.dtype).min))
