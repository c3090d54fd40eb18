"""How a table is read as time series. Imports nothing heavy, so that configurations can use it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from pipelines import roles
from pipelines.base.stated_columns import fill_options, joined_names

NONE = ("none",)
"""As a covariate option: no such covariates, even if built-in data has some by default."""


def _option(default: Any, description: str, choices: tuple[str, ...] = ()) -> Any:
    metadata: dict[str, Any] = {"help": description}
    if choices:
        metadata["choices"] = choices
    return dataclass_field(default=default, metadata=metadata)


def _repeated_option(flag: str, description: str) -> Any:
    metadata = {"help": description, "flag": flag, "repeated": "ROLE=NAME"}
    return dataclass_field(default=(), metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class SeriesOptions:
    """The roles of the columns, and the treatment of irregular data.

    Empty text and empty lists mean "detect": see `pipelines.series.reading.column_roles` for the
    rules. Every treatment that changes data is counted in the `DataReport` of the loaded series.
    """

    layout: str = _option(
        "auto",
        "wide: one column per series; long: rows of id, time, value; rows: one row per series, its "
        "name and then its values",
        ("auto", "wide", "long", "rows"),
    )
    columns: tuple[str, ...] = _repeated_option(
        "column",
        "a column and its role, as ROLE=NAME or ROLE=NAME,NAME; once per role. Roles: "
        "time, id, target, known, past, static",
    )
    time_column: str = _option(
        "",
        "column of the time stamps; several with commas between them: a date and a clock time, or "
        "year, month, day, hour, minute",
    )
    id_column: str = _option(
        "",
        "column that names the series of a row (long layout); several with commas between them if "
        "they name it together",
    )
    targets: tuple[str, ...] = _option(
        (), "columns to forecast; default: all columns without another role"
    )
    past_covariates: tuple[str, ...] = _option(
        (), "columns known up to the present only; 'none' for no such column"
    )
    future_covariates: tuple[str, ...] = _option(
        (), "columns known ahead, such as holidays; 'none' for no such column"
    )
    static_covariates: tuple[str, ...] = _option(
        (), "columns that are constant within a series, numbers or categories (long layout)"
    )
    categories: tuple[str, ...] = _option(
        (),
        "covariates whose numbers are names of categories, such as 1 for rain; covariates of text "
        "always are",
    )
    unknown_categories: str = _option(
        "error",
        "treatment of a category that the training part does not have; zeros: it is read as none "
        "of the known ones",
        ("error", "zeros"),
    )
    covariates: str = _option(
        "",
        "table of covariates known ahead, as file:PATH, joined with the data by id and time; "
        "future_covariates may choose among its columns",
    )
    frequency: str = _option("", "step of time as a pandas alias, such as h, 30min, D, B, MS")
    time_zone: str = _option("", "IANA zone of the local wall clock, such as Europe/Berlin")
    time_format: str = _option(
        "",
        "strptime format of the time stamps; for numbers unix, unix_ms, unix_us, unix_ns, excel "
        "(days of a spreadsheet) or steps (rows counted, without a date); default: detected",
    )
    delimiter: str = _option("", "separator of the fields of a CSV file; default: detected")
    decimal: str = _option("", "decimal mark of a CSV file; default: detected", ("", ".", ","))
    missing: str = _option(
        "forward_fill",
        "replacement for a missing value in the past of a window (its loss weight is always 0)",
        ("forward_fill", "interpolate", "zero", "error"),
    )
    missing_markers: tuple[float, ...] = _option(
        (), "numbers that stand for a missing value, such as -999"
    )
    duplicates: str = _option(
        "error",
        "treatment of rows of a series with the same time",
        ("error", "first", "last", "mean"),
    )
    gaps: str = _option(
        "fill",
        "treatment of missing time stamps; count: the rows are kept as they are and counted, as "
        "for days on which a market is open",
        ("fill", "error", "count"),
    )
    irregular: str = _option(
        "error",
        "treatment of time stamps off the regular step; mean: average within each step",
        ("error", "mean"),
    )
    unsorted: str = _option(
        "sort", "treatment of rows whose times do not ascend", ("sort", "error")
    )
    infinities: str = _option(
        "error", "treatment of infinite values and those beyond float32", ("error", "missing")
    )

    def __post_init__(self) -> None:
        """Turns lists into tuples, and a single name or number into a tuple of one.

        A list of columns that are read as one becomes a text with commas between them. Columns that
        are stated by role become the options for these roles.
        """
        for name in ("time_column", "id_column"):
            value = getattr(self, name)
            if isinstance(value, list | tuple):
                columns = [str(column) for column in value]
                joined = columns[0] if len(columns) == 1 else joined_names(columns)
                object.__setattr__(self, name, joined)
        fill_options(self, roles.SERIES)
        for field in dataclasses.fields(SeriesOptions):
            value = getattr(self, field.name)
            if isinstance(field.default, tuple) and not isinstance(value, tuple):
                several = isinstance(value, Sequence) and not isinstance(value, str)
                object.__setattr__(self, field.name, tuple(value) if several else (value,))


def series_options(config: Any) -> SeriesOptions:
    """The `SeriesOptions` with the values of the fields of the same names in a configuration."""
    names = [field.name for field in dataclasses.fields(SeriesOptions)]
    return SeriesOptions(**{name: getattr(config, name) for name in names if hasattr(config, name)})


def complete(options: SeriesOptions, defaults: SeriesOptions) -> SeriesOptions:
    """`options`, with the values of `defaults` for the fields that the user did not set.

    A column to which the user gives a role loses its default role.
    """
    plain = SeriesOptions()
    roles = ("targets", "past_covariates", "future_covariates", "static_covariates")
    claimed = {column for role in roles for column in getattr(options, role)}
    values = {}
    for field in dataclasses.fields(SeriesOptions):
        value, default = getattr(options, field.name), getattr(defaults, field.name)
        if value != getattr(plain, field.name):
            values[field.name] = value
        elif field.name in roles:
            values[field.name] = tuple(column for column in default if column not in claimed)
        else:
            values[field.name] = default
    return SeriesOptions(**values)
