"""When words begin and end: late labels without ends, and the sound around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fsdd import digit_sets, read_digits
from benchmarks.speech_word_times import WAYS, deviations
from pipelines.base.errors import ConfigurationError
from rnn_apps.application.model_zoo import find
from rnn_apps.edge import DecodingConfig, EdgeRecogniser
from rnn_apps.edge.speech.transcripts import SpeechDecoder, SpeechLabels, decode
from rnn_apps.edge.speech.word_times import LONGEST_SECONDS, LabelTimes, SoundLevels, WordTimes

RATE = 8000
FRAME = 0.04
WORDS = SpeechLabels((b" one", b" two", b""), 2)
LETTERS = SpeechLabels((*(c.encode() for c in " abcdef"), b""), 7)
GREEDY = DecodingConfig(method="greedy")


def said(spans, seconds, background=0.002, seed=0):
    """Tones of 0.2 in white noise, float32 at 8 kHz; the second half of each is 12 dB quieter."""
    samples = background * np.random.default_rng(seed).normal(size=round(seconds * RATE))
    for start, end in spans:
        first, middle, last = (round(s * RATE) for s in (start, (start + end) / 2, end))
        tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(last - first) / RATE)
        tone[middle - first :] /= 4
        samples[first:last] += tone
    return samples.astype(np.float32)


def posteriors(labels, written, seconds):
    """Logits that write each of (label, seconds) in one frame, and blanks otherwise."""
    rows = np.zeros((round(seconds / FRAME), len(labels.pieces)))
    rows[:, labels.blank] = 8.0
    for label, at in written:
        rows[int(at / FRAME)] = 0.0
        rows[int(at / FRAME), label] = 8.0
    return rows


def levels(samples):
    sound = SoundLevels(RATE)
    sound.push(samples)
    return sound


SPANS = ((0.30, 0.62), (0.75, 1.02), (1.62, 2.10))
# Where the labels come: near the end of the word, behind its end, in its middle.
WRITTEN = ((0, 0.60), (1, 1.08), (0, 1.90))


def times(transcript):
    return [(word.start, word.end) for word in transcript.words]


@pytest.mark.parametrize("method", ["greedy", "beam"])
@pytest.mark.parametrize("background", [0.0, 0.002, 0.008])
def test_a_word_reaches_as_far_as_its_sound(method, background):
    samples, logits = said(SPANS, 2.6, background), posteriors(WORDS, WRITTEN, 2.6)
    config = DecodingConfig(method=method)
    [found] = decode(logits, WORDS, config, FRAME, sound=levels(samples))
    assert found.text == "one two one"
    np.testing.assert_allclose(times(found), SPANS, atol=0.031)
    [by_labels] = decode(logits, WORDS, config, FRAME)
    assert times(by_labels)[1] == (pytest.approx(1.08), pytest.approx(1.12))
    # The option asks for the labels, whether there is a sound or not.
    plain = DecodingConfig(method=method, word_times="labels")
    [asked] = decode(logits, WORDS, plain, FRAME, sound=levels(samples))
    assert asked == by_labels
    # Nothing but the times depends on the sound.
    assert [(w.text, w.confidence) for w in found.words] == [
        (w.text, w.confidence) for w in by_labels.words
    ]


def test_words_that_letters_spell_reach_from_the_first_to_the_last():
    spans = ((0.3, 0.9), (1.0, 1.5))
    written = (*((1 + i, 0.42 + 0.12 * i) for i in range(5)), (0, 0.98), (2, 1.1), (3, 1.3))
    logits = posteriors(LETTERS, written, 2.0)
    [found] = decode(logits, LETTERS, GREEDY, FRAME, sound=levels(said(spans, 2.0)))
    assert found.text == "abcde bc"
    np.testing.assert_allclose(times(found), spans, atol=0.031)


def test_a_far_noise_and_a_click_are_not_the_word():
    samples = said(((0.2, 0.4), (1.2, 1.6)), 2.4)
    samples[round(0.95 * RATE)] = 0.9
    [found] = decode(
        posteriors(WORDS, [(0, 1.5)], 2.4), WORDS, GREEDY, FRAME, sound=levels(samples)
    )
    [(start, end)] = times(found)
    assert start == pytest.approx(1.2, abs=0.031) and end == pytest.approx(1.6, abs=0.031)


def test_without_contrast_the_labels_count():
    flat = 0.1 * np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32)
    logits = posteriors(WORDS, [(0, 0.8)], 2.0)
    for samples in (flat, np.zeros(2 * RATE, np.float32), flat[:0]):
        [found] = decode(logits, WORDS, GREEDY, FRAME, sound=levels(samples))
        assert times(found) == [(pytest.approx(0.8), pytest.approx(0.84))]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_stream_in_pieces_gives_the_times_of_the_whole(data):
    """Sound and outputs come in pieces, the sound ahead; words settle on the way."""
    method = data.draw(st.sampled_from(["greedy", "beam"]))
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    starts = np.cumsum(generator.uniform(0.45, 0.9, 12))
    spans = [
        (at, at + length)
        for at, length in zip(starts, generator.uniform(0.2, 0.4, 12), strict=True)
    ]
    written = [(int(generator.integers(2)), end - 0.05) for _, end in spans]
    seconds = 0.04 * round((spans[-1][1] + 0.6) / 0.04)
    samples, logits = said(spans, seconds), posteriors(WORDS, written, seconds)
    config = DecodingConfig(method=method)
    [whole] = decode(logits, WORDS, config, FRAME, sound=levels(samples))
    np.testing.assert_allclose(times(whole), spans, atol=0.041)
    sound = SoundLevels(RATE)
    decoder = SpeechDecoder(WORDS, config, FRAME, sound=sound)
    settled, at, ahead = [], 0, data.draw(st.integers(0, 10))
    while at < len(logits):
        more = data.draw(st.integers(1, 60))
        heard = slice(max(sound.end * 80, 0), round((at + more + ahead) * FRAME * RATE))
        sound.push(samples[heard])
        decoder.push(logits[at : at + more])
        settled += decoder.settled()
        decoder.partial()
        at += more
    [found] = decoder.finish()
    assert found.words == whole.words
    assert found.words[: len(settled)] == tuple(settled)


def test_levels_are_those_of_the_whole_in_bounded_memory():
    samples = said(SPANS, 2.6)
    whole, pieces = levels(samples), SoundLevels(RATE)
    for at in range(0, len(samples), 333):
        pieces.push(samples[at : at + 333])
    np.testing.assert_array_equal(pieces.between(0, 260), whole.between(0, 260))
    pieces.forget(100)
    assert (pieces.first, pieces.end) == (100, 260)
    np.testing.assert_array_equal(pieces.between(101, 259), whole.between(101, 259))
    for _ in range(40):
        pieces.push(np.zeros(10 * RATE, np.float32))
    assert (pieces.end - pieces.first) * pieces.hop_seconds == pytest.approx(LONGEST_SECONDS)
    # A word whose sound is forgotten keeps the times of its labels.
    late = WordTimes(pieces).times([LabelTimes(0.6, 0.6, 0.64)], keep=True)
    assert late == [(0.6, 0.64)]


def test_other_sources_of_times_are_refused():
    with pytest.raises(ConfigurationError, match=r"word_times = 'ear': choose from sound, labels"):
        DecodingConfig(word_times="ear")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("part", ["test_known", "test_unseen"])
def test_words_of_recorded_digits_are_timed(real_data: Path, part: str, way: str) -> None:
    """The shipped recogniser on joined recordings: starts within 80 ms, ends within 100 ms."""
    recogniser = EdgeRecogniser(find("speech/recorded-digits").folder, decoding=GREEDY)
    digits = getattr(digit_sets(read_digits(real_data / "fsdd")), part)
    found = deviations(recogniser, digits, 60, way)[30.0]
    assert len(found.starts) > 150
    assert np.percentile(np.abs(found.starts), 95) <= 0.080
    assert np.percentile(np.abs(found.ends), 95) <= 0.100
