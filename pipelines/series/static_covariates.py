"""Static covariates, which are constant within a series, as numbers for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.data_report import DataReport

Floats = npt.NDArray[np.float32]

_EXACT_IN_FLOAT32 = 2**24
"""From this number on, float32 cannot tell all whole numbers apart."""


def static_values(
    columns: Mapping[str, tuple[Sequence[int], list[str]]],
    groups: int,
    report: DataReport,
    categories: Sequence[str] = (),
) -> tuple[Floats, tuple[str, ...]]:
    """Static covariates, float32 [groups, S]: numbers unchanged, categories one-hot.

    Whole numbers that are too long for float32, and numbers with leading zeros, are names and
    become categories.

    Args:
        columns: code of each group's value, and all values as text, by name of the column.
        groups: number of groups, each of them a series or the series of one id.
        report: report that receives notes on numbers that are read as categories.
        categories: names of columns whose numbers are categories.

    Returns:
        The values, and the names of their columns ("size=big" for a category).
    """
    parts: list[Floats] = []
    names: list[str] = []
    for column, (codes, values) in columns.items():
        numbers = None if column in categories or _are_names(values) else _as_numbers(values)
        if numbers is not None:
            parts.append(numbers[list(codes)][:, None])
            names.append(column)
            continue
        if column not in categories and _as_numbers(values) is not None:
            report.note("numbers that are names", "read as categories", f"column {column!r}")
        kinds = sorted(values)
        hot = np.array([[values[code] == kind for kind in kinds] for code in codes])
        parts.append(hot.astype(np.float32))
        names += [f"{column}={kind}" for kind in kinds]
    empty = np.zeros((groups, 0), np.float32)
    return np.concatenate([empty, *parts], axis=1, dtype=np.float32), tuple(names)


def are_numbers(values: list[str]) -> bool:
    """Whether texts are numbers that mean an amount, not names."""
    return not _are_names(values) and _as_numbers(values) is not None


def _are_names(values: list[str]) -> bool:
    for value in values:
        digits = value.lstrip("+-")
        if len(digits) > 1 and digits.startswith("0") and digits.isdigit():
            return True
        try:
            number = float(value)
        except ValueError:
            return True
        if np.isfinite(number) and number == round(number) and abs(number) >= _EXACT_IN_FLOAT32:
            return True
    return False


def _as_numbers(values: list[str]) -> Floats | None:
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return None
    return numbers.astype(np.float32) if np.all(np.isfinite(numbers)) else None
