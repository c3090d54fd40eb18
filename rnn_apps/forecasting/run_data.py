"""The data of a run: what it was trained on, and other data read in the same way."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import DataError, UserError
from pipelines.base.stated_columns import Stated
from pipelines.series.covariates.categories import recoded
from pipelines.series.covariates.covariate_tables import continued
from pipelines.series.covariates.holiday_calendar import with_holidays, without_holidays
from pipelines.series.loading import in_own_notation, load_covariates, load_series
from pipelines.series.options import series_options
from pipelines.series.reading.renamed_columns import renamed_columns
from pipelines.series.short_series import treated
from pipelines.series.splits import Part, parse_split
from pipelines.series.time_series import SeriesSet
from rnn_apps.application.own_data import OwnData
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.transforms import check_transformable

if TYPE_CHECKING:
    import pandas as pd

    Data = str | SeriesSet | pd.DataFrame


class OwnSeries(OwnData["Data", SeriesSet, Part | None]):
    """The series that a run is trained, chosen and judged on; its parts are ranges of rows.

    Args:
        config: configuration of the run; its split cuts the parts.
        data: series that the run is trained on, where `config.data` does not name them.
    """

    unnamed = "no training data is named"
    lost = "a DataFrame, which is not kept"
    nothing_held_out = "no rows were held out"
    address = "--data SOURCE, or a DataFrame from Python"
    parts = (*OwnData.parts, "all")

    def __init__(self, config: ForecastingConfig, data: Data | None = None) -> None:
        super().__init__(config.data if data is None else data)
        self._config = config

    @property
    def name(self) -> str:
        """See `OwnData`."""
        return self._config.data or "the run's data"

    def read(self, source: Data) -> SeriesSet:
        """See `OwnData`."""
        return _loaded(self._config, source)

    def present(self) -> tuple[str, ...]:
        """See `OwnData`."""
        split = parse_split(self._config.split)
        there = {"validation": split.has_validation, "test": split.has_test}
        return tuple(name for name in self.parts if there.get(name, True))

    def part(self, name: str) -> Part | None:
        """The rows of a part; None for all rows, which the part "all" is.

        Raises:
            UserError: there is no such part.
        """
        self.require(name)
        return None if name == "all" else getattr(parse_split(self._config.split), name)


def training_series(
    config: ForecastingConfig, data: Data | None = None
) -> tuple[SeriesSet, ForecastingConfig]:
    """Loads the data that a run is trained on.

    Args:
        config: configuration of the run; its `data` names the source, unless `data` is given.
        data: DataFrame, `SeriesSet` or source to take in place of `config.data`.

    Returns:
        The series, and the config with what was found out about the columns filled in, so that
        data of the same kind is read in the same way later.

    Raises:
        ConfigurationError: no data is named.
        DataError: the data cannot be used.
    """
    own = OwnSeries(config, data)
    own.require_named()
    series_set = own.whole
    if config.holidays:
        series_set = with_holidays(series_set, config.holidays, config.horizon)
    found = dataclasses.asdict(series_set.options)
    if config.scaling == "window":
        # Such a model serves other series too, so that the columns' names are left open.
        found["targets"] = config.targets
    source = config.data if data is None else data if isinstance(data, str) else ""
    return series_set, dataclasses.replace(config, data=source, **found)


def serving_series(
    config: ForecastingConfig,
    description: DataDescription,
    data: Data,
    future: Data | None = None,
    reach: int = 0,
    columns: Stated = (),
) -> SeriesSet:
    """Loads data for a trained run, as its training data was read.

    Args:
        config: configuration of the run.
        description: description of the run's training data.
        data: series to serve.
        future: table of what is known of the future; None if the data has it. For a run that was
            trained with a table of covariates, it takes the place of that table.
        reach: number of steps after the end that are to be forecast, if more than the horizon.
        columns: columns of `data`, and of `future`, by role, where they have other names than in
            the training; see `pipelines.series.reading.renamed_columns`.

    Raises:
        DataError: a series that the run does not know and cannot serve, other covariates, or data
            that cannot be used.
        ConfigurationError: `columns` does not fit the run.
    """
    if columns and isinstance(data, SeriesSet):
        raise UserError("columns are those of a table, but data is a set of series: leave them out")
    named = renamed_columns(series_options(config), columns, any_targets=config.scaling == "window")
    table = None
    if isinstance(data, SeriesSet):
        loaded = data
    else:
        options = in_own_notation(data, named.options, config.data_dir)
        joined = _source(future) if future is not None and config.covariates else None
        loaded = load_series(data, options, data_dir=config.data_dir, covariates=joined)
        future = future if joined is None else None
    if future is not None:
        table = named.renamed(future_table(loaded, config, future))
    series_set = completed(named.renamed(loaded), config, description, table, reach)
    positions(series_set, config, description)
    check_transformable(series_set, config.transform, to_train_on=False)
    return series_set


def completed(
    series_set: SeriesSet,
    config: ForecastingConfig,
    description: DataDescription,
    table: SeriesSet | None = None,
    reach: int = 0,
    part: Part | None = None,
) -> SeriesSet:
    """The series with all covariates of a trained network, in its order and with its categories.

    Args:
        series_set: series with the covariates of their source.
        config: configuration of the run.
        description: description of the run's training data.
        table: table of what is known of the future, as `future_table` reads it; None for none.
        reach: number of steps after the end that are to be forecast, if more than the horizon.
        part: part in which a window has to fit, or else a series is too short; None for all rows.

    Raises:
        DataError: a series is too short and the run refuses such; a covariate or a category is
            missing or unknown; or the table cannot be used.
    """
    series_set = without_holidays(series_set)
    series_set = recoded(series_set, description.categories, config.unknown_categories)
    if table is not None:
        series_set = continued(series_set, table, config.unknown_categories)
    if config.holidays:
        series_set = with_holidays(series_set, config.holidays, max(reach, config.horizon))
    series_set = with_same_covariates(series_set, description, config.unknown_categories)
    return with_policy(series_set, config, part, forecast=reach > 0)


def with_policy(
    series_set: SeriesSet, config: ForecastingConfig, part: Part | None = None, *, forecast: bool
) -> SeriesSet:
    """The series, with those that are too short treated as the run does.

    Args:
        series_set: series of any length.
        config: configuration of the run.
        part: part in which a window has to fit; None for all rows.
        forecast: switch for series of which only what follows their end is to be forecast, so that
            those that fill the lookback are not refused.

    Raises:
        DataError: a series is too short and the run refuses such.
    """
    alone = forecast and config.short_series == "refuse"
    return treated(
        series_set, config.short_series, lookback=config.lookback,
        horizon=0 if alone else config.horizon, part=part,
    )  # fmt: skip


def future_table(series_set: SeriesSet, config: ForecastingConfig, future: Data) -> SeriesSet:
    """Reads a table of what is known of the future of series.

    Args:
        series_set: series with the covariates of their source.
        config: configuration of the run.
        future: source or DataFrame.

    Raises:
        DataError: the table cannot be used, or the run has no covariates that are known ahead.
    """
    names = without_holidays(series_set).future_names
    if not names:
        raise DataError(
            "the run was trained without covariates that are known ahead, so that it reads nothing "
            "from a table of the future",
            file=series_set.report.source,
            advice="Leave out future, or train with future_covariates.",
        )
    return load_covariates(_source(future), series_set, names, data_dir=config.data_dir)


def _source(future: Data) -> str | pd.DataFrame:
    if isinstance(future, SeriesSet):
        raise UserError("future is a set of series: give a source, such as file:PATH, or a frame")
    return future


def with_same_covariates(
    series_set: SeriesSet, description: DataDescription, unknown: str = "error"
) -> SeriesSet:
    """The series with the covariates of a trained network, in its order.

    Args:
        series_set: series with covariates of their own.
        description: description of the data that the network was trained on.
        unknown: treatment of categories that the network does not know, "error" or "zeros".

    Raises:
        DataError: a covariate is missing, or there is another one; or a category is unknown.
    """
    for kind in ("past", "future"):
        expected = getattr(description, f"{kind}_names")
        found = getattr(series_set, f"{kind}_names")
        if found != expected:
            raise DataError(
                f"the {kind} covariates are {_listed(found)}, the run was trained with "
                f"{_listed(expected)}",
                file=series_set.report.source,
                advice="Give the same columns: the run reads them by these names.",
            )
    series_set = recoded(series_set, description.categories, unknown)
    return _with_static(series_set, description.static_names, unknown)


def _loaded(config: ForecastingConfig, data: Data) -> SeriesSet:
    if isinstance(data, SeriesSet):
        return data
    return load_series(data, series_options(config), data_dir=config.data_dir)


def positions(
    series_set: SeriesSet, config: ForecastingConfig, description: DataDescription
) -> NDArray[np.int32]:
    """The position of each series of `series_set` among those of the training, int32 [series].

    A series that training has not seen has position 0 if the model scales by the window alone.

    Raises:
        DataError: a series that training has not seen, and a model that must know it.
    """
    known = {name: i for i, name in enumerate(description.series_names)}
    unseen = [name for name in series_set.names if name not in known]
    if unseen and config.scaling != "window":
        raise DataError(
            f"the run does not know the series {_listed(unseen)}; it was trained on "
            f"{_listed(description.series_names)}",
            file=series_set.report.source,
            advice="Rename or leave out the columns, state the targets, or train with "
            "scaling = 'window', which serves other series too.",
        )
    return np.array([known.get(name, 0) for name in series_set.names], np.int32)


def _with_static(series_set: SeriesSet, expected: tuple[str, ...], unknown: str) -> SeriesSet:
    """The set with its static covariates in the training's order; absent categories are 0."""
    found = series_set.static_names
    if found == expected:
        return series_set
    # A category that training knew but this data lacks is a column of zeros.
    others = [name for name in found if name not in expected]
    columns = {name.split("=")[0] for name in found}
    trained = {name.split("=")[0] for name in expected if "=" in name}
    if unknown == "zeros":
        strange = [name for name in others if "=" in name and name.split("=")[0] in trained]
        others = [name for name in others if name not in strange]
        for name in strange:
            series_set.report.note(
                "categories that the training part does not have",
                "read as none of the known ones",
                name,
            )
    lacking = [name for name in expected if name.split("=")[0] not in columns]
    if others or lacking:
        raise DataError(
            f"the static covariates are {_listed(found)}, the run was trained with "
            f"{_listed(expected)}",
            file=series_set.report.source,
            advice="Give the same columns with values that the training data had.",
        )
    known = [column for column, name in enumerate(found) if name in expected]
    places = [expected.index(found[column]) for column in known]

    def aligned(values: NDArray[np.float32]) -> NDArray[np.float32]:
        result = np.zeros(len(expected), np.float32)
        result[places] = values[known]
        return result

    series = tuple(
        dataclasses.replace(series, static_covariates=aligned(series.static_covariates))
        for series in series_set
    )
    return dataclasses.replace(series_set, series=series, static_names=expected)


def _listed(names: Any) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:8])
    return (shown + (", ..." if len(names) > 8 else "")) or "none"
