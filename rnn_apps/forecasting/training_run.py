"""`train`: from a configuration to a run that is trained, calibrated and judged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import UserError
from pipelines.splits import Part, Split, parse_split
from pipelines.time_series import SeriesSet
from pipelines.windows import WindowBatches
from rnn_apps.configuration import check
from rnn_apps.forecasting.build import build_model
from rnn_apps.forecasting.capabilities import check_capabilities
from rnn_apps.forecasting.config import ForecastingConfig
from rnn_apps.forecasting.deployment import deployment_model
from rnn_apps.forecasting.description import DataDescription, describe
from rnn_apps.forecasting.exporting import EXAMPLES, save_examples
from rnn_apps.forecasting.network_forecaster import NetworkForecaster
from rnn_apps.forecasting.objective import make_objective
from rnn_apps.forecasting.run import APPLICATION, DESCRIPTION, TRAJECTORIES, YARDSTICKS, Run
from rnn_apps.forecasting.run_data import positions, training_series
from rnn_apps.forecasting.sample_paths import rank_trajectories
from rnn_apps.forecasting.yardsticks import fit_yardsticks
from rnn_apps.run_folder import RunFolder, create_run
from rnn_apps.training import fit
from rnn_apps.training.strategies import is_chief, make_strategy
from rnn_apps.training.trained_model import TrainedModel

if TYPE_CHECKING:
    from rnn_apps.forecasting.run_data import Data


def train(config: ForecastingConfig, resume: bool = False, data: Data | None = None) -> Run:
    """Trains a forecaster, calibrates its intervals, and judges it on the test part.

    Whatever is wrong with the configuration or the data is said before the run's folder is made.

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
    series_set, config = training_series(config, data)
    description = describe(series_set, split, config)
    check_capabilities(config, description)
    training, validation = _batches(series_set, split, config)
    folder = RunFolder(_path(config), APPLICATION)
    if is_chief(strategy):
        folder = create_run(config.run, APPLICATION, config, resume=resume)
        _keep_description(folder, description, resume)
    trained = fit(
        lambda: build_model(config, description),
        training,
        make_objective(config),
        config,
        folder=folder.path,
        validation=validation,
        resume=resume,
        strategy=strategy,
    )
    return _finished(folder, config, description, trained, series_set, chief=is_chief(strategy))


def _path(config: ForecastingConfig) -> Path:
    if not config.run:
        raise UserError("no run folder is named. Say where the run goes: --run FOLDER")
    return Path(config.run)


def _batches(
    series_set: SeriesSet, split: Split, config: ForecastingConfig
) -> tuple[WindowBatches, WindowBatches]:
    """The windows of the training and the validation part; those of the test part must exist.

    Raises:
        DataError: a part has no room for a single window.
    """

    def windows(part: Part, *, shuffle: bool = False, stride: int = 1) -> WindowBatches:
        return WindowBatches(
            series_set, lookback=config.lookback, horizon=config.horizon, part=part,
            batch_size=config.batch_size, shuffle=shuffle, seed=config.seed, stride=stride,
        )  # fmt: skip

    training = windows(split.train, shuffle=True, stride=config.stride)
    validation = windows(split.validation)
    windows(split.test)
    return training, validation


def _keep_description(folder: RunFolder, description: DataDescription, resume: bool) -> None:
    """Writes the description; on resuming, refuses data that is not what the run began with.

    Raises:
        UserError: the data has changed.
    """
    path = folder.path / DESCRIPTION
    if resume and path.exists() and DataDescription.load(path) != description:
        raise UserError(
            f"{folder.path}: the data is not what the run was started with (names, statistics or "
            "covariates differ), so it cannot be resumed. Restore the data, or start a new run"
        )
    description.save(path)


def _finished(
    folder: RunFolder,
    config: ForecastingConfig,
    description: DataDescription,
    trained: TrainedModel,
    series_set: SeriesSet,
    *,
    chief: bool,
) -> Run:
    """Calibrates on the validation part, judges on the test part, and writes both down."""
    places = positions(series_set, config, description)
    deployed = deployment_model(trained.model, config, description)
    print("Calibrating intervals and fitting the baselines", file=sys.stderr)
    yardsticks = fit_yardsticks(
        NetworkForecaster(deployed, config, places),
        series_set,
        parse_split(config.split),
        horizon=config.horizon,
        levels=config.quantiles,
        season=config.season,
    )
    run = Run(folder, config, description, trained.model, yardsticks, series_set)
    if not chief:
        return run
    yardsticks.save(folder.path / YARDSTICKS)
    _keep_trajectories(run, series_set)
    save_examples(
        folder.path / EXAMPLES, series_set, run.split.test, config.lookback, config.horizon
    )
    folder.write_metrics(training=trained.figures(), data=series_set.report.as_dict())
    run.evaluate()
    return run


def _keep_trajectories(run: Run, series_set: SeriesSet) -> None:
    """Learns from the validation part how the steps of a sample path hang together."""
    config = run.config
    if config.output == "point" or config.model == "deepar":
        return
    batches = WindowBatches(
        series_set, lookback=config.lookback, horizon=config.horizon, part=run.split.validation,
        batch_size=256, shuffle=True, seed=config.seed,
    )  # fmt: skip
    try:
        found = rank_trajectories(run.model, config, batches.epoch(0))
    except UserError:
        # Too few quantiles, or no window that has all of its truth: asking for sample paths then
        # says so.
        return
    found.save(run.folder.path / TRAJECTORIES)
