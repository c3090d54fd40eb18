"""`train`: from a configuration to a run that is trained, calibrated and judged."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import UserError
from pipelines.series.covariates.categories import recoded, training_categories
from pipelines.series.short_series import treated
from pipelines.series.splits import parse_split
from pipelines.series.time_series import SeriesSet
from pipelines.series.windows import WindowBatches
from rnn_apps.application import going_on
from rnn_apps.application.configuration import check
from rnn_apps.application.run_training import TrainingFolder
from rnn_apps.application.train_run import Outcome, Preparation, judge_trained, train_run
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.features.description import DataDescription, describe
from rnn_apps.forecasting.features.seasonal_errors import seasonal_errors
from rnn_apps.forecasting.going_on import beginning, kept_scales, save_beginning
from rnn_apps.forecasting.judging.evaluation import TABLES
from rnn_apps.forecasting.judging.example_windows import EXAMPLES, save_examples
from rnn_apps.forecasting.judging.yardsticks import fit_yardsticks
from rnn_apps.forecasting.network.build import build_model
from rnn_apps.forecasting.network.capabilities import check_capabilities
from rnn_apps.forecasting.network.network import find_network
from rnn_apps.forecasting.network.objective import make_objective
from rnn_apps.forecasting.network_forecaster import NetworkForecaster
from rnn_apps.forecasting.run import Run
from rnn_apps.forecasting.run_data import positions, training_series
from rnn_apps.forecasting.sampling.sample_paths import RankTrajectories, rank_trajectories
from rnn_apps.forecasting.trained import APPLICATION, DESCRIPTION, TRAJECTORIES, YARDSTICKS
from rnn_apps.forecasting.training_parts import trained_until, training_parts
from rnn_apps.forecasting.understood import understood
from rnn_apps.training.trained_model import TrainedModel

if TYPE_CHECKING:
    from rnn_apps.forecasting.run_data import Data

_log = logging.getLogger(__name__)


def config_from(origin: str, **settings: Any) -> ForecastingConfig:
    """A configuration that goes on from a trained run, with its network, scaling and covariates.

    Args:
        origin: folder of a trained run, or name of a saved model.
        settings: fields of `ForecastingConfig` that differ: `data`, `run` and so on.

    Raises:
        UserError: there is no such run.
        ConfigurationError: a setting does not exist or has a value that cannot be used.
    """
    return going_on.config_from(ForecastingConfig, APPLICATION, origin, **settings)


def train(config: ForecastingConfig, resume: bool = False, data: Data | None = None) -> Run:
    """Trains a forecaster, calibrates its intervals, and judges it on the test part.

    Whatever is wrong with the configuration or the data is said before the folder is changed.

    Args:
        config: configuration of the run; its `run` names the folder.
        resume: switch for continuing the run in that folder from its last checkpoint, to the same
            weights that a run without interruption would have reached.
        data: DataFrame, `SeriesSet` or source to take in place of `config.data`.

    Returns:
        The run; its folder holds config.toml, checkpoints/, model.keras, metrics.json,
        history.csv and report.html.

    Raises:
        UserError: names what cannot be used and what to do about it.
    """
    trained_run: Run | None = None

    def prepare(folder: TrainingFolder) -> Preparation:
        def keep(run: Run) -> None:
            nonlocal trained_run
            trained_run = run

        return _prepared(folder, config, data, keep)

    check(config)
    parse_split(config.split)
    folder = train_run(config, APPLICATION, prepare, resume=resume)
    assert trained_run is not None, "every worker finishes its training with a run"
    judge_trained(trained_run, folder)
    return trained_run


def _prepared(
    folder: TrainingFolder,
    config: ForecastingConfig,
    data: Data | None,
    keep: Callable[[Run], None],
) -> Preparation:
    """Reads the series and cuts their windows; see `train_run`.

    Args:
        folder: folder of the run.
        config: configuration of the run.
        data: series to take in place of those that `config.data` names.
        keep: function that is called with the run once it is trained and calibrated.
    """
    split = parse_split(config.split)
    begun = beginning(config, folder)
    series_set, config = training_series(config, data)
    if begun is not None:
        series_set, config = begun.series(series_set, config), begun.config(config)
    else:
        known = training_categories(series_set, split)
        series_set = recoded(series_set, known, config.unknown_categories)
    series_set = treated(
        series_set, config.short_series, lookback=config.lookback, horizon=config.horizon,
        part=split.train,
    )  # fmt: skip
    folder.check_config(config)
    description = describe(series_set, split, config)
    if begun is not None:
        description = kept_scales(begun.description, description)
    check_capabilities(config, description)
    _check_description(folder, description)
    parts = training_parts(series_set, split, config)
    lines = understood(series_set, split, config, parts)
    errors = None
    if config.mase_weighting:
        errors = seasonal_errors(series_set, split, config, description.step_minutes)

    def finish(trained: TrainedModel) -> Outcome:
        run = _calibrated(folder, config, description, trained, series_set)
        keep(run)
        if not folder.chief:
            return Outcome({})
        trajectories = _trajectories(run, series_set)
        about = {
            **series_set.report.as_dict(),
            "understood": lines,
            "trained_until": trained_until(series_set, run.split),
        }

        def write(beside: Path) -> None:
            run.yardsticks.save(beside / YARDSTICKS)
            if trajectories is not None:
                trajectories.save(beside / TRAJECTORIES)
            part = run.part(run.own.held_out_part or "train")
            save_examples(beside / EXAMPLES, series_set, part, config.lookback, config.horizon)

        return Outcome({"training": trained.figures(), "data": about}, write)

    def write_beginning(beside: Path) -> None:
        description.save(beside / DESCRIPTION)
        save_beginning(begun, beside)

    return Preparation(
        config=config,
        build_model=lambda: build_model(config, description),
        batches=parts.training,
        objective=make_objective(config, errors),
        understood=lines,
        write_beginning=write_beginning,
        finish=finish,
        validation=parts.validation,
        has_test=parts.test is not None,
        tables=TABLES,
        start=None if begun is None else begun.start(config, description),
    )


def _check_description(folder: TrainingFolder, description: DataDescription) -> None:
    """On resuming, refuses data that is not what the run began with.

    Raises:
        UserError: the data has changed.
    """
    if folder.resumed and DataDescription.load(folder.path / DESCRIPTION) != description:
        raise UserError(
            f"{folder.path}: the data is not what the run was started with (names, statistics or "
            "covariates differ), so it cannot be resumed. Restore the data, or start a new run"
        )


def _calibrated(
    folder: TrainingFolder,
    config: ForecastingConfig,
    description: DataDescription,
    trained: TrainedModel,
    series_set: SeriesSet,
) -> Run:
    """Calibrates on the validation part and fits the baselines."""
    places = positions(series_set, config, description)
    deployed = deployment_model(trained.model, config, description)
    _log.info("Calibrating intervals and fitting the baselines")
    yardsticks = fit_yardsticks(
        NetworkForecaster(deployed, config, places),
        series_set,
        parse_split(config.split),
        horizon=config.horizon,
        levels=config.quantiles,
        season=config.season,
        smallest=0.0 if _never_negative(config) else -math.inf,
    )
    return Run(folder, config, description, trained.model, yardsticks, series_set)


def _never_negative(config: ForecastingConfig) -> bool:
    """Whether the forecasts are 0 or more, so that calibration leaves no quantile below 0."""
    return config.output == "negative_binomial" or config.transform != "none"


def _trajectories(run: Run, series_set: SeriesSet) -> RankTrajectories | None:
    """The dependence between horizon steps, learnt from the validation part; None without it."""
    config = run.config
    if not run.split.has_validation or config.output == "point":
        return None
    if find_network(config.model).capability.sample_paths != "copula":
        return None
    batches = WindowBatches(
        series_set, lookback=config.lookback, horizon=config.horizon, part=run.split.validation,
        batch_size=256, shuffle=True, seed=config.example_seed,
    )  # fmt: skip
    try:
        return rank_trajectories(run.model, config, batches.epoch(0))
    except UserError:
        # Too few quantiles, or no window with all of its true values; asking for sample paths then
        # gives the reason.
        return None
