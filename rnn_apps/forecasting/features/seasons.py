"""The season that a frequency suggests. Imports nothing heavy."""

from __future__ import annotations

import re

_MINUTES_PER_DAY = 1_440
_DAYS_PER_WEEK = 7
_DAYS_PER_YEAR = 365.25
_STEPS_PER_YEAR = {"W": 52, "M": 12, "Q": 4, "Y": 1}


def season_of(frequency: str, step_minutes: float) -> int:
    """Number of steps in the shortest season that data of this frequency usually has.

    The season is a day for several values per day, a week for daily values (5 business days), and a
    year for weeks, months, quarters and every step of 7 days to half a year. It is 1 step where no
    season is known, so that the seasonal naive forecast repeats the last value.

    Args:
        frequency: a pandas offset alias, such as ``30min``, ``D``, ``7D``, ``W-MON``, ``MS``.
        step_minutes: number of minutes between two values; 0 for rows that are counted and have no
            date.
    """
    if step_minutes <= 0:
        return 1
    if step_minutes < _MINUTES_PER_DAY:
        return max(1, round(_MINUTES_PER_DAY / step_minutes))
    match = re.match(r"(\d*)([A-Z]*)", frequency)
    every, name = (int(match[1] or 1), match[2]) if match else (1, "")
    if name == "B":
        return 5 // every if 5 % every == 0 else 1
    yearly = _STEPS_PER_YEAR.get(name[:1])
    if yearly is not None:
        # 52 weeks are not a multiple of 3, and a season of 17 such steps is nearest to a year.
        return max(1, round(yearly / every)) if name == "W" else _even(yearly, every)
    days = step_minutes / _MINUTES_PER_DAY
    if days < _DAYS_PER_WEEK:
        return _even(_DAYS_PER_WEEK, days)
    return max(1, round(_DAYS_PER_YEAR / days))


def _even(season: int, steps: float) -> int:
    """The season in steps of several units; 1 if it is not a whole number of steps."""
    return int(season // steps) if season % steps == 0 else 1


def longer_season(season: int, step_minutes: float) -> int:
    """Number of steps per week if `season` is a day of several steps, else 0."""
    daily = step_minutes > 0 and season > 1 and round(season * step_minutes) == _MINUTES_PER_DAY
    return 7 * season if daily else 0
