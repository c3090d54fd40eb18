"""Opens the tables that a source names."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import DataError, UserError
from pipelines.data_report import DataReport
from pipelines.series.layouts.frame_rows import FrameRowsTable
from pipelines.series.layouts.json_lines import JsonLinesTable
from pipelines.series.layouts.monash_files import MonashTable
from pipelines.series.layouts.parquet_series import ParquetSeriesTable, holds_series
from pipelines.series.layouts.series_rows import RowsTable, find_rows_layout
from pipelines.series.layouts.whole_series import VALUE
from pipelines.series.options import SeriesOptions, complete
from pipelines.series.tables.checked_file import open_bytes, read_bytes
from pipelines.series.tables.csv_files import CsvTable
from pipelines.series.tables.tables import Table
from pipelines.series.tables.typed_tables import FrameTable, ParquetTable
from pipelines.sources import Source, parse_source

if TYPE_CHECKING:
    import pandas as pd

_HEAD_BYTES = 64

_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstandard",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"SQLite f": "an SQLite database",
    b"ARROW1": "an Arrow file (Feather)",
    b"FEA1": "an old Feather file",
}


def open_source(
    source: str | Source | pd.DataFrame, options: SeriesOptions, report: DataReport, data_dir: str
) -> tuple[list[Table], SeriesOptions]:
    """The tables of a source, and the options completed by the source's own defaults."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        report.source = "DataFrame"
        if options.layout == "rows" and not _has_long_columns(map(str, source.columns), options):
            table = FrameRowsTable(source, options)
            return [table], complete(options, table.roles)
        return [FrameTable(source)], options
    if not isinstance(source, str | os.PathLike | Source):
        raise UserError(
            f"data of type {type(source).__name__} cannot be read: give the name of a source, "
            "such as 'file:PATH', or a pandas DataFrame"
        )
    named = source if isinstance(source, Source) else parse_source(str(source))
    report.source = str(named)
    if named.kind == "file":
        tables = [open_table(path, options) for path in named.paths]
        _tell_apart(tables)
        roles = getattr(tables[0], "roles", None)
        return tables, complete(options, roles) if roles else options
    if named.kind == "builtin":
        from pipelines.builtin import builtin_data

        data = builtin_data(named.name, "forecasting")
        frame, defaults = data.load()
        return [FrameTable(frame, str(named))], complete(options, defaults)
    from pipelines.series.tfds import series_frame

    frame, defaults = series_frame(named, data_dir or None)
    return [FrameTable(frame, str(named))], complete(options, defaults)


def _tell_apart(tables: Sequence[Table]) -> None:
    """Gives series without a name different ones in different files."""
    names = [Path(table.name).name for table in tables]
    unlike = len(set(names)) == len(names)
    for table, name in zip(tables, names, strict=True):
        if len(tables) > 1 and isinstance(table, JsonLinesTable):
            table.tell_apart(name if unlike else table.name)


def open_table(path: str | Path, options: SeriesOptions) -> Table:
    """Opens a file of series; its first bytes tell what it is.

    It may be a table in CSV or Parquet, series as rows of CSV, a .tsf file of the Monash archive or
    JSON Lines of GluonTS; a Parquet file may have a series per row. All but Parquet may be packed
    by gzip.

    Raises:
        DataError: the file cannot be read, or its beginning is not a table.
    """
    try:
        with open_bytes(path) as file:
            head = read_bytes(file, _HEAD_BYTES, path)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None
    if head.startswith(b"PAR1"):
        if holds_series(path):
            return ParquetSeriesTable(path, options.frequency)
        return ParquetTable(path)
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        raise DataError("is not a Parquet file: it does not begin with PAR1", file=path)
    for magic, what in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise DataError(
                f"is {what}, not a table in CSV or Parquet",
                file=path,
                advice="Unpack it or save it as CSV or Parquet.",
            )
    beginning = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if re.match(rb"\[\s*[\[{]", beginning):
        raise DataError(
            "is an array in JSON, not a table", file=path, advice="Save it as CSV or Parquet."
        )
    if beginning.startswith(b"{"):
        return JsonLinesTable(path, options.frequency)
    if beginning.startswith(b"@") or ".tsf" in (Path(path).suffix, Path(path).stem[-4:]):
        return MonashTable(path)
    if options.layout == "rows" and _is_long(path, options):
        # A run that was trained on series as rows can be used on a table of its columns too.
        return CsvTable(path, options)
    if options.layout in ("auto", "rows"):
        layout = find_rows_layout(path, options)
        if layout:
            return RowsTable(path, layout, options.decimal)
    return CsvTable(path, options)


def _is_long(path: str | Path, options: SeriesOptions) -> bool:
    """Whether a file has columns of the names of a stated id and of the values."""
    try:
        columns = CsvTable(path, options).columns
    except DataError:
        return False
    return _has_long_columns(columns, options)


def _has_long_columns(columns: Iterable[str], options: SeriesOptions) -> bool:
    return {options.id_column, *(options.targets or (VALUE,))} <= set(columns)
