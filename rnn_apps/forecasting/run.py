"""A trained run: evaluate it, predict with it, export it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import UserError
from pipelines.series.splits import Part, Split, parse_split
from pipelines.series.time_series import SeriesSet, latest_windows, with_reach
from rnn_apps.application.run_folder import RunFolder, open_run
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.forecast import Forecast
from rnn_apps.forecasting.judging.conformal import Calibrated
from rnn_apps.forecasting.judging.yardsticks import Yardsticks
from rnn_apps.forecasting.network.network import find_network
from rnn_apps.forecasting.network_forecaster import NetworkForecaster
from rnn_apps.forecasting.prediction import as_frame, forecast_ends, recalibrated
from rnn_apps.forecasting.run_data import positions, serving_series, training_series
from rnn_apps.forecasting.sampling.sample_paths import RankTrajectories, sample_paths
from rnn_apps.forecasting.understood import calibration_note, understood_for_use

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rnn_apps.forecasting.run_data import Data

_log = logging.getLogger(__name__)

APPLICATION = "forecast"
DESCRIPTION = "data.json"
YARDSTICKS = "yardsticks.npz"
TRAJECTORIES = "rank_trajectories.npy"
MOST_SAMPLES = 10_000
MOST_REASONS = 5
PARTS = ("train", "validation", "test", "all")


class Run:
    """A trained forecaster with its folder; made by `train` and `load`.

    Args:
        folder: the run's folder.
        config: the effective configuration.
        description: the training data as the model sees it.
        model: the trained model, raw inputs -> the head's parameters.
        yardsticks: what the run is judged by.
        own: the data that it was trained on, if it is in memory.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: ForecastingConfig,
        description: DataDescription,
        model: keras.Model,
        yardsticks: Yardsticks,
        own: SeriesSet | None = None,
    ) -> None:
        self.folder = folder
        self.config = config
        self.description = description
        self.model = model
        self.yardsticks = yardsticks
        self.deployed = deployment_model(model, config, description)
        self._own = own

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds: the training's figures and the latest evaluation."""
        return self.folder.read_metrics()

    @property
    def split(self) -> Split:
        """The training, validation and test part."""
        return parse_split(self.config.split)

    def series(self, data: Data | None = None) -> SeriesSet:
        """Data read as the run's training data was; None for the training data itself.

        Raises:
            UserError: the run was trained on a DataFrame that is gone.
            DataError: data that the run cannot serve.
        """
        if data is not None:
            return serving_series(self.config, self.description, data)
        if self._own is None:
            if not self.config.data:
                raise UserError(
                    f"{self.folder.path} was trained on a DataFrame, which is not kept. Give the "
                    "data again"
                )
            self._own, _ = training_series(self.config)
        return self._own

    def forecaster(self, series_set: SeriesSet) -> Calibrated:
        """The model with calibrated intervals, for series as `series` gives them."""
        places = positions(series_set, self.config, self.description)
        network = NetworkForecaster(self.deployed, self.config, places)
        return self.yardsticks.for_series(series_set).calibrated(network)

    def evaluate(
        self, data: Data | None = None, part: str = "", *, stride: int = 1
    ) -> dict[str, Any]:
        """Judges the run beside its baselines in a rolling-origin backtest; writes the report.

        Args:
            data: a source or a DataFrame; None for the data that the run was trained on.
            part: train, validation, test or all, as the run's split cuts it; by default test of
                the run's own data, and all of other data.
            stride: rows between neighbouring origins; 1 counts every window.

        Returns:
            "table", the figures of every forecaster, and where the report is.
        """
        from rnn_apps.forecasting.judging.evaluation import evaluate

        return evaluate(self, data, part, stride)

    @property
    def judged_part(self) -> str:
        """The part that the run is judged on: "test", or "validation" if there is no test part."""
        return "test" if self.split.has_test else "validation"

    @property
    def calibration_note(self) -> str:
        """What to know of quantiles that too few windows calibrate; "" if there are none."""
        calibration = self.yardsticks.calibrations["model"]
        trained = "quantiles" in self.deployed.output
        return calibration_note(calibration.unreached, calibration.windows, trained)

    def part(self, name: str) -> Part | None:
        """The part called train, validation or test; None for all rows.

        Raises:
            UserError: there is no such part.
        """
        if name not in PARTS:
            raise UserError(f"part = {name!r}: choose from {', '.join(PARTS)}")
        return None if name == "all" else getattr(self.split, name)

    def predict(
        self, data: Data | None = None, *, samples: int = 0, recent: int = 0, seed: int = 0
    ) -> pd.DataFrame:
        """Forecasts what follows the end of every series.

        Args:
            data: a source or a DataFrame with at least `lookback` rows per series. Known-future
                covariates must be there for `horizon` rows more, with the target left empty. Series
                that lack either are named and left out.
            samples: sample paths to add as columns, for an output that is not a point. They are
                drawn from the model's own distribution, before calibration.
            recent: calibrate the intervals anew on so many of the latest windows of each series
                that is given; 0 keeps the calibration of the validation part.
            seed: of the sample paths.

        Returns:
            One row a series and step: series, time (going on where the series ends), forecast,
            quantile_0.1 and so on (calibrated), sample_1 and so on.

        Raises:
            DataError: every series is too short or lacks covariates, or the data holds a series
                that the run does not know.
        """
        everything = self.series(data)
        series_set, left_out = with_reach(everything, self.config.lookback, self.config.horizon)
        if left_out:
            reasons = [*list(left_out.values())[:MOST_REASONS], "..."][: len(left_out)]
            _log.warning(
                f"{len(left_out)} of {len(everything)} series left out: {'; '.join(reasons)}."
            )
        for line in understood_for_use(series_set, self.config.lookback):
            _log.info(line)
        if self.calibration_note and not recent:
            _log.info(self.calibration_note)
        calibrated = self.forecaster(series_set)
        if recent:
            calibrated = recalibrated(calibrated, series_set, self.config.horizon, recent)
        forecast = forecast_ends(calibrated, series_set, self.config.horizon)
        if samples:
            paths = self._paths(series_set, samples, seed)
            forecast = Forecast(forecast.point, forecast.quantiles, paths)
        return as_frame(series_set, forecast, calibrated.levels)

    def _paths(self, series_set: SeriesSet, samples: int, seed: int) -> NDArray[np.float32]:
        if not 0 < samples <= MOST_SAMPLES:
            raise UserError(f"samples = {samples} must be from 0 to {MOST_SAMPLES}")
        inputs = latest_windows(series_set, self.config.lookback, self.config.horizon)
        inputs["series_index"] = positions(series_set, self.config, self.description)
        trajectories = self.folder.path / TRAJECTORIES
        return sample_paths(
            self.model, self.config, self.description, inputs, paths=samples, seed=seed,
            trajectories=RankTrajectories.load(trajectories) if trajectories.exists() else None,
        )  # fmt: skip

    def export(
        self, to: str | Path, formats: Sequence[str] = ("saved_model", "tflite")
    ) -> dict[str, Any]:
        """Writes files that take and give raw values, each proven equal to the Keras model.

        Args:
            to: the folder for them.
            formats: of saved_model, tflite, tflite_float16, tflite_dynamic.

        Returns:
            For every file its path, size and largest difference from Keras on real windows.

        Raises:
            ExportError: no file computes what Keras computes. One that does not is left out, and
                "not written" in the result says why.
        """
        from rnn_apps.forecasting.device.exporting import export

        return export(self, to, formats)


def load(folder: str | Path) -> Run:
    """Opens the folder of a trained run.

    Raises:
        UserError: there is no run, it is another application's, its training has not finished, or
            one of its files is damaged.
    """
    found = open_run(folder, APPLICATION)
    config = found.read_config(ForecastingConfig)
    description = DataDescription.load(found.path / DESCRIPTION)
    yardsticks = Yardsticks.load(found.path / YARDSTICKS)
    # Keras finds the layers of a network by name once its module is imported.
    find_network(config.model)
    return Run(found, config, description, found.load_model(), yardsticks)
