"""A column of time stamps, in whatever notation, as datetime64[s] and a time zone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.columns import is_text
from pipelines.data_report import DataReport
from pipelines.errors import DataError
from pipelines.tables import Block

if TYPE_CHECKING:
    import pyarrow as pa

Times = npt.NDArray[np.datetime64]

_OFFSET = r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)$"

FORMATS = (
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p",
    "%d-%m-%Y",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y %H:%M:%S",
    "%Y-%m",
    "%Y/%m",
    "%Y %b",
    "%b %Y",
    "%b-%Y",
    "%Y %B",
    "%B %Y",
)
"""What is tried where time stamps are not ISO 8601. Besides these: `COMPACT`, years (1998),
quarters (1998Q1, 1998 Q1, 1998-Q1)."""

COMPACT = {
    "%Y%m%d": r"^(1[5-9]|2[0-2])\d{6}$",
    "%Y%m%d%H%M": r"^(1[5-9]|2[0-2])\d{10}$",
    "%Y%m%d%H%M%S": r"^(1[5-9]|2[0-2])\d{12}$",
}
"""Formats of digits only, and what their text looks like between the years 1500 and 2299."""

_UNIX = {"unix": "s", "unix_ms": "ms"}


class TimeReader:
    """Reads one column as times, datetime64[s]; the notation is settled by the first block.

    Args:
        time_format: a strptime format, "unix" (seconds since 1970), "unix_ms", or "".
        time_zone: the zone of the clock on the wall. Time stamps that carry an offset are instants,
            and one such zone must hold for all: if "" it is their common offset. Time stamps
            without offset are taken as this zone's wall clock, or as they are if "".

    Attributes:
        zone: the zone that was settled, "" for none; with one, the times that are read are UTC.
    """

    def __init__(
        self,
        column: str,
        *,
        time_format: str = "",
        time_zone: str = "",
        report: DataReport | None = None,
    ) -> None:
        self.column = column
        self.zone = time_zone
        self._given_zone = bool(time_zone)
        self._format = time_format
        self._kind = ""
        self._report = report or DataReport()
        if time_zone:
            _check_zone(time_zone)

    @property
    def aware(self) -> bool:
        """Whether the column's own time stamps carry an offset."""
        return self._kind == "aware"

    def read(self, block: Block) -> Times:
        """The times in `block`, datetime64[s] [rows]; UTC if they carry an offset.

        Raises:
            DataError: names the row of the first one that is empty, cannot be read, or has
                another offset than the others while no time zone is stated.
        """
        import pyarrow as pa

        array = block.columns[self.column]
        if array.null_count:
            first = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
            raise block.error("the time is empty", first, self.column, "Every row needs a time.")
        if is_text(array.type):
            if pa.types.is_dictionary(array.type):
                array = array.cast(pa.string())
            moments = self._parse(array, block)
        else:
            moments = self._convert(array, block)
        return self._to_seconds(moments, block)

    def _convert(self, array: pa.Array, block: Block) -> pa.Array:
        """Times of a typed column: Arrow time stamps and dates, or numbers."""
        import pyarrow as pa

        if pa.types.is_timestamp(array.type):
            self._settle("aware" if array.type.tz else "naive", block, 0)
            if array.type.tz and not self.zone:
                self.zone = "UTC" if array.type.tz in ("UTC", "Z", "+00:00") else array.type.tz
            return array.cast(pa.timestamp("us"), safe=False)
        if pa.types.is_date(array.type):
            self._settle("naive", block, 0)
            return array.cast(pa.timestamp("us"))
        if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
            try:
                return self._parse(array.cast(pa.int64()).cast(pa.string()), block)
            except pa.ArrowInvalid:
                pass
        raise block.error(f"holds values of type {array.type}, not times", 0, self.column)

    def _parse(self, array: pa.Array, block: Block) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as compute

        if self._format in _UNIX:
            self._settle("aware", block, 0)
            self.zone = self.zone or "UTC"
            try:
                numbers = array.cast(pa.int64())
            except pa.ArrowInvalid:
                raise self._unreadable(array, block, _casts_to(pa.int64())) from None
            return numbers.cast(pa.timestamp(_UNIX[self._format])).cast(pa.timestamp("us"))
        if not self._kind and not self._format:
            self._settle_notation(array, block)
        if self._format:
            return self._by_format(array, block)
        kind = pa.timestamp("us", "UTC") if self.aware else pa.timestamp("us")
        try:
            moments = array.cast(kind)
        except pa.ArrowInvalid:
            array = compute.utf8_trim_whitespace(array)
            try:
                moments = array.cast(kind)
            except pa.ArrowInvalid:
                raise self._unreadable(array, block, _casts_to(kind)) from None
        if self.aware and not self._given_zone:
            self._settle_offset(array, block)
        return moments.cast(pa.timestamp("us"))

    def _settle(self, kind: str, block: Block, row: int) -> None:
        if self._kind and self._kind != kind:
            raise self._mixed(block, row)
        self._kind = kind

    def _settle_notation(self, array: pa.Array, block: Block) -> None:
        """Decides between ISO 8601 without and with offset, and the formats of `FORMATS`."""
        import pyarrow as pa
        import pyarrow.compute as compute

        first = compute.utf8_trim_whitespace(array[:1])
        if _casts_to(pa.timestamp("us"))(first):
            self._kind = "naive"
        elif _casts_to(pa.timestamp("us", "UTC"))(first):
            self._kind = "aware"
        else:
            self._kind = "naive"
            self._format = self._find_format(compute.utf8_trim_whitespace(array), block)

    def _settle_offset(self, array: pa.Array, block: Block) -> None:
        import pyarrow.compute as compute

        offsets = compute.extract_regex(array, _OFFSET).field("zone")
        found = [_zone_of(offset) for offset in offsets.unique().to_pylist()]
        for zone in found:
            if self.zone and zone != self.zone:
                texts = offsets.to_pylist()
                row = next(i for i, text in enumerate(texts) if _zone_of(text) != self.zone)
                raise block.error(
                    f"the offset {texts[row]} differs from {self.zone} before it",
                    row,
                    self.column,
                    "State the time zone of the clock on the wall, such as time_zone "
                    "Europe/Berlin, or UTC.",
                )
            self.zone = zone

    def _find_format(self, array: pa.Array, block: Block) -> str:
        if _is_like(array, r"^\d{4}$"):
            return "year"
        if _is_like(array, r"^\d{4}[ -]?Q[1-4]$"):
            return "quarter"
        if _is_like(array[:1], r"^\d+$"):
            # Any number would do for %Y%m%d: 123456 for a day of the year 1234.
            formats = [form for form, like in COMPACT.items() if _is_like(array[:1], like)]
        else:
            formats = list(FORMATS)
        fitting = [form for form in formats if _strptime(array[:1], form) is not None]
        whole: dict[str, pa.Array] = {}
        for form in fitting:
            moments = _strptime(array, form)
            if moments is not None:
                whole[form] = moments
        readings = list(whole.values())
        if any(not reading.equals(readings[0]) for reading in readings):
            raise block.error(
                f"{str(array[0])!r} may be {' or '.join(whole)}",
                0,
                self.column,
                "State the time_format.",
            )
        if whole:
            form = next(iter(whole))
            self._report.note("time format", f"read as {form}")
            return form
        if fitting:
            return fitting[0]
        raise block.error(
            f"{str(array[0])[:40]!r} cannot be read as a time",
            0,
            self.column,
            "Write ISO 8601 (2016-07-01 00:00), or state the time_format.",
        )

    def _by_format(self, array: pa.Array, block: Block) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as compute

        array = compute.utf8_trim_whitespace(array)
        if self._format in ("year", "quarter"):
            good = r"^\d{4}$" if self._format == "year" else r"^\d{4}[ -]?Q[1-4]$"
            if not _is_like(array, good):
                raise self._unreadable(array, block, lambda one: _is_like(one, good))
            years = compute.cast(compute.utf8_slice_codeunits(array, 0, 4), pa.int64()).to_numpy()
            months = (years - 1970) * 12
            if self._format == "quarter":
                months += (np.array([int(str(text)[-1]) for text in array]) - 1) * 3
            return pa.array(months.astype("datetime64[M]").astype("datetime64[us]"))
        aware = "%z" in self._format
        self._settle("aware" if aware else "naive", block, 0)
        moments = _strptime(array, self._format)
        if moments is None:
            form = self._format
            raise self._unreadable(array, block, lambda one: _strptime(one, form) is not None)
        if aware:
            self.zone = self.zone or "UTC"
        return moments.cast(pa.timestamp("us"))

    def _unreadable(
        self, array: pa.Array, block: Block, readable: Callable[[pa.Array], bool]
    ) -> DataError:
        import pyarrow as pa

        first = next(i for i in range(len(array)) if not readable(array[i : i + 1]))
        one = array[first : first + 1]
        other = pa.timestamp("us") if self.aware else pa.timestamp("us", "UTC")
        if not self._format and _casts_to(other)(one):
            return self._mixed(block, first)
        expected = f" (expected {self._format})" if self._format else ""
        return block.error(
            f"{str(one[0])[:40]!r} cannot be read as a time{expected}",
            first,
            self.column,
            "Mend it; the notation must be the same in all rows.",
        )

    def _mixed(self, block: Block, row: int) -> DataError:
        return block.error(
            "some time stamps carry an offset from UTC and some do not",
            row,
            self.column,
            "Give all of them an offset, or none.",
        )

    def _to_seconds(self, moments: pa.Array, block: Block) -> Times:
        exact = moments.to_numpy(zero_copy_only=False).astype("datetime64[us]")
        seconds: Times = exact.astype("datetime64[s]")
        parts = int(np.count_nonzero(seconds != exact))
        if parts:
            self._report.note(
                "fractions of a second", "cut off", f"{block.file}, column {self.column!r}", parts
            )
        return seconds


