"""Other data whose columns have the roles of known columns, under names of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines import roles
from pipelines.base.errors import ConfigurationError
from pipelines.base.stated_columns import Stated, joined_names, stated_columns
from pipelines.series.options import NONE, SeriesOptions
from pipelines.series.time_series import SeriesSet


@dataclass(frozen=True)
class RenamedColumns:
    """How other data is read, and the known names of its columns.

    Attributes:
        options: options with which the data is read, with its own names.
        known: known name of each column that has another name in the data, by the data's name.
    """

    options: SeriesOptions
    known: Mapping[str, str]

    def renamed(self, series_set: SeriesSet) -> SeriesSet:
        """The series with the known names of their targets and covariates."""
        if not self.known:
            return series_set
        several = len(series_set.options.targets) > 1
        by_id = bool(series_set.options.id_column)
        names: dict[str, Any] = {
            field: self._all(getattr(series_set.options, field))
            for field in ("categories", *(r.field for r in roles.SERIES if r.name not in _ROWS))
        }
        options = dataclasses.replace(series_set.options, **names)
        return dataclasses.replace(
            series_set,
            series=tuple(
                dataclasses.replace(one, name=self._series_name(one.name, by_id, several))
                for one in series_set
            ),
            past_names=self._all(series_set.past_names),
            future_names=self._all(series_set.future_names),
            static_names=tuple(self._static(name) for name in series_set.static_names),
            categories={self._one(name): kept for name, kept in series_set.categories.items()},
            options=options,
            source_rows={
                self._series_name(name, by_id, several): rows
                for name, rows in series_set.source_rows.items()
            },
        )

    def _one(self, name: str) -> str:
        return self.known.get(name, name)

    def _all(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._one(name) for name in names)

    def _static(self, name: str) -> str:
        column, sign, value = name.partition("=")
        return f"{self._one(column)}{sign}{value}"

    def _series_name(self, name: str, by_id: bool, several: bool) -> str:
        """The name of a series: a column, an id, or an id and one of several columns."""
        if not by_id:
            return self._one(name)
        ends = [column for column in self.known if name.endswith(f"/{column}")]
        if not several or not ends:
            return name
        column = max(ends, key=len)
        return name.removesuffix(column) + self._one(column)


_ROWS = ("time", "id")
"""The roles of columns that say what a row is; no other name is known for them."""


def renamed_columns(
    options: SeriesOptions, stated: Stated, *, any_targets: bool = False
) -> RenamedColumns:
    """Reads other data with columns that are stated by role, in place of the known ones.

    Args:
        options: options with which the known data was read, with the names of its columns.
        stated: columns of the other data by role. Targets and covariates are stated in the order
            of the known columns of the role; a choice of the known targets themselves needs no
            order.
        any_targets: True if targets need no known names, so that there may be any number of them.

    Raises:
        ConfigurationError: a role does not exist, or has another number of columns than it is
            known to have.
    """
    changed: dict[str, Any] = {}
    known: dict[str, str] = {}
    by_role = stated_columns(stated, roles.SERIES)
    for role in roles.SERIES:
        columns = by_role.get(role.name, ())
        if not columns:
            continue
        before = getattr(options, role.field)
        if role.name in _ROWS:
            changed[role.field] = columns[0] if len(columns) == 1 else joined_names(columns)
            if role.name == "id" and options.layout == "wide":
                changed["layout"] = "long"
            continue
        expected = () if before == NONE else before
        if role.name == "target" and (any_targets or set(columns) <= set(expected)):
            changed[role.field] = columns
            continue
        if len(columns) != len(expected):
            raise ConfigurationError(
                f"column {role.name}={joined_names(columns)}: {len(columns)} in place of the "
                f"{len(expected)} columns of the training ({', '.join(expected) or 'none'}). "
                "State one for each of them, in their order"
            )
        if set(columns) == set(expected):
            continue
        changed[role.field] = columns
        known |= {new: old for new, old in zip(columns, expected, strict=True) if new != old}
    new_names = {old: new for new, old in known.items()}
    changed["categories"] = tuple(new_names.get(name, name) for name in options.categories)
    return RenamedColumns(dataclasses.replace(options, **changed), known)
