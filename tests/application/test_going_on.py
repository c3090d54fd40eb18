"""`train --from RUN` in the four applications: what is taken over and what begins anew."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from language_setup import untrained_run
from speech_setup import small_config, write_recordings

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.tokenizers.tokenizer import token_keys
from rnn_apps import forecasting, language_modelling, speech, translation
from rnn_apps.application import model_zoo
from rnn_apps.application.command_line import main
from rnn_apps.application.going_on import ORIGIN, read_origin
from rnn_apps.training.history import read_history
from rnn_apps.training.transfer import FirstRows, SharedRows, parts_of, take_weights

TEXT = "the cat sat on a mat and ate naïve cakes\n" * 30


def _network(units: int, labels: int, name: str = "gru_1") -> keras.Model:
    inputs = keras.Input((None, 3))
    hidden = keras.layers.GRU(units, name=name)(inputs)
    return keras.Model(inputs, keras.layers.Dense(labels, name="output")(hidden))


def test_rows_of_known_labels_keep_their_weights() -> None:
    trained, model = _network(4, 3), _network(4, 4)
    initial = model.get_layer("output").get_weights()
    rows = {"output": SharedRows("abc", "cxad", axis=-1, name="labels")}
    taken = take_weights(model, trained, origin="runs/a", rows=rows)
    assert taken.whole == ("gru_1",) and taken.rows == {"output": (2, 4, "labels")}
    for old, new, begun in zip(
        trained.get_layer("output").get_weights(), model.get_layer("output").get_weights(),
        initial, strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(new[..., [0, 2]], old[..., [2, 0]])
        np.testing.assert_array_equal(new[..., [1, 3]], begun[..., [1, 3]])
    lines = " ".join(taken.lines("runs/a"))
    assert "output: 2 of 4 labels have trained weights; 2 begin anew" in lines


def test_an_order_that_changed_is_followed_although_the_size_is_the_same() -> None:
    trained, model = _network(3, 3), _network(3, 3)
    rows = {"output": SharedRows("abc", "bca", axis=-1, name="labels")}
    take_weights(model, trained, origin="runs/a", rows=rows)
    old, new = (one.get_layer("output").get_weights()[0] for one in (trained, model))
    np.testing.assert_array_equal(new, old[:, [1, 2, 0]])


def test_the_first_steps_of_a_longer_horizon_are_known() -> None:
    trained, model = _network(4, 3), _network(4, 5)
    take_weights(model, trained, origin="a", rows={"output": FirstRows(-1, "steps")})
    old, new = (one.get_layer("output").get_weights()[0] for one in (trained, model))
    np.testing.assert_array_equal(new[:, :3], old)


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    trained, model = _network(4, 3), _network(5, 3)
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(UserError, match=r"gru_1: kernel has the shape \[3, 12\].*\[3, 15\]"):
        take_weights(model, trained, origin="runs/a")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="else")])
    with pytest.raises(UserError, match="no part in common"):
        take_weights(other, trained, origin="runs/a")


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> language_modelling.Run:
    return untrained_run(tmp_path_factory.mktemp("text"), TEXT)


def _text(folder: Path, text: str) -> str:
    path = folder / "other.txt"
    path.write_text(text, encoding="utf-8")
    return f"file:{path}"


def _language(
    run: language_modelling.Run, folder: Path, text: str = TEXT, **changes: Any
) -> language_modelling.LanguageModellingConfig:
    settings: dict[str, Any] = {
        "data": _text(folder, text), "run": str(folder / "new"), "split": "0.9,0.1,0",
        "epochs": 1, "batch_size": 2, "gradient_flow": False, "learning_rate": 1e-6,
    }  # fmt: skip
    return language_modelling.config_from(str(run.folder.path), **{**settings, **changes})


def test_a_language_model_keeps_weights_vocabulary_and_network(
    text_run: language_modelling.Run, tmp_path: Path
) -> None:
    config = _language(text_run, tmp_path)
    assert (config.units, config.layers) == (12, 1)
    new = language_modelling.train(config)
    assert new.tokenizer.fingerprint == text_run.tokenizer.fingerprint
    for old, now in zip(text_run.model.get_weights(), new.model.get_weights(), strict=True):
        np.testing.assert_allclose(now, old, atol=1e-3)
    origin = read_origin(new.folder)
    assert origin["from"] == str(text_run.folder.path) and len(origin["sha256"]) == 64
    assert new.metrics["origin"] == origin
    # Its origin may be gone by now, in the configuration too.
    assert config == new.config
    language_modelling.train(replace(config, epochs=2, from_run=config.from_run), resume=True)
    assert read_origin(new.folder) == origin


def test_a_new_vocabulary_keeps_the_rows_of_known_tokens(
    text_run: language_modelling.Run, tmp_path: Path
) -> None:
    config = _language(text_run, tmp_path, TEXT.replace("c", "xyz"), new_vocabulary=True)
    new = language_modelling.train(config)
    old_keys, keys = token_keys(text_run.tokenizer), token_keys(new.tokenizer)
    assert set(keys) - set(old_keys)
    old, now = (parts_of(one.model)["embedding"].get_weights()[0] for one in (text_run, new))
    for row, key in enumerate(keys):
        if key in old_keys:
            np.testing.assert_allclose(now[row], old[old_keys.index(key)], atol=1e-3)
    known = len(set(keys) & set(old_keys))
    said = " ".join(read_origin(new.folder)["understood"])
    assert f"embedding: {known} of {len(keys)} tokens have trained weights" in said


def test_going_on_from_the_command_line(
    text_run: language_modelling.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = [
        "language", "train", "--from", str(text_run.folder.path), "--data", _text(tmp_path, TEXT),
        "--run", str(tmp_path / "new"), "--split", "0.9,0.1,0", "--epochs", "1",
        "--batch-size", "2", "--no-gradient-flow", "--freeze", "embedding",
        "--learning-rates", "lstm=0.5", "--json",
    ]  # fmt: skip
    assert main(flags) == 0
    assert json.loads(capfd.readouterr().out)["details"]["origin"]["from"] == flags[3]
    new = language_modelling.load(tmp_path / "new")
    assert new.config.units == 12 and new.config.freeze == ("embedding",)
    old, now = (parts_of(one.model)["embedding"].get_weights()[0] for one in (text_run, new))
    np.testing.assert_array_equal(now, old)
    assert not np.array_equal(
        parts_of(text_run.model)["output"].get_weights()[0],
        parts_of(new.model)["output"].get_weights()[0],
    )
    assert all(part.trainable for part in parts_of(new.model).values())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--from", "nowhere/at/all"], "nowhere/at/all: no run here"),
        (["--from", "language/none"], "no saved model 'language/none'. Available: "),
        (["--new-vocabulary"], "new_vocabulary replaces the vocabulary of the run"),
        (["--from", "RUN", "--units", "16"], "embedding: embeddings has the shape [16, 12]"),
        (["--from", "RUN", "--cell", "gru"], "cell = 'gru' (there 'lstm')"),
        (["--from", "RUN", "--tokenizer", "words"], "tokenizer = 'words' (there 'characters')"),
        (["--from", "RUN", "--freeze", "encoder"], "the network has no part 'encoder'. Available"),
        (["--from", "RUN", "--freeze", "embedding,lstm,output"], "nothing is left to be trained"),
        (["--from", "RUN", "--learning-rates", "lstm"], "'lstm' is not a part with a number above"),
        (["--from", "RUN", "--unfreeze", "lstm=1.5"], "lstm_1=1.5 is not a number of epochs"),
        (
            ["--from", "RUN", "--epochs", "3", "--unfreeze", "lstm=3"],
            "unfreeze: lstm_1=3 would wait beyond the last epoch (epochs = 3)",
        ),
        (
            ["--from", "RUN", "--layers", "2", "--freeze", "lstm"],
            "freeze: lstm_2 begins anew as a whole",
        ),
        (["--from", "RUN", "--unfreeze", "lstm=1,output=1,embedding=2"], "train nothing"),
        (
            ["--from", "RUN", "--freeze", "lstm", "--learning-rates", "lstm=0.1"],
            "lstm_1 is not trained",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_refused_before_the_folder_is_made(
    text_run: language_modelling.Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    named = [str(text_run.folder.path) if flag == "RUN" else flag for flag in flags]
    common = ["--data", _text(tmp_path, TEXT), "--run", str(tmp_path / "new")]
    assert main(["language", "train", *named, *common, "--batch-size", "2"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_new_tokens_do_not_keep_random_vectors(
    text_run: language_modelling.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither from the command line nor from Python; without new tokens a part can be frozen."""
    settings: dict[str, Any] = {"new_vocabulary": True, "freeze": ("embedding",)}
    text = TEXT.replace("c", "xyz")
    message = "freeze: 3 of 18 tokens of embedding begin anew"
    with pytest.raises(ConfigurationError, match=message):
        language_modelling.train(_language(text_run, tmp_path, text, **settings))
    flags = [
        "language", "train", "--from", str(text_run.folder.path), "--new-vocabulary",
        "--freeze", "embedding", "--data", _text(tmp_path, text), "--run", str(tmp_path / "new"),
        "--split", "0.9,0.1,0", "--batch-size", "2",
    ]  # fmt: skip
    assert main(flags) == 2
    said = capsys.readouterr().err
    assert message in said and "learning_rates with PART=0.1" in said
    assert not (tmp_path / "new").exists()
    # All of these letters are known.
    known = TEXT.replace("c", "t")
    new = language_modelling.train(_language(text_run, tmp_path, known, **settings))
    old_keys, keys = token_keys(text_run.tokenizer), token_keys(new.tokenizer)
    assert len(keys) < len(old_keys)
    old, now = (parts_of(one.model)["embedding"].get_weights()[0] for one in (text_run, new))
    np.testing.assert_array_equal(now, old[[old_keys.index(key) for key in keys]])


