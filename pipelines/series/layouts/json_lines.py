"""JSON Lines of GluonTS: one series per line, as {"start": ..., "target": [...]}.

The fields are those of `gluonts.dataset.field_names`: item_id, start, target, feat_static_cat,
feat_static_real, feat_dynamic_real, feat_dynamic_cat, past_feat_dynamic_real.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import DataError
from pipelines.series.layouts.steps_of_time import StepOfTime, start_of_series, step_of_time
from pipelines.series.layouts.whole_series import SERIES, TIME, VALUE, WholeSeries, series_blocks
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.checked_file import numbered_lines
from pipelines.series.tables.tables import Block
from pipelines.tokenizers.tokenizer import utf8

if TYPE_CHECKING:
    import pyarrow as pa

_ITEM, _START, _TARGET, _FREQUENCY = "item_id", "start", "target", "freq"
_STATIC = ("feat_static_cat", "feat_static_real")
_FUTURE = ("feat_dynamic_real", "feat_dynamic_cat")
_PAST = ("past_feat_dynamic_real",)
_FEATURES = (*_STATIC, *_FUTURE, *_PAST)
FIELDS = (_ITEM, _START, _TARGET, _FREQUENCY, *_FEATURES)
_METADATA = ("metadata.json", "../metadata.json")

Record = dict[str, Any]


class JsonLinesTable:
    """A file of GluonTS as a long table: series, time if known, value, and its features.

    A series without `item_id` has the number of its line as its name.

    The frequency is the stated one, else the field "freq" of the first line, else that of
    `metadata.json` in the same folder or in the one above it.

    Args:
        path: path of the file.
        frequency: frequency that the user stated, or "".

    Raises:
        DataError: the first line is not a series, or it has a start and no frequency is known.
            Reading the blocks raises it for a line with another frequency, if none is stated, or
            with other features.
    """

    _unit = "line"

    def __init__(self, path: str | Path, frequency: str) -> None:
        self.name = str(path)
        self._file = ""
        self._stated = frequency
        self._line, self._first = next(self._records(), (1, {}))
        if not self._first:
            raise DataError("the file is empty", file=path)
        if _TARGET not in self._first:
            raise DataError(
                f"has no {_TARGET!r}: JSON Lines hold a series per line here, as GluonTS writes "
                'them ({"start": ..., "target": [...]})',
                file=path,
                row=self._line,
                advice="Save a table of records as CSV or Parquet.",
            )
        self._series_of(self._first, self._line, None, {})
        self._step = self._find_step(frequency) if _START in self._first else None
        self._features = {
            kind: tuple(f"{kind}_{i}" for i in range(len(self._first[kind])))
            for kind in _FEATURES
            if self._first.get(kind)
        }
        features = [name for names in self._features.values() for name in names]
        self.columns = (SERIES, *((TIME,) if self._step else ()), VALUE, *features)
        self.notes: tuple[str, ...] = (
            ("times are the first days of their months",)
            if self._step and self._step.months
            else ()
        )

    @property
    def roles(self) -> SeriesOptions:
        """What the columns are, where the user does not say otherwise."""

        def columns(kinds: Sequence[str]) -> tuple[str, ...]:
            return tuple(name for kind in kinds for name in self._features.get(kind, ()))

        return SeriesOptions(
            layout="long",
            id_column=SERIES,
            time_column=TIME if self._step else "",
            targets=(VALUE,),
            past_covariates=columns(_PAST),
            future_covariates=columns(_FUTURE),
            static_covariates=columns(_STATIC),
        )

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """See `Table.blocks`. The number of a row is the line of its series in the file."""
        records = ((line, self._checked(record, line)) for line, record in self._records())
        series = (
            self._series_of(record, line, self._step, self._features) for line, record in records
        )
        return series_blocks(series, columns, self.name)

    def tell_apart(self, file: str) -> None:
        """Puts the name of the file before those of series without `item_id`.

        Args:
            file: name of the file that no other file of the source has.
        """
        self._file = f"{file} "
        if self._first.get(_ITEM) is None:
            self.notes += (f"series without {_ITEM!r}: each file has its own",)

    def _find_step(self, frequency: str) -> StepOfTime:
        stated = frequency or str(self._first.get(_FREQUENCY, "")) or _of_metadata(self.name)
        step = step_of_time(stated)
        if step is None:
            problem = f"frequency {stated!r} is not known" if stated else "no frequency is known"
            raise DataError(
                f"{problem}, and the series have only the time of their first value",
                file=self.name,
                advice="State the frequency, such as h, D or MS.",
            )
        return step

    def _records(self) -> Iterator[tuple[int, Record]]:
        for line, text in numbered_lines(self.name, quotes=False):
            try:
                record = json.loads(text)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"is not JSON: {error.msg} at character {error.colno}",
                    file=self.name,
                    row=line,
                    advice="Write one object per line, without line breaks inside it.",
                ) from None
            if not isinstance(record, dict):
                raise DataError("is not a JSON object", file=self.name, row=line)
            yield line, record

    def _series_of(
        self, record: Record, line: int, step: StepOfTime | None, features: dict[str, Any]
    ) -> WholeSeries:
        import pyarrow as pa

        item = record.get(_ITEM)
        name = f"{self._file}{self._unit} {line}" if item is None else str(item)
        utf8(name, self.name, line)
        dynamic = {kind: record.get(kind) or [] for kind in features if kind not in _STATIC}
        values = self._numbers(record.get(_TARGET), _TARGET, line)
        known = max([len(values), *(len(row) for rows in dynamic.values() for row in rows)])
        arrays: dict[str, pa.Array] = {
            SERIES: pa.array([name] * known, pa.string()),
            VALUE: _padded(values, known),
        }
        if step:
            self._require_step(record, line, step)
            begin = start_of_series(record.get(_START), self.name, line, _START)
            arrays[TIME] = pa.array(step.times(begin, known))
        for kind, names in features.items():
            rows = record.get(kind) or []
            if len(rows) != len(names):
                problem = f"has {len(rows)} entries where the first line has {len(names)}"
                raise self._other_features(problem, line, kind)
            # Categories have numbers, which must not be taken for amounts.
            prefix = "category " if kind.endswith("_cat") else ""
            for column, row in zip(names, rows, strict=True):
                if kind in _STATIC:
                    utf8(str(row), self.name, line)
                    arrays[column] = pa.array([prefix + str(row)] * known, pa.string())
                else:
                    arrays[column] = _padded(self._numbers(row, kind, line), known)
        return WholeSeries(name, line, arrays, _place)

    def _checked(self, record: Record, line: int) -> Record:
        """The record, refused if it has features that the first line lacks."""
        for kind in _FEATURES:
            if record.get(kind) and kind not in self._features:
                problem = f"has features where the first line, {self._line}, has none"
                raise self._other_features(problem, line, kind)
        return record

    def _other_features(self, problem: str, line: int, kind: str) -> DataError:
        """The error of a line whose features are not those of the first line."""
        return DataError(
            problem, file=self.name, row=line, column=kind,
            advice="All lines need the same features.",
        )  # fmt: skip

    def _require_step(self, record: Record, line: int, step: StepOfTime) -> None:
        """Refuses a series that says it has another step than the first one."""
        own = record.get(_FREQUENCY)
        if self._stated or not own or step_of_time(str(own)) == step:
            return
        raise DataError(
            f"{own!r} is another step than that of the first series",
            file=self.name,
            row=line,
            column=_FREQUENCY,
            advice="Write the series of each step to a file of their own.",
        )

    def _numbers(self, values: Any, field: str, line: int) -> pa.Array:
        """A list of numbers as an Arrow array; null and "NaN" are missing."""
        import pyarrow as pa

        if not isinstance(values, list) or not values:
            raise DataError(
                "is missing or is not a list of numbers", file=self.name, row=line, column=field
            )
        if isinstance(values[0], list):
            raise DataError(
                f"holds {len(values)} lists, so that the series has several values per time",
                file=self.name,
                row=line,
                column=field,
                advice="Write one line per value, with an item_id for each.",
            )
        for place, value in enumerate(values):
            if value == "NaN":
                values[place] = None
            elif isinstance(value, bool) or not isinstance(value, int | float | None):
                raise DataError(
                    f"{str(value)[:60]!r} is not a number",
                    file=self.name,
                    row=line,
                    column=f"{field}, value {place + 1}",
                    advice="Write null for a missing value.",
                )
        return pa.array(values, pa.float64(), from_pandas=True)


def _padded(values: pa.Array, length: int) -> pa.Array:
    import pyarrow as pa

    missing = pa.nulls(length - len(values), values.type)
    return pa.concat_arrays([values, missing]) if len(missing) else values


def _of_metadata(file: str) -> str:
    """The frequency that `metadata.json` of a data set of GluonTS names; "" if there is none."""
    for name in _METADATA:
        path = Path(file).parent / name
        if not path.is_file():
            continue
        try:
            metadata = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(metadata, dict) and metadata.get(_FREQUENCY):
            return str(metadata[_FREQUENCY])
    return ""


def _place(column: str, step: int) -> str:
    return f"{_TARGET}, value {step + 1}" if column == VALUE else f"{column}, value {step + 1}"
