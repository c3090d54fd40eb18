"""The names of the calendar features, and which of them data can use. Imports nothing heavy."""

from __future__ import annotations

CALENDAR_FEATURES = ("time_of_day", "day_of_week", "day_of_month", "day_of_year")

_CYCLE_MINUTES = {
    "time_of_day": 1_440,
    "day_of_week": 7 * 1_440,
    "day_of_month": 31 * 1_440,
    "day_of_year": 366 * 1_440,
}


def usable_features(step_minutes: float, span_minutes: float) -> tuple[str, ...]:
    """The calendar features that vary at this sampling interval and whose cycle was seen twice.

    A feature needs at least two steps per cycle, or it is constant; and training data that covers
    its cycle twice, or the model memorises the one cycle instead of learning the season.

    Args:
        step_minutes: number of minutes between two values.
        span_minutes: number of minutes from the first training value to the last.
    """
    return tuple(
        name
        for name, cycle in _CYCLE_MINUTES.items()
        if 2 * step_minutes <= cycle and 2 * cycle <= span_minutes
    )