def test_a_run_does_not_go_on_from_itself(text_run: language_modelling.Run, tmp_path: Path) -> None:
    config = replace(_language(text_run, tmp_path), run=str(text_run.folder.path))
    with pytest.raises(UserError, match="already holds a run"):
        language_modelling.train(config)
    with pytest.raises(ConfigurationError, match="there is no setting cells"):
        _language(text_run, tmp_path, cells="gru")


HOURS = 240


def _series(*names: str, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    index = pd.date_range("2024-01-01", periods=HOURS, freq="h", name="time")
    wave = np.sin(2 * np.pi * np.arange(HOURS) / 24)
    columns = {
        name: 10 * (place + 1) + wave + 0.1 * random.normal(size=HOURS)
        for place, name in enumerate(names)
    }
    return pd.DataFrame({**columns, "warm": wave}, index=index)


SMALL: dict[str, Any] = {
    "lookback": 24, "horizon": 6, "units": 4, "epochs": 1, "stride": 6, "split": "144,48,48",
    "gradient_flow": False, "future_covariates": ("warm",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "part"),
    [
        pytest.param("encoder_decoder", "steps", marks=pytest.mark.slow),
        ("direct", "step_contexts"),
        pytest.param("segment", "decoder", marks=pytest.mark.slow),
    ],
)
def test_a_forecaster_goes_on_with_other_series_and_another_horizon(
    tmp_path: Path, model: str, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {**SMALL, "model": model, "segment_length": 6, "series_embedding": 2}
    first = forecasting.train(
        forecasting.ForecastingConfig(run=str(tmp_path / "first"), **settings),
        data=_series("north", "south"),
    )
    config = forecasting.config_from(
        str(first.folder.path), run=str(tmp_path / "second"), split="144,48,48", horizon=9,
        epochs=1, stride=6, learning_rate=1e-7, gradient_flow=False,
    )  # fmt: skip
    data = _series("west", "south", seed=2)
    with caplog.at_level(logging.WARNING, "rnn_apps"):
        second = forecasting.train(config, data=data)
    # Its scales are another run's, which is no change of its data.
    assert not any("has changed" in record.getMessage() for record in caplog.records)
    assert (second.config.units, second.config.future_covariates) == (4, ("warm",))
    old, now = first.description, second.description
    assert now.location[1] == old.location[1] and now.location[0] != old.location[0]
    assert now.future_scale == old.future_scale
    before, after = parts_of(first.model), parts_of(second.model)
    np.testing.assert_allclose(
        after["encoder_1"].get_weights()[0], before["encoder_1"].get_weights()[0], atol=1e-4
    )
    vectors = [parts["series_embedding"].get_weights()[0] for parts in (before, after)]
    np.testing.assert_allclose(vectors[1][1], vectors[0][1], atol=1e-4)
    said = " ".join(read_origin(second.folder)["understood"])
    assert "series_embedding: 1 of 2 series" in said and f"{part}: " in said
    resumed = forecasting.train(replace(second.config, epochs=2), resume=True, data=data)
    assert resumed.description == now
    with pytest.raises(DataError, match="the run was trained with 'warm'"):
        forecasting.train(
            replace(config, run=str(tmp_path / "third"), future_covariates=()),
            data=data.drop(columns="warm"),
        )


@pytest.mark.slow
def test_a_recogniser_goes_on_with_a_new_alphabet(tmp_path: Path) -> None:
    write_recordings(tmp_path / "recordings", 30)
    quick: dict[str, Any] = {"epochs": 1, "gradient_flow": False, "lookahead": 0, "layers": 1}
    first = speech.train(small_config(tmp_path, **quick))
    manifest = tmp_path / "recordings" / "manifest.csv"
    other = tmp_path / "recordings" / "other.csv"
    other.write_text(manifest.read_text(encoding="utf-8").replace("f", "z"), encoding="utf-8")
    config = speech.config_from(
        str(first.folder.path), data=f"file:{other}", run=str(tmp_path / "second"),
        cache_dir=str(tmp_path / "cache"), processes=1, epochs=1, learning_rate=1e-7,
        new_vocabulary=True, gradient_flow=False, freeze=("convolution", "feature_normalisation"),
    )  # fmt: skip
    second = speech.train(config)
    said = " ".join(read_origin(second.folder)["understood"])
    # a to e, the space, unknown text and the blank.
    assert "output: 8 of 9 labels" in said
    assert second.labels.tokenizer.tokens != first.labels.tokenizer.tokens
    before, after = (parts_of(one.model) for one in (first, second))
    for part in ("convolution_1", "gru_1"):
        np.testing.assert_allclose(
            after[part].get_weights()[0], before[part].get_weights()[0], atol=1e-4
        )
    with pytest.raises(ConfigurationError, match=r"bands = 30 \(there 20\)"):
        speech.train(replace(config, bands=30, run=str(tmp_path / "third")))


@pytest.mark.slow
def test_a_translation_model_goes_on_with_a_new_vocabulary(tmp_path: Path) -> None:
    def pairs(name: str, digits: str) -> str:
        rows = [f"{a} {b}\t{b} {a}" for a in digits for b in digits]
        path = tmp_path / f"{name}.tsv"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return f"file:{path}"

    settings: dict[str, Any] = {
        "tokenizer": "words", "units": 8, "embedding_size": 6, "epochs": 1, "beam_width": 1,
        "gradient_flow": False, "split": "0.8,0.1,0.1", "learning_rate": 1e-7, "tied": "none",
        "minimum_count": 1,
    }  # fmt: skip
    first = translation.train(
        translation.TranslationConfig(
            data=pairs("first", "123456"), run=str(tmp_path / "first"), **settings
        )
    )
    config = translation.config_from(
        str(first.folder.path), data=pairs("second", "345678"), run=str(tmp_path / "second"),
        epochs=1, learning_rate=1e-7, split="0.8,0.1,0.1", gradient_flow=False,
        new_vocabulary=True, freeze=("encoder",),
    )  # fmt: skip
    second = translation.train(config)
    said = " ".join(read_origin(second.folder)["understood"])
    assert "target_embedding: " in said and "output: " in said
    before, after = parts_of(first.model), parts_of(second.model)
    old_keys, keys = (token_keys(one.target_tokenizer) for one in (first, second))
    shared = set(old_keys) & set(keys)
    assert {key[0].strip("␣") for key in shared} >= {"3", "4", "5", "6"}
    for key in shared:
        places = old_keys.index(key) + 3, keys.index(key) + 3
        for part, axis in (("target_embedding", 0), ("output", 1)):
            old, now = (one[part].get_weights()[0] for one in (before, after))
            np.testing.assert_allclose(
                np.take(now, places[1], axis), np.take(old, places[0], axis), atol=1e-4
            )
    kept = translation.train(
        translation.config_from(
            str(first.folder.path),
            data=pairs("second", "3456"),
            run=str(tmp_path / "third"),
            epochs=1,
            split="0.8,0.1,0.1",
            gradient_flow=False,
        )
    )
    assert kept.target_tokenizer.fingerprint == first.target_tokenizer.fingerprint
    assert (kept.folder.path / ORIGIN).exists()


def test_going_on_from_a_model_that_comes_with_the_toolkit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its name, into a run whose report says what it began with."""
    flags = [
        "language", "train", "--from", "language/world-english-bible",
        "--data", _text(tmp_path, TEXT), "--run", str(tmp_path / "new"), "--split", "0.8,0.1,0.1",
        "--epochs", "1", "--batch-size", "2", "--timesteps", "16", "--no-gradient-flow",
    ]  # fmt: skip
    assert main(flags) == 0
    shipped = language_modelling.load(model_zoo.find("language/world-english-bible").folder)
    new = language_modelling.load(tmp_path / "new")
    assert new.tokenizer.fingerprint == shipped.tokenizer.fingerprint
    assert (new.config.units, new.config.cell) == (shipped.config.units, shipped.config.cell)
    origin = read_origin(new.folder)
    report = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert "Going on from language/world-english-bible: the weights of" in report
    assert origin["sha256"] in report
    # It begins far below the loss of a guess.
    assert read_history(new.folder.history)["loss"][0] < 0.7 * np.log(new.tokenizer.size)
