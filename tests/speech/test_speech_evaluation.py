"""Errors counted, broken down, and recordings dealt out to the parts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sound_files import write_sound

from pipelines.base.errors import ConfigurationError, DataError
from pipelines.speech import Recording, Recordings
from pipelines.speech.feature_extraction.augmentation import WaveformAugmentation, change_tempo
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.filter_banks import mel_bands
from pipelines.speech.feature_extraction.noise import noise_digest, noise_files
from pipelines.speech.feature_extraction.normalisation import Normaliser
from pipelines.speech.recordings.dealing import deal
from pipelines.speech.recordings.labels import LabelSet
from pipelines.tokenizers import CharacterTokenizer
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.judging.breakdown import by_length, by_speaker, most_frequent_errors
from rnn_apps.speech.judging.metrics import character_errors, total, word_errors
from rnn_apps.speech.network.capabilities import check_capabilities
from rnn_apps.speech.run_data import _masked_with, train_labels


def test_errors_by_hand() -> None:
    said = ["the cat sat", "yes", "", "a b c d"]
    recognised = ["the hat sat down", "", "hello there", "a c d"]
    words = word_errors(said, recognised)
    counts = [(one.reference, one.substitutions, one.deletions, one.insertions) for one in words]
    assert counts == [(3, 1, 0, 1), (1, 0, 1, 0), (0, 0, 0, 2), (4, 0, 1, 0)]
    everything = total(words)
    assert (everything.errors, everything.reference) == (6, 8)
    assert everything.rate == 0.75
    characters = character_errors(["abc de"], ["abd e"])[0]
    assert (characters.reference, characters.errors) == (6, 2)
    assert np.isnan(total([]).rate)


def test_where_the_errors_lie() -> None:
    said = ["one two", "one two", "three", "three four five six"]
    recognised = ["one too", "one too", "three", "three for five six seven"]
    words = word_errors(said, recognised)
    speakers = ["ann", "ann", "bob", "cy"]
    rows = [(row["speaker"], row["utterances"], row["rate"]) for row in by_speaker(speakers, words)]
    assert rows == [("ann", 2, 0.5), ("cy", 1, 0.5), ("bob", 1, 0.0)]
    assert by_speaker([""] * 4, words) == []
    lengths = [(row["words"], row["utterances"], row["errors"]) for row in _with_errors(words)]
    assert lengths == [("1", 1, 0), ("2 to 3", 2, 2), ("4 to 7", 1, 2)]
    errors = most_frequent_errors(said, recognised)
    assert errors[0] == {"said": "two", "recognised": "too", "times": 2}
    assert {"said": "", "recognised": "seven", "times": 1} in errors


def _with_errors(words: list) -> list[dict]:
    return [
        {**row, "errors": row["substitutions"] + row["deletions"] + row["insertions"]}
        for row in by_length(words)
    ]


def test_labels_put_the_blank_last_and_tidy_what_they_write() -> None:
    labels = LabelSet(CharacterTokenizer("ab "))
    assert (labels.size, labels.blank) == (5, 4)
    assert labels.tidy("  A  b\n") == "a b"
    ids = [int(labels.tokenizer.encode(character)[0]) for character in " a  b "]
    assert labels.decode(ids) == "a b"
    # As on a device, a label for what is unknown writes nothing.
    assert labels.decode([ids[1], labels.tokenizer.unknown_id, ids[4]]) == "ab"


def recordings(speakers: int, each: int, part: str = "") -> Recordings:
    return Recordings(
        tuple(
            Recording(Path(f"{speaker}-{number}.wav"), "yes", f"s{speaker}", 1.0, 8000, part)
            for speaker in range(speakers)
            for number in range(each)
        )
    )


def test_whole_speakers_are_held_out_where_there_are_many() -> None:
    given = recordings(20, 5)
    parts = deal(given, (0.8, 0.1, 0.1), seed=1)
    assert {part: len(found) for part, found in parts.items()} == {
        "train": 80, "validation": 10, "test": 10
    }  # fmt: skip
    names = [set(found.speakers) for found in parts.values()]
    assert sum(map(len, names)) == len(set.union(*names)) == 20
    again = deal(given, (0.8, 0.1, 0.1), seed=1)
    assert [found.items for found in again.values()] == [found.items for found in parts.values()]
    other = deal(given, (0.8, 0.1, 0.1), seed=2)
    assert other["test"].items != parts["test"].items


@pytest.mark.parametrize(
    ("speakers", "shares"),
    [(10, (0.8, 0.1, 0.1)), (11, (0.8, 0.1, 0.1)), (10, (0.1, 0.1, 0.8)), (10, (0.02, 0.9, 0.08))],
)
def test_no_speaker_is_in_two_parts(speakers: int, shares: tuple[float, ...]) -> None:
    parts = deal(recordings(speakers, 5), shares)
    names = [set(found.speakers) for found in parts.values()]
    assert len(names) == 3 and sum(map(len, names)) == len(set.union(*names)) == speakers


def test_masked_features_are_the_mean_that_the_model_takes_off() -> None:
    generator = np.random.default_rng(0)
    found = generator.normal(-12.0, 2.0, (100, 5)).astype(np.float32)
    options = {"time_masks": 2, "longest_time_mask": 40}
    own = SpeechConfig(normalisation="utterance", **options)  # type: ignore[arg-type]
    # That of the training data, which is not this utterance's.
    mean = np.full(5, -5.0, np.float32)
    for config, fill in ((own, None), (SpeechConfig(**options), mean)):  # type: ignore[arg-type]
        changed = _masked_with(fill, config)(found, np.random.default_rng(1))
        masked = (changed != found).all(axis=1)
        assert 10 <= masked.sum() <= 40
        if fill is None:
            read = Normaliser(config.feature_config())(changed)
            assert np.abs(read[masked]).max() < 0.2
            assert (np.abs(read[~masked].mean(axis=0)) < 0.2).all()
            deviations = read[~masked].std(axis=0)
            assert (deviations > 1).all() and (deviations < 1.3).all()
        else:
            assert (changed[masked] == fill).all()


def test_single_recordings_are_held_out_where_there_are_few_speakers() -> None:
    parts = deal(recordings(2, 50), (0.9, 0.05, 0.05))
    assert {part: len(found) for part, found in parts.items()} == {
        "train": 90, "validation": 5, "test": 5
    }  # fmt: skip


def test_the_parts_that_a_source_names_are_kept() -> None:
    train, test = recordings(2, 30, "train"), recordings(1, 7, "test")
    parts = deal(Recordings((*train, *test)), (0.8, 0.1, 0.1))
    assert parts["test"].items == test.items
    assert len(parts["train"]) + len(parts["validation"]) == 60
    assert len(parts["validation"]) == 6
    with pytest.raises(DataError, match="no recording is left for training"):
        deal(test, (0.8, 0.1, 0.1))


def test_tempo_keeps_the_ends_and_changes_the_length() -> None:
    found = np.linspace(0, 1, 40, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    for factor, frames in ((2.0, 20), (0.8, 50), (1.0, 40), (100.0, 1)):
        changed = change_tempo(found, factor)
        assert changed.shape == (frames, 3) and changed.dtype == np.float32
        np.testing.assert_allclose(changed[0], found[0])
        if frames > 1:
            np.testing.assert_allclose(changed[-1], found[-1], atol=1e-6)
            assert (np.diff(changed[:, 0]) > 0).all()


def test_recorded_noise_is_mixed_in_at_the_ratio(tmp_path: Path) -> None:
    tone = np.sin(np.arange(4000) * 0.5).astype(np.float32)
    write_sound(tmp_path / "noises" / "hum.wav", 0.5 * tone, 8000, subtype="FLOAT")
    (tmp_path / "noises" / "notes.txt").write_text("no sound")
    files = noise_files(f"file:{tmp_path / 'noises'}")
    assert [Path(file).name for file in files] == ["hum.wav"]
    augmentation = WaveformAugmentation(
        noise_probability=1.0, noise_files=files, lowest_signal_to_noise=10.0,
        highest_signal_to_noise=10.0,
    )  # fmt: skip
    # Longer than the noise, which is repeated.
    speech = np.random.default_rng(0).normal(size=9000).astype(np.float32)
    added = augmentation(speech, 8000, np.random.default_rng(1)) - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(added**2)) == pytest.approx(10.0, abs=0.01)
    spectrum = np.abs(np.fft.rfft(added[:4000]))
    assert spectrum.argmax() == pytest.approx(0.5 / (2 * np.pi) * 4000, abs=2)
    # The digest knows when what is drawn from has changed, not when it has moved.
    digest = noise_digest(f"file:{tmp_path / 'noises'}")
    shutil.copytree(tmp_path / "noises", tmp_path / "moved")
    assert noise_digest(f"file:{tmp_path / 'moved'}") == digest
    (tmp_path / "moved" / "hum.wav").rename(tmp_path / "moved" / "a.wav")
    write_sound(tmp_path / "noises" / "more.wav", tone, 8000)
    changed = {noise_digest(f"file:{tmp_path / name}") for name in ("noises", "moved")}
    assert len(changed | {digest}) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no recording of noise"):
        noise_files(f"file:{tmp_path / 'empty'}")


def test_subwords_write_what_they_read() -> None:
    texts = ["turn on the light", "turn off the light", "open the garden door"] * 40
    given = Recordings(tuple(Recording(Path(f"{i}.wav"), text) for i, text in enumerate(texts)))
    labels = train_labels(SpeechConfig(tokenizer="subwords", vocabulary_size=300), given)
    ids = labels.tokenizer.encode(labels.tidy("Turn on the DOOR"))
    assert labels.decode(ids.tolist()) == "turn on the door"
    assert len(ids) < len("turn on the door") and labels.blank == labels.tokenizer.size


def test_a_stretched_voice_is_heard_in_other_bands() -> None:
    config = FeatureConfig(sample_rate=8000, bands=24)
    plain = mel_bands(config)
    hertz = np.arange(len(plain)) * 8000 / config.fft_length
    for stretch in (0.9, 1.1):
        bands = mel_bands(config, stretch)
        assert bands.shape == plain.shape
        for band in (5, 12, 18):
            # What a band hears at f it now hears at f / stretch; below the bend.
            centre, moved = (hertz @ each[:, band] / each[:, band].sum() for each in (plain, bands))
            assert moved == pytest.approx(centre / stretch, rel=0.02)
        # The top of the band stays where it is.
        assert bands[-2:, -1].sum() > 0


def test_labels_are_learnt_in_the_spelling_of_the_run() -> None:
    texts = ("Işık, yak!", "IŞIK; kapa.")
    given = Recordings(tuple(Recording(Path(f"{i}.wav"), text) for i, text in enumerate(texts)))
    config = SpeechConfig(language="tr", punctuation=False)
    labels = train_labels(config, given)
    assert set(labels.tokenizer.tokens) >= set("ışkyap")
    assert not labels.tokenizer.unknown_places("ışık yak kapa")
    assert labels.tokenizer.unknown_places("i") and labels.tokenizer.unknown_places(",")
    assert labels.tidy(texts[1]) == "ışık kapa"
    with pytest.raises(ConfigurationError, match="say in which language"):
        check_capabilities(SpeechConfig(numbers=True))
