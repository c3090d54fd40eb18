"""Quiet noise around recordings that were cut closely; the words' times stay the recording's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from speech_setup import tone_run

from benchmarks.fsdd import digit_sets, read_digits
from pipelines.base.errors import ConfigurationError
from pipelines.speech.audio.padding import padded
from rnn_apps import speech
from rnn_apps.application.model_zoo import find
from rnn_apps.edge import DecodingConfig, EdgeRecogniser
from rnn_apps.edge.speech.padding import of_unpadded
from rnn_apps.edge.speech.transcripts import Transcript, Word
from rnn_apps.speech.device.exporting import export
from rnn_apps.speech.judging.judgement import judge

GREEDY = DecodingConfig(method="greedy")
PADDING = 0.15


def test_the_noise_is_as_loud_as_the_quietest_place():
    generator = np.random.default_rng(0)
    loud, quiet = generator.normal(size=(2, 1600)).astype(np.float32)
    samples = np.concatenate([0.2 * loud, 0.003 * quiet, 0.1 * loud])
    found = padded(samples, 8000, 0.25)
    assert len(found) == len(samples) + 4000 and found.dtype == np.float32
    np.testing.assert_array_equal(found[2000:-2000], samples)
    for noise in (found[:2000], found[-2000:]):
        assert 0.002 < noise.std() < 0.0032
    np.testing.assert_array_equal(padded(samples, 8000, 0.25), found)
    assert padded(samples, 8000, 0.0) is samples
    assert np.abs(padded(np.clip(5 * loud, -1, 1), 8000, 0.25)).max() <= 1
    assert len(padded(samples[:0], 8000, 0.25)) == 0
    assert len(padded(samples[:3], 8000, 0.25)) == 4003
    for wrong in (-0.1, 5.1, float("nan")):
        with pytest.raises(ConfigurationError, match=r"padding_seconds = .* must be from 0 to 5"):
            padded(samples, 8000, wrong)


def test_times_are_those_of_the_recording():
    words = (Word("a", 0.2, 0.5, 0.9), Word("b", 0.6, 1.4, 0.9))
    [found] = of_unpadded([Transcript("a b", -1.0, 0.9, words)], 0.25, 1.0)
    assert [(one.start, one.end) for one in found.words] == [
        (0.0, 0.25), (pytest.approx(0.35), 1.0),
    ]  # fmt: skip


def test_a_device_hears_the_padded_recording():
    recogniser = EdgeRecogniser(find("speech/recorded-digits").folder, decoding=GREEDY)
    samples = 0.1 * np.random.default_rng(1).normal(size=4000).astype(np.float32)
    [wanted] = recogniser.transcribe(padded(samples, 8000, 0.3))
    [found] = recogniser.transcribe(samples, padding_seconds=0.3)
    assert (found.text, found.score) == (wanted.text, wanted.score)
    assert all(0 <= word.start <= word.end <= 0.5 for word in found.words)


def test_a_run_hears_what_a_device_hears():
    samples = 0.1 * np.random.default_rng(1).normal(size=4000).astype(np.float32)
    run = speech.load(find("speech/recorded-digits").folder)
    [[wanted]] = run.transcribe(padded(samples, 8000, 0.3), GREEDY)
    [[found]] = run.transcribe(samples, GREEDY, padding_seconds=0.3)
    assert (found.text, found.score) == (wanted.text, wanted.score)


@pytest.fixture(scope="module")
def padded_run(tmp_path_factory):
    return tone_run(
        tmp_path_factory.mktemp("padded"), layers=1, dropout=0.0, padding_seconds=PADDING
    )


def inside(transcript: Transcript, seconds: float) -> bool:
    return all(0 <= word.start <= word.end <= seconds for word in transcript.words)


def test_a_run_that_learnt_with_padding_pads_whatever_it_hears(padded_run):
    recordings = padded_run.recordings("test")
    paths = [one.path for one in recordings]
    own = padded_run.transcribe(paths, GREEDY)
    assert own == padded_run.transcribe(paths, GREEDY, padding_seconds=PADDING)
    assert own != padded_run.transcribe(paths, GREEDY, padding_seconds=0.0)
    found = judge(padded_run, recordings, "test")
    for (heard,), judged, recording in zip(own, found.first.transcripts, recordings, strict=True):
        assert heard.text == judged.text and inside(judged, recording.seconds)
        assert [one.start for one in judged.words] == pytest.approx(
            [one.start for one in heard.words], abs=0.2
        )
    assert found.first.word_total.rate < 0.3


def test_exported_files_pad_as_the_run_does(padded_run):
    to = padded_run.folder.path.parent / "exported"
    exported = export(padded_run, to, ("saved_model", "streaming"))
    [served, streamed] = exported["table"]["rows"]
    assert "saved_model" in served[0] and "streaming" in streamed[0]
    device = EdgeRecogniser(to, decoding=GREEDY)
    assert device.contract["features"]["padding_seconds"] == PADDING
    recognise = tf.saved_model.load(str(to / "saved_model")).signatures["recognise"]
    for one in list(padded_run.recordings("test"))[:4]:
        samples = one.read(8000)
        [wanted] = padded_run.transcribe(samples, GREEDY)[0]
        [found] = device.transcribe(samples)
        assert found.text == wanted.text and inside(found, one.seconds)
        assert found.score == pytest.approx(wanted.score, abs=1e-2)
        stream = device.stream()
        stream.push(padded(samples, 8000, PADDING))
        assert stream.finish().text == wanted.text
        lengths = tf.constant([len(samples)], tf.int32)
        saved = recognise(samples=tf.constant(samples[None]), sample_lengths=lengths)
        assert saved["text"].numpy()[0].decode() == wanted.text


@pytest.mark.slow
def test_single_digits_of_a_new_speaker_are_heard_better(real_data: Path):
    recogniser = EdgeRecogniser(find("speech/recorded-digits").folder, decoding=GREEDY)
    digits = digit_sets(read_digits(real_data / "fsdd")).test_unseen

    def right(seconds):
        heard = [recogniser.transcribe(one.samples, None, seconds)[0].text for one in digits]
        return np.mean([text == one.digit for text, one in zip(heard, digits, strict=True)])

    assert right(0.25) > max(right(0.0) + 0.05, 0.86)
    # This model says itself how much padding it needs.
    recogniser = EdgeRecogniser(find("speech/unheard-voices").folder, decoding=GREEDY)
    assert right(None) > max(right(0.0), 0.91)
