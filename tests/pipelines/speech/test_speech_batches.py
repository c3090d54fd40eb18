"""Batches with true lengths, what CTC cannot learn, augmentation, and the strings of digits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_files import speech_like, write_sound

from benchmarks.fsdd import digit_sets, read_digits, write_strings
from pipelines import ConfigurationError, DataError
from pipelines.batches import random_numbers
from pipelines.data_report import DataReport
from pipelines.speech import FeatureConfig, SpeechBatches, extract_features, load_recordings
from pipelines.speech.feature_extraction.augmentation import (
    SpecAugment,
    WaveformAugmentation,
    add_noise,
    change_gain,
    change_speed,
    coloured_noise,
    reverberate,
    room_response,
)
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from pipelines.speech.feature_extraction.waveform_source import WaveformSource
from pipelines.speech.recordings.labels import encode_transcripts, frames_needed
from pipelines.speech.recordings.spelling import tidy_transcript
from pipelines.tokenizers import CharacterTokenizer

Row = tuple[tuple[int, ...], tuple[int, ...], float]


class Numbered:
    """Utterances whose every feature is their own number; frames as given."""

    def __init__(self, frames: Sequence[int]) -> None:
        self.frames = np.array(frames, np.int64)
        self.fewest_frames = self.frames
        self.places = tuple(f"utterance {number}" for number in range(len(frames)))

    def load(self, number: int, generator: np.random.Generator | None = None) -> Any:
        noise = 0.0 if generator is None else generator.random()
        return np.full((self.frames[number], 2), number + noise, np.float32)


def numbered_batches(frames: Sequence[int], **options: Any) -> SpeechBatches:
    labels = [np.array([number % 5 + 1], np.int32) for number in range(len(frames))]
    return SpeechBatches(Numbered(frames), labels, size=2, **options)


def collect(dataset: Any) -> list[list[tuple[float, int, int, float]]]:
    """Of every row: the first feature, frames, first label and weight; padding is checked."""
    steps = []
    for inputs, targets, weights in dataset.as_numpy_iterator():
        rows = []
        for row in range(len(weights)):
            length, count = inputs["frame_lengths"][row], targets["label_lengths"][row]
            assert not inputs["features"][row, length:].any()
            assert not targets["labels"][row, count:].any()
            rows.append(
                (
                    float(inputs["features"][row, 0, 0]),
                    int(length),
                    int(targets["labels"][row, 0]),
                    float(weights[row]),
                )
            )
        assert inputs["features"].shape[1] == inputs["frame_lengths"].max()
        steps.append(rows)
    return steps


@settings(max_examples=4, deadline=None)
@given(
    frames=st.lists(st.integers(1, 90), min_size=1, max_size=40),
    budget=st.integers(50, 300),
    shards=st.integers(1, 3),
    shuffle=st.booleans(),
)
def test_each_utterance_once_within_the_budget_on_any_number_of_shards(
    frames: list[int], budget: int, shards: int, shuffle: bool
) -> None:
    batches = numbered_batches(frames, frame_budget=budget, batch_size=6, shuffle=shuffle, seed=3)
    whole = collect(batches.epoch(1))
    assert len(whole) == batches.steps_per_epoch
    for step, numbers in zip(whole, batches.rows(1), strict=True):
        assert [int(row[0]) for row in step] == numbers.tolist()
        longest = max(row[1] for row in step)
        assert len(step) <= 6 and (len(step) == 1 or len(step) * longest <= budget)
        assert all(row[1:] == (frames[int(row[0])], int(row[0]) % 5 + 1, 1.0) for row in step)
    assert sorted(int(row[0]) for step in whole for row in step) == list(range(len(frames)))
    parts = [collect(batches.epoch(1, shard=(rank, shards))) for rank in range(shards)]
    for number, step in enumerate(whole):
        assert len({len(part[number]) for part in parts}) == 1
        real = [[row for row in part[number] if row[3]] for part in parts]
        assert real == [step[rank::shards] for rank in range(shards)]


def test_an_epoch_is_a_function_of_seed_and_epoch_and_can_be_entered_later() -> None:
    frames = list(range(10, 60))
    batches = numbered_batches(frames, frame_budget=200, shuffle=True, seed=1, augment=True)
    again = numbered_batches(frames, frame_budget=200, shuffle=True, seed=1, augment=True)
    first = collect(batches.epoch(0))
    assert first == collect(again.epoch(0))
    assert first[3:] == collect(again.epoch(0, start_step=3))
    assert first != collect(batches.epoch(1))
    lengths = [[row[1] for row in step] for step in first]
    assert lengths != sorted(lengths)
    curriculum = numbered_batches(frames, frame_budget=200, shuffle=True, curriculum=True)
    flat = [row[1] for step in collect(curriculum.epoch(0)) for row in step]
    assert flat == sorted(flat)
    assert collect(curriculum.epoch(1)) != collect(curriculum.epoch(0))


def test_padding_by_length_is_small() -> None:
    frames = np.random.default_rng(0).integers(20, 400, 2000)
    batches = numbered_batches(frames.tolist(), frame_budget=8000, shuffle=True)
    padded = sum(len(rows) * int(frames[rows].max()) for rows in batches.rows(0))
    assert padded < 1.12 * frames.sum()


def test_few_batches_are_not_full() -> None:
    """Each number of rows is compiled anew; what is left over fills up a batch of longer ones."""
    generator = np.random.default_rng(0)
    frames = np.concatenate([generator.integers(20, 90, 500), generator.integers(300, 320, 7)])
    batches = numbered_batches(frames.tolist(), frame_budget=10_000, batch_size=16, shuffle=True)
    for epoch in (0, 1):
        rows = batches.rows(epoch)
        assert len(rows) == batches.steps_per_epoch
        assert sum(len(one) < 16 for one in rows) <= 4
        for one in rows:
            assert frames[one].max() <= 1.5 * frames[one].min()


def test_what_ctc_cannot_write_is_dropped_and_reported() -> None:
    tokenizer = CharacterTokenizer("abc ")
    report = DataReport()
    texts = ["abc", "aab", "", "axc", "aaa"]
    places = [f"row {number}" for number in range(5)]
    kept, labels = encode_transcripts(texts, tokenizer, report, places)
    assert kept == [0, 1, 4]
    assert report.count("empty transcript") == 1
    assert report.count("transcript outside the alphabet") == 1
    assert "row 3: 'x'" in str(report)
    assert [frames_needed(one) for one in labels] == [3, 4, 5]
    source = Numbered([5, 8, 9])
    # 5, 8 and 9 frames become 3, 4 and 5 for 3, 4 and 5 needed; one frame less is too few.
    assert SpeechBatches(source, labels, size=2, subsampling=2).kept.tolist() == [0, 1, 2]
    source = Numbered([4, 6, 9])
    batches = SpeechBatches(source, labels, size=2, subsampling=2, report=report)
    assert batches.kept.tolist() == [2] and batches.examples == 1
    assert report.count("too short for its transcript") == 2
    assert "utterance 1: 3 frames for 4" in str(report)
    with pytest.raises(DataError, match="no utterance is long enough"):
        SpeechBatches(Numbered([1, 1, 1]), labels, size=2)


def test_the_feasible_are_those_with_a_finite_loss() -> None:
    import tensorflow as tf

    for text in ("abc", "aab", "aaaa", "abab"):
        labels = CharacterTokenizer("abc").encode(text)
        for frames in range(1, 9):
            loss = tf.nn.ctc_loss(
                labels[None], np.zeros((frames, 1, 4), np.float32), [len(labels)], [frames],
                blank_index=0,
            ).numpy()[0]  # fmt: skip
            # TensorFlow gives an infeasible row a huge loss in place of an infinite one.
            assert (loss < 100) == (frames >= frames_needed(labels)), (text, frames)


def test_transcripts_are_tidied() -> None:
    assert tidy_transcript("  Über\tden  Wolken\n") == "über den wolken"
    assert tidy_transcript("ABC", lowercase=False) == "ABC"


def test_speed_noise_and_gain_do_what_they_say() -> None:
    rate = 16_000
    tone = np.sin(2 * np.pi * 500 * np.arange(rate) / rate).astype(np.float32)
    fast = change_speed(tone, 1.25, rate)
    assert len(fast) == pytest.approx(rate / 1.25, abs=2)
    middle = fast[1600 : 1600 + 8000]
    assert np.abs(np.fft.rfft(middle)).argmax() * rate / len(middle) == pytest.approx(625, abs=3)
    noise = coloured_noise(rate, 1.0, np.random.default_rng(0))
    for decibels in (-5.0, 0.0, 20.0):
        added = add_noise(tone, noise, decibels) - tone
        measured = 10 * np.log10(np.mean(tone**2) / np.mean(added**2))
        assert measured == pytest.approx(decibels, abs=0.1)
    np.testing.assert_allclose(change_gain(tone, 20.0), 10 * tone, rtol=1e-5)
    with pytest.raises(ConfigurationError, match="samples of noise"):
        add_noise(tone, noise[:100], 0.0)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_the_colour_of_noise(slope: float) -> None:
    noise = coloured_noise(2**16, slope, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = power[100:200].mean(), power[10_000:20_000].mean()
    assert np.log(low / high) / np.log(100) == pytest.approx(slope, abs=0.15)


def test_a_room_rings_on_for_its_time() -> None:
    rate = 8_000
    response = room_response(0.5, rate, 0.5, np.random.default_rng(0))
    assert np.square(response).sum() == pytest.approx(1.0, abs=1e-3)
    assert response[0] ** 2 == pytest.approx(0.5)
    decay = 10 * np.log10(np.square(response[200:600]).mean() / np.square(response[-400:]).mean())
    # 60 dB in 4,000 samples; the two windows' middles are 3,400 apart.
    assert decay == pytest.approx(60 * 3_400 / 4_000, abs=2)
    click = np.zeros(1_000, np.float32)
    click[100] = 1.0
    np.testing.assert_allclose(reverberate(click, response)[100:], response[:900], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(frames=st.integers(1, 200), size=st.integers(1, 80), seed=st.integers(0, 1000))
def test_spec_augment_masks_within_its_limits(frames: int, size: int, seed: int) -> None:
    mask = SpecAugment(
        time_masks=1, longest_time_mask=30, largest_time_share=0.3, frequency_masks=1,
        widest_frequency_mask=7,
    )  # fmt: skip
    ones = np.ones((frames, size), np.float32)
    masked = mask(ones, np.random.default_rng(seed))
    assert (masked == mask(ones, np.random.default_rng(seed))).all() and ones.all()
    assert set(np.unique(masked)) <= {0.0, 1.0}
    narrow = int((masked == 0).all(axis=0).sum())
    short = int((masked == 0).all(axis=1).sum())
    assert narrow <= 7 and (short <= min(30, int(0.3 * frames)) or narrow == size)


def test_augmentation_depends_on_seed_epoch_and_example_alone() -> None:
    augment = WaveformAugmentation(
        speeds=(0.9, 1.1), noise_probability=0.5, reverberation_probability=0.5, gain_decibels=6
    )
    sound = speech_like(0.5)
    results = [
        augment(sound, 16_000, random_numbers(0, epoch, example))
        for epoch in range(2)
        for example in range(3)
    ]
    again = augment(sound, 16_000, random_numbers(0, 1, 2))
    np.testing.assert_array_equal(results[-1], again)
    assert len({result.tobytes() for result in results}) == 6
    np.testing.assert_array_equal(
        WaveformAugmentation()(sound, 16_000, random_numbers(0, 0, 0)), sound
    )
    for options in ({"speeds": (3.0,)}, {"noise_probability": 2.0}, {"gain_decibels": -1.0}):
        with pytest.raises(ConfigurationError):
            WaveformAugmentation(**options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def digit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As FSDD: two speakers, three digits, recordings 5 to 15."""
    folder = tmp_path_factory.mktemp("digits")
    for speaker in ("anna", "bob"):
        for digit in range(3):
            for index in range(5, 16):
                sound = speech_like(0.2 + 0.02 * index, 8_000, seed=100 * digit + index)
                write_sound(folder / f"{digit}_{speaker}_{index}.wav", sound, 8_000)
    return folder


