"""Training of translation models: resuming to the bit, averages, and what the options change."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.pairs.sentence_pairs import SentencePairs
from rnn_apps.training import trainer
from rnn_apps.training.resuming import changeable, check_same_config
from rnn_apps.translation import TranslationConfig
from rnn_apps.translation.training_callbacks import (
    FOLDER,
    EpochWeights,
    SampledShare,
    averaged_if_better,
)
from rnn_apps.translation.training_run import fit_run


def pairs(count: int = 100) -> SentencePairs:
    """Of one length nearly all: every shape of a batch costs seconds of compiling."""
    generator = np.random.default_rng(0)
    words = ("red", "green", "blue", "small", "large")
    source = [" ".join(generator.choice(words, 2)) for _ in range(count)]
    return SentencePairs(tuple(source), tuple(s.upper() for s in source), "made up")


def config_for(folder: Path, **changes: object) -> TranslationConfig:
    settings: dict[str, object] = {
        "run": str(folder),
        "split": "0.7,0.3,0",
        "vocabulary_size": 320,
        "units": 8,
        "cell": "simple",
        "bidirectional": False,
        "attention": "dot",
        "decoder": "plain",
        "embedding_size": 8,
        "batch_size": 8,
        "epochs": 3,
        "subword_sampling": 0.1,
        "scheduled_sampling": 0.5,
        "gradient_accumulation": 2,
        "average_epochs": 2,
        "dev_bleu": False,
        "gradient_flow": False,
        "checkpoint_minutes": 1e-6,
    }
    return TranslationConfig(**{**settings, **changes})


def weights_of(folder: Path) -> list[np.ndarray]:
    return keras.saving.load_model(folder / "model.keras").get_weights()


def test_a_killed_run_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_run(config_for(tmp_path / "whole"), data=pairs())
    progress = trainer.ProgressDisplay.step
    calls = 0

    # Killed inside the second epoch, after a checkpoint.
    def counting(self: object, step: int, loss: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        progress(self, step, loss)

    monkeypatch.setattr(trainer.ProgressDisplay, "step", counting)
    with pytest.raises(KeyboardInterrupt):
        fit_run(config_for(tmp_path / "killed"), data=pairs())
    monkeypatch.undo()
    fit_run(config_for(tmp_path / "killed"), resume=True, data=pairs())
    for one, other in zip(
        weights_of(tmp_path / "whole"), weights_of(tmp_path / "killed"), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert len(list((tmp_path / "whole" / FOLDER).glob("*.npz"))) == 2
    figures = whole.read_metrics()["training"]
    assert min(figures["best epoch's val_loss"], figures["averaged epochs' val_loss"]) > 0
    assert figures["target_tokens_per_epoch"] > 0


def test_epochs_may_not_change_where_the_sampled_share_depends_on_them(tmp_path: Path) -> None:
    config = config_for(tmp_path, scheduled_sampling=0.5)
    assert "epochs" not in changeable(config)
    assert "epochs" in changeable(config_for(tmp_path, scheduled_sampling=0.0))
    with pytest.raises(ConfigurationError, match=r"epochs \(was 3, is 5\)"):
        check_same_config(asdict(config), replace(config, epochs=5))


def test_averaged_gradients_are_for_one_device(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gradient_accumulation = 2 .* strategy = 'none'"):
        fit_run(config_for(tmp_path / "run", strategy="mirrored"), data=pairs())


def small_model(value: float) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.full((1, 1), value), np.full(1, value)])
    return model


def test_the_best_epochs_are_kept_and_averaged(tmp_path: Path) -> None:
    callback = EpochWeights(tmp_path, 2, "val_bleu", highest=True)
    for epoch, (value, bleu) in enumerate([(1.0, 5.0), (2.0, 9.0), (3.0, 2.0), (6.0, 7.0)]):
        callback.set_model(small_model(value))
        callback.on_epoch_end(epoch, {"val_bleu": bleu})
    assert sorted(path.stem for path in (tmp_path / FOLDER).iterdir()) == ["000002", "000004"]
    assert float(callback.averaged()[0][0, 0]) == 4.0


def test_an_average_takes_the_models_place_only_if_it_is_better() -> None:
    model = small_model(1.0)

    def figure(one: keras.Model) -> float:
        return abs(float(one.get_weights()[0][0, 0]) - 2.0)

    worse = [np.full((1, 1), 9.0), np.full(1, 9.0)]
    assert averaged_if_better(model, worse, figure, highest=False) == (1.0, 7.0)
    assert model.get_weights()[0][0, 0] == 1.0
    better = [np.full((1, 1), 2.0), np.full(1, 2.0)]
    assert averaged_if_better(model, better, figure, highest=False) == (1.0, 0.0)
    assert model.get_weights()[0][0, 0] == 2.0
    assert averaged_if_better(model, [], figure, highest=False) is None


@pytest.mark.parametrize(("epochs", "shares"), [(1, [0.5]), (2, [0.0, 0.5]), (3, [0.0, 0.25, 0.5])])
def test_the_last_epoch_has_the_whole_share_of_sampled_tokens(
    epochs: int, shares: list[float]
) -> None:
    callback = SampledShare(0.5, epochs)
    found = []
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        found.append(float(callback.share))
    assert found == shares
