"""Training on all data, in the four applications: what is said, refused, and still possible."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from speech_setup import small_config, write_recordings
from translation_setup import digit_pairs

from pipelines.base.errors import ConfigurationError, DataError, UserError
from rnn_apps import forecasting, language_modelling, speech, translation
from rnn_apps.application.command_line import main
from rnn_apps.application.reporting.training_section import held_out_lines
from rnn_apps.forecasting.device.calibrated_deployment import calibrated_deployment
from rnn_apps.language_modelling.judging.example_text import EXAMPLES, read_examples
from rnn_apps.training import TrainingConfig
from rnn_apps.translation.judging.example_pairs import examples_of

HOURS = 240
QUICK: dict[str, Any] = {"epochs": 2, "gradient_flow": False}


def _frame(seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * np.arange(HOURS) / 24)
    index = pd.date_range("2024-01-01", periods=HOURS, freq="h", name="time")
    return pd.DataFrame({"load": 10 + wave + 0.1 * random.normal(size=HOURS)}, index=index)


def _forecaster(folder: Path, **changes: Any) -> forecasting.ForecastingConfig:
    settings: dict[str, Any] = {
        "run": str(folder), "lookback": 24, "horizon": 6, "segment_length": 6, "units": 4,
        "stride": 3, "split": "1,0,0", **QUICK, **changes,
    }  # fmt: skip
    return forecasting.ForecastingConfig(**settings)


def _said(folder: Path) -> str:
    """The text of a run's report, without markup."""
    return re.sub(r"<[^>]*>", " ", (folder / "report.html").read_text(encoding="utf-8"))


def _held_nothing_out(run: Any) -> None:
    assert run.metrics["held_out"] == []
    assert "Nothing was held out" in _said(run.folder.path)
    assert "the weights of the last epoch are kept" in _said(run.folder.path)
    assert run.metrics["training"]["best_epoch"] == QUICK["epochs"]
    with pytest.raises(UserError, match=r"held out in training.*--data"):
        run.evaluate()


@pytest.mark.slow
def test_a_forecaster_of_quantiles_is_trained_on_all_rows(tmp_path: Path) -> None:
    run = forecasting.train(_forecaster(tmp_path / "run"), data=_frame())
    _held_nothing_out(run)
    assert run.own.present() == ("train", "all")
    assert "they stay as trained" in run.calibration_note
    found = run.evaluate(_frame(seed=2))
    judged, *baselines = found["table"]["rows"]
    # The model's quantiles are judged, the baselines have none.
    column = found["table"]["header"].index("80 % coverage")
    assert 0 <= judged[column] <= 1 and len(baselines) > 2
    assert all(row[column] is None and "intervals" not in row[0] for row in baselines)
    frame = run.predict(_frame())
    assert {"quantile_0.1", "quantile_0.9"} <= set(frame.columns)
    assert np.isfinite(frame["quantile_0.9"]).all()
    made = run.export(tmp_path / "device", formats=("tflite",))
    contract = json.loads((tmp_path / "device" / "contract.json").read_text(encoding="utf-8"))
    assert made and contract["outputs"]["quantiles"]["meaning"] == "raw quantiles, as trained"
    with pytest.raises(ConfigurationError, match="there was none with all of its true values"):
        run.predict(_frame(), samples=3)
    # Windows that have been observed since calibrate what training could not.
    wider = run.predict(_frame(seed=2), recent=60)
    assert not np.allclose(wider["quantile_0.9"], run.predict(_frame(seed=2))["quantile_0.9"])


def test_a_forecaster_of_points_has_no_intervals_without_validation(tmp_path: Path) -> None:
    config = _forecaster(tmp_path / "run", output="point", split="0.8,0,0.2")
    run = forecasting.train(config, data=_frame())
    assert run.metrics["held_out"] == ["test"] and run.judged_part == "test"
    assert "There is no validation part" in _said(run.folder.path)
    assert "without a validation part to calibrate them on" in run.calibration_note
    assert list(run.predict(_frame()).columns) == ["series", "time", "forecast"]
    table = run.metrics["table"]
    assert "MASE" in table["header"] and not any("coverage" in name for name in table["header"])
    calibration = run.yardsticks.calibrations["model"]
    assert calibrated_deployment(run.deployed, config, calibration) is run.deployed


