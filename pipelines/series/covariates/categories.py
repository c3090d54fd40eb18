"""Covariates that are categories: codes in the series, and the list of what each code means.

A category is stored as its place in the list of its covariate, as float32; -1 is a category that is
not in the list. A network makes indicators of the codes, all zero for -1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import DataError
from pipelines.series.splits import Split, part_rows
from pipelines.series.tables.csv_files import WORDS
from pipelines.series.time_series import SeriesSet, TimeSeries
from pipelines.series.times.timestamps import show_time

Floats = npt.NDArray[np.float32]
Categories = Mapping[str, tuple[str, ...]]

UNKNOWN = -1.0
_MOST_NAMES = 10
_COVARIATES = ("past", "future")


def sorted_codes(
    codes: npt.NDArray[np.int32], names: Sequence[str]
) -> tuple[Floats, tuple[str, ...]]:
    """Codes by order of appearance as codes in alphabetic order, float32 with NaN for -1."""
    order = sorted(names)
    places = np.array([order.index(name) for name in names], np.float32)
    return np.append(places, np.float32(np.nan))[codes], tuple(order)


def training_categories(series_set: SeriesSet, split: Split) -> Categories:
    """The categories of each covariate that occur in the training part, in alphabetic order."""
    found: dict[str, tuple[str, ...]] = {}
    for kind in _COVARIATES:
        for column, name in enumerate(getattr(series_set, f"{kind}_names")):
            if name not in series_set.categories:
                continue
            codes: set[float] = set()
            for series in series_set:
                start, stop = part_rows(split.train, series, series_set)
                codes.update(np.unique(_values(series, kind)[start:stop, column]).tolist())
            names = series_set.categories[name]
            found[name] = tuple(names[int(code)] for code in sorted(codes) if code >= 0)
    return found


def recoded(series_set: SeriesSet, categories: Categories, unknown: str) -> SeriesSet:
    """The series with the codes of other lists of categories.

    Args:
        series_set: series whose codes follow their own lists.
        categories: wanted lists, by name of the covariate.
        unknown: treatment of a category that is not in its list: "error", or "zeros" to give it the
            code -1, from which a network makes zeros. A word that also means a missing value, such
            as None, is missing if its list lacks it: runs of before it was a name have such lists.

    Raises:
        DataError: a category is not in its list and `unknown` is "error"; or a covariate has
            categories where numbers are wanted, or numbers where categories are.
    """
    lacking = [name for name in categories if name not in series_set.categories]
    if lacking:
        raise DataError(
            "holds numbers, the model was trained with categories",
            file=series_set.report.source,
            column=lacking[0],
            advice=f"Name it in categories. The model knows {shown(categories[lacking[0]])}.",
        )
    surplus = [name for name in series_set.categories if name not in categories]
    if surplus:
        raise DataError(
            f"holds text ({shown(series_set.categories[surplus[0]])}), the model was trained with "
            "numbers",
            file=series_set.report.source,
            column=surplus[0],
            advice="Write numbers, as in the training data.",
        )
    if dict(categories) == dict(series_set.categories):
        return series_set
    arrays: dict[tuple[Any, ...], Floats] = {}
    series = []
    for one in series_set:
        changed: dict[str, Any] = {}
        for kind in _COVARIATES:
            values = _values(one, kind)
            # The series of a wide table share their covariates.
            key = (values.__array_interface__["data"][0], values.shape, values.strides)
            if key not in arrays:
                arrays[key] = _recoded(one, kind, series_set, categories, unknown)
            changed[f"{kind}_covariates"] = arrays[key]
        series.append(dataclasses.replace(one, **changed))
    return dataclasses.replace(series_set, series=tuple(series), categories=dict(categories))


def new_codes(
    values: Floats, old: Sequence[str], new: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Codes of the list `new` in place of those of `old`, and which are not in it, both [T]."""
    places = [new.index(name) if name in new else UNKNOWN for name in old]
    codes = np.array([*places, UNKNOWN], np.float32)[values.astype(np.int64)]
    return codes, (codes < 0) & (values >= 0)


def shown(names: Sequence[str]) -> str:
    """The first names of a list, for a message."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(repr(name) for name in names[:_MOST_NAMES]) + more


def _recoded(
    series: TimeSeries, kind: str, series_set: SeriesSet, categories: Categories, unknown: str
) -> Floats:
    values = _values(series, kind)
    changed = values
    for column, name in enumerate(getattr(series_set, f"{kind}_names")):
        if name not in categories:
            continue
        old = series_set.categories[name]
        present = _with_words_missing(series, name, values[:, column], series_set, categories[name])
        codes, strange = new_codes(present, old, categories[name])
        if strange.any():
            row = int(np.argmax(strange))
            problem = _problem(series, series_set, name, int(values[row, column]), row)
            if unknown == "error":
                raise DataError(
                    f"holds the category {problem}, which the training part does not have; it has "
                    f"{shown(categories[name])}",
                    file=series_set.report.source,
                    column=name,
                    advice="Correct it, or train with unknown_categories 'zeros', which reads it "
                    "as none of the known ones.",
                )
            series_set.report.note(
                "categories that the training part does not have",
                "read as none of the known ones",
                f"column {name!r}: {problem}",
                int(strange.sum()),
            )
        if changed is values:
            changed = values.copy()
        changed[:, column] = codes
    return changed


def _with_words_missing(
    series: TimeSeries, name: str, codes: Floats, series_set: SeriesSet, known: Sequence[str]
) -> Floats:
    """Codes [T] with the last one before each of `WORDS` that is not known, -1 before the first."""
    names = series_set.categories[name]
    words = [place for place, word in enumerate(names) if word in WORDS and word not in known]
    missing = np.isin(codes, words)
    if not missing.any() or missing.all():
        return codes
    first = int(np.argmax(missing))
    series_set.report.note(
        "words for a missing value that the training part does not have as names",
        "forward_fill",
        f"column {name!r}: {_problem(series, series_set, name, int(codes[first]), first)}",
        int(missing.sum()),
    )
    last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(codes))))
    return np.where(last < 0, np.float32(UNKNOWN), codes[last])


def _problem(series: TimeSeries, series_set: SeriesSet, name: str, code: int, row: int) -> str:
    """A category with its series and its time, for a message."""
    times = series.times
    if row >= len(series):
        times = np.append(times, series_set.future_times(series, row - len(series) + 1))
    when = show_time(times[row], series_set.frequency)
    return f"{series_set.categories[name][code]!r} in series {series.name!r} at {when}"


def _values(series: TimeSeries, kind: str) -> Floats:
    values: Floats = getattr(series, f"{kind}_covariates")
    return values
