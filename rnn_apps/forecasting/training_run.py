"""`train`: from a configuration to a run that is trained, calibrated and judged."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from pipelines.base.errors import UserError
from pipelines.series.splits import parse_split
from pipelines.series.time_series import SeriesSet
from pipelines.series.windows import WindowBatches
from rnn_apps.application.configuration import check
from rnn_apps.application.run_training import TrainingFolder, claimed_run
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.device.deployment import deployment_model
from rnn_apps.forecasting.device.exporting import EXAMPLES, save_examples
from rnn_apps.forecasting.features.description import DataDescription, describe
from rnn_apps.forecasting.judging.yardsticks import fit_yardsticks
from rnn_apps.forecasting.network.build import build_model
from rnn_apps.forecasting.network.capabilities import check_capabilities
from rnn_apps.forecasting.network.network import find_network
from rnn_apps.forecasting.network.objective import make_objective
from rnn_apps.forecasting.network_forecaster import NetworkForecaster
from rnn_apps.forecasting.run import APPLICATION, DESCRIPTION, TRAJECTORIES, YARDSTICKS, Run
from rnn_apps.forecasting.run_data import positions, training_series
from rnn_apps.forecasting.sampling.sample_paths import RankTrajectories, rank_trajectories
from rnn_apps.forecasting.training_parts import trained_until, training_parts
from rnn_apps.forecasting.understood import understood
from rnn_apps.training import fit
from rnn_apps.training.optimisation.strategies import agree_on, is_chief, make_strategy
from rnn_apps.training.trained_model import TrainedModel, save_model

if TYPE_CHECKING:
    from rnn_apps.forecasting.run_data import Data

_log = logging.getLogger(__name__)


def train(config: ForecastingConfig, resume: bool = False, data: Data | None = None) -> Run:
    """Trains a forecaster, calibrates its intervals, and judges it on the test part.

    Whatever is wrong with the configuration or the data is said before the folder is changed.

    Args:
        config: the configuration; its `run` names the folder.
        resume: continue the run in that folder from its last checkpoint, to the same weights that
            a run without interruption would have reached.
        data: a DataFrame, a `SeriesSet` or a source, instead of `config.data`.

    Returns:
        The run; its folder holds config.toml, checkpoints/, model.keras, metrics.json,
        history.csv and report.html.

    Raises:
        UserError: names what cannot be used and what to do about it.
    """
    check(config)
    split = parse_split(config.split)
    strategy = make_strategy(config.strategy)
    chief = is_chief(strategy)
    with claimed_run(config.run, APPLICATION, resume=resume, chief=chief) as folder:
        series_set, config = training_series(config, data)
        folder.check_config(config)
        description = describe(series_set, split, config)
        check_capabilities(config, description)
        _check_description(folder, description)
        parts = training_parts(series_set, split, config)
        told = understood(series_set, split, config, parts)
        if chief:
            for line in told:
                _log.info(line)

        def begin() -> None:
            with folder.begin(config) as beside:
                description.save(beside / DESCRIPTION)

        trained = fit(
            lambda: build_model(config, description),
            parts.training,
            make_objective(config),
            config,
            folder=folder.path,
            validation=parts.validation,
            resume=resume,
            strategy=strategy,
            begin=begin,
            write_model=False,
        )
        run = _finished(folder, config, description, trained, series_set, told)
        agree_on(strategy, 0, "the end of the training")
    if chief:
        run.evaluate()
    return run


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


def _finished(
    folder: TrainingFolder,
    config: ForecastingConfig,
    description: DataDescription,
    trained: TrainedModel,
    series_set: SeriesSet,
    told: list[str],
) -> Run:
    """Calibrates on the validation part and fits the baselines; the chief writes it all down."""
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
        smallest=0.0 if config.output == "negative_binomial" else -math.inf,
    )
    run = Run(folder, config, description, trained.model, yardsticks, series_set)
    if not folder.chief:
        return run
    trajectories = _trajectories(run, series_set)
    data = {
        **series_set.report.as_dict(),
        "understood": told,
        "trained_until": trained_until(series_set, run.split),
    }
    with folder.finish(training=trained.figures(), data=data) as beside:
        save_model(trained.model, beside / folder.model.name)
        yardsticks.save(beside / YARDSTICKS)
        if trajectories is not None:
            trajectories.save(beside / TRAJECTORIES)
        part = run.part(run.judged_part)
        save_examples(beside / EXAMPLES, series_set, part, config.lookback, config.horizon)
    return run


def _trajectories(run: Run, series_set: SeriesSet) -> RankTrajectories | None:
    """How the steps of a sample path depend on each other, learnt from the validation part."""
    config = run.config
    if config.output == "point" or find_network(config.model).capability.sample_paths != "copula":
        return None
    batches = WindowBatches(
        series_set, lookback=config.lookback, horizon=config.horizon, part=run.split.validation,
        batch_size=256, shuffle=True, seed=config.seed,
    )  # fmt: skip
    try:
        return rank_trajectories(run.model, config, batches.epoch(0))
    except UserError:
        # Too few quantiles, or no window that has all of its truth: asking for sample paths then
        # says so.
        return None
