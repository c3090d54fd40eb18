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
_FACTOR_AT_FIRST = 20.0


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

    Before there are twenty losses to compare with, it is the first one that counts: each of the
    latest five is above it by twenty times its size, which is at least 1.
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
        if len(self._latest) < _SUSTAINED or not self._before:
            return None
        typical, limit = self._expected()
        if min(self._latest) <= limit:
            return None
        explosion = Explosion(step, typical, float(np.median(self._latest)))
        self._before.clear()
        self._latest.clear()
        return explosion

    def _expected(self) -> tuple[float, float]:
        """The typical loss of the steps before, and the loss above which it has exploded."""
        if len(self._before) < _FEWEST:
            first = self._before[0]
            return first, first + _FACTOR_AT_FIRST * max(abs(first), 1.0)
        if self._first is None:
            self._first = float(np.median(self._before))
        low, typical, high = (float(q) for q in np.quantile(self._before, (0.05, 0.5, 0.95)))
        size = max(abs(typical), high - low, _SMALLEST * abs(self._first))
        return typical, high + _FACTOR * size

    def to_json(self) -> dict[str, Any]:
        """The losses that later ones are compared with, for a checkpoint."""
        return {
            "before": list(self._before), "latest": list(self._latest), "first": self._first,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ExplosionWatch:
        """The inverse of `to_json`; a watch that has seen nothing for a checkpoint without it."""
        watch = cls()
        watch._before.extend(content.get("before", ()))
        watch._latest.extend(content.get("latest", ()))
        watch._first = content.get("first")
        return watch
