"""What is checked and told before training: noise, parts that overlap, what was left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_files import speech_like, write_sound
from speech_setup import small_config, spoken

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.speech.feature_extraction.augmentation import WaveformAugmentation
from pipelines.speech.feature_extraction.noise import noise_files, noise_section
from pipelines.speech.recordings.dealing import deal
from rnn_apps.speech.network.capabilities import check_capabilities
from rnn_apps.speech.run_data import load_parts, load_source, one_part, prepare, train_labels
from rnn_apps.speech.training_run import fit_run
from rnn_apps.speech.understood import _spellings, understood


def test_noise_is_decoded_to_its_end_before_training(tmp_path: Path) -> None:
    noises = tmp_path / "noises"
    broken = speech_like(2.0, 8000)
    broken[-7] = np.nan
    for content, options, message in (
        (broken, {"subtype": "FLOAT"}, "sample 15993 is NaN"),
        (np.zeros(8000), {}, "has no sample above.*Leave it out"),
        (1e4 * speech_like(1.0, 8000), {"subtype": "FLOAT"}, "divide them by 32768"),
    ):
        write_sound(noises / "bad.wav", content, 8000, **options)
        with pytest.raises(DataError, match=f"bad.wav: .*{message}"):
            noise_files(f"file:{noises}")
    config = small_config(tmp_path, noise=f"file:{noises}")
    with pytest.raises(ConfigurationError, match="no effect while noise_probability = 0"):
        check_capabilities(config)


def test_of_a_long_recording_of_noise_a_section_is_read(tmp_path: Path) -> None:
    # Each second holds its own number, so that a section says where it is from.
    seconds = np.repeat(np.arange(200) / 256, 1000).astype(np.float32)
    path = write_sound(tmp_path / "noises" / "long.wav", seconds, 1000, subtype="FLOAT")
    files = noise_files(f"file:{tmp_path / 'noises'}")
    generator = np.random.default_rng(0)
    starts = set()
    for _ in range(20):
        section = noise_section(files, 1500, 1000, generator)
        assert section.shape == (1500,) and set(np.diff(section)) <= {0.0, 1 / 256}
        starts.add(float(section[0]))
    assert len(starts) > 15 and max(starts) > 0.5
    augmentation = WaveformAugmentation(noise_probability=1.0, noise_files=(str(path),))
    assert len(augmentation(speech_like(2.0, 8000), 8000, generator)) == 16_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recordings = tmp_path / "recordings"
    rows = ["path,transcript,speaker,part"]
    for number in range(8):
        write_sound(recordings / f"{number}.wav", spoken("ab cd", number), 8000)
        part = "test" if number >= 6 else "train"
        rows.append(f"{number}.wav,ab CD,s{number % 3},{part}")
    write_sound(recordings / "slow.wav", speech_like(1.0, 4000), 4000)
    (recordings / "copy.wav").write_bytes((recordings / "0.wav").read_bytes())
    rows += ["slow.wav,ab,s0,train", "copy.wav,ab cd,s9,test", "nowhere.wav,ab,s0,train"]
    rows += [f"{write_sound(recordings / 'short.wav', spoken('a', 9, 1600), 8000)},abababab,s0,"]
    (recordings / "manifest.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_what_was_understood_is_told_in_a_few_lines(folder: Path) -> None:
    config = small_config(folder, split="1,0,0")
    parts = load_parts(config)
    labels = train_labels(config, parts["train"])
    utterances = {name: prepare(config, parts[name], labels) for name in parts}
    lines = understood(config, utterances, labels, len(utterances["train"].transcripts) - 1)
    text = "\n".join(lines)
    assert len(lines) == 7
    counts = f"{len(utterances['train'].transcripts)} for training"
    assert lines[0].startswith(f"Recordings: {counts}") and "3 for test (3 s)" in lines[0]
    assert "10 at 8000 Hz, 1 at 4000 Hz, resampled to 8000 Hz" in lines[0]
    assert lines[1] == "The model writes 5 characters, in lower case: ␣ a b c d"
    assert "missing: 1, first manifest.csv row 12: nowhere.wav the file does not exist" in text
    assert "1 that are too short for their transcripts" in text
    assert "lower sample rate than the model's: 1, resampled to 8000 Hz" in text
    assert "Attention: 1 of the 3 test recordings are in training, too" in text
    assert "The test recordings are of 2 speakers who are heard in training, too." in text


def test_a_part_that_a_source_does_not_have_is_not_all_of_it(folder: Path) -> None:
    config = small_config(folder)
    recordings = load_source(config, config.data)
    assert {one.part for one in one_part(recordings, "test")} == {"test"}
    with pytest.raises(DataError, match="has the parts train, test, and no part 'validation'"):
        one_part(recordings, "validation")
    # A list that distinguishes nothing is meant as a whole.
    alone = recordings.where(lambda one: one.part == "test")
    assert one_part(alone, "validation") is alone
    deal(recordings, (1.0, 0.0, 0.0))
    assert recordings.report.count("without a part, where others have one") == 1


def test_odd_spellings_are_told(folder: Path) -> None:
    config = small_config(folder, split="1,0,0")
    labels = train_labels(config, load_parts(config)["train"])
    transcripts = ["one two"] * 60 + ["room 7", "café %"]
    digits, rare = _spellings(transcripts, labels)
    assert digits.startswith("1 of 62 transcripts hold digits")
    assert rare.endswith(": % 7 a c f m r é")
    assert _spellings(["7", "42"], labels) == []


def test_a_test_part_that_cannot_be_judged_is_refused_before_training(folder: Path) -> None:
    broken = np.full(8000, np.nan)
    path = write_sound(folder / "nan.wav", broken, 8000, subtype="FLOAT")
    (folder / "test.csv").write_text(f"path,transcript\n{path},ab\n")
    config = replace(small_config(folder, epochs=1), test=f"file:{folder / 'test.csv'}")
    with pytest.raises(DataError, match="NaN samples: 1"):
        fit_run(config)
    assert not (Path(config.run) / "config.toml").exists()
