"""A loss that has exploded: it is far above what it was, and not in a single batch only."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_WINDOW = 100
_FEWEST = 20
_SUSTAINED = 5
_FACTOR = 4.0
_SMALLEST = 0.01


@dataclass(frozen=True)
class Explosion:
    """Where a loss exploded.

    Args:
        step: step at which it was noticed.
        before: typical loss of the steps before.
        after: typical loss of the latest steps.
    """

    step: int
    before: float
    after: float

    def as_json(self) -> dict[str, Any]:
        """The explosion as a run's figures hold it."""
        return asdict(self)


class ExplosionWatch:
    """Watches the loss of each step.

    The loss has exploded if each of the latest five is above the 95 % quantile of the hundred
    before by four times their size: the largest of their median, their spread and a hundredth of
    the loss at the beginning. For a positive loss that is five times what it was. One bad batch, a
    noisy loss, the rise while the learning rate warms up and the small waves of a loss that is
    almost 0 do not count. Later explosions are noticed from the new level on.
    """

    def __init__(self) -> None:
        self._before: deque[float] = deque(maxlen=_WINDOW)
        self._latest: deque[float] = deque()
        self._first: float | None = None

    def add(self, step: int, loss: float) -> Explosion | None:
        """Takes note of a step's mean loss; the explosion if this is where one is noticed.

        Args:
            step: number of the step.
            loss: mean loss of its batch; not a finite number for a step that was skipped.
        """
        if not math.isfinite(loss):
            return None
        self._latest.append(loss)
        if len(self._latest) > _SUSTAINED:
            self._before.append(self._latest.popleft())
        if len(self._before) < _FEWEST or len(self._latest) < _SUSTAINED:
            return None
        if self._first is None:
            self._first = float(np.median(self._before))
        low, typical, high = np.quantile(self._before, (0.05, 0.5, 0.95))
        size = max(abs(typical), high - low, _SMALLEST * abs(self._first))
        if min(self._latest) <= high + _FACTOR * size:
            return None
        explosion = Explosion(step, float(typical), float(np.median(self._latest)))
        self._before.clear()
        self._latest.clear()
        return explosion
