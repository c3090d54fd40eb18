"""Opens the tables that a source names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import DataError, UserError
from pipelines.data_report import DataReport
from pipelines.series.options import SeriesOptions, complete
from pipelines.series.tables.csv_files import CsvTable
from pipelines.series.tables.tables import Table
from pipelines.series.tables.typed_tables import FrameTable, ParquetTable
from pipelines.sources import Source, parse_source

if TYPE_CHECKING:
    import pandas as pd

_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstandard",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"SQLite f": "an SQLite database",
}


def open_source(
    source: str | Source | pd.DataFrame, options: SeriesOptions, report: DataReport, data_dir: str
) -> tuple[list[Table], SeriesOptions]:
    """The tables of a source, and the options completed by the source's own defaults."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        report.source = "DataFrame"
        return [FrameTable(source)], options
    if not isinstance(source, str | os.PathLike | Source):
        raise UserError(
            f"data of type {type(source).__name__} cannot be read: give the name of a source, "
            "such as 'file:PATH', or a pandas DataFrame"
        )
    named = source if isinstance(source, Source) else parse_source(str(source))
    report.source = str(named)
    if named.kind == "file":
        return [open_table(path, options) for path in named.paths], options
    if named.kind == "builtin":
        from pipelines.builtin import builtin_data

        data = builtin_data(named.name, "forecasting")
        frame, defaults = data.load()
        return [FrameTable(frame, str(named))], complete(options, defaults)
    from pipelines.series.tfds import series_frame

    frame, defaults = series_frame(named, data_dir or None)
    return [FrameTable(frame, str(named))], complete(options, defaults)


def open_table(path: str | Path, options: SeriesOptions) -> Table:
    """Opens a CSV or Parquet file; its first bytes tell which of the two it is.

    Raises:
        DataError: the file cannot be read, or its beginning is not a table.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from None
    if head.startswith(b"PAR1"):
        return ParquetTable(path)
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        raise DataError("is not a Parquet file: it does not begin with PAR1", file=path)
    for magic, what in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise DataError(
                f"is {what}, not a table in CSV or Parquet",
                file=path,
                advice="Unpack it or save it as CSV.",
            )
    return CsvTable(path, options)