def test_strings_of_digits(digit_folder: Path, tmp_path: Path) -> None:
    sets = digit_sets(read_digits(digit_folder))
    assert {one.speaker for one in sets.test_unseen} == {"anna"} and len(sets.test_unseen) == 33
    assert {(one.speaker, one.index) for one in sets.test_known} == {
        ("bob", index) for index in range(5, 10)
    }
    assert {one.index for one in sets.train} == {13, 14, 15}
    for name in ("first", "second"):
        write_strings(sets, tmp_path / name, train_strings=40, test_strings=14, seed=5)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*"))
    for file in files:
        if (tmp_path / "first" / file).is_file():
            first, second = ((tmp_path / name / file).read_bytes() for name in ("first", "second"))
            assert first == second, file
    strings = load_recordings(f"file:{tmp_path / 'first' / 'train.jsonl'}")
    lengths = [len(one.transcript.split()) for one in strings if one.part == "train"]
    assert set(lengths) == set(range(1, 8)) and len(lengths) == 40
    singles = load_recordings(f"file:{tmp_path / 'first' / 'single_known.jsonl'}")
    assert sorted(one.transcript for one in singles) == sorted("012" * 5)
    with pytest.raises(DataError, match="'carl' cannot be held out"):
        digit_sets(read_digits(digit_folder), "carl")


