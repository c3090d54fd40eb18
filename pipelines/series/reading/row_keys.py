"""Whether time and id tell the rows of a table apart, and which other columns would."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.joined_columns import PART_NAMES, as_text, whole_numbers
from pipelines.series.tables.tables import Block
from pipelines.series.times.time_parts import part_of_time

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_COLUMNS = 3
_MOST_CANDIDATES = 8


def check_one_row_for_each_time(
    free: Sequence[str], sample: Block, time: str, identity: str, options: SeriesOptions
) -> None:
    """Refuses rows of several series that no id tells apart, if other columns would.

    Args:
        free: columns whose role is not stated.
        sample: the first rows.
        time: name of the column of times.
        identity: name of the column that seems to name the series, or "".
        options: roles that the user stated.

    Raises:
        DataError: times repeat within an id, and together with further columns they would not; the
            message names these columns.
    """
    if options.duplicates != "error" or not _is_plain(sample.columns[time]):
        return
    known = [_codes(sample.columns[time])]
    if identity:
        known.append(_codes(sample.columns[identity]))
    if _distinct(known) == len(known[0]):
        return
    parts = {
        column: part
        for column in free
        if column != identity and (part := part_of_time(column, sample.columns[column]))
    }
    candidates = [
        column
        for column in free
        if column != identity
        and column not in options.targets
        and column not in parts
        and _may_name(sample.columns[column])
    ][:_MOST_CANDIDATES]
    for count in range(1, _MOST_COLUMNS + 1):
        for columns in itertools.combinations(candidates, count):
            if not options.targets and len(columns) + len(set(free) & {identity}) == len(free):
                # No column would be left to forecast.
                continue
            if _distinct([*known, *(_codes(sample.columns[c]) for c in columns)]) == len(known[0]):
                names = ",".join(columns if not identity else (identity, *columns))
                raise DataError(
                    f"the times repeat{f' within {identity!r}' if identity else ''}, so the rows "
                    f"belong to several series: {names} tells them apart",
                    file=sample.file,
                    advice=f"State id_column {names!r}, or else duplicates first, last or mean.",
                )

    for column, part in parts.items():
        if column not in options.targets:
            raise DataError(
                f"the times in {time!r} repeat, and {column!r} has {part}: the two are read as one "
                "time only if they are a date and a clock time or an hour, or if the columns are "
                f"called {', '.join(PART_NAMES)} and have numbers",
                file=sample.file,
                advice="Write one column with the whole time (2024-01-31 13:00, or 2024-W05 for a "
                "week).",
            )


def _may_name(array: pa.Array) -> bool:
    """Whether a column may name series: text or whole numbers that occur repeatedly."""
    if not _is_plain(array) or array.null_count or len(array.unique()) * 3 > len(array):
        return False
    try:
        as_text(array).cast("double")
    except ValueError:
        return True
    return whole_numbers(array) is not None


def _is_plain(array: pa.Array) -> bool:
    import pyarrow as pa

    return not pa.types.is_nested(array.type) and not isinstance(array.type, pa.BaseExtensionType)


def _codes(array: pa.Array) -> npt.NDArray[np.int64]:
    encoded = array.dictionary_encode() if not hasattr(array, "dictionary") else array
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _distinct(keys: Sequence[npt.NDArray[np.int64]]) -> int:
    return len(np.unique(np.stack(keys), axis=1).T)
