"""Zones of the local wall clock: which are known, and how wall-clock times become UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Times = npt.NDArray[np.datetime64]

_DAY = 1440
"""Number of minutes of a day."""

_YEAR = 365 * _DAY
"""Number of minutes of a year."""


def localize(times: Times, time_zone: str, file: str) -> Times:
    """Converts wall-clock times of a zone to UTC, datetime64[s].

    For an hour that occurs twice, in autumn, the order of the rows decides: ascending, or from the
    newest row to the oldest.

    Args:
        times: wall-clock times, datetime64 [T], in the order of the rows.
        time_zone: an IANA name or an offset such as "+01:00".
        file: file of the times, for messages.

    Raises:
        DataError: a time did not occur in the zone, or occurred twice and the order of the rows
            does not tell which one is meant.
    """
    import pandas as pd

    steps = np.diff(times).astype(np.int64)
    newest_first = np.count_nonzero(steps < 0) > np.count_nonzero(steps > 0)
    index = pd.DatetimeIndex(times[::-1] if newest_first else times)
    try:
        aware = index.tz_localize(time_zone, ambiguous="infer", nonexistent="raise")
    except ValueError as error:
        raise DataError(
            f"a time does not fit the clock in {time_zone}: {str(error).splitlines()[0]}",
            file=file,
            advice="Clocks skip an hour in spring and repeat one in autumn: correct the time "
            "stamps, write them in UTC, or leave out time_zone.",
        ) from None
    instants = np.asarray(aware.tz_convert("UTC").tz_localize(None).values.astype("datetime64[s]"))
    if np.any(steps < 0) and np.any(steps > 0):
        _check_order_of_double_hours(index, instants, time_zone, file)
    return instants[::-1] if newest_first else instants


def _check_order_of_double_hours(
    index: pd.DatetimeIndex, instants: Times, time_zone: str, file: str
) -> None:
    """Refuses rows out of order around an hour that occurs twice, of which the order decides.

    Raises:
        DataError: the rows from before to after such an hour do not ascend.
    """
    first = index.tz_localize(time_zone, ambiguous=np.ones(len(index), bool))
    second = index.tz_localize(time_zone, ambiguous=np.zeros(len(index), bool))
    twice = np.flatnonzero(first != second)
    for day in np.unique(index[twice].normalize()):
        rows = twice[index[twice].normalize() == day]
        around = instants[max(rows[0] - 1, 0) : rows[-1] + 2]
        if np.any(np.diff(around) < np.timedelta64(0, "s")):
            raise DataError(
                f"{index[rows[0]]} occurs twice in {time_zone}, and the rows around it are not in "
                "order, which would tell which one is meant",
                file=file,
                advice="Sort the rows as they were recorded, write the times in UTC or with their "
                "offsets, or leave out time_zone.",
            )


def seem_local_days(minutes: npt.NDArray[np.int32]) -> bool:
    """Whether times seem to be days or months of another clock, which is put forward in summer.

    They take two clock times, an hour apart, and are about a day or more apart. They change from
    one to the other as rarely as clocks are put forward and back, not at random.

    Args:
        minutes: ascending times on a clock, in minutes since 1970, int32 [T].
    """
    clocks = np.unique(minutes % _DAY)
    if len(clocks) != 2 or clocks[1] - clocks[0] not in (60, _DAY - 60):
        return False
    changes = np.count_nonzero(np.diff(minutes % _DAY))
    if changes > 2 * (int(minutes[-1]) - int(minutes[0])) / _YEAR + 2:
        return False
    return bool(np.all(np.diff(minutes) >= _DAY - 60))


def check_zone(time_zone: str) -> None:
    """Refuses an unknown time zone.

    Raises:
        DataError: the zone is neither an IANA name nor an offset.
    """
    import pandas as pd

    try:
        pd.Timestamp(0, tz=time_zone)
    except (ValueError, KeyError, TypeError, OSError):
        raise DataError(
            f"time zone {time_zone!r} is not known", advice="Write an IANA name (Europe/Berlin)."
        ) from None


def zone_of(offset: str) -> str:
    """The zone for an offset in the notation of time stamps: "UTC", or for example "+01:00"."""
    if offset in ("Z", "+00", "+0000", "+00:00", "-00:00"):
        return "UTC"
    digits = offset.replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"
