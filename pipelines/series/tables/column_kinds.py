"""What the name and the first values of a column tell about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.series.tables.columns import is_text
from pipelines.series.tables.joined_columns import as_text

if TYPE_CHECKING:
    import pyarrow as pa

TIME_NAMES = (
    "time",
    "date",
    "datetime",
    "timestamp",
    "date_time",
    "ds",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "period",
    "date/time",
)
ID_NAMES = ("unique_id", "item_id", "series_id", "series", "id")
COUNTER_NAMES = (
    *("column 1", "unnamed: 0", "rownames", "index", "idx", "level_0", "#", "no", "no.", "nr"),
    *("row", "row_id", "rowid", "row_number", "record_id", "instant", "obs", "s.no", "sr. no."),
)


def is_words(array: pa.Array) -> bool:
    """Whether a column has text and none of its values is a number or a truth value."""
    return is_text(array.type) and not parses_as_numbers(array, some=True)


def holds_names(array: pa.Array) -> bool:
    """Whether the values of a covariate are names of categories: words, or a type of categories."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type) and not is_text(array.type):
        return bool(array.null_count < len(array))
    return is_words(array)


def parses_as_numbers(array: pa.Array, some: bool = False) -> bool:
    """Whether all values (with `some`, any value) are numbers or truth values; True if empty."""
    values = array.drop_null().to_pylist()
    if not values:
        return True
    results = (_is_number(str(value)) for value in values)
    return any(results) if some else all(results)


def _is_number(text: str) -> bool:
    text = text.strip().lower().replace(",", ".", 1)
    if text in ("true", "false", ""):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def counts_rows(array: pa.Array) -> bool:
    """Whether the values are 0, 1, 2, ... or 1, 2, 3, ..."""
    values = [str(value) for value in array.to_pylist()]
    return any(values == [str(i + first) for i in range(len(values))] for first in (0, 1))


def rises_evenly(array: pa.Array) -> bool:
    """Whether the values rise by equal steps."""
    try:
        values = as_text(array).cast("double").to_numpy(zero_copy_only=False)
    except ValueError:
        return False
    steps = np.diff(values)
    return len(steps) > 1 and bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6))
