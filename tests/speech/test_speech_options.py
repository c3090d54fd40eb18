"""Whatever Python lets one choose for a recogniser has a flag with the same default."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import logging
import sys

import numpy as np
import pytest

from pipelines.base.errors import UserError
from rnn_apps import speech
from rnn_apps.application.command_line import applications, main
from rnn_apps.application.model_zoo import find
from rnn_apps.edge import DecodingConfig, EndpointConfig, read_arpa
from rnn_apps.speech import commands

SHIPPED = str(find("speech/recorded-digits").folder)
# What one can choose in Python alone, and why.
PYTHON_ONLY = {
    "self": "the run is --run",
    "decoding": "its fields are flags",
    "endpoint": "its fields are flags",
    "sample_rate": "a file knows its own",
    "unusable": "the command line names them at its end",
}


def parser_of(verb: str) -> argparse.ArgumentParser:
    [application] = [one for one in applications() if one.name == "speech"]
    [found] = [one for one in application.verbs if one.name == verb]
    parser = argparse.ArgumentParser()
    found.add_arguments(parser)
    return parser


@pytest.mark.parametrize(
    ("verb", "method", "configs"),
    [
        ("evaluate", speech.Run.evaluate, [DecodingConfig]),
        ("transcribe", speech.Run.transcribe, [DecodingConfig, EndpointConfig]),
        ("export", speech.Run.export, []),
        ("word-model", speech.Run.write_word_model, []),
    ],
)
def test_every_choice_has_a_flag(verb, method, configs):
    flags = {action.dest for action in parser_of(verb)._actions}
    wanted = {name for name in inspect.signature(method).parameters if name not in PYTHON_ONLY}
    for config in configs:
        wanted |= {field.name for field in dataclasses.fields(config)}
    # Only one transcript is judged.
    wanted -= {"n_best"} if verb == "evaluate" else set()
    assert wanted - flags == set()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--greedy", "--beam-width", "4", "--n-best", "3"],
         ["--beam-width without effect: --greedy takes", "--n-best without effect: --greedy has"]),
        (["--word-bonus", "1", "--unknown-word-penalty", "3"],
         ["--word-bonus, --unknown-word-penalty without effect: it belongs to a --word-model"]),
        (["--hot-word-boost", "2"], ["--hot-word-boost without effect"]),
        (["--greedy"], []),
        (["--hot-word", "one", "--hot-word-boost", "2", "--beam-width", "4", "--n-best", "3"], []),
        (["--word-model", "words.arpa", "--word-bonus", "1"], []),
    ],
)  # fmt: skip
def test_flags_without_effect_are_said(flags, said, caplog):
    with caplog.at_level(logging.WARNING, "rnn_apps"):
        commands._decoding(parser_of("transcribe").parse_args(["--run", "r", "a.wav", *flags]))
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == len(said)
    assert all(begin in line for begin, line in zip(said, warned, strict=True))


def test_flags_reach_the_configuration_and_defaults_are_python_s():
    parser = parser_of("transcribe")
    plain = parser.parse_args(["--run", "r", "a.wav"])
    assert commands._decoding(plain) == DecodingConfig()
    assert commands._endpoint(plain) == EndpointConfig()
    given = parser.parse_args(
        ["--run", "r", "--unknown-word-penalty", "2", "--least-probability", "0.01",
         "--most-labels", "4", "--beam-nats", "9", "--word-times", "labels",
         "--endpoint", "either", "--pause-seconds", "0.5", "--longest-silence-seconds", "3",
         "--longest-seconds", "20", "--speech-decibels", "12"]
    )  # fmt: skip
    assert commands._decoding(given) == DecodingConfig(
        unknown_word_penalty=2.0, least_probability=0.01, most_labels=4, beam_nats=9.0,
        word_times="labels",
    )  # fmt: skip
    assert commands._endpoint(given) == EndpointConfig(
        judge="either", pause_seconds=0.5, longest_silence_seconds=3.0, longest_seconds=20.0,
        speech_decibels=12.0,
    )  # fmt: skip
    # The help states the defaults.
    [shown] = [action.help for action in parser._actions if action.dest == "beam_nats"]
    assert f"({DecodingConfig().beam_nats:g})" in shown


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--word-times", "ear"], "word_times = 'ear': choose from sound, labels"),
        (["--most-labels", "0"], "most_labels = 0 must be at least 1"),
        (["--beam-nats", "-1"], "beam_nats = -1 must be at least 0"),
        (["--endpoint", "ear"], "--endpoint ear: choose from labels, energy, either"),
        (["--pause-seconds", "0"], "pause_seconds = 0 must be above 0"),
        (["--padding-seconds", "-1"], "padding_seconds = -1 must be from 0 to 5"),
        (["--device", "2"], "--device names a microphone: add --microphone"),
    ],
)
def test_what_does_not_fit_is_refused(flags, message, capfd):
    assert main(["speech", "transcribe", "--run", SHIPPED, "a.wav", *flags]) == 2
    assert message in capfd.readouterr().err


def test_the_microphone_is_the_named_one_and_its_pauses_are_those_asked_for(monkeypatch, capfd):
    """A replacement for the package sounddevice, which notes what it was asked for."""
    asked = {}

    class Device:
        class PortAudioError(Exception):
            pass

        def InputStream(self, *, callback, finished_callback, **options):  # noqa: N802
            asked.update(options)
            asked["heard"] = lambda: (
                [callback(np.zeros((800, 1), np.float32), 800, None, None) for _ in range(40)],
                finished_callback(),
            )
            return self

        def start(self):
            asked["heard"]()

        def stop(self):
            pass

        close = stop

    monkeypatch.setitem(sys.modules, "sounddevice", Device())
    found = {}
    monkeypatch.setattr("rnn_apps.speech.streaming.recognition_stream", recording_endpoints(found))
    command = ["speech", "transcribe", "--run", SHIPPED, "--microphone", "--greedy"]
    assert main([*command, "--device", "3", "--pause-seconds", "0.4"]) == 0
    assert asked["device"] == 3 and asked["samplerate"] == 8000
    assert found["endpoint"] == EndpointConfig(pause_seconds=0.4)
    assert "Listening" in capfd.readouterr().err
    assert commands._microphone("USB") == "USB" and commands._microphone("") is None


def recording_endpoints(found):
    from rnn_apps.speech.streaming import recognition_stream

    def stream(run, decoding, endpoint):
        found["endpoint"] = endpoint
        return recognition_stream(run, decoding, endpoint)

    return stream


def test_a_word_model_is_made_of_text_where_the_recordings_are_gone(tmp_path, caplog):
    run = speech.load(SHIPPED)
    with pytest.raises(UserError, match=r"does not exist.*: --text FILE\.txt") as error:
        run.write_word_model(tmp_path / "words.arpa")
    assert "--data" not in str(error.value)
    (tmp_path / "text.txt").write_text("1 2\n3 4 5\n1 2\n")
    with caplog.at_level(logging.WARNING):
        found = run.write_word_model(tmp_path / "words.arpa", [tmp_path / "text.txt"])
    assert "does not exist" in caplog.text and "is made of the text alone" in caplog.text
    assert "perplexity" not in found
    assert read_arpa(tmp_path / "words.arpa").knows("5")
