"""The roles of columns by kind of data: what ROLE may be in `--column ROLE=NAME`."""

from __future__ import annotations

from pipelines.base.stated_columns import ColumnRole

SERIES = (
    ColumnRole("time", "times of the rows, or parts of them", "time_column", several=True),
    ColumnRole("id", "names of the series", "id_column", several=True),
    ColumnRole("target", "values to forecast", "targets", several=True),
    ColumnRole("known", "values known ahead", "future_covariates", several=True),
    ColumnRole("past", "values known up to the present", "past_covariates", several=True),
    ColumnRole("static", "values that describe a series", "static_covariates", several=True),
)
TEXT = (ColumnRole("text", "text to learn from", "text_column"),)
PAIRS = (
    ColumnRole("source", "sentences to translate", "source_column"),
    ColumnRole("target", "their translations; several are references", "target_column", True),
)
RECORDINGS = (
    ColumnRole("audio", "path of the sound file"),
    ColumnRole("text", "what is said"),
    ColumnRole("speaker", "name of the speaker"),
    ColumnRole("part", "train, validation or test"),
    ColumnRole("offset", "begin of a segment in seconds"),
    ColumnRole("duration", "length of a segment in seconds"),
    ColumnRole("end", "end of a segment in seconds"),
)
