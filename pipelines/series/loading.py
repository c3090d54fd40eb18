"""Loads a set of regular time series from any source."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.data_report import DataReport
from pipelines.series.assembly import SeriesAssembly
from pipelines.series.covariates.covariate_tables import joined, table_options
from pipelines.series.options import NONE, SeriesOptions
from pipelines.series.reading.column_roles import find_roles
from pipelines.series.reading.table_reading import read_columns
from pipelines.series.table_sources import open_source
from pipelines.series.tables.tables import Table
from pipelines.series.time_series import SeriesSet
from pipelines.series.times.numeric_times import NUMERIC_FORMATS
from pipelines.series.times.time_formats import check_format
from pipelines.series.times.timestamps import (
    current_alias,
    offset_of,
)
from pipelines.sources import Source

if TYPE_CHECKING:
    import pandas as pd


def load_series(
    source: str | Source | pd.DataFrame,
    options: SeriesOptions | None = None,
    *,
    data_dir: str = "",
    covariates: str | pd.DataFrame | None = None,
    **settings: Any,
) -> SeriesSet:
    """Loads time series, checks them and puts them on a regular grid.

    Args:
        source: name of the data, "file:PATH[,PATH]", "builtin:NAME" or "tfds:NAME[/CONFIG]"; or a
            DataFrame, wide (a time column or index, one column per series) or long (id, time,
            value).
        options: roles of the columns and treatment of the data.
        settings: values for single fields of `options`, such as
            `load_series(frame, targets=("load",), missing="interpolate")`.
        data_dir: folder of prepared TensorFlow datasets; "" for the default of tfds.
        covariates: table of covariates that are known ahead, joined by id and time, as
            `pipelines.series.covariates.covariate_tables` says; None for the table that the options
            name, if any.

    Raises:
        DataError: the data cannot be used; the message names file, row and column.
    """
    chosen = dataclasses.replace(options or SeriesOptions(), **settings)
    _check_choices(chosen)
    table = chosen.covariates if covariates is None else covariates
    if isinstance(table, str) and not table:
        return _with_numbers(_loaded(source, chosen, data_dir))
    # All that is known ahead comes from the table.
    wanted, named = chosen.future_covariates, chosen.covariates
    names = () if wanted == NONE else wanted
    theirs = {*_opened(table, chosen, data_dir)[0].columns, *names}
    own = tuple(name for name in chosen.categories if name not in theirs)
    without = dataclasses.replace(chosen, future_covariates=NONE, covariates="", categories=own)
    series_set = _with_numbers(_loaded(source, without, data_dir))
    read = load_covariates(table, series_set, names, chosen.categories, data_dir=data_dir)
    complete = joined(series_set, read)
    options = dataclasses.replace(
        complete.options,
        covariates=named or (table if isinstance(table, str) else ""),
        future_covariates=complete.future_names,
        categories=tuple(dict.fromkeys((*complete.options.categories, *read.categories))),
    )
    return dataclasses.replace(complete, options=options)


def load_covariates(
    table: str | Source | pd.DataFrame,
    series_set: SeriesSet,
    names: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    *,
    data_dir: str = "",
) -> SeriesSet:
    """Reads a table of covariates for series, as a series per covariate and id.

    Args:
        table: source or DataFrame with the times and, if the values differ between the series, the
            id; the other columns are covariates.
        series_set: series that the covariates belong to.
        names: names of the covariates; empty for all columns without another role.
        categories: names of covariates whose values are categories, in addition to those of the
            series and those of text.
        data_dir: folder of prepared TensorFlow datasets; "" for the default of tfds.

    Raises:
        DataError: the table cannot be used; the message names file, row and column.
    """
    opened, settled = _opened(table, series_set.options, data_dir)
    known = (*settled.categories, *series_set.categories, *categories)
    settled = dataclasses.replace(settled, categories=tuple(dict.fromkeys(known)))
    options = table_options(settled, opened.columns, series_set.frequency, names, opened.name)
    return _loaded(table, options, data_dir, covariates=True)


def in_own_notation(
    source: str | Source | pd.DataFrame, options: SeriesOptions, data_dir: str = ""
) -> SeriesOptions:
    """The options to read other data with than that whose decimal mark they state.

    Args:
        source: data that the run serves, other than its own.
        options: options with which the first data was read.
        data_dir: folder of prepared TensorFlow datasets; "" for the default of tfds.

    Returns:
        The options, without their decimal mark if numbers of the source prove another one.
    """
    if not options.decimal:
        return options
    open_mark = dataclasses.replace(options, decimal="")
    try:
        opened = _first_table(source, open_mark, data_dir)
    except DataError:
        return options
    proven = getattr(opened, "decimal_is_certain", False)
    return open_mark if proven and getattr(opened, "decimal", "") != options.decimal else options


def _opened(
    table: str | Source | pd.DataFrame, options: SeriesOptions, data_dir: str
) -> tuple[Table, SeriesOptions]:
    """A table of covariates, and the options of the series with the notation of the table.

    A table of its own has a delimiter and a decimal mark of its own: those that are detected, or
    where that fails those that are stated for the series. A mark that may also group thousands is
    the decimal mark if it is that of the series.
    """
    stated = SeriesOptions(delimiter=options.delimiter, decimal=options.decimal)
    try:
        opened, detected = _first_table(table, SeriesOptions(), data_dir), SeriesOptions()
    except DataError:
        if stated == SeriesOptions():
            raise
        opened, detected = _first_table(table, stated, data_dir), stated
    certain = getattr(opened, "decimal_is_certain", True)
    if not certain and getattr(opened, "decimal", "") == options.decimal:
        detected = dataclasses.replace(detected, decimal=options.decimal)
    return opened, dataclasses.replace(
        options, delimiter=detected.delimiter, decimal=detected.decimal
    )


def _first_table(
    source: str | Source | pd.DataFrame, options: SeriesOptions, data_dir: str
) -> Table:
    return open_source(source, options, DataReport(), data_dir)[0][0]


def _with_numbers(series_set: SeriesSet) -> SeriesSet:
    """Refuses series whose targets are stated as categories."""
    wrong = [name for name in series_set.options.targets if name in series_set.categories]
    if wrong:
        raise DataError(
            "is to be forecast, so it cannot be a category",
            file=series_set.report.source,
            column=wrong[0],
            advice="Leave it out of categories, or state it as a covariate.",
        )
    return series_set


def _loaded(
    source: str | Source | pd.DataFrame,
    chosen: SeriesOptions,
    data_dir: str,
    covariates: bool = False,
) -> SeriesSet:
    """The series of a source, as the options say; `covariates` for a table of covariates."""
    report = DataReport()
    tables, chosen = open_source(source, chosen, report, data_dir)
    roles = find_roles(tables[0], chosen, report, covariates=covariates)
    for table in tables:
        for note in table.notes:
            report.note(note, "taken so", table.name)
    columns = read_columns(tables, roles, chosen, report)
    return SeriesAssembly(columns, roles, chosen, report, keep_rows=covariates).series_set()


def _check_choices(options: SeriesOptions) -> None:
    for field in dataclasses.fields(options):
        choices = field.metadata.get("choices")
        value = getattr(options, field.name)
        if choices and value not in choices:
            raise ConfigurationError(
                f"{field.name} = {value!r}: choose from {', '.join(filter(None, choices))}"
            )
    if options.frequency:
        offset_of(current_alias(options.frequency))
    check_format(options.time_format, NUMERIC_FORMATS)
