"""What stands for missing values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def fill(values: Floats, policy: str) -> Floats:
    """Values [T] with NaN replaced; the same array if there is none.

    Args:
        policy: "forward_fill": the last value before, or the first one after where there is none
            before; "interpolate": a straight line between the neighbours, flat at the ends;
            "zero": 0.
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
