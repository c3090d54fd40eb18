"""What of a sound file is heard by a run and on a device: one channel, all of it, or nothing."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sound_files import speech_like, write_sound

from pipelines.base.errors import DataError
from pipelines.speech.audio.reading import AudioError
from pipelines.speech.recordings.labels import LabelSet
from pipelines.speech.recordings.spelling import Spelling
from pipelines.tokenizers import train_tokenizer
from rnn_apps import speech
from rnn_apps.application.model_zoo import find
from rnn_apps.edge import DecodingConfig, EdgeRecogniser, Utterance
from rnn_apps.edge.speech.transcripts import Transcript, Word
from rnn_apps.speech import streaming, transcription
from rnn_apps.speech.device.contract import contract
from rnn_apps.speech.transcript_files import Transcribed, _srt, cues

RATE = 8000
GREEDY = DecodingConfig(method="greedy")
SHIPPED = find("speech/recorded-digits").folder


@pytest.fixture(scope="module")
def run() -> speech.Run:
    return speech.load(SHIPPED)


def device_of_channel(folder: Path, channel: object) -> EdgeRecogniser:
    """The shipped files as an export of a run with this channel."""
    shutil.copytree(SHIPPED / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    shutil.copy(SHIPPED / "streaming.tflite", folder)
    stated = json.loads((SHIPPED / "contract.json").read_text(encoding="utf-8"))
    (folder / "contract.json").write_text(json.dumps({**stated, "channel": channel}))
    return EdgeRecogniser(folder, decoding=GREEDY)


def test_a_device_hears_the_channel_of_the_run(run: speech.Run, tmp_path: Path) -> None:
    run.config = dataclasses.replace(run.config, channel=2)
    try:
        assert contract(run, ())["channel"] == 2
    finally:
        run.config = dataclasses.replace(run.config, channel=0)
    device = device_of_channel(tmp_path, 2)
    other, own = speech_like(0.6, RATE, 1), speech_like(0.6, RATE, 2)
    call = np.stack([other, own], axis=1)
    wav = write_sound(tmp_path / "call.wav", call, RATE)
    flac = write_sound(tmp_path / "call.flac", call, RATE)
    [wanted] = device.transcribe(own)
    for path in (wav, flac):
        assert device.transcribe(path)[0].score == pytest.approx(wanted.score, abs=0.05)
    for ending in ("wav", "flac"):
        mono = write_sound(tmp_path / f"mono.{ending}", own, RATE)
        with pytest.raises(AudioError, match=rf"mono\.{ending}: has 1 channel.* no channel 2"):
            device.transcribe(mono)
    # Earlier versions did not state it, and heard the mean.
    mean = EdgeRecogniser(SHIPPED, decoding=GREEDY)
    assert mean.channel == 0
    assert mean.transcribe(wav)[0].score == pytest.approx(
        device.transcribe(call.mean(axis=1))[0].score, abs=0.05
    )
    for wrong in (-1, "left", True):
        with pytest.raises(DataError, match=r"contract\.json.* channel: .* not the number"):
            device_of_channel(tmp_path, wrong)


def test_words_of_a_long_recording_begin_where_their_sound_does(
    run: speech.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the model says is put in by hand: two words, each written late, 320 s apart."""
    samples = np.zeros(330 * RATE, np.float32)
    samples[:] = 0.002 * np.resize(np.random.default_rng(0).normal(size=RATE), len(samples))
    outputs = np.zeros((round(330 / 0.04), run.labels.size), np.float32)
    outputs[:, run.labels.blank] = 8.0
    for at in (4.0, 324.0):
        samples[round(at * RATE) : round((at + 0.5) * RATE)] += speech_like(0.5, RATE) * 3
        outputs[round((at + 0.6) / 0.04)] = 8.0 * np.eye(run.labels.size)[2]
    device = EdgeRecogniser(SHIPPED, decoding=GREEDY)
    monkeypatch.setattr(device, "_logits", lambda samples: outputs)
    heard = SimpleNamespace(log_probabilities=lambda inputs: [outputs])
    monkeypatch.setitem(run.__dict__, "recogniser", heard)
    monkeypatch.setattr(transcription, "SpeechFeatures", lambda config: lambda samples: outputs)
    for found in (device.transcribe(samples)[0], run.transcribe(samples, GREEDY)[0][0]):
        assert [one.start for one in found.words] == pytest.approx([4.0, 324.0], abs=0.1)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_channels_that_cancel_are_refused(run: speech.Run, tmp_path: Path, ending: str) -> None:
    left = speech_like(0.5, RATE)
    path = write_sound(tmp_path / f"call.{ending}", np.stack([left, -left], axis=1), RATE)
    device = EdgeRecogniser(SHIPPED, decoding=GREEDY)
    for hears in (device.transcribe, run.transcribe):
        with pytest.raises(AudioError, match=r"call.* negative of each other.* remix 1"):
            hears(path)


def hears(monkeypatch: pytest.MonkeyPatch, *said: Utterance) -> None:
    """Lets every long recording be one in which this is said, all but the last one at once."""

    def stream(*arguments: object, **options: object) -> SimpleNamespace:
        waiting = [list(said[:-1])]
        return SimpleNamespace(
            push=lambda block: waiting.pop() if waiting else [], finish=lambda: said[-1]
        )

    monkeypatch.setattr(streaming, "recognition_stream", stream)


