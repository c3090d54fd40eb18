"""Going on from a trained forecaster: its features and scales for other series."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import ConfigurationError
from rnn_apps.application.going_on import Start, open_origin, require_same
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.capabilities import calendar_features
from rnn_apps.forecasting.run_data import with_same_covariates
from rnn_apps.forecasting.trained import TrainedForecaster
from rnn_apps.training.transfer import FirstRows, Rows, SharedRows

if TYPE_CHECKING:
    from pipelines.series.time_series import SeriesSet
    from rnn_apps.application.run_training import TrainingFolder
    from rnn_apps.forecasting.config import ForecastingConfig

ORIGIN_DESCRIPTION = "origin_data.json"
"""The description of the data of the run that a run went on from, whose statistics it keeps."""

_SAME = ("model", "cell", "output", "quantiles", "scaling", "transform", "normalisation")
# Statistics of the data: the description has those of the other run where they are to stay.
_STATISTICS = frozenset({"target_scaler", "past_scaler", "future_scaler", "static_scaler"})


@dataclasses.dataclass(frozen=True)
class Beginning:
    """What a run takes over from the run that it goes on from.

    Args:
        trained: trained run; None if the new run is resumed, so that its weights are its own.
        description: description of the trained run's data.
        calendar: features of the time stamps that the network reads.
    """

    trained: TrainedForecaster | None
    description: DataDescription
    calendar: tuple[str, ...]

    def config(self, config: ForecastingConfig) -> ForecastingConfig:
        """The config with the calendar features that the network has, in its order.

        Raises:
            ConfigurationError: the config names other features.
        """
        named = tuple(dict.fromkeys(config.calendar)) or ("none",)
        if len(named) > 1 and ("auto" in named or "none" in named):
            return config  # Which is refused with all that other runs are refused for.
        if named != ("auto",) and set(named) != set(self.calendar):
            raise ConfigurationError(
                f"calendar = {', '.join(named)}: the run that training goes on from reads "
                f"{', '.join(self.calendar)}. Set calendar = auto, which takes these"
            )
        return dataclasses.replace(config, calendar=self.calendar)

    def series(self, series_set: SeriesSet, config: ForecastingConfig) -> SeriesSet:
        """The series with the network's covariates in its order, and its categories.

        Raises:
            DataError: a covariate is missing, or there is another one; or a category is unknown.
        """
        return with_same_covariates(series_set, self.description, config.unknown_categories)

    def start(self, config: ForecastingConfig, description: DataDescription) -> Start | None:
        """The weights to begin with; None if the run is resumed.

        Rows are taken over of what depends on the horizon's length (steps from the first one on)
        and of the vectors that tell series apart.
        """
        if self.trained is None:
            return None
        rows: dict[str, Rows] = {}
        if self.trained.config.horizon != config.horizon:
            rows = {
                "step_contexts": FirstRows(-1, "outputs for steps of the horizon"),
                "steps": FirstRows(0, "steps of the horizon"),
                "decoder": FirstRows(0, "segments of the horizon"),
            }
        names = self.description.series_names, description.series_names
        if names[0] != names[1]:
            rows["series_embedding"] = SharedRows(*names, axis=0, name="series")
        return Start(self.trained, config.from_run, rows=rows, own=_STATISTICS)


def kept_scales(trained: DataDescription, description: DataDescription) -> DataDescription:
    """The description of new data with the trained run's statistics.

    The scales of covariates are the trained run's, as are those of the series that it knows; other
    series have the scale of their own training part.

    Args:
        trained: description of the trained run's data.
        description: description of the new data.
    """
    known = {name: place for place, name in enumerate(trained.series_names)}
    values: dict[str, Any] = {}
    for name in ("location", "scale"):
        before, now = getattr(trained, name), getattr(description, name)
        values[name] = tuple(
            before[known[series]] if series in known else own
            for series, own in zip(description.series_names, now, strict=True)
        )
        for kind in ("past", "future", "static"):
            values[f"{kind}_{name}"] = getattr(trained, f"{kind}_{name}")
    return dataclasses.replace(description, **values)


def beginning(config: ForecastingConfig, folder: TrainingFolder) -> Beginning | None:
    """What a run takes over from the run that its config names; None if it names none.

    Raises:
        UserError: there is no such run.
        ConfigurationError: the config has another network than that run.
    """
    if not config.from_run:
        return None
    if folder.resumed:
        description = DataDescription.load(folder.path / ORIGIN_DESCRIPTION)
        return Beginning(None, description, folder.read_config(type(config)).calendar or ("none",))
    trained = open_origin(config, folder, TrainedForecaster)
    assert trained is not None, "a run that is not resumed opens the run that it goes on from"
    require_same(config, trained, _SAME)
    calendar = calendar_features(trained.config, trained.description)
    return Beginning(trained, trained.description, calendar or ("none",))


def save_beginning(beginning: Beginning | None, beside: Path) -> None:
    """Writes what a resumed run needs of the run that it went on from."""
    if beginning is not None:
        beginning.description.save(beside / ORIGIN_DESCRIPTION)