def test_a_language_model_is_trained_on_all_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on a mat\n" * 40, encoding="utf-8")
    flags = [
        "language", "train", "--data", f"file:{text}", "--run", str(tmp_path / "run"),
        "--split", "1,0,0", "--units", "8", "--layers", "1", "--batch-size", "2",
        "--timesteps", "8", "--epochs", "2", "--no-gradient-flow",
    ]  # fmt: skip
    assert main([*flags, "--patience", "1"]) == 2
    said = capsys.readouterr().err
    assert "patience = 1 needs validation data" in said and "monitor = loss" in said
    assert not (tmp_path / "run").exists()
    assert main(flags) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "Nothing was held out: the model is trained on all of the data" in said
    run = language_modelling.load(tmp_path / "run")
    _held_nothing_out(run)
    assert main(["language", "evaluate", "--run", str(tmp_path / "run")]) == 2
    assert "--data" in capsys.readouterr().err
    assert run.evaluate(f"file:{text}")["tokens"] > 0
    assert len(read_examples(run.folder.path / EXAMPLES)) > 100
    followed = replace(run.config, monitor="loss", patience=1, run=str(tmp_path / "followed"))
    assert "best_epoch" in language_modelling.train(followed).metrics["training"]


@pytest.mark.slow
def test_a_translation_model_is_trained_on_all_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    rows = [f"{a}\t{b}\n" for a, b in dict(digit_pairs(40)).items()]
    path.write_text("".join(rows), encoding="utf-8")
    config = translation.TranslationConfig(
        run=str(tmp_path / "run"), data=f"file:{path}", split="1,0,0", tokenizer="characters",
        units=4, embedding_size=4, beam_width=1, **QUICK,
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="average_epochs = 2 averages the best epochs"):
        translation.train(replace(config, average_epochs=2))
    run = translation.train(config)
    _held_nothing_out(run)
    assert run.evaluate(f"file:{path}")["perplexity"] > 0
    assert set(examples_of(run)) <= set(digit_pairs(40))


@pytest.mark.slow
def test_a_recogniser_is_trained_on_all_recordings(tmp_path: Path) -> None:
    write_recordings(tmp_path / "recordings", 12)
    manifest = tmp_path / "recordings" / "manifest.csv"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace(",part", ",").replace(",train", ",")
        .replace(",test", ","), encoding="utf-8",
    )  # fmt: skip
    config = small_config(tmp_path, split="1,0,0", layers=1, lookahead=0, **QUICK)
    run = speech.train(config)
    _held_nothing_out(run)
    assert "There is no validation part" in _said(run.folder.path)
    assert run.evaluate(config.data)["wer"] >= 0


@pytest.mark.parametrize("split", ["0.9,0.2,0", "0,0.5,0.5", "1,0", "1,-0,nan"])
def test_shares_that_cannot_be_are_refused(tmp_path: Path, split: str) -> None:
    with pytest.raises(ConfigurationError, match="split"):
        forecasting.train(_forecaster(tmp_path / "run", split=split), data=_frame())


def test_a_part_that_rounds_to_no_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the validation part of the split has no rows"):
        forecasting.train(_forecaster(tmp_path / "run", split="0.999,0.001,0"), data=_frame())


def test_each_missing_part_is_said_once() -> None:
    config = TrainingConfig()
    assert held_out_lines(["validation", "test"], config) == []
    [line] = held_out_lines(["validation"], config)
    assert "no test part" in line
    [line] = held_out_lines(["test"], replace(config, monitor="loss"))
    assert "the best epoch is the one with the best loss" in line
