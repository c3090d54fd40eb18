"""A stream gives what the whole recording gives, however it is cut."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_files import speech_like
from speech_setup import small_config, small_model

from pipelines.base.errors import ConfigurationError, UserError
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from rnn_apps.edge import (
    DecodingConfig,
    EndpointConfig,
    RecognitionStream,
    SpeechDecoder,
    SpeechLabels,
    open_microphone,
)
from rnn_apps.edge.speech.endpointing import Endpointer
from rnn_apps.edge.speech.recognition import FrameStepper
from rnn_apps.edge.speech.word_times import SoundLevels
from rnn_apps.layers.streamed_frames import DelayedLookahead, EveryFrame, JoinPast, PerFrame
from rnn_apps.speech.decoding import decode
from rnn_apps.speech.device.step_model import step_model, whole_model
from rnn_apps.speech.streaming import KerasStepModel, raw_features

LABELS = SpeechLabels((*(c.encode() for c in " abcdefgh"), b""), 9)
# Kinds of models: convolutions, strides, deltas, normalisation, cells, lookahead.
KINDS = {
    "strided": {},
    "plain": {
        "filters": (), "time_strides": (), "frequency_strides": (), "lookahead": 0, "layers": 1,
        "cell": "simple", "normalisation": "none",
    },
    "deltas": {
        "features": "mfcc", "deltas": 2, "filters": (4,), "time_strides": (3,),
        "frequency_strides": (1,), "layer_normalisation": "batch", "cell": "lstm", "layers": 1,
        "lookahead": 3,
    },
}  # fmt: skip


class Trained:
    """A model as it was trained, and in steps."""

    def __init__(self, folder, chunk_outputs, **options):
        self.config = small_config(folder, **options)
        self.model = small_model(self.config, len(LABELS.pieces))
        self.features = raw_features(self.config)
        self.steps = None
        if chunk_outputs:
            self.steps = KerasStepModel(self.model, self.config, chunk_outputs)
        self._compiled = tf.function(self.model, reduce_retracing=True)

    def extract(self, samples):
        return SpeechFeatures(self.features)(samples)

    def offline(self, samples):
        """The logits of a whole recording."""
        features = self.extract(samples)[None]
        inputs = {
            "features": tf.constant(features),
            "frame_lengths": tf.constant([features.shape[1]]),
        }
        return self._compiled(inputs)["logits"][0].numpy()


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory):
    chunk_outputs = {"strided": 1, "plain": 5, "deltas": 2}[request.param]
    folder = tmp_path_factory.mktemp("streaming")
    return Trained(folder, chunk_outputs, **KINDS[request.param])


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_chunks_give_the_offline_logits_and_transcript(trained, data):
    samples = speech_like(
        data.draw(st.sampled_from([0.02, 0.31, 0.8])), 8000, data.draw(st.integers(0, 100))
    )
    expected = trained.offline(samples)
    stepper, features = FrameStepper(trained.steps), trained.extract(samples)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(features)), max_size=5)))
    pieces = np.split(features, cuts)
    logits = np.concatenate([*(stepper.push(piece) for piece in pieces), stepper.finish()])
    assert logits.shape == expected.shape
    np.testing.assert_allclose(logits, expected, atol=2e-5)
    decoding, seconds = DecodingConfig(n_best=3), trained.config.seconds_per_output
    sound = SoundLevels(8000)
    sound.push(samples)
    wanted = decode(expected, LABELS, decoding, seconds, sound=sound)
    decoder = SpeechDecoder(LABELS, decoding, seconds)
    stream = RecognitionStream(trained.features, trained.steps, decoder)
    chunk = data.draw(st.sampled_from([1, 37, 160, 1000, 10**6]))
    # A sample at a time takes long: the first ones will do.
    many = 60 * chunk
    for at in range(0, min(len(samples), many), chunk):
        assert stream.push(samples[at : at + chunk]) == []
    stream.push(samples[many:])
    found = stream.finish()
    assert [one.text for one in found.transcripts] == [one.text for one in wanted]
    assert (found.start, found.end) == (0.0, len(samples) / 8000)
    times = [(word.start, word.end) for word in found.transcripts[0].words]
    assert times == [(word.start, word.end) for word in wanted[0].words]


def test_the_network_of_one_utterance_is_the_trained_one(trained):
    samples = speech_like(0.5, 8000)
    found = whole_model(trained.model, trained.config)({"features": trained.extract(samples)[None]})
    np.testing.assert_allclose(found["logits"][0], trained.offline(samples), atol=1e-5)


def test_a_network_of_both_directions_cannot_stream(tmp_path: Path):
    both = Trained(tmp_path, 0, bidirectional=True, lookahead=0, layers=1, filters=(4,),
                   time_strides=(2,), frequency_strides=(2,))  # fmt: skip
    with pytest.raises(ConfigurationError, match="needs the whole utterance"):
        step_model(both.model, both.config)
    samples = speech_like(0.5, 8000)
    found = whole_model(both.model, both.config)({"features": both.extract(samples)[None]})
    np.testing.assert_allclose(found["logits"][0], both.offline(samples), atol=1e-5)


@pytest.mark.parametrize(
    "layer", [JoinPast(3), DelayedLookahead(2), PerFrame((4, 5)), EveryFrame(2)]
)
def test_layers_of_streams_are_made_again_from_their_settings(layer):
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer) and again.get_config() == layer.get_config()


class Loudness:
    """A step model that writes "a" where it is loud and a blank where it is quiet."""

    chunk_frames, subsampling, lookahead, labels = 4, 4, 0, len(LABELS.pieces)

    def reset(self):
        self.resets = getattr(self, "resets", 0) + 1

    def step(self, features, present):
        logits = np.zeros((1, self.labels), np.float32)
        logits[0, 1 if features[0].mean() > -10 else LABELS.blank] = 9.0
        return logits


def bursts(*parts):
    """Loud and quiet stretches at 8 kHz, in seconds: a positive number is loud."""
    generator = np.random.default_rng(0)
    return np.concatenate(
        [generator.normal(size=int(abs(s) * 8000)) * (0.3 if s > 0 else 1e-4) for s in parts]
    ).astype(np.float32)


@pytest.mark.parametrize("judge", ["labels", "energy", "either"])
@pytest.mark.parametrize("chunk", [123, 4000])
def test_a_pause_ends_an_utterance_whatever_the_chunks(tmp_path, judge, chunk):
    features = raw_features(small_config(tmp_path))
    decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"), 0.04)
    rules = EndpointConfig(judge=judge, pause_seconds=0.5, longest_silence_seconds=2.0)
    stream = RecognitionStream(features, Loudness(), decoder, rules)
    samples = bursts(-0.6, 1.0, -0.3, 0.4, -1.0, 0.5, -0.2)
    pieces = [samples[at : at + chunk] for at in range(0, len(samples), chunk)]
    first, second = stream.recognise(pieces)
    # The pause of 0.3 s joins two bursts, the one of 1 s parts two utterances.
    assert first.text == "aa" and second.text == "a"
    assert first.start == 0.0 and 2.75 < first.end < 3.0
    assert second.start == first.end and second.end == pytest.approx(4.0)
    (word,) = second.transcripts[0].words
    assert 3.25 < word.start < 3.4 and 3.75 < word.end < 3.9
    assert 0.9 < second.transcripts[0].confidence <= 1


def test_silence_and_endless_speech_end_too(tmp_path):
    features = raw_features(small_config(tmp_path))
    decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"), 0.04)
    rules = EndpointConfig(longest_silence_seconds=1.0, longest_seconds=2.0)
    stream = RecognitionStream(features, Loudness(), decoder, rules)
    ended = stream.push(bursts(-2.5, 5.0))
    assert [one.text for one in ended] == ["", "", "a", "a", "a"][: len(ended)]
    assert len(ended) >= 4
    assert all(one.end - one.start <= 2.05 for one in ended)


class WordByWord(Loudness):
    """Writes a label for a loud stretch of 0.4 s once it has heard 0.32 s of it, 0.08 s late."""

    lookahead = 2

    def reset(self):
        self.loud, self.late = 0, [LABELS.blank] * self.lookahead

    def step(self, features, present):
        loud = present[0] and features[0].mean() > -10
        self.loud = self.loud + 1 if loud else 0
        self.late.append(1 if self.loud == 8 else LABELS.blank)
        logits = np.zeros((1, self.labels), np.float32)
        logits[0, self.late.pop(0)] = 9.0
        return logits


@pytest.mark.parametrize("judge", ["labels", "energy", "either"])
@pytest.mark.parametrize("pause", [0.4, 0.6, 0.8, 1.0])
def test_endpoints_lose_no_word(tmp_path, judge, pause):
    features = raw_features(small_config(tmp_path))
    samples = bursts(-0.3, *[0.4, -pause] * 6)
    for seconds in (0.2, 0.4, 0.6, 0.8, 1.1):
        rules = EndpointConfig(judge=judge, pause_seconds=seconds, longest_seconds=3.0)
        decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"), 0.04)
        stream = RecognitionStream(features, WordByWord(), decoder, rules)
        pieces = [samples[at : at + 400] for at in range(0, len(samples), 400)]
        found = list(stream.recognise(pieces))
        assert "".join(one.text for one in found) == "a" * 6, seconds
        words = [word for one in found for word in one.transcripts[0].words]
        begun = [0.3 + k * (0.4 + pause) for k in range(6)]
        starts = [word.start for word in words] if len(words) == 6 else []
        assert not starts or np.abs(np.subtract(starts, begun)).max() < 0.04
        # An utterance begins where the one before it ended.
        assert all(first.end <= second.start for first, second in itertools.pairwise(found))


def test_the_greatest_length_parts_no_label(tmp_path):
    """Words that follow each other at once: none of them is written twice, or not at all."""
    rules = EndpointConfig(pause_seconds=9.0, longest_seconds=5.0)
    features = raw_features(small_config(tmp_path))
    decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"), 0.04)
    stream = RecognitionStream(features, Loudness(), decoder, rules)
    found = [*stream.push(bursts(-0.4, *[0.36, -0.12] * 40)), stream.finish()]
    assert "".join(one.text for one in found) == "a" * 40
    assert len(found) > 3 and all(one.end - one.start < 5.0 for one in found)


class LetterByLetter(Loudness):
    """Writes "abcd abcd ..." whatever it hears, a blank after each label."""

    def reset(self):
        self.steps = 0

    def step(self, features, present):
        label = LABELS.blank if self.steps % 2 else (1, 2, 3, 4, 0)[self.steps // 2 % 5]
        self.steps += 1
        return 9.0 * np.eye(self.labels, dtype=np.float32)[[label]]


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_the_greatest_length_parts_no_word(tmp_path, method):
    """A blank between two letters is no pause between words."""
    rules = EndpointConfig(pause_seconds=9.0, longest_seconds=5.0)
    features = raw_features(small_config(tmp_path))
    decoder = SpeechDecoder(LABELS, DecodingConfig(method=method, beam_width=4), 0.04)
    stream = RecognitionStream(features, LetterByLetter(), decoder, rules)
    found = [*stream.push(bursts(12.0)), stream.finish()]
    assert len(found) == 3 and all(one.end - one.start < 5.0 for one in found)
    # The last one ends with the stream.
    assert {word for one in found[:2] for word in one.text.split()} == {"abcd"}
    assert set(found[2].text.split()[:-1]) == {"abcd"}


def test_only_letters_tell_where_a_word_ends():
    assert LABELS.lone_space == 0
    for pieces in (("▁the", "▁", "re"), ("yes", "no")):
        labels = SpeechLabels(
            (*(piece.replace("▁", " ").encode() for piece in pieces), b""), len(pieces)
        )
        assert labels.lone_space is None and SpeechDecoder(labels).between_words
    decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"))
    # Until a space is written, the language may have none; label 0 is the space.
    for label, between in ((1, True), (0, True), (LABELS.blank, True), (2, False), (0, True)):
        decoder.push(9.0 * np.eye(len(LABELS.pieces))[[label]])
        assert decoder.between_words is between
    endpointer = Endpointer(EndpointConfig(longest_seconds=10.0), 8000)
    assert not endpointer.is_over(True, 0.04, 9.5, False)
    # A label that is cut in two would be written twice: a gap inside a word is better.
    assert endpointer.is_over(True, 0.04, 9.8, False)


def test_what_is_written_for_silence_is_a_pause(tmp_path):
    """A model of characters may write spaces, not blanks, while nobody speaks."""
    decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"), 0.04)
    logits = np.zeros((9, len(LABELS.pieces)))
    logits[:, 0] = 5.0
    logits[2, 1] = 9.0
    logits[4, LABELS.blank] = 9.0
    decoder.push(logits)
    assert decoder.quiet_frames == 6 and decoder.heard


def test_a_stream_at_another_rate_is_the_resampled_one(tmp_path):
    import soxr

    features = raw_features(small_config(tmp_path))
    samples = bursts(-0.6, 1.0, -0.3, 0.4, -0.4)

    def heard(given, rate, chunk):
        decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"), 0.04)
        stream = RecognitionStream(features, Loudness(), decoder, sample_rate=rate)
        assert stream.sample_rate == (rate or 8000)
        for at in range(0, len(given), chunk):
            stream.push(given[at : at + chunk])
        return stream.finish()

    expected = heard(samples, None, 1000)
    found = heard(soxr.resample(samples, 8000, 16_000), 16_000, 777)
    assert found.text == expected.text == "aa"
    assert found.end == pytest.approx(expected.end, abs=0.01)
    with pytest.raises(UserError, match="sample_rate = 16 must be"):
        heard(samples, 16, 100)


def test_words_are_settled_in_a_long_stream(tmp_path):
    generator = np.random.default_rng(0)
    text = " ".join("".join(generator.choice(list("abcdefgh"), 4)) for _ in range(100))
    rows = np.full((4 * len(text), len(LABELS.pieces)), -6.0)
    rows[:, LABELS.blank] = 0.0
    for place, character in enumerate(text):
        rows[4 * place, LABELS.pieces.index(character.encode())] = 3.0
    decoder = SpeechDecoder(LABELS, DecodingConfig(), 0.04)
    settled, open_words = [], []
    for part in np.array_split(rows, 37):
        decoder.push(part)
        settled += decoder.settled()
        open_words.append(len(decoder.partial().words))
    # What is open does not grow.
    assert max(open_words) < 30 and len(settled) > 70
    (whole,) = decoder.finish()
    assert whole.text == text
    assert list(whole.words[: len(settled)]) == settled


def test_what_cannot_be_recognised_is_refused(tmp_path):
    decoder = SpeechDecoder(LABELS, DecodingConfig(method="greedy"), 0.04)
    stream = RecognitionStream(raw_features(small_config(tmp_path)), Loudness(), decoder)
    with pytest.raises(UserError, match="NaN or infinity"):
        stream.push(np.full(100, np.nan))
    with pytest.raises(UserError, match="one channel"):
        stream.push(np.zeros((100, 2)))
    assert stream.finish().text == ""
    for wrong in (
        {"judge": "ear"}, {"pause_seconds": 0.0}, {"pause_seconds": math.inf},
        {"longest_seconds": -1.0}, {"longest_seconds": math.nan}, {"speech_decibels": math.nan},
    ):  # fmt: skip
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            EndpointConfig(**wrong)


class Microphone:
    """What of the package sounddevice is used, with a device that gives what it is told."""

    class PortAudioError(Exception):
        pass

    def __init__(self, chunks):
        self.chunks, self.closed = chunks, False

    def InputStream(self, *, callback, finished_callback, device, **options):  # noqa: N802
        if device == "none":
            raise self.PortAudioError("no such device")
        assert options["channels"] == 1 and options["dtype"] == "float32"
        self.callback, self.finished = callback, finished_callback
        return self

    def start(self):
        for chunk in self.chunks:
            self.callback(chunk[:, None], len(chunk), None, None)
        self.finished()

    def stop(self):
        pass

    def close(self):
        self.closed = True


def pause_found(endpointer, *levels):
    """The time at which sound of these levels (seconds, decibels) ends an utterance."""
    generator = np.random.default_rng(0)
    at = 0.0
    for seconds, decibels in levels:
        for _ in range(round(seconds / 0.02)):
            noise = generator.normal(size=160) * 10 ** (decibels / 20)
            endpointer.push(noise.astype(np.float32), False)
            at += 0.02
            if endpointer.is_over(False, 0.0, at):
                return at
    return math.inf


def test_the_background_of_one_stream_is_not_that_of_the_next():
    room = ((0.5, -50), (1.0, -20), (30.0, -50))
    config = EndpointConfig(judge="energy", longest_seconds=0)
    endpointer = Endpointer(config, 8000)
    alone = pause_found(endpointer, *room)
    assert 2.2 < alone < 2.4
    endpointer.begin_stream()
    assert pause_found(endpointer, (2.0, -95)) == math.inf
    endpointer.begin_stream()
    assert pause_found(endpointer, *room) == alone
    # Nor are samples of 0 or nearly 0, with which many streams begin, taken for the room's
    # background; but quiet speech between them is none.
    for decibels in (-math.inf, -92):
        assert pause_found(Endpointer(config, 8000), (0.5, decibels), *room) < alone + 6
    gated = (0.5, -math.inf), (3.0, -53)
    assert pause_found(Endpointer(config, 8000), *gated) == math.inf


def test_a_microphone_is_read_and_closed(monkeypatch):
    chunks = [np.full(5, n, np.float32) for n in range(3)]
    device = Microphone(chunks)
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    with open_microphone(8000) as heard:
        np.testing.assert_array_equal(list(heard), chunks)
    assert device.closed
    with pytest.raises(UserError, match="cannot be opened with 8000 Hz: no such device"):
        open_microphone(8000, "none").__enter__()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match="pip install sounddevice"):
        open_microphone(8000).__enter__()
