"""A run as files for servers and devices: raw values in, raw calibrated forecasts out."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.atomic_files import atomic_path, write_json
from pipelines.base.errors import UserError
from pipelines.series.splits import Part
from pipelines.series.time_series import SeriesSet
from pipelines.series.windows import WindowBatches
from rnn_apps.export.formats import assembled_folder, chosen_formats, write_formats
from rnn_apps.export.processes import conversion_process
from rnn_apps.forecasting.device.calibrated_deployment import calibrated_deployment
from rnn_apps.forecasting.forecast import windows
from rnn_apps.forecasting.network.inputs import input_specification

if TYPE_CHECKING:
    import keras

    from rnn_apps.forecasting.run import Run

EXAMPLES = "example_windows.npz"
CONTRACT = "contract.json"
EXAMPLES_KEPT = 32
_QUANTIZATIONS = {"tflite": None, "tflite_float16": "float16", "tflite_dynamic": "dynamic"}
FORMATS = ("saved_model", *_QUANTIZATIONS)


def export(run: Run, to: str | Path, formats: Sequence[str]) -> dict[str, Any]:
    """See `Run.export`."""
    chosen = chosen_formats(formats, FORMATS)
    if any(name != "saved_model" for name in chosen):
        conversion_process.prepare()
    model = calibrated_deployment(run.deployed, run.config, run.yardsticks.calibrations["model"])
    names = [tensor.name for tensor in model.inputs]
    real = read_examples(run.folder.path / EXAMPLES)
    data = {name: real[name] for name in names}
    folder = Path(to)
    with assembled_folder(folder, CONTRACT) as beside:
        written = write_formats(chosen, lambda name: _export_one(name, model, beside, data))
        write_json(beside / CONTRACT, contract(run, model))
    header = ["file", "KiB", "largest difference from Keras", "ms per forecast"]
    return written.result(folder, CONTRACT, "Proven on real windows", header)


def _export_one(
    name: str, model: keras.Model, folder: Path, data: dict[str, np.ndarray]
) -> list[Any]:
    """Writes one file and returns its row of the table."""
    from rnn_apps.export import export_saved_model, export_tflite

    if name == "saved_model":
        path = folder / "saved_model"
        errors = export_saved_model(model, path, representative_data=data)
        largest = max(error.maximum_absolute for error in errors)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return [path.name, round(size / 1024, 1), largest, None]
    path = folder / f"model{name.removeprefix('tflite')}.tflite"
    result = export_tflite(model, path, quantize=_QUANTIZATIONS[name], representative_data=data)
    return [path.name, round(result.bytes / 1024, 1), result.error, result.latency_ms]


def contract(run: Run, model: keras.Model) -> dict[str, Any]:
    """What the exported model takes and gives, for whoever feeds it without this toolkit."""
    description, config = run.description, run.config
    specification = input_specification(config, description)
    meanings = {
        "past_target": "the latest values of the series, raw, oldest first, none missing",
        "past_covariates": f"raw: {', '.join(description.past_names)}",
        "future_covariates": f"raw, over past and horizon: {', '.join(description.future_names)}",
        "static_covariates": f"raw: {', '.join(description.static_names)}",
        "times": "minutes since 1970-01-01 00:00 on the local wall clock, over past and horizon",
        "series_index": "the position of the series in `series`",
    }
    kind = "as trained" if model is run.deployed else "calibrated by split conformal prediction"
    outputs = {
        "forecast": {"shape": ["batch", config.horizon], "meaning": "raw point forecasts"},
        "quantiles": {
            "shape": ["batch", config.horizon, len(config.quantiles)],
            "levels": list(config.quantiles),
            "meaning": f"raw quantiles, {kind}",
            **_unreached(run),
        },
    }
    return {
        "inputs": {
            name: {"shape": ["batch", *shape], "dtype": dtype, "meaning": meanings[name]}
            for name, (shape, dtype) in specification.items()
        },
        "outputs": {name: outputs[name] for name in model.output},
        "series": list(description.series_names),
        "frequency": config.frequency,
        "lookback": config.lookback,
        "horizon": config.horizon,
    }


def _unreached(run: Run) -> dict[str, Any]:
    """What the contract says of quantiles that too few windows calibrate."""
    levels = run.yardsticks.calibrations["model"].unreached
    return {"not calibrated": list(levels), "note": run.calibration_note} if levels else {}


def save_examples(
    path: Path, series_set: SeriesSet, part: Part | None, lookback: int, horizon: int
) -> None:
    """Keeps evenly spaced real windows of a part, on which exports are proven later."""

    def batches(stride: int) -> WindowBatches:
        return WindowBatches(
            series_set, lookback=lookback, horizon=horizon, part=part, stride=stride
        )

    stride = max(1, batches(1).examples // EXAMPLES_KEPT)
    window = next(windows(batches(stride)))
    kept: dict[str, Any] = {n: value[:EXAMPLES_KEPT] for n, value in window.inputs.items()}
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.savez(file, **kept)


def read_examples(path: Path) -> dict[str, np.ndarray]:
    """What `save_examples` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: the run's example windows cannot be read: {error}") from None
