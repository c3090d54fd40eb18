"""A trained forecaster with its folder, its description of the data and its yardsticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import UserError
from pipelines.base.stated_columns import Stated
from pipelines.series.splits import Part, Split, parse_split
from pipelines.series.time_series import SeriesSet
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.trained import Trained
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.judging.conformal import Calibrated
from rnn_apps.forecasting.judging.yardsticks import Yardsticks
from rnn_apps.forecasting.network.network import find_network
from rnn_apps.forecasting.network_forecaster import NetworkForecaster
from rnn_apps.forecasting.run_data import (
    OwnSeries,
    completed,
    future_table,
    positions,
    serving_series,
)
from rnn_apps.forecasting.understood import calibration_note

if TYPE_CHECKING:
    from typing import Self

    from rnn_apps.forecasting.run_data import Data

APPLICATION = "forecast"
DESCRIPTION = "data.json"
YARDSTICKS = "yardsticks.npz"
TRAJECTORIES = "rank_trajectories.npy"


class TrainedForecaster(Trained[ForecastingConfig]):
    """A trained forecaster with its folder.

    Args:
        folder: folder of the run.
        config: effective configuration of the run.
        description: description of the training data as the model sees it.
        model: trained model, which maps raw inputs to the head's parameters.
        yardsticks: scales, baselines and calibrations that the run is judged by.
        own: series that the run was trained on, if they are in memory.
    """

    application = APPLICATION
    config_type = ForecastingConfig

    def __init__(
        self,
        folder: RunFolder,
        config: ForecastingConfig,
        description: DataDescription,
        model: keras.Model,
        yardsticks: Yardsticks,
        own: SeriesSet | None = None,
    ) -> None:
        super().__init__(folder, config, model, OwnSeries(config, own))
        self.description = description
        self.yardsticks = yardsticks
        self.deployed = deployment_model(model, config, description)

    @classmethod
    def read(cls, folder: RunFolder, config: ForecastingConfig, data: Any) -> Self:
        """Reads the description, the yardsticks and the model; see `Trained.read`."""
        description = DataDescription.load(folder.path / DESCRIPTION)
        yardsticks = Yardsticks.load(folder.path / YARDSTICKS)
        # Keras finds the layers of a network by name once its module is imported.
        find_network(config.model)
        return cls(folder, config, description, folder.load_model(), yardsticks, data)

    @property
    def split(self) -> Split:
        """The training, validation and test part."""
        return parse_split(self.config.split)

    @property
    def judged_part(self) -> str:
        """The part that the run is judged on: "test", or "validation" if there is no test part."""
        return self.own.judged_part

    @property
    def calibration_note(self) -> str:
        """A note on quantiles that too few windows calibrate; "" if there are none."""
        calibration = self.yardsticks.calibrations["model"]
        trained = "quantiles" in self.deployed.output
        return calibration_note(calibration.unreached, calibration.windows, trained)

    def part(self, name: str) -> Part | None:
        """The rows of the part called train, validation or test; None for all rows.

        Raises:
            UserError: there is no such part.
        """
        rows: Part | None = self.own.part(name)
        return rows

    def series(
        self,
        data: Data | None = None,
        future: Data | None = None,
        reach: int = 0,
        columns: Stated = (),
    ) -> SeriesSet:
        """Data read as the run's training data was; None for the training data itself.

        Args:
            data: source or DataFrame; None for the run's own series.
            future: table of what is known of the future, source or DataFrame; None for none.
            reach: number of steps after the end that are to be forecast, if more than the horizon.
            columns: columns of `data` by role, where they have other names than in the training.

        Raises:
            UserError: the run was trained on a DataFrame that is gone, or columns of the run's own
                data are stated.
            DataError: data that the run cannot serve.
        """
        if data is not None:
            return serving_series(self.config, self.description, data, future, reach, columns)
        if columns:
            raise UserError("column goes with other data, since the run knows its own: name data")
        own: SeriesSet = self.own.whole
        table = None if future is None else future_table(own, self.config, future)
        return completed(own, self.config, self.description, table, reach, self.split.train)

    def forecaster(
        self, series_set: SeriesSet, known: NDArray[np.int64] | None = None
    ) -> Calibrated:
        """The model with calibrated intervals, for series as `series` gives them.

        Args:
            series_set: series to forecast.
            known: number of rows of each series that are known before its first forecast, int64
                [series]; None where all of them are. See `Yardsticks.for_series`.

        Raises:
            DataError: there is a series that the run does not know and cannot serve.
        """
        places = positions(series_set, self.config, self.description)
        network = NetworkForecaster(self.deployed, self.config, places)
        return self.yardsticks.for_series(series_set, known).calibrated(network)
