"""The season that a frequency suggests. Imports nothing heavy."""

from __future__ import annotations

import re

_MINUTES_A_DAY = 1_440
_DAYS_A_WEEK = 7
_DAYS_A_YEAR = 365.25
_STEPS_A_YEAR = {"W": 52, "M": 12, "Q": 4, "Y": 1}


def season_of(frequency: str, step_minutes: float) -> int:
    """Steps in the shortest season that data of this frequency usually has.

    A day for what is measured several times a day, a week for days (5 business days), a year for
    weeks, months, quarters and every step of 7 days to half a year; 1 where nothing is known, so
    that the seasonal naive forecast becomes the last value.

    Args:
        frequency: a pandas offset alias, such as ``30min``, ``D``, ``7D``, ``W-MON``, ``MS``.
        step_minutes: minutes between two values; 0 for rows that are counted and have no date.
    """
    if step_minutes <= 0:
        return 1
    if step_minutes < _MINUTES_A_DAY:
        return max(1, round(_MINUTES_A_DAY / step_minutes))
    found = re.match(r"(\d*)([A-Z]*)", frequency)
    every, name = (int(found[1] or 1), found[2]) if found else (1, "")
    if name == "B":
        return 5 // every if 5 % every == 0 else 1
    yearly = _STEPS_A_YEAR.get(name[:1])
    if yearly is not None:
        # 3 of 52 weeks do not come out even, and a season of 17 steps is nearest to a year.
        return max(1, round(yearly / every)) if name == "W" else _even(yearly, every)
    days = step_minutes / _MINUTES_A_DAY
    if days < _DAYS_A_WEEK:
        return _even(_DAYS_A_WEEK, days)
    return max(1, round(_DAYS_A_YEAR / days))


def _even(season: int, steps: float) -> int:
    """The season in steps of several units, 1 where it is no whole number of them."""
    return int(season // steps) if season % steps == 0 else 1


def longer_season(season: int, step_minutes: float) -> int:
    """The week in steps where `season` is a day of several steps, else 0."""
    daily = step_minutes > 0 and season > 1 and round(season * step_minutes) == _MINUTES_A_DAY
    return 7 * season if daily else 0
