"""TensorFlow datasets (tfds:NAME) as time series: one example per series, or one per row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.errors import DataError
from pipelines.series.options import SeriesOptions
from pipelines.series.tables.column_kinds import TIME_NAMES
from pipelines.sources import Source
from pipelines.tensorflow_datasets import load_prepared

if TYPE_CHECKING:
    import pandas as pd


def series_frame(
    source: Source, data_dir: str | Path | None = None, *, download: bool = False
) -> tuple[pd.DataFrame, SeriesOptions]:
    """A TensorFlow dataset as a table of time series.

    Two forms are read. If each example is a series, it has features of shape [T], one of them the
    times, named as in `pipelines.series.tables.column_kinds.TIME_NAMES`; scalar features are
    static, and a text among them (or else the example's number) is the id of the series. If each
    example is a row, it has scalar features only, one of them the time. Features in a dictionary
    are called "outer/inner". Integer times are years if all of them are from 1500 to 2200, else
    seconds since 1970.

    Args:
        source: name and split of the dataset.
        data_dir, download: folder of prepared datasets, and leave to download; see
            `load_prepared`.

    Raises:
        DataError: see `load_prepared`; or the features have another form.
    """
    examples = load_prepared(source.name, source.split, data_dir, download=download)
    place = str(source)
    time = _check_features(_flatten(examples.element_spec), place)
    rows = [_flatten(example) for example in examples.as_numpy_iterator()]
    if not rows:
        raise DataError("has no example", file=place)
    sequences = [name for name, value in rows[0].items() if np.ndim(value) == 1]
    if not sequences:
        frame, options = _frame_of_rows(rows, time)
    else:
        frame, options = _frame_of_series(rows, sequences, place)
    frame[time] = _times(frame[time].to_numpy())
    return frame, options


def _flatten(features: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(features, dict):
        return {prefix or "value": features}
    flat: dict[str, Any] = {}
    for name, value in features.items():
        flat.update(_flatten(value, f"{prefix}/{name}" if prefix else name))
    return flat


def _check_features(specs: dict[str, Any], place: str) -> str:
    """Refuses features that cannot be series, and returns the name of the time feature."""
    for name, spec in specs.items():
        if getattr(spec, "shape", None) is None or spec.shape.rank not in (0, 1):
            raise DataError(
                f"has the feature {name!r} of shape {getattr(spec, 'shape', None)}, not a series",
                file=place,
                advice="Each example must be a series (features of shape [T]) or a row (scalars).",
            )
    for name in specs:
        if name.split("/")[-1].lower() in TIME_NAMES:
            return name
    raise DataError(
        f"has no feature of times among {', '.join(specs)}",
        file=place,
        advice=f"One must be called {', '.join(TIME_NAMES[:4])} or the like.",
    )


def _frame_of_rows(rows: list[dict[str, Any]], time: str) -> tuple[pd.DataFrame, SeriesOptions]:
    import pandas as pd

    frame = pd.DataFrame({name: [_plain(row[name]) for row in rows] for name in rows[0]})
    return frame, SeriesOptions(time_column=time)


def _frame_of_series(
    rows: list[dict[str, Any]], sequences: list[str], place: str
) -> tuple[pd.DataFrame, SeriesOptions]:
    import pandas as pd

    scalars = [name for name in rows[0] if name not in sequences]
    texts = [name for name in scalars if isinstance(rows[0][name], bytes)]
    identity = texts[0] if texts else "series"
    frames = []
    for number, row in enumerate(rows):
        lengths = {name: len(row[name]) for name in sequences}
        if len(set(lengths.values())) > 1:
            raise DataError(f"has features of lengths {lengths}", file=place, row=number + 1)
        columns = {name: _decoded(row[name]) for name in sequences}
        frame = pd.DataFrame(columns)
        frame[identity] = _plain(row[identity]) if texts else f"series {number}"
        for name in scalars:
            frame[name] = _plain(row[name])
        frames.append(frame)
    time = next(name for name in sequences if name.split("/")[-1].lower() in TIME_NAMES)
    options = SeriesOptions(
        layout="long",
        time_column=time,
        id_column=identity,
        targets=tuple(name for name in sequences if name != time),
        static_covariates=tuple(name for name in scalars if name != identity),
    )
    return pd.concat(frames, ignore_index=True), options


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _decoded(values: np.ndarray[Any, Any]) -> Any:
    return [_plain(value) for value in values] if values.dtype == object else values


def _times(values: np.ndarray[Any, Any]) -> Any:
    """Integer times as datetime64[s]; other times unchanged, to be read like those of a file."""
    if values.dtype.kind not in "iu":
        return values
    if values.min() >= 1500 and values.max() <= 2200:
        return (values.astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[s]")
    return values.astype(np.int64).astype("datetime64[s]")
