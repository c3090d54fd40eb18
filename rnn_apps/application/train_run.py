"""The training of a run, the same in every application: checked, begun, fitted, finished, judged.

An application gives a function that prepares its training: it reads and checks the data, and says
how the model is built and what is written. Whatever it refuses leaves the folder as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import keras

from rnn_apps.application.configuration import check
from rnn_apps.application.going_on import Start, read_origin, write_origin
from rnn_apps.application.own_data import OwnData
from rnn_apps.application.reporting.training_section import held_out_lines, write_training_report
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.run_training import TrainingFolder, claimed_run
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.optimisation.strategies import agree_on, is_chief, make_strategy
from rnn_apps.training.steps import Objective
from rnn_apps.training.trained_model import TrainedModel, save_model
from rnn_apps.training.trainer import Metrics, fit

if TYPE_CHECKING:
    from pipelines.batches import Batches

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a training came to, beyond the model itself.

    Args:
        metrics: entries of metrics.json, by name: "training", and what is known of the data.
        write: function that writes further results into the folder that it is given.
    """

    metrics: Mapping[str, Any]
    write: Callable[[Path], None] = field(default=lambda folder: None)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """A training that can begin: its configuration and data have been read and checked.

    Args:
        config: configuration, completed by what the data has told.
        build_model: function that makes the model.
        batches: batches of the training data.
        objective: function that gives the loss and its weight; see `rnn_apps.training.fit`.
        understood: sentences about the data, shown to the user when the training begins.
        write_beginning: function that writes into the folder that it is given: vocabularies and
            other files that stay as they are for the life of the run.
        finish: function that turns the trained model into the outcome; called by every worker.
        validation: data for the validation loss; None for none.
        callbacks: Keras callbacks of the application.
        metrics: function that gives further figures of an epoch; None for none.
        metric_names: names of those figures.
        start: weights of a trained run to begin with; None for initial weights.
        has_test: True if a test part is kept from training, on which the run is judged.
        tables: names of the tables that evaluations of the run leave in its folder.
    """

    config: TrainingConfig
    build_model: Callable[[], keras.Model]
    batches: Batches
    objective: Objective
    understood: Sequence[str]
    write_beginning: Callable[[Path], None]
    finish: Callable[[TrainedModel], Outcome]
    validation: Batches | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    metrics: Metrics | None = None
    metric_names: Sequence[str] = ()
    start: Start | None = None
    has_test: bool = True
    tables: Sequence[str] = ()

    @property
    def held_out(self) -> list[str]:
        """The names of the parts that are not trained on: validation, test, both or none."""
        there = {"validation": self.validation is not None, "test": self.has_test}
        return [part for part, present in there.items() if present]


def train_run(
    config: TrainingConfig,
    application: str,
    prepare: Callable[[TrainingFolder], Preparation],
    *,
    resume: bool = False,
    scratch: str = "",
) -> TrainingFolder:
    """Trains a run; it is not judged yet.

    Args:
        config: configuration; its `run` names the folder.
        application: name of the application on the command line.
        prepare: function that reads and checks everything that the training needs. On resuming
            it compares configuration and data with the folder's, by `TrainingFolder.check_config`
            and `TrainingFolder.check_data`.
        resume: True to continue the run in that folder from its last checkpoint.
        scratch: name of a folder inside the run into which `prepare` writes; what it wrote is
            removed if the training never begins.

    Returns:
        The folder, with the trained model in it.

    Raises:
        UserError: names what cannot be used and what to do about it.
    """
    check(config)
    strategy = make_strategy(config.strategy)
    chief = is_chief(strategy)
    with claimed_run(
        config.run, application, resume=resume, chief=chief, scratch=scratch
    ) as folder:
        prepared = prepare(folder)
        # On resuming the weights are the checkpoint's.
        origin = read_origin(folder) if folder.resumed else {}

        def build_model() -> keras.Model:
            model = prepared.build_model()
            if prepared.start is not None:
                origin.update(prepared.start.into(model, config.freeze))
            return model

        def begin() -> None:
            with folder.begin(prepared.config) as beside:
                prepared.write_beginning(beside)
                write_origin(beside, origin)
            lines = held_out_lines(prepared.held_out, prepared.config)
            for line in (*origin.get("understood", ()), *prepared.understood, *lines):
                _log.info(line)

        trained = fit(
            build_model,
            prepared.batches,
            prepared.objective,
            prepared.config,
            folder=folder.path,
            validation=prepared.validation,
            resume=resume,
            callbacks=prepared.callbacks,
            metrics=prepared.metrics,
            metric_names=prepared.metric_names,
            strategy=strategy,
            begin=begin,
            write_model=False,
        )
        outcome = prepared.finish(trained)
        if chief:
            about: dict[str, Any] = {"origin": origin} if origin else {}
            about["held_out"] = prepared.held_out
            with folder.finish(prepared.tables, **outcome.metrics, **about) as beside:
                save_model(trained.model, beside / folder.model.name)
                outcome.write(beside)
        agree_on(strategy, 0, "the end of the training")
    return folder


class Judgeable(Protocol):
    """A run that can be evaluated; every application's `Run` is one."""

    folder: RunFolder

    @property
    def config(self) -> TrainingConfig:
        """The effective configuration of the run."""
        ...

    @property
    def own(self) -> OwnData[Any, Any, Any]:
        """The data that the run was trained on."""
        ...

    def evaluate(self) -> dict[str, Any]:
        """Judges the run on the part of its own data that was held out."""
        ...


def judge_trained(run: Judgeable, folder: TrainingFolder) -> None:
    """Evaluates a run that has just been trained, or says why it is not judged.

    Where nothing was held out, the report shows the training alone.

    Args:
        run: run that has just been trained.
        folder: folder in which it was trained; of several workers only the chief judges.
    """
    if not folder.chief:
        return
    if run.own.held_out_part:
        run.evaluate()
    else:
        _log.info("Nothing was held out, so the run is not judged. evaluate --data judges it.")
        write_training_report(run.folder, run.config)
