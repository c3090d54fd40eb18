"""Training a language model: what it leaves, how it resumes, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.base.errors import UserError
from pipelines.text.token_streams import StreamBatches
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.language_modelling.network.build import build_model
from rnn_apps.language_modelling.network.objective import make_objective
from rnn_apps.language_modelling.training_run import fit_run
from rnn_apps.training import fit
from rnn_apps.training.trained_model import TrainedModel

VOCABULARY = 20
CONFIG = LanguageModellingConfig(
    units=8, embedding_size=6, batch_size=4, timesteps=12, epochs=2, learning_rate=0.01,
    random_lengths=True, embedding_dropout=0.1, input_dropout=0.1, hidden_dropout=0.2,
    output_dropout=0.2, activation_regularisation=1.0, temporal_regularisation=1.0,
    gradient_flow=False, checkpoint_minutes=0.0,
)  # fmt: skip


class StopAt(keras.callbacks.Callback):
    """Stops a session inside an epoch, as a limit of time does."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.last = step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs and logs["step"] >= self.last:
            self.model.stop_training = True


def trained(
    config: LanguageModellingConfig, folder: Path, stop_at: int = 0, resume: bool = False
) -> TrainedModel:
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, 301).astype(np.uint8)
    shared = {"batch_size": config.batch_size, "timesteps": config.timesteps, "seed": config.seed}
    return fit(
        lambda: build_model(config, VOCABULARY),
        StreamBatches(tokens, random_lengths=config.random_lengths, **shared),
        make_objective(config),
        config,
        folder=folder,
        validation=StreamBatches(tokens[:90], shift=False, **shared),
        resume=resume,
        callbacks=[StopAt(stop_at)] if stop_at else [],
    )


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(
            {"weight_dropout": 0.4, "tied": True, "output": "sampled", "sampled_tokens": 8},
            id="weight dropout",
        ),
        pytest.param(
            {"zoneout": 0.3, "layer_norm": True, "cell": "gru", "layers": 1},
            id="zoneout",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_stopped_inside_an_epoch_continues_to_the_bit(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    """States, masks, candidates, lengths of steps: all go on where they were."""
    config = replace(CONFIG, **settings)
    whole = trained(config, tmp_path / "whole")
    steps = int(whole.history[0]["step"])
    for stop_at in (2, steps + 3):
        trained(config, tmp_path / "stopped", stop_at, resume=stop_at > 2)
        [*_, latest] = sorted((tmp_path / "stopped" / "checkpoints").iterdir())
        assert int(latest.stem.removeprefix("step-")) % steps, "it did not stop inside an epoch"
    resumed = trained(config, tmp_path / "stopped", resume=True)
    for mine, theirs in zip(resumed.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    for mine, theirs in zip(resumed.history, whole.history, strict=True):
        assert (mine["loss"], mine["val_loss"]) == (theirs["loss"], theirs["val_loss"])


def test_the_state_is_carried_from_batch_to_batch() -> None:
    """The loss of a text in steps is that of the text in one step."""
    config = replace(CONFIG, random_lengths=False)
    keras.utils.set_random_seed(1)
    model, objective = build_model(config, VOCABULARY), make_objective(config)
    model.set_weights([2.0 * weight for weight in model.get_weights()])
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, 97).astype(np.uint8)
    sums = []
    for timesteps in (24, 6):
        for layer in model.layers:
            if isinstance(layer, keras.layers.RNN):
                layer.reset_states()
        batches = StreamBatches(tokens, batch_size=4, timesteps=timesteps, shift=False)
        losses = [objective(model, batch, False) for batch in batches.epoch(0)]
        sums.append(np.sum([[float(x) for x in pair] for pair in losses], axis=0))
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-5)
    assert sums[0][1] == 96


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat and the dog ran to the cat\n" * 60)
    return path


def run_config(text: Path, **settings: Any) -> LanguageModellingConfig:
    plain = replace(
        CONFIG, data=f"file:{text}", run=str(text.parent / "run"), units=24, layers=1,
        learning_rate=0.02, epochs=3, hidden_dropout=0.0, output_dropout=0.0,
        activation_regularisation=0.0, temporal_regularisation=0.0, embedding_dropout=0.0,
        input_dropout=0.0, timesteps=20,
    )  # fmt: skip
    return replace(plain, **settings)


def test_a_run_learns_and_leaves_what_it_needs(text: Path) -> None:
    folder = fit_run(run_config(text, gradient_flow=True))
    names = {path.name for path in folder.path.iterdir()}
    assert {
        "config.toml", "tokenizer", "checkpoints", "model.keras", "metrics.json", "history.csv",
        "text.json", "gradient_flow.json",
    } <= names  # fmt: skip
    training = folder.read_metrics()["training"]
    # 16 characters: log 16 = 2.77 nats before it has learnt anything.
    assert training["best"]["val_loss"] < 1.2
    assert (
        training["tokens_per_epoch"]
        == json.loads((folder.path / "text.json").read_text())["tokens"] - 1
    )
    [flow] = json.loads((folder.path / "gradient_flow.json").read_text())["layers"].values()
    assert len(flow["norms"][0]) == 20


def test_a_text_that_has_changed_is_not_resumed(text: Path) -> None:
    config = run_config(text, epochs=1)
    fit_run(config)
    with pytest.raises(UserError, match="already holds a run"):
        fit_run(config)
    text.write_text(text.read_text().replace("dog", "cow"))
    with pytest.raises(UserError, match="was started with"):
        fit_run(replace(config, epochs=2), resume=True)


def test_what_cannot_be_used_is_said_before_there_is_a_run(text: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder"):
        fit_run(run_config(text, run=""))
    with pytest.raises(UserError, match="no text is named"):
        fit_run(run_config(text, data=""))
    with pytest.raises(UserError, match="carries its state"):
        fit_run(run_config(text, strategy="mirrored"))
    with pytest.raises(UserError, match="streams need"):
        fit_run(run_config(text, batch_size=1000))
    # None of these was a run, so that a correct one can begin in the folder.
    fit_run(run_config(text, epochs=1))


def test_float16_trains_with_a_learning_rate_for_each_step(tmp_path: Path) -> None:
    config = replace(CONFIG, precision="mixed_float16", learning_rate=0.05, layers=1)
    found = trained(config, tmp_path)
    assert found.history[-1]["loss"] < np.log(VOCABULARY) + 0.1
    assert all(v.dtype == "float32" for v in found.model.trainable_variables)
