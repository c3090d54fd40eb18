"""Missing values: numbers that mark them, and values that replace them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


MARKERS = (-999.0, -9999.0, -99999.0, -99.0, -200.0, -888.0, 999.0, 9999.0, 99999.0, 999999.0)
"""Numbers that instruments write instead of a missing measurement."""


def likely_marker(values: Floats) -> float | None:
    """The number of `MARKERS` that seems to mark missing values, or None.

    It occurs at least twice, is the smallest or the largest value, and is farther from all others
    than they are from one another.

    Args:
        values: values of a series, [T], with NaN for known missing values.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    for end in (known.min(), known.max()):
        others = known[known != end]
        if float(end) not in MARKERS or len(known) - len(others) < 2 or len(others) < 2:
            continue
        away = np.abs(others - end).min()
        if away > others.max() - others.min():
            return float(end)
    return None


def fill(values: Floats, policy: str) -> Floats:
    """The values, [T], with NaN replaced; the same array if there is no NaN.

    Args:
        values: values of a series, [T].
        policy: "forward_fill" for the last known value, or the first one before any is known;
            "interpolate" for a straight line between known values, flat at the ends; "zero" for 0.
    """
    known = ~np.isnan(values)
    if known.all():
        return values
    if policy == "zero" or not known.any():
        return np.where(known, values, np.float32(0.0))
    places = np.arange(len(values))
    if policy == "interpolate":
        line = np.interp(places, places[known], values[known].astype(np.float64))
        return line.astype(np.float32)
    first = int(np.argmax(known))
    return values[np.maximum.accumulate(np.where(known, places, first))]
