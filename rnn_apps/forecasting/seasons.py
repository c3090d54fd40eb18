"""The season that a frequency suggests. Imports nothing heavy."""

from __future__ import annotations

import re

_MINUTES_A_DAY = 1_440
_STEPS_A_YEAR = {"W": 52, "M": 12, "Q": 4, "Y": 1, "A": 1}


def season_of(frequency: str, step_minutes: float) -> int:
    """Steps in the shortest season that data of this frequency usually has.

    A day for what is measured several times a day, a week for days (5 business days), a year for
    weeks, months and quarters; 1 where nothing is known, so that the seasonal naive forecast
    becomes the last value.

    Args:
        frequency: a pandas offset alias, such as ``30min``, ``D``, ``B``, ``MS``.
        step_minutes: minutes between two values.
    """
    if 0 < step_minutes < _MINUTES_A_DAY:
        return max(1, round(_MINUTES_A_DAY / step_minutes))
    found = re.match(r"(\d*)([A-Z]*)", frequency)
    every, name = (int(found[1] or 1), found[2]) if found else (1, "")
    if name in ("D", "B"):
        week = 7 if name == "D" else 5
        return week // every if week % every == 0 else 1
    yearly = _STEPS_A_YEAR.get(name[:1], 1)
    return yearly // every if yearly % every == 0 else 1


def longer_season(season: int, step_minutes: float) -> int:
    """The week in steps where `season` is a day of several steps, else 0."""
    daily = step_minutes > 0 and season > 1 and round(season * step_minutes) == _MINUTES_A_DAY
    return 7 * season if daily else 0
