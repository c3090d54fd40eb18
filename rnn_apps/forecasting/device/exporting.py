"""A run as files for servers and devices: raw values in, raw calibrated forecasts out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from pipelines.series.covariates.holiday_calendar import DAYS_TO_HOLIDAY, HOLIDAY, MOST_DAYS
from rnn_apps.application.going_on import read_origin
from rnn_apps.export.delivery import SAVED_MODEL, Delivery, DeviceFile, deliver, kibibytes
from rnn_apps.forecasting.device.calibrated_deployment import (
    calibrated_deployment,
    knows_its_series,
)
from rnn_apps.forecasting.judging.example_windows import EXAMPLES, MOST_EXAMPLES, read_examples
from rnn_apps.forecasting.network.inputs import input_specification
from rnn_apps.forecasting.network.normalisation import WindowScaler
from rnn_apps.forecasting.network.transforms import transformed, values_taken
from rnn_apps.forecasting.trained import TrainedForecaster

if TYPE_CHECKING:
    from rnn_apps.edge.runtime.model import EdgeModel
    from rnn_apps.export.task_metric import TaskMetric
    from rnn_apps.forecasting.config import ForecastingConfig
    from rnn_apps.forecasting.features.description import DataDescription

    Array = NDArray[Any]

_log = logging.getLogger(__name__)

FILES = {
    "tflite": DeviceFile("model.tflite"),
    "tflite_float16": DeviceFile("model_float16.tflite", quantize="float16"),
    "tflite_dynamic": DeviceFile("model_dynamic.tflite", quantize="dynamic"),
    "c": DeviceFile("c", target="c"),
    "c_int8": DeviceFile("c_int8", target="c", quantize="int8"),
}
# Integers are held to the forecasts of each series, see `farthest_series`; single numbers only to a
# coarse bound.
QUANTIZED_TOLERANCE = 0.3
MOST_DIFFERENCE = 0.05
NOT_CALIBRATED = (
    "the run's calibration is not in the files: they serve any series, and the calibration is in "
    "units of each series as a whole, which a window does not tell. predict calibrates intervals, "
    "and so do files of a run with scaling = series"
)

_FILLED = {
    "forward_fill": "whoever calls the file fills a missing value with the last one before it",
    "interpolate": "whoever calls the file fills missing values on a straight line between the "
    "observed ones on both sides; after the last observed value, with the last value",
    "zero": "whoever calls the file fills missing values with 0",
    "error": "there are none: the run refuses series with missing values",
}


def export(run: TrainedForecaster, to: str | Path, formats: Sequence[str]) -> dict[str, Any]:
    """See `Run.export`."""
    return deliver(
        ForecastDelivery(run), to, formats, origin=read_origin(run.folder), model=run.folder.model
    )


class ForecastDelivery(Delivery):
    """The files of a forecaster, judged by their numbers on real windows.

    Args:
        run: trained forecaster with its folder.
    """

    files = FILES
    title = "Proven on real windows"
    header = ("file", "KiB", "largest difference from Keras", "ms per forecast")

    def __init__(self, run: TrainedForecaster) -> None:
        self._run = run

    def prepare(self, formats: Sequence[str]) -> None:
        """See `Delivery`."""
        calibration = self._run.yardsticks.calibrations["model"]
        self._model = calibrated_deployment(self._run.deployed, self._run.config, calibration)
        for note in _intervals(self._run, [tensor.name for tensor in self._model.inputs]).values():
            _log.warning(f"Intervals: {note}.")
        real = read_examples(self._run.folder.path / EXAMPLES)
        self._examples = real
        self._data = {tensor.name: real[tensor.name] for tensor in self._model.inputs}
        shown = len(np.unique(real["series_index"]))
        lacking = len(self._run.description.series_names) - shown
        if lacking > 0 and any(FILES[name].quantize == "int8" for name in formats if name in FILES):
            _log.warning(
                f"int8: {lacking} of the {shown + lacking} series are not among the windows on "
                f"which files are measured and proven. There are windows of up to {MOST_EXAMPLES} "
                "series; a run of an earlier version may have fewer until it is trained again."
            )

    def contract(self, formats: Sequence[str]) -> dict[str, Any]:
        """See `Delivery`."""
        return contract(self._run, self._model)

    def save_companions(self, folder: Path) -> None:
        """Nothing: the contract says all that a device needs."""

    def saved_model(self, path: Path) -> list[Any]:
        """See `Delivery`."""
        from rnn_apps.export import export_saved_model

        errors = export_saved_model(self._model, path, representative_data=self._data)
        largest = max(error.maximum_absolute for error in errors)
        return [SAVED_MODEL, kibibytes(path), largest, None]

    def device_file(self, wanted: DeviceFile, folder: Path) -> list[Any]:
        """See `Delivery`."""
        from rnn_apps.export.device_files import write_model

        integers = wanted.quantize == "int8"
        written = write_model(
            self._model,
            folder / wanted.file,
            wanted,
            name="forecaster",
            data=self._data,
            tolerance=QUANTIZED_TOLERANCE if integers else None,
            metric=self._closeness() if integers else None,
        )
        return [wanted.file, written.kibibytes, written.error, written.latency_ms]

    def _closeness(self) -> TaskMetric:
        """How far a file's forecasts are from Keras', see `MOST_DIFFERENCE`."""
        from rnn_apps.edge.forecasting import EdgeForecaster
        from rnn_apps.export.task_metric import TaskMetric

        config = self._run.config
        expected = np.asarray(self._model(self._data)["forecast"])
        past, index = self._examples["past_target"], self._examples["series_index"]
        scale = _scales(config, self._run.description, past, index)

        def scaled(forecasts: Array) -> Array:
            return np.asarray(transformed(forecasts, config.transform)) / scale

        def difference(model: EdgeModel) -> float:
            found = EdgeForecaster(model)(**self._data)["forecast"]
            return farthest_series(scaled(found), scaled(expected), index)

        return TaskMetric(
            "RMS difference from Keras' forecasts, in standard deviations of a forecast, of the "
            "series that differs most",
            difference,
            most_loss=MOST_DIFFERENCE,
            measured_on=f"{len(expected)} real windows",
            keras=0.0,
        )


FORMATS = ForecastDelivery.formats()


def farthest_series(found: Array, expected: Array, series_index: Array) -> float:
    """The root mean square difference of the series that differs most.

    Its unit is the standard deviation within its expected forecasts, or that over all series where
    it is larger: the forecasts of a single one may hardly move.

    Args:
        found, expected: forecasts float32 [windows, horizon], in units of their series' scale, so
            that a series of large numbers does not hide one of small numbers.
        series_index: position of each window's series, [windows].
    """
    spread = np.mean(expected.var(axis=1))
    farthest = 0.0
    for series in np.unique(series_index):
        rows = series_index == series
        apart = np.sqrt(np.mean(np.square(found - expected)[rows]))
        unit = np.sqrt(max(spread, np.mean(expected[rows].var(axis=1))))
        farthest = max(farthest, float(apart / unit if unit else apart))
    return farthest


def _scales(
    config: ForecastingConfig, description: DataDescription, past: Array, series_index: Array
) -> Array:
    """What the model divides each window by, [windows, 1]."""
    if config.scaling == "series":
        return np.asarray(description.scale, np.float32)[series_index, None]
    scaler = WindowScaler(shift=config.output != "negative_binomial")
    return np.asarray(scaler(transformed(past, config.transform))[2])


def contract(run: TrainedForecaster, model: keras.Model) -> dict[str, Any]:
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
    calibrated = (
        run.yardsticks.calibrations["model"].windows
        and model is not run.deployed
        and knows_its_series(config, specification)
    )
    kind = "calibrated by split conformal prediction" if calibrated else "as trained"
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
        **_intervals(run, specification),
        **_categories(run),
        **_holidays(run),
        **_short_series(run),
        **_values(run.config),
        "frequency": config.frequency,
        "lookback": config.lookback,
        "horizon": config.horizon,
    }


def _intervals(run: TrainedForecaster, inputs: Collection[str]) -> dict[str, Any]:
    """The contract's entry about a calibration that is left out of the files."""
    calibration = run.yardsticks.calibrations["model"]
    if knows_its_series(run.config, inputs) or not calibration.windows:
        return {}
    return {"rule of intervals": NOT_CALIBRATED}


