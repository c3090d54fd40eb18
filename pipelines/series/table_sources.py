"""From any source to the tables that it names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipelines.base.errors import UserError
from pipelines.data_report import DataReport
from pipelines.series.options import SeriesOptions, complete
from pipelines.series.tables.tables import FrameTable, Table, open_table
from pipelines.sources import Source, parse_source

if TYPE_CHECKING:
    import pandas as pd


def open_source(
    source: str | Source | pd.DataFrame, options: SeriesOptions, report: DataReport, data_dir: str
) -> tuple[list[Table], SeriesOptions]:
    """The tables of a source, and the options completed by what the source knows of itself."""
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
    from pipelines.tensorflow_datasets import series_frame

    frame, defaults = series_frame(named, data_dir or None)
    return [FrameTable(frame, str(named))], complete(options, defaults)
