"""Speakers with recorded voices for the benchmark of digits: what is planned, and what is heard."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fsdd import DigitSets, write_strings
from benchmarks.fsdd_digits import SAMPLE_RATE, Digit
from benchmarks.fsdd_engines import ENGINES, Take, say
from benchmarks.fsdd_recorded_voices import PITCHES, SPEEDS, VOICES, planned_digits
from benchmarks.fsdd_voices import PEAKS
from pipelines.base.errors import UserError


def test_each_voice_has_spellings_of_ten_digits() -> None:
    assert {engine for engine, _ in VOICES} == set(ENGINES)
    for voice, spellings in VOICES.items():
        words = [word for one in spellings for word in one]
        assert len(spellings) == 10 and all(spellings), voice
        assert len(words) == len(set(words)), voice


def test_a_plan_is_that_of_its_seed_and_uses_every_voice_alike() -> None:
    speakers = 3 * len(VOICES)
    plan = planned_digits(3, speakers)
    assert planned_digits(3, speakers) == plan != planned_digits(4, speakers)
    assert list(plan) == list(VOICES)
    for voice, takes in plan.items():
        assert set(Counter(one.speaker for one in takes).values()) == {10}
        assert len(takes) == 30
        for one in takes:
            assert one.take.spoken in VOICES[voice][one.digit]
            assert SPEEDS[0] / 1.11 <= one.take.speed <= SPEEDS[1] * 1.11
            assert PITCHES[0] / 1.06 <= one.take.pitch <= PITCHES[1] * 1.06
            assert PEAKS[0] <= one.peak <= PEAKS[1]
            assert one.noise_decibels < 20 * np.log10(one.peak) - 29


def test_a_missing_synthesiser_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RNN_APPS_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).normal(0, 0.1, 2000).astype(np.float32)
    people = [Digit("1", "anna", 0, noise)]
    sets = DigitSets(people, people, people, [Digit("4", "bob", 0, noise)])
    with pytest.raises(UserError, match=r"flite does not speak .* awb: .*fsdd_engines\.py"):
        write_strings(
            sets, tmp_path / "strings", train_strings=2, test_strings=1, seed=0,
            recorded_speakers=1,
        )  # fmt: skip
    assert not (tmp_path / "strings").exists()
    assert list((tmp_path / "cache").rglob("*.wav")) == []


@pytest.mark.parametrize(
    "voice", ["awb", "ked_diphone"], ids=["a voice of Flite", "a voice of Festival"]
)
def test_a_voice_says_what_it_is_given_at_its_speed(voice: str) -> None:
    engine = "festival" if "_" in voice else "flite"
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    slow, fast = say(engine, voice, [Take("nine", 0.7, 1.0), Take("nine", 1.4, 1.0)])
    assert slow.dtype == np.float32 and np.abs(slow).max() > 0.05
    assert 0.15 < len(fast) / SAMPLE_RATE < len(slow) / SAMPLE_RATE < 2.5