def _categories(run: TrainedForecaster) -> dict[str, Any]:
    """The contract's entry about covariates whose values are codes of categories."""
    if not run.description.categories:
        return {}
    return {
        "categories": {
            name: {"codes": dict(zip(names, range(len(names)), strict=True)), "other": -1}
            for name, names in run.description.categories.items()
        },
        "rule of categories": "whoever calls the file writes the code of the category into the "
        "covariate's column, as a whole number; other is for a category that is not listed",
    }


def _holidays(run: TrainedForecaster) -> dict[str, Any]:
    """The contract's entry about holidays."""
    if not run.config.holidays:
        return {}
    return {
        "holidays": run.config.holidays,
        "rule of holidays": "whoever calls the file computes them from the local date of each row: "
        f"{HOLIDAY} is 1 on a public holiday and 0 on other days, {DAYS_TO_HOLIDAY} the number of "
        f"days to the next one, 0 on the day itself and at most {MOST_DAYS}",
    }


def _short_series(run: TrainedForecaster) -> dict[str, Any]:
    """The contract's entry about series that are shorter than the lookback."""
    if run.config.short_series != "pad":
        return {}
    return {
        "rule of short series": "a series with fewer values than the lookback is lengthened at its "
        "beginning: the first value, and the first row of each covariate, are repeated; the times "
        "continue backwards"
    }


def _values(config: ForecastingConfig) -> dict[str, Any]:
    """The contract's entries about values that are missing, or that the transform does not take."""
    rules: dict[str, Any] = {"rule of missing values": _FILLED[config.missing]}
    if config.transform != "none":
        rules["transform"] = config.transform
        rules["rule of values"] = (
            f"past_target holds values {values_taken(config.transform)}: whoever calls the file "
            "refuses others, which the file would take for the smallest value that it knows"
        )
    return rules


def _unreached(run: TrainedForecaster) -> dict[str, Any]:
    """The contract's entries about quantiles that too few windows calibrate."""
    levels = run.yardsticks.calibrations["model"].unreached
    return {"not calibrated": list(levels), "note": run.calibration_note} if levels else {}