def test_long_channels_that_cancel_are_refused(
    run: speech.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hears(monkeypatch, Utterance(0.0, 1.0, (Transcript("", -1.0, 0.9),)))
    monkeypatch.setattr(transcription, "STREAMED_FROM_SECONDS", 0.4)
    left = speech_like(0.5, RATE)
    call = write_sound(tmp_path / "call.wav", np.stack([left, -left], axis=1), RATE)
    with pytest.raises(AudioError, match="negative of each other"):
        run.transcribe(call, GREEDY)
    silent = write_sound(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    assert "is silent" in run.transcribe(silent, GREEDY)[0][0].note


def test_silence_is_said(
    run: speech.Run,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs = np.tile(8.0 * np.eye(run.labels.size)[run.labels.blank], (25, 1))
    heard = SimpleNamespace(log_probabilities=lambda inputs: [outputs])
    monkeypatch.setitem(run.__dict__, "recogniser", heard)
    silent = write_sound(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    noise = 0.01 * np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    with caplog.at_level(logging.WARNING):
        [[first], [second], [third]] = run.transcribe([silent, noise, np.zeros(RATE)], GREEDY)
    assert (first.text, second.note) == ("", "")
    assert "is silent: no sample is above -80 dB" in first.note == third.note
    assert "silent.wav: the recording is silent" in caplog.text and "recording 2: " in caplog.text
    device = EdgeRecogniser(SHIPPED, decoding=GREEDY)
    with pytest.warns(UserWarning, match=r"silent\.wav: the recording is silent"):
        assert device.transcribe(silent)[0].note == first.note
    assert not device.transcribe(noise)[0].note


def test_utterances_are_joined_as_the_language_writes(
    run: speech.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "STREAMED_FROM_SECONDS", 0.1)
    call = write_sound(tmp_path / "call.wav", speech_like(0.3, RATE), RATE)

    def joined(*texts: str) -> Transcript:
        hears(monkeypatch, *(utterance(text, 0.2 * n) for n, text in enumerate(texts)))
        return run.transcribe(call, GREEDY)[0][0]

    assert joined("一", "二").text == "一 二"
    for alphabet, said, wanted in (
        (["一二"], ("一", "二"), "一二"),
        (["一 二"], ("一", "二"), "一 二"),
        # Single words were learnt, so that no space was among the letters.
        (["yes", "no"], ("yes", "", "no"), "yes no"),
        (["今天", "去ok"], ("今天", "ok"), "今天ok"),
        (["ไทย"], ("ไทย", "ไทย"), "ไทยไทย"),
    ):
        labels = LabelSet(train_tokenizer("characters", alphabet), Spelling())
        monkeypatch.setattr(run, "labels", labels)
        found = joined(*said)
        assert found.text == wanted
        # Subtitles write what the transcript does.
        assert _srt([Transcribed("call.wav", [found])]).endswith(f"\n{wanted}\n\n")


def utterance(text: str, start: float = 0.0, confidence: float = 0.9) -> Utterance:
    """One of 0.2 s with a single word, or with none."""
    words = (Word(text, start, start + 0.1, confidence),) if text else ()
    return Utterance(start, start + 0.2, (Transcript(text, -1.0, confidence, words),))


def test_the_confidence_of_a_long_recording_is_that_of_its_labels(
    run: speech.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "STREAMED_FROM_SECONDS", 0.1)
    call = write_sound(tmp_path / "call.wav", speech_like(0.3, RATE), RATE)
    labels = LabelSet(train_tokenizer("characters", ["abcdefgh"]), Spelling())
    monkeypatch.setattr(run, "labels", labels)

    def heard(*said: Utterance) -> Transcript:
        hears(monkeypatch, *said)
        return run.transcribe(call, GREEDY)[0][0]

    nothing = heard(utterance("", confidence=0.4), utterance("", 0.2, 0.4))
    assert (nothing.text, nothing.score) == ("", -2.0)
    assert nothing.confidence == pytest.approx(0.4)
    # A label counts once, wherever it was written; a pause has none.
    found = heard(utterance("abcdefg"), utterance("", confidence=0.1), utterance("h", 0.4, 0.1))
    assert found.score == -3.0
    assert found.confidence == pytest.approx((0.9**7 * 0.1) ** (1 / 8))


def test_a_text_without_spaces_fits_into_subtitles() -> None:
    for seconds in (5.0, 29.0, 200.0):
        groups = list(cues([Word("今" * 300, 1.0, 1.0 + seconds, 1.0)]))
        assert all(len(group) == 1 and len(group[0].text) <= 84 for group in groups)
        assert all(group[0].end - group[0].start <= 7.001 for group in groups)
        assert "".join(group[0].text for group in groups) == "今" * 300
        assert (groups[0][0].start, groups[-1][0].end) == (1.0, 1.0 + seconds)
    # A word that lasts long stays whole.
    assert len(list(cues([Word("Mississippi", 0.0, 9.0, 1.0)]))) == 1
