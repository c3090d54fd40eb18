"""Zones of the local wall clock: which are known, and how wall-clock times become UTC."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError

Times = npt.NDArray[np.datetime64]


def localize(times: Times, time_zone: str, file: str) -> Times:
    """Converts wall-clock times of a zone to UTC, datetime64[s].

    For an hour that occurs twice, in autumn, the order of the rows decides.

    Args:
        times: wall-clock times, datetime64 [T], in the order of the rows.
        time_zone: an IANA name or an offset such as "+01:00".
        file: file of the times, for messages.

    Raises:
        DataError: a time did not occur in the zone, or occurred twice and the order of the rows
            does not tell which one is meant.
    """
    import pandas as pd

    index = pd.DatetimeIndex(times)
    try:
        aware = index.tz_localize(time_zone, ambiguous="infer", nonexistent="raise")
    except ValueError as error:
        raise DataError(
            f"a time does not fit the clock in {time_zone}: {str(error).splitlines()[0]}",
            file=file,
            advice="Clocks skip an hour in spring and repeat one in autumn: correct the time "
            "stamps, write them in UTC, or leave out time_zone.",
        ) from None
    return np.asarray(aware.tz_convert("UTC").tz_localize(None).values.astype("datetime64[s]"))


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
