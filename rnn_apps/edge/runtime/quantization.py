"""Affine quantisation at the border of a model: real = scale * (integer - zero_point).

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (2018), equation 1.
"""

from __future__ import annotations

import numpy as np


def quantize(values: np.ndarray, scale: float, zero_point: int, dtype: str) -> np.ndarray:
    """Real values to the nearest integers of `dtype`; what does not fit is clipped to its ends."""
    limits = np.iinfo(dtype)
    integers = np.rint(np.asarray(values, np.float64) / scale) + zero_point
    return np.clip(integers, limits.min, limits.max).astype(dtype)


def dequantize(integers: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Integers to the real values that they stand for, float32."""
    return ((integers.astype(np.int32) - zero_point) * np.float32(scale)).astype(np.float32)


def requantize(
    integers: np.ndarray,
    scale: float,
    zero_point: int,
    to_scale: float,
    to_zero_point: int,
    to_dtype: str,
) -> np.ndarray:
    """Integers on one scale to integers on another.

    A state leaves a quantised step model on another scale than the one it must come back on: fed
    back as it is, it would be read as a different state.
    """
    if (scale, zero_point, integers.dtype.name) == (to_scale, to_zero_point, to_dtype):
        return integers
    real = (integers.astype(np.int64) - zero_point) * float(scale)
    return quantize(real, to_scale, to_zero_point, to_dtype)
