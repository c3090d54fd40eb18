"""Reads a column of time stamps in any notation as datetime64[s] and a time zone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.data_report import DataReport
from pipelines.series.tables.columns import is_text
from pipelines.series.tables.tables import Block
from pipelines.series.times import numeric_times, time_formats
from pipelines.series.times.format_detection import format_of_numbers, format_of_texts
from pipelines.series.times.numeric_times import NUMERIC_FORMATS, STEPS, UNITS
from pipelines.series.times.time_formats import (
    WHOLE_PERIODS,
    is_like,
    read_by_format,
    with_plain_offset,
)
from pipelines.series.times.time_zones import check_zone, zone_of

if TYPE_CHECKING:
    import pyarrow as pa

Times = npt.NDArray[np.datetime64]

_OFFSET = r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)$"
_YEAR_FIRST = r"^(1[5-9]|2[0-2])\d{2}([-/]\d{1,2}|[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?)$"
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$"
_TOTALS = ("total", "sum", "summe", "gesamt", "average", "mean", "grand total")


class TimeReader:
    """Reads one column as times, datetime64[s]; the first block decides about the notation.

    Args:
        column: name of the column.
        time_format: a strptime format, a name of `numeric_times.NUMERIC_FORMATS` or
            `time_formats.WHOLE_PERIODS`, or "" to detect the format.
        time_zone: the zone of the local wall clock. Time stamps with an offset are instants, which
            must share a zone: if `time_zone` is "", they need the same offset. Time stamps without
            an offset are wall-clock times of this zone, or of an unknown zone for "".
        report: report that receives the findings.

    Attributes:
        zone: the zone of the times, "" for none; with a zone, the times that are read are UTC.
        fractions: microseconds beyond the second, of the rows that were read last, int32 [rows];
            None if all times are whole seconds.
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
        self.fractions: npt.NDArray[np.int32] | None = None
        self._zone_is_stated = bool(time_zone)
        self._format = time_format
        self._kind = ""
        self._report = report or DataReport()
        if time_zone:
            check_zone(time_zone)

    @property
    def aware(self) -> bool:
        """Whether the time stamps of the column have an offset."""
        return self._kind == "aware"

    @property
    def format(self) -> str:
        """The format that was stated or detected; "" for ISO 8601 and columns of times."""
        return self._format

    def read(self, block: Block) -> Times:
        """The times in `block`, datetime64[s] [rows]; UTC if they have an offset.

        Counted steps (`numeric_times.STEPS`) become minutes since 1970.

        Raises:
            DataError: a time is empty, cannot be read, is in an implausible year, or has an offset
                that differs from the others although no time zone is stated; the message names
                the first such row.
        """
        import pyarrow as pa
        import pyarrow.compute as compute

        array = block.columns[self.column]
        if array.null_count:
            first = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
            raise block.error("the time is empty", first, self.column, "Every row needs a time.")
        if is_text(array.type):
            if pa.types.is_dictionary(array.type):
                array = array.cast(pa.string())
            array = with_plain_offset(compute.utf8_trim_whitespace(array))
            if (self._format in NUMERIC_FORMATS and not self._iso_despite(array)) or (
                not self._kind and not self._format and is_like(array[:1], _NUMBER)
            ):
                moments = self._numbers(array, block)
            else:
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
            return self._numbers(array, block)
        raise block.error(f"holds values of type {array.type}, not times", 0, self.column)

    def _numbers(self, array: pa.Array, block: Block) -> pa.Array:
        """Times of numbers, typed or as text: epochs, steps, or dates written in digits."""
        import pyarrow as pa

        numbers = self._as_numbers(array, block)
        if not self._format:
            texts = array
            if not is_text(array.type):
                # Numbers beyond int64 are not dates in digits.
                whole = np.clip(numbers, -1, 2**53).astype(np.int64)
                texts = pa.array(whole).cast(pa.string()) if np.all(whole == numbers) else None
            self._format = format_of_numbers(texts, numbers, block, self.column, self._report)
        if self._format not in NUMERIC_FORMATS:
            if not is_text(array.type):
                array = pa.array(numbers.astype(np.int64)).cast(pa.string())
            return self._parse(array, block)
        epoch = self._format in UNITS
        self._settle("aware" if epoch else "naive", block, 0)
        if epoch:
            self.zone = self.zone or "UTC"
        return pa.array(numeric_times.moments_of(numbers, self._format, block, self.column))

    def _as_numbers(self, array: pa.Array, block: Block) -> numeric_times.Numbers:
        import pyarrow as pa

        try:
            return np.asarray(array.cast(pa.int64()).to_numpy(zero_copy_only=False))
        except pa.ArrowInvalid:
            pass
        try:
            numbers = array.cast(pa.float64(), safe=is_text(array.type)).to_numpy(
                zero_copy_only=False
            )
        except pa.ArrowInvalid:
            raise self._unreadable(array, block, _casts_to(pa.float64())) from None
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            raise block.error("the time is not a finite number", int(wrong[0]), self.column)
        return np.asarray(numbers)

    def _parse(self, array: pa.Array, block: Block) -> pa.Array:
        import pyarrow as pa

        if not self._kind and (not self._format or self._iso_despite(array)):
            self._settle_notation(array, block)
        if self._format:
            return self._by_format(array, block)
        kind = pa.timestamp("us", "UTC") if self.aware else pa.timestamp("us")
        try:
            moments = array.cast(kind)
        except pa.ArrowInvalid:
            raise self._unreadable(array, block, _casts_to(kind)) from None
        if self.aware and not self._zone_is_stated:
            self._settle_offset(array, block)
        return moments.cast(pa.timestamp("us"))

    def _iso_despite(self, array: pa.Array) -> bool:
        """Whether the year comes first although the stated format begins otherwise.

        A run keeps the format of its training data; times that begin with a year of four digits,
        as in ISO 8601, cannot be mistaken for that format.
        """
        if self._kind or self._format.startswith("%Y-") or self._format in WHOLE_PERIODS:
            return False
        iso = is_like(array, _YEAR_FIRST) and self._format != STEPS
        if iso and (
            self._format in NUMERIC_FORMATS or read_by_format(array[:1], self._format) is None
        ):
            self._report.note("time format", f"the year comes first: not read as {self._format}")
            self._format = ""
            return True
        return False

    def _settle(self, kind: str, block: Block, row: int) -> None:
        if self._kind and self._kind != kind:
            raise self._mixed(block, row)
        self._kind = kind

    def _settle_notation(self, array: pa.Array, block: Block) -> None:
        """Decides between ISO 8601 without and with an offset, and the formats of `FORMATS`."""
        import pyarrow as pa

        first = array[:1]
        if _casts_to(pa.timestamp("us"))(first):
            self._kind = "naive"
        elif _casts_to(pa.timestamp("us", "UTC"))(first):
            self._kind = "aware"
        else:
            self._kind = "naive"
            self._format = format_of_texts(array, block, self.column, self._report)

    def _settle_offset(self, array: pa.Array, block: Block) -> None:
        import pyarrow.compute as compute

        offsets = compute.extract_regex(array, _OFFSET).field("zone")
        for zone in map(zone_of, offsets.unique().to_pylist()):
            if self.zone and zone != self.zone:
                texts = offsets.to_pylist()
                row = next(i for i, text in enumerate(texts) if zone_of(text) != self.zone)
                raise block.error(
                    f"the offset {texts[row]} differs from {self.zone} before it",
                    row,
                    self.column,
                    "State the time zone of the local wall clock, such as time_zone "
                    "Europe/Berlin, or UTC.",
                )
            self.zone = zone

    def _by_format(self, array: pa.Array, block: Block) -> pa.Array:
        import pyarrow as pa

        aware = "%z" in self._format
        self._settle("aware" if aware else "naive", block, 0)
        moments = read_by_format(array, self._format)
        if moments is None:
            form = self._format
            raise self._unreadable(
                array, block, lambda text: read_by_format(text, form) is not None
            )
        if aware:
            self.zone = self.zone or "UTC"
        return moments.cast(pa.timestamp("us"))

    def _unreadable(
        self, array: pa.Array, block: Block, readable: Callable[[pa.Array], bool]
    ) -> DataError:
        import pyarrow as pa

        first = next(i for i in range(len(array)) if not readable(array[i : i + 1]))
        text = array[first : first + 1]
        other = pa.timestamp("us") if self.aware else pa.timestamp("us", "UTC")
        if not self._format and _casts_to(other)(text):
            return self._mixed(block, first)
        expected = f" (expected {self._format})" if self._format else ""
        return block.error(
            f"{str(text[0])[:40]!r} cannot be read as a time{expected}",
            first,
            self.column,
            self._cause(str(text[0]), block, first),
        )

    def _cause(self, text: str, block: Block, row: int) -> str:
        """Advice on a text among times, by what is probably wrong with it."""
        fields = [str(array[row]) for array in block.columns.values()]
        if text == self.column or all(
            field == name for field, name in zip(fields, block.columns, strict=True)
        ):
            return "The header line is repeated here: remove the row."
        if any(text.lower().startswith(word) for word in _TOTALS):
            return "This looks like a line of totals: remove the row."
        if " 24:00" in text or "T24:00" in text:
            return "Write the end of a day as 00:00 of the next day."
        if row == 0 and self._format:
            return (
                f"State its time_format. If a trained run reads it, write the times as in the "
                f"training data: {self._format}."
            )
        return "Correct it; the notation must be the same in all rows."

    def _mixed(self, block: Block, row: int) -> DataError:
        return block.error(
            "some time stamps have an offset from UTC and some do not",
            row,
            self.column,
            "Write all of them with an offset, or all without.",
        )

    def _to_seconds(self, moments: pa.Array, block: Block) -> Times:
        exact = moments.to_numpy(zero_copy_only=False).astype("datetime64[us]")
        wrong = np.flatnonzero((exact < time_formats.EARLIEST) | (exact >= time_formats.LATEST))
        if len(wrong):
            first = int(wrong[0])
            raise block.error(
                f"the time {exact[first].astype('datetime64[s]')} is not in the years 1500 to 2299",
                first,
                self.column,
                "Correct it, or state the time_format (%y reads years of two digits).",
            )
        seconds: Times = exact.astype("datetime64[s]")
        rest = (exact - seconds).astype(np.int32)
        parts = int(np.count_nonzero(rest))
        self.fractions = rest if parts else None
        if parts:
            self._report.note(
                "fractions of a second", "cut off", f"{block.file}, column {self.column!r}", parts
            )
        return seconds


def _casts_to(kind: pa.DataType) -> Callable[[pa.Array], bool]:
    import pyarrow as pa

    def casts(array: pa.Array) -> bool:
        try:
            array.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return False
        return True

    return casts
