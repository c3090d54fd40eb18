"""Files of the Monash forecasting archive (.tsf): attributes, then one series per line.

Godahewa et al. 2021, "Monash Time Series Forecasting Archive" (arXiv 2105.06643), describe the
format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import DataError
from pipelines.series.layouts.steps_of_time import start_of_series, step_of_time
from pipelines.series.layouts.whole_series import SERIES, TIME, VALUE, WholeSeries, series_blocks
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.checked_file import numbered_lines
from pipelines.series.tables.tables import Block, check_column_names

if TYPE_CHECKING:
    import pyarrow as pa

_NAME, _START = "series_name", "start_timestamp"


class MonashTable:
    """A .tsf file as a long table: the attributes of the series, the time if known, the value.

    Args:
        path: path of the file.

    Raises:
        DataError: the head of the file lacks what the format demands.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._attributes: list[str] = []
        head = self._read_head()
        if _NAME not in self._attributes:
            raise DataError(
                f"has no attribute {_NAME}",
                file=path,
                advice=f"A .tsf file says '@attribute {_NAME} string' before @data.",
            )
        frequency = head.get("frequency", "")
        self._step = step_of_time(frequency) if frequency else None
        self._timed = _START in self._attributes and self._step is not None
        if _START in self._attributes and frequency and self._step is None:
            raise DataError(
                f"@frequency {frequency!r} is not known",
                file=path,
                advice="Write hourly, daily, weekly, monthly, 10_minutes or the like.",
            )
        described = [name for name in self._attributes if name not in (_NAME, _START)]
        self.columns = (SERIES, *described, *((TIME,) if self._timed else ()), VALUE)
        check_column_names(self.columns, self.name)
        self.notes = tuple(
            note
            for note, applies in (
                (f"@horizon {head.get('horizon')}: state it as horizon", "horizon" in head),
                ("times left out, since the file has no @frequency",
                 _START in self._attributes and not self._timed),
                ("times are the first days of their months",
                 self._timed and self._step is not None and self._step.months > 0),
            )
            if applies
        )  # fmt: skip

    @property
    def roles(self) -> SeriesOptions:
        """What the columns are, where the user does not say otherwise."""
        return SeriesOptions(
            layout="long",
            id_column=SERIES,
            time_column=TIME if self._timed else "",
            targets=(VALUE,),
        )

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """See `Table.blocks`. The number of a row is the line of its series in the file."""
        return series_blocks(self._series(), columns, self.name)

    def _read_head(self) -> dict[str, str]:
        head: dict[str, str] = {}
        for line, text in numbered_lines(self.name, quotes=False):
            words = text.split()
            if text.startswith("#") or not words:
                continue
            if words[0].lower() == "@data":
                return head
            if not words[0].startswith("@") or len(words) < 2:
                raise DataError(
                    f"{text[:40]!r} is not a line of the head",
                    file=self.name,
                    row=line,
                    advice="Before @data each line is '@name value' or '@attribute name type'.",
                )
            if words[0].lower() == "@attribute":
                self._attributes.append(words[1])
            else:
                head[words[0][1:].lower()] = words[1]
        raise DataError("there is no line @data", file=self.name)

    def _series(self) -> Iterator[WholeSeries]:
        begun = False
        for line, text in numbered_lines(self.name, quotes=False):
            if begun and text.strip() and not text.startswith("#"):
                yield self._one(text, line)
            begun = begun or text.strip().lower() == "@data"

    def _one(self, text: str, line: int) -> WholeSeries:
        import pyarrow as pa

        # Attributes hold no colon, but clock times may be written with colons: 00:30:00.
        count = len(self._attributes)
        fields = text.split(":")
        surplus = len(fields) - count - 1
        if surplus < 0:
            raise DataError(
                f"{len(fields) - 1} attributes before the values where the head names {count}",
                file=self.name,
                row=line,
                advice="Each line is the attributes, with colons between them, and the values.",
            )
        if surplus:
            start = self._attributes.index(_START) if _START in self._attributes else 0
            clock = ":".join(fields[start : start + surplus + 1])
            fields = [*fields[:start], clock, *fields[start + surplus + 1 :]]
        described = dict(zip(self._attributes, fields, strict=False))
        texts = (value.strip() for value in fields[-1].split(","))
        values = [None if value in ("?", "", "NaN") else value for value in texts]
        arrays: dict[str, pa.Array] = {
            name: pa.array([described[attribute].strip() or None] * len(values), pa.string())
            for attribute, name in chain(
                ((_NAME, SERIES),), ((name, name) for name in self.columns if name in described)
            )
        }
        arrays[VALUE] = pa.array(values, pa.string())
        if self._timed and self._step is not None:
            begin = start_of_series(described[_START], self.name, line, _START)
            arrays[TIME] = pa.array(self._step.times(begin, len(values)))
        return WholeSeries(described[_NAME].strip(), line, arrays, _place)


def _place(column: str, step: int) -> str:
    return f"value {step + 1}" if column == VALUE else column