def test_extraction_goes_on_and_repairs(digit_folder: Path, tmp_path: Path) -> None:
    rule = "{transcript}_{speaker}_{index}.wav"
    recordings = load_recordings(f"file:{digit_folder}", naming_rule=rule)
    config = FeatureConfig(sample_rate=8_000, bands=20, normalisation="none")

    def extract() -> Any:
        return extract_features(recordings, config, cache_dir=tmp_path, processes=2)

    store = extract()
    assert len(store) == 66 and (store.frames == [len(store.load(k)) for k in range(66)]).all()
    kept = {path: path.stat().st_mtime_ns for path in store.files}
    expected = store.load(3)
    store.files[3].write_bytes(store.files[3].read_bytes()[:-50])
    store.files[7].unlink()
    again = extract()
    np.testing.assert_array_equal(again.load(3), expected)
    changed = {path for path in kept if path.stat().st_mtime_ns != kept[path]}
    assert changed == {store.files[3], store.files[7]}
    assert not list(tmp_path.rglob("*.partial"))

    part = again.where(lambda recording: recording.speaker == "bob")
    source = WaveformSource(part, WaveformAugmentation(speeds=(0.9, 1.1), gain_decibels=3))
    np.testing.assert_allclose(source.load(0), part.load(0), atol=1e-4)
    changed_frames = {len(source.load(0, random_numbers(0, 0, k))) for k in range(8)}
    assert len(changed_frames) == 2 and min(changed_frames) >= source.fewest_frames[0]
    assert (source.fewest_frames < part.frames).all()
    # Deltas are the slopes of what they stand beside, at any tempo.
    mfcc = FeatureConfig(sample_rate=8_000, bands=20, kind="mfcc", deltas=2, normalisation="none")
    store = extract_features(recordings, mfcc, cache_dir=tmp_path, processes=1)
    hurried = WaveformSource(store, WaveformAugmentation(), tempo=0.5)
    for found in hurried.copies(0, random_numbers(0, 0, 0), 2):
        assert len(found) != store.frames[0]
        expected = SpeechFeatures(mfcc).with_deltas(found[:, :13])
        np.testing.assert_allclose(found, expected, atol=1e-6)
    # However loud a draw is, it is heard.
    loud = WaveformSource(part, WaveformAugmentation(noise_probability=1.0, gain_decibels=60))
    assert all(np.isfinite(loud.load(0, random_numbers(0, 0, k))).all() for k in range(8))
