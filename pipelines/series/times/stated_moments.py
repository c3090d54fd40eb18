"""Times that a user states, such as the end of what is known or the borders of parts."""

from __future__ import annotations

import re

import numpy as np

from pipelines.base.errors import ConfigurationError
from pipelines.series.times.timestamps import instant

_WITH_OFFSET = re.compile(r"(.+[T ]\d\d(?::?\d\d){0,2}(?:\.\d+)?) ?(Z|z|[-+]\d\d(?::?\d\d)?)")


def parse_moment(text: str) -> tuple[np.datetime64, np.timedelta64 | None]:
    """The wall-clock time that a text names, datetime64[s], and its offset from UTC if it has one.

    Args:
        text: time such as "2014-10", "2014-10-01 13:00" or "2014-10-01T13:00+02:00".

    Raises:
        ValueError: the text is not such a time.
    """
    # NumPy would convert a time with an offset to UTC and lose that it had one.
    parts = _WITH_OFFSET.fullmatch(text.strip())
    clock, offset = (parts[1], parts[2]) if parts else (text.strip(), "")
    moment: np.datetime64 = np.datetime64(clock.replace(" ", "T", 1), "s")
    if np.isnat(moment):
        raise ValueError(f"{text!r} is not a time")
    if not offset:
        return moment, None
    digits = offset.strip("Zz+-").replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return moment, np.timedelta64(-seconds if offset[0] == "-" else seconds, "s")


def stated_moment(text: str, time_zone: str, argument: str) -> np.datetime64:
    """The time that a text means among the times of a set, datetime64[s].

    A text without an offset is a time of the local wall clock, one with an offset is an instant.

    Args:
        text: time as `parse_moment` reads it.
        time_zone: zone of the set, whose times are then UTC; "" for wall-clock times.
        argument: name of the argument, for messages.

    Raises:
        ConfigurationError: the text is not a time, or has an offset where the set has no zone.
    """
    try:
        moment, offset = parse_moment(text)
    except ValueError:
        raise ConfigurationError(
            f"{argument} = {text!r}: write a time such as 2014-10-01 or 2014-10-01 13:00"
        ) from None
    if offset is None:
        return instant(moment, time_zone) if time_zone else moment
    if not time_zone:
        raise ConfigurationError(
            f"{argument} = {text!r} has an offset from UTC, but the times of the data have no time "
            f"zone: write the time as it is in the data, such as {str(moment).replace('T', ' ')}"
        )
    return moment - offset