def localize(times: Times, time_zone: str, file: str) -> Times:
    """Wall clock times of a zone as UTC, datetime64[s].

    An hour that the clock shows twice, in autumn, is resolved by the order of the rows.

    Raises:
        DataError: a time that the clock never showed, or twice without an order that tells which.
    """
    import pandas as pd

    index = pd.DatetimeIndex(times)
    try:
        aware = index.tz_localize(time_zone, ambiguous="infer", nonexistent="raise")
    except ValueError as error:
        raise DataError(
            f"a time does not fit the clock in {time_zone}: {str(error).splitlines()[0]}",
            file=file,
            advice="Clocks skip an hour in spring and repeat one in autumn: mend the time stamps, "
            "write them in UTC, or leave out time_zone.",
        ) from None
    return np.asarray(aware.tz_convert("UTC").tz_localize(None).values.astype("datetime64[s]"))


def _check_zone(time_zone: str) -> None:
    import pandas as pd

    try:
        pd.Timestamp(0, tz=time_zone)
    except (ValueError, KeyError, TypeError, OSError):
        raise DataError(
            f"time zone {time_zone!r} is not known", advice="Write an IANA name (Europe/Berlin)."
        ) from None


def _zone_of(offset: str) -> str:
    if offset in ("Z", "+00", "+0000", "+00:00", "-00:00"):
        return "UTC"
    digits = offset.replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"


def _casts_to(kind: pa.DataType) -> Callable[[pa.Array], bool]:
    import pyarrow as pa

    def casts(array: pa.Array) -> bool:
        try:
            array.cast(kind)
        except pa.ArrowInvalid:
            return False
        return True

    return casts


def _strptime(array: pa.Array, form: str) -> pa.Array | None:
    """Time stamps by a format, or None if one of them does not fit it."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as compute

    try:
        moments = compute.strptime(array, format=form, unit="s")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    # Arrow takes the 31st of February for the 2nd of March; pandas does not, but is slow.
    doubtful = array.filter(compute.less_equal(compute.day(moments), 3))
    exact = pd.to_datetime(pd.Series(doubtful.to_pylist()), format=form, errors="coerce", utc=True)
    return None if exact.isna().any() else moments


def _is_like(array: pa.Array, pattern: str) -> bool:
    import pyarrow.compute as compute

    return bool(compute.all(compute.match_substring_regex(array, pattern)).as_py())
