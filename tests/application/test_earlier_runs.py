"""Runs and layers that an earlier version wrote still load and give the same numbers.

`tests/fixtures/earlier` was made by version 0.1.0 at commit faee814, before modules moved into
wings: a tiny run of each application on the data next to them (without checkpoints and pages), and
a model with two layers of each recurrent cell, one of them bidirectional. `expected.json` has the
numbers that were computed then; metrics.json of each run has those of its evaluation.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_apps import forecasting, language_modelling, speech, translation
from rnn_apps.layers import load_model

EARLIER = Path(__file__).parents[1] / "fixtures" / "earlier"
EXPECTED: dict[str, Any] = json.loads((EARLIER / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the fixtures in which the runs' data is where their configuration says."""
    copy = tmp_path / "earlier"
    shutil.copytree(EARLIER, copy)
    monkeypatch.chdir(copy)
    return copy


def numbers(value: Any, place: str = "") -> dict[str, float]:
    """Every number in nested values, by its place; those that measure time are left out."""
    if isinstance(value, dict):
        found = {}
        for name, item in value.items():
            if name not in ("minutes", "seconds"):
                found |= numbers(item, f"{place}/{name}")
        return found
    if isinstance(value, list):
        return {
            key: number
            for index, item in enumerate(value)
            for key, number in numbers(item, f"{place}/{index}").items()
        }
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {place: float(value)}
    return {}


def assert_same(actual: Any, expected: Any) -> None:
    """The same numbers at the same places, to 1e-5."""
    found, wanted = numbers(actual), numbers(expected)
    assert wanted and set(found) == set(wanted)
    for place, number in wanted.items():
        assert found[place] == pytest.approx(number, rel=1e-5, abs=1e-5), place


def assert_same_evaluation(run: Any, before: dict[str, Any]) -> None:
    """The run is evaluated anew and gives what its metrics.json said."""
    run.evaluate()
    after = run.metrics
    assert set(after) == set(before)
    for part in ("test", "table", "training"):
        assert_same(after[part], before[part])


def test_forecast(folder: Path) -> None:
    run = forecasting.load(folder / "forecast")
    frame = run.predict(samples=2, seed=1)
    for column, expected in EXPECTED["forecast"].items():
        np.testing.assert_allclose(frame[column], expected, rtol=1e-5, atol=1e-5)
    assert_same_evaluation(run, run.metrics)


def test_language(folder: Path) -> None:
    run = language_modelling.load(folder / "language")
    scored = [one.log_probability for one in run.score("the old sea was green")]
    assert scored[0] is None and EXPECTED["language"][0] is None
    np.testing.assert_allclose(scored[1:], EXPECTED["language"][1:], rtol=1e-5, atol=1e-5)
    assert_same_evaluation(run, run.metrics)


def test_translate(folder: Path) -> None:
    run = translation.load(folder / "translate")
    [scored] = run.score([("the dog sees", "das hund sieht")])
    best = run.translate("the small dog hears")[0]
    assert [one.text for one in best] == [text for text, _ in EXPECTED["translate"]["best"]]
    assert_same(
        {"log_probability": scored.log_probability, "best": [[t.text, t.score] for t in best]},
        EXPECTED["translate"],
    )
    assert_same_evaluation(run, run.metrics)


def test_speech(folder: Path) -> None:
    run = speech.load(folder / "speech")
    transcripts = run.transcribe("data/recordings/3.wav")[0]
    heard = [[one.text, one.score, one.confidence] for one in transcripts]
    assert [one[0] for one in heard] == [one[0] for one in EXPECTED["speech"]]
    assert_same(heard, EXPECTED["speech"])
    assert_same_evaluation(run, run.metrics)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru", "cifg", "mingru"])
def test_a_model_with_each_cell(cell: str) -> None:
    model = load_model(EARLIER / "cells" / f"{cell}.keras")
    inputs = np.sin(np.arange(2 * 7 * 3)).reshape(2, 7, 3).astype("float32")
    np.testing.assert_allclose(
        np.asarray(model(inputs)), EXPECTED[f"cell {cell}"], rtol=1e-5, atol=1e-6
    )
