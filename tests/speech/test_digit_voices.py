"""Synthetic speakers for the benchmark of digits: what is planned, and what is heard of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fsdd import FIGURES, DigitSets, join, write_strings
from benchmarks.fsdd_accents import ENGLISH, FOREIGN
from benchmarks.fsdd_digits import SAMPLE_RATE, Digit
from benchmarks.fsdd_models import strings_of
from benchmarks.fsdd_voices import (
    PEAKS,
    PITCH_RANGES,
    PITCHES,
    WORDS_A_MINUTE,
    planned_digits,
    planned_strings,
    synthetic_digits,
    synthetic_strings,
)
from pipelines.speech.recordings.synthesis import VOICES

ACCENTS = {**ENGLISH, **FOREIGN}
# What each digit must have in the International Phonetic Alphabet, without stress and length.
SOUNDS = (
    r"^d?[zsʑɟʒ].*[rɾɹʁɽ].*", r"^(w|v|ʋ|u|β|ɡw|ɣu).*[nŋɴ]", r"^[tʈ].*[uʉɯʊ]ᵝ?$",
    r"^(θ|t|s|f|z).*[rɾɹʁɽ].*[iɪ]", r"^(f|pʰ|ɸ)u?[oɔɒʌʊ]", r"^(f|pʰ|ɸ).*[aɑɐäɔ].?[iɪj].?[fvʋβpb]",
    r"^[sʂɕz].*[kx].*[sʃ]", r"^[sʂz].*[vʋβfb].*[nŋɴ]", r"^ʲ?[eɛəε].*[tʈd]", r"^n.*[aɑɐäɔ].*[nɴ]",
)  # fmt: skip


def said(spoken: str, accent: str) -> str:
    """The digits whose spellings are in the text."""
    digits = {
        word: str(digit) for digit, spellings in enumerate(ACCENTS[accent]) for word in spellings
    }
    return " ".join(digits[word.strip(",!?")] for word in spoken.split())


def test_each_spelling_is_of_one_digit() -> None:
    assert len(FOREIGN) >= 40 and not set(FOREIGN) & set(ENGLISH)
    for accent, spellings in ACCENTS.items():
        words = [word for one in spellings for word in one]
        assert len(spellings) == 10 and all(spellings), accent
        assert len(words) == len(set(words)), accent


@pytest.mark.parametrize("planned", [planned_digits, planned_strings])
def test_a_plan_is_that_of_its_seed(planned) -> None:
    plan = planned(3, 60)
    assert planned(3, 60) == plan
    assert planned(4, 60) != plan
    assert planned(3, 20) == plan[: len(plan) // 3]
    utterances = [one for _, one in plan]
    assert len({one.file for one in utterances}) == len(utterances)
    for one in utterances:
        assert said(one.spoken, one.accent) == one.transcript
        assert one.part == "train" and one.voice in VOICES and one.trimmed
        assert WORDS_A_MINUTE[0] <= one.words_a_minute <= WORDS_A_MINUTE[1]
        assert PITCHES[0] <= one.pitch <= PITCHES[1]
        assert PITCH_RANGES[0] <= one.pitch_range <= PITCH_RANGES[1]
        assert PEAKS[0] <= one.peak <= PEAKS[1]
        assert one.noise_decibels <= 20 * np.log10(one.peak) - 29
    assert len({one.accent for one in utterances}) > 20
    assert {one.accent in FOREIGN for one in utterances} == {False, True}


def test_speakers_say_each_digit_in_their_own_way() -> None:
    plan = planned_digits(0, 30, takes=2)
    names = [name for name, _ in plan]
    assert len(set(names)) == 30
    for name in set(names):
        own = [one for speaker, one in plan if speaker == name]
        assert [one.transcript for one in own] == [str(digit) for digit in range(10) for _ in "ab"]
        constants = {(one.accent, one.voice, one.pitch_range, one.peak) for one in own}
        assert len(constants) == 1
        for first, second in zip(own[::2], own[1::2], strict=True):
            assert first.spoken.strip(",!?") == second.spoken.strip(",!?")
    assert len({one.spoken[-1] for _, one in plan} & set(",!?")) == 3


def test_strings_are_fluent_or_lists() -> None:
    plan = [one for _, one in planned_strings(0, 200)]
    assert {len(one.transcript.split()) for one in plan} == set(range(1, 8))
    long = [one.spoken for one in plan if len(one.transcript.split()) > 2]
    assert any("," not in spoken for spoken in long)
    assert any(spoken.count(",") == spoken.count(" ") for spoken in long)
    assert any(0 < spoken.count(",") < spoken.count(" ") for spoken in long)


def test_espeak_reads_each_spelling_as_its_digit() -> None:
    pytest.importorskip("espeakng_loader")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fsdd_accents"],
        capture_output=True, check=True, encoding="utf-8",
        cwd=Path(__file__).parents[2], env={"PYTHONIOENCODING": "utf-8", "PATH": ""},
    )  # fmt: skip
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == list(ACCENTS)
    for accent, *digits in lines:
        for sounds, readings in zip(SOUNDS, digits, strict=True):
            for reading in readings.split(", "):
                word, phonemes = reading.split(" ", 1)
                # Brackets mark a word that is read by another language's rules.
                assert "(" not in phonemes, (accent, word)
                plain = re.sub("[ˈˌːʔ?]", "", phonemes)
                assert re.search(sounds, plain), (accent, word, phonemes, sounds)


def test_what_is_spoken_is_heard(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    digits = synthetic_digits(1, 3, cache_dir=tmp_path)
    plan = planned_digits(1, 3)
    assert [one.digit for one in digits] == list("0123456789") * 3
    for one, (name, planned) in zip(digits, plan, strict=True):
        assert one.speaker == name and one.samples.dtype == np.float32
        assert 0.1 < len(one.samples) / SAMPLE_RATE < 1.6
        assert 0.7 * planned.peak < np.abs(one.samples).max() < 1.2 * planned.peak
        # Speech begins and ends near the ends, and what is cut off is the synthesiser's silence.
        frames = one.samples[: len(one.samples) // 80 * 80].reshape(-1, 80)
        heard = np.flatnonzero(np.abs(frames).max(axis=1) > 0.1 * planned.peak)
        assert heard[0] <= 20 and heard[-1] >= len(frames) - 25
    again = synthetic_digits(1, 3, cache_dir=tmp_path / "anew")
    for one, other in zip(digits, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    assert synthetic_digits(1, 0, cache_dir=tmp_path) == []


def test_synthetic_speakers_are_heard_in_training_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("espeakng_loader")
    monkeypatch.setenv("RNN_APPS_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).normal(0, 0.1, 2000).astype(np.float32)
    people = [Digit(str(digit), "anna", take, noise) for digit in range(3) for take in range(2)]
    unseen = [Digit("4", "bob", 0, noise)]
    sets = DigitSets(people, people, people, unseen)
    counts = {"train_strings": 20, "test_strings": 4, "seed": 2}
    figures = write_strings(sets, tmp_path / "plain", **counts)
    more = write_strings(
        sets, tmp_path / "more", **counts, synthetic_speakers=2, synthetic_strings=3
    )
    assert more.pop("synthetic_voices") == {"strings": 23}
    assert more == figures | {"synthetic_speakers": 2, "synthetic_strings": 3}
    assert json.loads((tmp_path / "more" / FIGURES).read_text())["synthetic_speakers"] == 2
    assert strings_of(tmp_path / "more").startswith("2 synthetic speakers, 3 strings")
    assert strings_of(tmp_path / "plain") == ""
    for file in sorted((tmp_path / "plain").glob("*.jsonl")):
        plain = file.read_text().splitlines()
        lines = (tmp_path / "more" / file.name).read_text().splitlines()
        assert lines[: len(plain)] == plain
        added = [json.loads(line) for line in lines[len(plain) :]]
        assert len(added) == (23 if file.stem == "train" else 0)
        assert all(
            one["part"] == "train" and one["speaker"].startswith("espeak-ng") for one in added
        )
        assert all((tmp_path / "more" / one["path"]).is_file() for one in added)
    spoken = [said for _, said, _ in synthetic_strings(2, 3)]
    assert [one["transcript"] for one in added_lines(tmp_path / "more")][-3:] == spoken


def test_hard_cuts_leave_pauses_out_and_move_the_starts() -> None:
    digit = Digit("1", "anna", 0, np.full(800, 0.5, np.float32))
    with_pauses, starts = join([digit, digit], np.random.default_rng(0))
    cut, earlier = join([digit, digit], np.random.default_rng(0), 1.0)
    assert earlier[0] == 0 and cut[0] == 0.5 and cut[-1] == 0.5
    assert earlier[1] == starts[1] - starts[0] and len(cut) == earlier[1] + 800
    same, places = join([digit, digit], np.random.default_rng(0), 1e-9)
    np.testing.assert_array_equal(same, with_pauses)
    assert places == starts


def added_lines(folder: Path) -> list[dict[str, str]]:
    lines = map(json.loads, (folder / "train.jsonl").read_text().splitlines())
    return [line for line in lines if line["speaker"].startswith("espeak-ng")]
