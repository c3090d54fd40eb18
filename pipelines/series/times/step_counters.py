"""A column that counts the time steps of each series of a long table: 0, 1, 2, ... in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.column_kinds import COUNTER_NAMES, ID_NAMES, is_words
from pipelines.series.tables.joined_columns import named_columns, whole_numbers
from pipelines.series.tables.tables import Block
from pipelines.series.times.numeric_times import STEPS, numeric_format

if TYPE_CHECKING:
    import pyarrow as pa

STEP_NAMES = (
    *("step", "time_idx", "time_step", "timestep", "time_index", "t", "tick", "cycle", "round"),
    *("hour_index", "day_index", "week_index", "month_index", "date_block_num"),
)
_MOST_CANDIDATES = 8

Codes = npt.NDArray[np.int64]


def step_counter(free: Sequence[str], sample: Block, options: SeriesOptions) -> str:
    """The column that counts the steps of the series that words, or an id by its name, tell apart.

    Args:
        free: columns whose role is not stated.
        sample: the first rows.
        options: roles that the user stated, and the layout.

    Returns:
        The name of the column; "" if there is none, or none would be left to forecast.

    Raises:
        DataError: several columns count the steps, and none has the name of one.
    """
    if options.layout == "wide":
        return ""
    ids = _ids(free, sample, options)
    if not ids:
        return ""
    counters = _counters(ids, [c for c in free if c not in ids], sample, options)
    values = [column for column in free if column not in (*ids, *counters[:1])]
    if not counters or not (options.targets or values):
        return ""
    named = [column for column in counters if column.lower() in STEP_NAMES]
    if len(counters) > 1 and len(named) != 1:
        raise DataError(
            f"each of {', '.join(counters)} counts the rows of the series that {','.join(ids)} "
            "tells apart, so that each may be the time",
            file=sample.file,
            advice=f"State which: --column time={counters[0]}, for example.",
        )
    return (named or counters)[0]


def check_no_hidden_series(free: Sequence[str], sample: Block, options: SeriesOptions) -> None:
    """Refuses to count rows as one series if one column of numbers counts within another.

    So do tables with an id of numbers, such as machine, cycle and the values of each cycle.

    Args:
        free: columns whose role is not stated.
        sample: the first rows.
        options: roles that the user stated, and the layout.

    Raises:
        DataError: there are such columns, and no layout is stated; names both, and what to state.
    """
    if options.layout != "auto" or options.id_column:
        return
    repeated = [column for column in free if _repeats(sample.columns[column])][:_MOST_CANDIDATES]
    for identity in repeated:
        others = [column for column in repeated if column != identity]
        for counter in _counters((identity,), others, sample, options):
            raise DataError(
                f"{counter!r} counts rows anew for each value of {identity!r}, as the time steps "
                "of several series do, and no column can be read as times",
                file=sample.file,
                advice=f"If it is so, state --column id={identity} {_flags(counter, sample)}; if "
                "each column is a series of its own, state --layout wide.",
            )


def counts_times(column: str, sample: Block, times: npt.NDArray[np.datetime64]) -> bool:
    """Whether a column with the name of a counter of steps only counts the times of another one.

    Args:
        column: name of the column.
        sample: the first rows.
        times: time of each of these rows.
    """
    numbers = whole_numbers(sample.columns[column]) if column.lower() in STEP_NAMES else None
    if numbers is None or len(numbers) < 3:
        return False
    order = np.argsort(times, kind="stable")
    waits, steps = np.diff(times[order]).astype(np.int64), np.diff(numbers[order])
    rises = waits > 0
    if rises.any() and not steps[~rises].any() and np.all(steps[rises] > 0):
        # One more at each time, or as many more as the wait was long.
        return any(
            len(np.unique(each)) == 1 for each in (steps[rises], waits[rises] / steps[rises])
        )
    # Or it begins anew in each of the series that follow one another.
    rises = np.diff(times).astype(np.int64) > 0
    return 2 * rises.sum() > len(rises) and bool(np.all(np.diff(numbers)[rises] == 1))


def advice_on_counters(free: Sequence[str], sample: Block) -> str:
    """What to state if a column of whole numbers counts the time steps; "" if there is none."""
    whole = [column for column in free if whole_numbers(sample.columns[column]) is not None]
    named = [column for column in whole if column.lower() in STEP_NAMES]
    for counter in named or whole:
        flags = _flags(counter, sample)
        return f" If {counter} counts the time steps of each series, state {flags}."
    return ""


def _flags(counter: str, sample: Block) -> str:
    """The flags that make a column the time; numbers from 0 or 1 on are known to be steps."""
    numbers = whole_numbers(sample.columns[counter])
    certain = numbers is not None and numeric_format(numbers) == STEPS
    return f"--column time={counter}{'' if certain else ' --time-format steps'}"


def _ids(free: Sequence[str], sample: Block, options: SeriesOptions) -> tuple[str, ...]:
    """The columns that tell the series apart: those stated, one by its name, or those of words."""
    if options.id_column:
        stated = named_columns(options.id_column, tuple(sample.columns))
        return stated if set(stated) <= set(sample.columns) else ()
    for name in ID_NAMES:
        for column in free:
            if column.lower() == name:
                return (column,)
    return tuple(column for column in free if is_words(sample.columns[column]))


def _counters(
    ids: Sequence[str], free: Sequence[str], sample: Block, options: SeriesOptions
) -> list[str]:
    """The free columns that count the rows of each series, the first of which has 0 or 1."""
    keys = np.stack([_codes(sample.columns[column]) for column in ids])
    _, series = np.unique(keys, axis=1, return_inverse=True)
    order = np.argsort(series.ravel(), kind="stable")
    same = np.diff(series.ravel()[order]) == 0
    found = []
    for column in free:
        if column in options.targets or column.lower() in COUNTER_NAMES:
            continue
        numbers = whole_numbers(sample.columns[column])
        if numbers is None or same.sum() < 2 or numeric_format(numbers) != STEPS:
            continue
        steps = np.diff(numbers[order])[same]
        # Numbers that go on from one series to the next count the rows of the file.
        anew = same.all() or len(np.unique(numbers)) < len(numbers)
        if anew and bool(np.all(steps == 1)):
            found.append(column)
    return found


def _repeats(array: pa.Array) -> bool:
    numbers = whole_numbers(array)
    return numbers is not None and 1 < len(np.unique(numbers)) < len(numbers)


def _codes(array: pa.Array) -> Codes:
    encoded = array if hasattr(array, "dictionary") else array.dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
