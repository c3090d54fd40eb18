"""`train`: from a configuration to a run that is trained and judged."""

from __future__ import annotations

from pipelines.base.atomic_files import write_json
from rnn_apps.application.run_training import TrainingFolder
from rnn_apps.application.train_run import Outcome, Preparation, judge_trained, train_run
from toy_application.config import APPLICATION, ToyConfig
from toy_application.data import NUMBERS, NumberBatches, OwnNumbers, about
from toy_application.network import build_model, squared_error
from toy_application.run import Run, load


def train(config: ToyConfig, resume: bool = False) -> Run:
    """Trains a model and judges it on the numbers that were held out."""
    folder = train_run(config, APPLICATION, lambda folder: _prepared(folder, config), resume=resume)
    run = load(folder.path)
    judge_trained(run, folder)
    return run


def _prepared(folder: TrainingFolder, config: ToyConfig) -> Preparation:
    folder.check_config(config)
    own = OwnNumbers(config)
    own.require_named()
    record = about(own.part("train"))
    folder.check_data(NUMBERS, record, source=own.name)
    return Preparation(
        config=config,
        build_model=lambda: build_model(config),
        batches=NumberBatches(own.part("train"), config, shuffle=True),
        objective=squared_error,
        understood=[f"Numbers, {own.name}: {record['numbers']} to train on."],
        write_beginning=lambda beside: write_json(beside / NUMBERS, record),
        finish=lambda trained: Outcome({"training": trained.figures()}),
    )
