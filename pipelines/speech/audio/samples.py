"""Turns an array of samples into one channel of float32 from -1 to 1, or says why it cannot.

Only the standard library and NumPy are needed, since devices use this module too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UserError

Samples = npt.NDArray[np.float32]

LOUDEST = 2.0
"""Lossy formats and resampling exceed 1 a little. Samples beyond this have another range."""

_INTEGERS = ("int8", "uint8", "int16", "int32")
_FINEST_OF_24_BITS = 256
_LOUDEST_OF_16_BITS = 2**15


def within_range(samples: Samples) -> Samples:
    """Samples that were resampled or otherwise filtered, cut off where `one_channel` would refuse
    them: a filter overshoots at the edges of a loud sound, whose own samples were in range.
    """
    return np.clip(samples, -LOUDEST, LOUDEST)


def one_channel(samples: npt.ArrayLike) -> Samples:
    """Samples as float32 [samples], from -1 to 1.

    Args:
        samples: one channel of the shape [samples], [samples, 1] or [1, samples]; floating-point
            numbers from -1 to 1, or int8, uint8, int16 or int32, which are divided by their range
            (uint8 is centred at 128, as in WAV files).

    Raises:
        UserError: the samples are bytes, text or objects, have several channels, an integer type of
            unknown range, NaN or infinity, or numbers far beyond -1 to 1.
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
            f"samples have the type {audio.dtype}; needed are numbers from -1 to 1, or int16"
        )
    if not np.isfinite(audio).all():
        raise UserError("the samples hold NaN or infinity")
    loudest = float(np.abs(audio).max(initial=0.0))
    if loudest > LOUDEST:
        raise UserError(f"the samples reach {loudest:.6g}; {range_advice(loudest)}")
    return audio.astype(np.float32, copy=False)


def range_advice(loudest: float) -> str:
    """Advice on samples that reach `loudest`, by what they may be."""
    if loudest > 2**23:
        return "needed are -1 to 1: if they are 32-bit samples, divide them by 2147483648"
    if loudest > 2**15:
        return "needed are -1 to 1: if they are 24-bit samples, divide them by 8388608"
    if loudest > 128:
        return "needed are -1 to 1: if they are 16-bit samples, divide them by 32768"
    return (
        "needed are -1 to 1: pass them as recorded, not normalised to another range, or "
        "divide them by their largest absolute value"
    )


def _array(samples: npt.ArrayLike) -> npt.NDArray[Any]:
    if isinstance(samples, bytes | bytearray | memoryview):
        raise UserError(
            "the samples are bytes, whose format is unknown. If they are 16-bit samples, pass "
            "numpy.frombuffer(samples, numpy.int16)"
        )
    try:
        return np.asarray(samples)
    except ValueError as error:
        raise UserError(f"the samples are not an array of numbers: {error}") from None


def _shape_problem(audio: npt.NDArray[Any]) -> str:
    wanted = "needed is one channel, [samples]"
    if audio.ndim != 2:
        return f"samples have the shape {audio.shape}; {wanted}"
    axis = 1 if audio.shape[1] < audio.shape[0] else 0
    return (
        f"samples have the shape {audio.shape}, which is {audio.shape[axis]} channels; {wanted}. "
        f"Choose one, or average them with samples.mean(axis={axis}), as for sound files"
    )


def _from_integers(audio: npt.NDArray[Any]) -> Samples:
    name = audio.dtype.name
    if name not in _INTEGERS:
        raise UserError(
            f"samples are {name}, so their range is unknown. If they are 16-bit samples, pass "
            "samples.astype(numpy.int16)"
        )
    if name == "uint8":
        return (audio.astype(np.float32) - np.float32(128)) / np.float32(128)
    if name == "int32" and len(audio):
        loudest = max(int(audio.max()), -int(audio.min()))
        # 16-bit and 24-bit samples in 32 bits fill the upper bits.
        if 0 < loudest <= _LOUDEST_OF_16_BITS and (audio % _FINEST_OF_24_BITS).any():
            raise UserError(
                f"samples are int32 and reach {loudest} of 2147483648, as 16-bit samples would "
                "if copied into 32 bits. Pass samples.astype(numpy.int16)"
            )
    return audio.astype(np.float32) / np.float32(-float(np.iinfo(audio.dtype).min))
