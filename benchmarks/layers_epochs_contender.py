"""One contender of `benchmarks.layers_epochs`: trains an application's model on request.

For each line of standard input it computes the same first steps of the epoch and answers with
{"wall": seconds, "cpu": seconds of processor time}.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import sys
import tempfile
import time
from typing import Any
from unittest import mock

import keras
import tensorflow as tf

from rnn_apps.layers import Path
from rnn_apps.layers.recurrence import recurrent
from rnn_apps.training.feeding import feed
from rnn_apps.training.optimisation.optimizers import make_optimizer
from rnn_apps.training.steps import Steps


class CapturedError(Exception):
    """Carries what an application hands to `rnn_apps.training.fit`."""


def main() -> None:
    """Arguments: the application, the contender, the steps of a pass, the settings as JSON."""
    application, contender, most_steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if contender.startswith("keras"):
        # Where they do not take the fast loop, the layers make Keras' own call.
        recurrent.describe_path = lambda *_, **__: Path(False, "Keras' own is measured")
    settings = json.loads(sys.argv[4])
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    if contender.endswith("jit"):
        settings["jit_compile"] = True
    with tempfile.TemporaryDirectory() as folder:
        build_model, batches, objective, config = handed_to_fit(
            application, {**settings, "run": f"{folder}/run"}
        )
        keras.utils.set_random_seed(config.seed)
        model = build_model()
        strategy = tf.distribute.get_strategy()
        if not model.built:
            objective(model, next(iter(batches.epoch(0))), False)
        optimizer = make_optimizer(config, config.epochs * batches.steps_per_epoch)
        optimizer.build(model.trainable_variables)
        steps = Steps(model, optimizer, objective, config, strategy)
        count = min(most_steps or batches.steps_per_epoch, batches.steps_per_epoch)
        ready = {
            "steps": count,
            "steps_per_epoch": batches.steps_per_epoch,
            "model": f"{model.count_params():,} parameters, {config.cell}, {config.units} units",
        }
        print(json.dumps(ready), flush=True)
        for _ in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            for batch, specification in itertools.islice(feed(batches, strategy, 0), count):
                steps.train(batch, specification)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(json.dumps({"wall": wall, "cpu": cpu}), flush=True)


def handed_to_fit(application: str, settings: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """The (build_model, batches, objective, config) of an application's training."""
    module = importlib.import_module(f"rnn_apps.{application}.training_run")
    config_module = importlib.import_module(f"rnn_apps.{application}.config")
    [config_class] = [
        kind
        for kind in vars(config_module).values()
        if dataclasses.is_dataclass(kind)
        and isinstance(kind, type)
        and kind.__module__ == config_module.__name__
        and {"run", "epochs"} <= {field.name for field in dataclasses.fields(kind)}
    ]

    def capture(build_model: Any, batches: Any, objective: Any, config: Any, **_: Any) -> None:
        raise CapturedError(build_model, batches, objective, config)

    train = getattr(module, "fit_run", None) or module.train
    try:
        with mock.patch("rnn_apps.application.train_run.fit", capture):
            train(config_class(**settings))
    except CapturedError as captured:
        build_model, batches, objective, config = captured.args
        return build_model, batches, objective, config
    raise RuntimeError(f"{module.__name__} did not call fit")


if __name__ == "__main__":
    main()
