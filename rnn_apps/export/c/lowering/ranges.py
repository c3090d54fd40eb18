"""How small and how large the whole numbers of a graph can be, from the numbers they are made of.

C code has 32 bits for them. Where Keras has more, the range says whether more can be needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

# Smallest and largest number.
Range = tuple[int, int]

OF_32_BITS: Range = (-(2**31), 2**31 - 1)
# What nothing is known of, but that it is small: inputs in 64 bits, floats that become whole.
ASSUMED: Range = (-(2**30), 2**30)


def limits_of(dtype: tf.DType) -> Range:
    """The numbers that a type has."""
    return (0, 1) if dtype == tf.bool else (int(dtype.min), int(dtype.max))


def is_within(numbers: Range, limits: Range) -> bool:
    """Whether all numbers of one range are in another one."""
    return limits[0] <= numbers[0] and numbers[1] <= limits[1]


def common(one: Range, other: Range) -> Range:
    """The numbers that are in both ranges."""
    return max(one[0], other[0]), min(one[1], other[1])


def wrapped(numbers: Range, dtype: tf.DType) -> Range:
    """What numbers become in a type: any of its numbers if some of them are beyond it."""
    limits = limits_of(dtype)
    return numbers if is_within(numbers, limits) else limits


def hull(ranges: Sequence[Range]) -> Range:
    """The smallest range that has the numbers of all ranges."""
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def result_of(kind: str, operands: Sequence[Range], count: int = 1) -> Range | None:
    """The range of what an operator computes, before it is wrapped; None if it is not known.

    Args:
        kind: TensorFlow's name of the operator.
        operands: ranges of what it reads, in order.
        count: how many numbers it adds up or multiplies.
    """
    if kind in ("Sum", "Cumsum"):
        low, high = operands[0]
        return min(0, count * low), max(0, count * high)
    if kind == "Prod":
        return _power(operands[0], count)
    if kind == "Pow":
        least, most = operands[1]
        return _power(operands[0], most) if least >= 0 else None
    if kind in _RESULTS:
        return _RESULTS[kind](*operands)
    return None


def _power(base: Range, exponent: int) -> Range:
    # No type holds a power of 2 or more beyond the 64th: it need not be computed.
    size = max(_size(base), 1) ** min(exponent, 64)
    return -size, size


def _size(numbers: Range) -> int:
    return max(-numbers[0], numbers[1])


def _sum(a: Range, b: Range) -> Range:
    return a[0] + b[0], a[1] + b[1]


def _product(a: Range, b: Range) -> Range:
    corners = [one * other for one in a for other in b]
    return min(corners), max(corners)


def _quotient(a: Range, b: Range) -> Range:
    if b[0] > 0:
        return min(a[0], 0), max(a[1], 0)
    return -_size(a), _size(a)


def _remainder(a: Range, b: Range) -> Range:
    """The sign is that of the divisor; what remains of a division by 0 has no meaning."""
    return min(b[0] + 1, 0), max(b[1] - 1, 0)


_RESULTS: dict[str, Callable[..., Range]] = {
    **dict.fromkeys(("Add", "AddV2", "BiasAdd"), _sum),
    "Sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "Mul": _product,
    "Square": lambda a: _product(a, a),
    "Neg": lambda a: (-a[1], -a[0]),
    "Abs": lambda a: (0, _size(a)),
    "Sign": lambda a: (-1, 1),
    "FloorDiv": _quotient,
    "FloorMod": _remainder,
    "Maximum": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "Minimum": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
}
