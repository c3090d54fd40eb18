"""The discounts of modified Kneser-Ney n-gram models.

Source: Chen and Goodman (1999), "An empirical study of smoothing techniques for language
modeling", equation 17.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Where an order has too few different counts to estimate from, as single characters have: the
# values of KenLM's --discount_fallback (Heafield et al. 2013).
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)


def estimate_discounts(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """The discounts of counts of one, of two, and of three and more (equation 17).

    Args:
        counts: counts of the different n-grams of one order.

    Returns:
        Three discounts, each between zero and its count; `FALLBACK_DISCOUNTS` where the counts of
        counts give none.
    """
    one, two, three, four = (int(np.sum(counts == count)) for count in (1, 2, 3, 4))
    if not (one and two and three and four):
        return FALLBACK_DISCOUNTS
    ratio = one / (one + 2 * two)
    found = (1 - 2 * ratio * two / one, 2 - 3 * ratio * three / two, 3 - 4 * ratio * four / three)
    if any(not 0 <= discount <= count for count, discount in enumerate(found, start=1)):
        return FALLBACK_DISCOUNTS
    return found
