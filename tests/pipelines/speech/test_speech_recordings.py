"""Where recordings come from: lists, folders, LibriSpeech, TensorFlow datasets, the synthesiser."""

from __future__ import annotations

import json
import shutil
import time
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_files import speech_like, write_sound

from pipelines import ConfigurationError, DataError
from pipelines.data_report import DataReport
from pipelines.speech import load_recordings, read_audio
from pipelines.speech.recordings.folders import compile_rule
from pipelines.speech.recordings.manifests import read_manifest
from pipelines.speech.recordings.synthesis import ACCENTS, VOICES, plan, synthesise


def listed(source: str, **options: str) -> list[tuple[str, str, str, str]]:
    return [
        (one.path.name, one.transcript, one.speaker, one.part)
        for one in load_recordings(source, **options)
    ]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "sub/c.flac"):
        write_sound(tmp_path / name, speech_like(0.5))
    return tmp_path


EXPECTED = [
    ("a.wav", "hello, world", "anna", "train"),
    ("b.wav", "Grüße", "", ""),
    ("c.flac", "3", "bob", "test"),
]


def test_a_csv_list(sounds: Path) -> None:
    path = sounds / "list.csv"
    path.write_text(
        "﻿path,Transcript,speaker,part,more\n"
        'a.wav,"hello, world",anna,train,1\n\nb.wav,Grüße,,,2\nsub/c.flac,3,bob,test-clean,3\n',
        encoding="utf-8",
    )
    assert listed(f"file:{path}") == EXPECTED


def test_a_json_lines_list_with_absolute_paths(sounds: Path) -> None:
    path = sounds / "sub" / "list.jsonl"
    rows = [
        {"audio_filepath": str(sounds / "a.wav"), "text": "hello, world", "speaker": "anna",
         "split": "train"},
        {"audio_filepath": str(sounds / "b.wav"), "text": "Grüße"},
        {"audio_filepath": "c.flac", "text": 3, "speaker": "bob", "split": "test"},
    ]  # fmt: skip
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    assert listed(f"file:{path}") == EXPECTED


def test_common_voice_s_list(sounds: Path) -> None:
    (sounds / "a.wav").rename(write_sound(sounds / "clips" / "x.wav", speech_like(0.5)))
    path = sounds / "validated.tsv"
    path.write_text('client_id\tpath\tsentence\n7f\tx.wav\tHe said "no\n')
    assert listed(f"file:{path}") == [("x.wav", 'He said "no', "7f", "")]


@pytest.mark.parametrize(("on_disk", "in_list"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_of_file_names_are_found_in_either_spelling(
    sounds: Path, on_disk: str, in_list: str
) -> None:
    """macOS spells them otherwise than other systems do."""
    name = "Grüße.wav"
    (sounds / "a.wav").rename(sounds / unicodedata.normalize(on_disk, name))
    path = sounds / "list.csv"
    path.write_text(f"path,transcript\n{unicodedata.normalize(in_list, name)},hello\n")
    assert [row[1] for row in listed(f"file:{path}")] == ["hello"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "path,speaker\na.wav,x\n", "no column 'transcript'"),
        ("l.csv", "path,transcript\na.wav,one,two\n", r"row 2: has 3 fields, but the header has 2"),
        ("l.csv", "path,transcript\n", "has no recording"),
        ("l.jsonl", '{"path": "a.wav"}\n', r"row 1: has no key 'transcript'"),
        ("l.jsonl", '{"path": "a.wav"\n', r"row 1: is not JSON"),
        ("l.txt", "a.wav hello\n", "is not the ending of a list"),
        ("l.csv", "path,transcript\nnowhere.wav,words\n", "missing: 1, dropped"),
    ],
)
def test_bad_lists(sounds: Path, name: str, text: str, message: str) -> None:
    (sounds / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load_recordings(f"file:{sounds / name}")


def test_a_quotation_mark_that_does_not_close_is_named(sounds: Path) -> None:
    path = sounds / "list.csv"
    path.write_text('path,transcript\na.wav,"one\n' + "b.wav,two\n" * 20_000)
    with pytest.raises(DataError, match="quotation mark that is opened and not closed"):
        load_recordings(f"file:{path}")


@pytest.mark.parametrize("below", ["d.wav,good night\n", 'd.wav,"yes" she said\n', 'd.wav,"bye"\n'])
def test_a_quotation_mark_swallows_no_recording(sounds: Path, below: str) -> None:
    path = sounds / "list.csv"
    path.write_text(f'path,transcript\na.wav,hello there\nb.wav,"Stop, he said\nc.wav,x\n{below}')
    with pytest.raises(DataError, match="quotation mark that is opened and not closed") as raised:
        load_recordings(f"file:{path}")
    assert raised.value.row == 3


def test_quotation_marks_that_fit_on_their_line_are_read(sounds: Path) -> None:
    path = sounds / "list.csv"
    path.write_text(
        '"path" ,transcript\na.wav,"one, two" \nb.wav,"Yes" she said\n"two\nlines.wav",6" pipe\n'
        'c.wav,"said ""no"" twice"\n'
    )
    entries = list(read_manifest(path, DataReport()))
    assert [one.transcript.strip() for one in entries] == [
        "one, two", "Yes she said", '6" pipe', 'said "no" twice',
    ]  # fmt: skip
    assert [one.place.split(":")[0] for one in entries[2:]] == ["list.csv row 4", "list.csv row 6"]


def test_a_folder_with_a_naming_rule(tmp_path: Path) -> None:
    for name in ("7_anna_0.wav", "7_anna_1.wav", "0_bob_12.wav", "cover.wav", "._7_x_1.wav"):
        write_sound(tmp_path / name, speech_like(0.3))
    (tmp_path / "notes.txt").write_text("about the recordings")
    rule = "{transcript}_{speaker}_{index}.wav"
    recordings = load_recordings(f"file:{tmp_path}", naming_rule=rule)
    assert [(one.transcript, one.speaker) for one in recordings] == [
        ("0", "bob"), ("7", "anna"), ("7", "anna"),
    ]  # fmt: skip
    assert recordings.report.count("name outside the rule") == 1
    assert recordings.report.count("wrong extension") == 1
    with pytest.raises(DataError, match="no file's name matches the rule"):
        load_recordings(f"file:{tmp_path}", naming_rule="{speaker}/{transcript}.ogg")
    with pytest.raises(DataError, match="has no transcripts of its recordings"):
        load_recordings(f"file:{tmp_path}")


def test_naming_rules() -> None:
    speech_commands = compile_rule("{transcript}/{speaker}_nohash_{index}.wav")
    match = speech_commands.fullmatch("left/0a7c_nohash_1.wav")
    assert match and match.groupdict() == {"transcript": "left", "speaker": "0a7c", "index": "1"}
    assert compile_rule(r"(?P<speaker>[^/]+)/(?P<transcript>.+)_\d+\.flac")
    for bad, message in (
        ("{speaker}_{index}.wav", "names no transcript"),
        ("{transcript}_{who}.wav", "unknown field {who}"),
        ("(?P<transcript>.+", "not a regular expression"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            compile_rule(bad)


def test_librispeech_s_layout(tmp_path: Path) -> None:
    for part in ("train-clean-100", "dev-other"):
        chapter = tmp_path / part / "84" / "121123"
        names = [f"84-121123-000{k}" for k in range(2)]
        for name in names:
            write_sound(chapter / f"{name}.flac", speech_like(0.3))
        lines = [f"{name} WORDS OF {part}" for name in (*names, "84-121123-0009")]
        (chapter / "84-121123.trans.txt").write_text("\n".join(lines) + "\n")
    recordings = load_recordings(f"file:{tmp_path}")
    assert [one.part for one in recordings] == ["validation"] * 2 + ["train"] * 2
    assert recordings[0].transcript == "WORDS OF dev-other" and recordings[0].speaker == "84"
    assert recordings.report.count("missing") == 2
    assert recordings.parts == ("train", "validation")


def test_a_tensorflow_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_datasets as tfds

    class ToySpeech(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):  # type: ignore[no-untyped-def]
            features = tfds.features.FeaturesDict(
                {
                    "audio": tfds.features.Audio(sample_rate=8_000),
                    "label": tfds.features.ClassLabel(names=["no", "yes"]),
                    "speaker_id": np.int64,
                }
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager):  # type: ignore[no-untyped-def]
            return {"train": self._generate_examples(3), "test": self._generate_examples(2)}

        def _generate_examples(self, count):  # type: ignore[no-untyped-def]
            for k in range(count):
                sound = speech_like(0.5, 8_000, seed=k) * 2**15
                yield k, {"audio": sound.astype(np.int64), "label": k % 2, "speaker_id": k}

    ToySpeech(data_dir=tmp_path / "data").download_and_prepare()
    options = {"data_dir": str(tmp_path / "data"), "cache_dir": str(tmp_path / "cache")}
    recordings = load_recordings("tfds:toy_speech", **options)
    found = [(one.transcript, one.part, one.sample_rate) for one in recordings]
    assert sorted(found) == [
        ("no", "test", 8_000), ("no", "train", 8_000), ("no", "train", 8_000),
        ("yes", "test", 8_000), ("yes", "train", 8_000),
    ]  # fmt: skip
    assert len(load_recordings("tfds:toy_speech@train", **options)) == 3
    by_speaker = {one.speaker: one for one in recordings if one.part == "train"}
    expected = speech_like(0.5, 8_000, seed=2)
    assert np.abs(read_audio(by_speaker["2"].path, 8_000) - expected).max() < 1e-4
    # The folder of another project may have the same relative name.
    shutil.copytree(tmp_path / "data", tmp_path / "other" / "data")
    for project, kept in ((tmp_path, 2), (tmp_path / "other", 3)):
        monkeypatch.chdir(project)
        load_recordings("tfds:toy_speech@train", **options | {"data_dir": "data"})
        assert len(list((tmp_path / "cache" / "speech-tfds").iterdir())) == kept


@pytest.mark.parametrize("name", ["digits", "commands"])
def test_no_synthesised_voice_speaks_in_two_parts(name: str) -> None:
    utterances = plan(name)
    assert utterances == plan(name)
    voices = {
        part: {one.voice for one in utterances if one.part == part}
        for part in ("train", "validation", "test")
    }
    assert not voices["train"] & (voices["validation"] | voices["test"])
    assert not voices["validation"] & voices["test"]
    assert len(voices["test"]) == 16 and len(voices["validation"]) == 8
    assert set.union(*voices.values()) == set(VOICES)
    assert {one.accent for one in utterances} == set(ACCENTS)
    assert len({one.file for one in utterances}) == len(utterances)


def test_a_few_utterances_are_synthesised(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    some = plan("digits")[:4]
    synthesise(some, tmp_path)
    recordings = load_recordings(f"file:{tmp_path / 'manifest.jsonl'}")
    assert [one.transcript for one in recordings] == [one.transcript for one in some]
    for recording, one in zip(recordings, some, strict=True):
        samples = read_audio(recording.path, 16_000)
        speech = samples[round(one.silence_before * 16_000) :]
        assert np.abs(speech).max() > 0.3
        words = len(one.transcript.split())
        assert 0.15 * words < recording.seconds - one.silence_before < 2.0 + 0.8 * words


def test_the_same_utterances_are_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    # Breathy voices have noise of the synthesiser's own.
    some = [replace(plan("digits")[0], file=f"{voice}.wav", voice=voice) for voice in ("f2", "m1")]
    lively = [replace(one, pitch_range=100) for one in some]
    heard = []
    for number, utterances in enumerate((some, some, lively)):
        folder = tmp_path / str(number)
        folder.mkdir()
        synthesise(utterances, folder)
        heard.append([(folder / one.file).read_bytes() for one in utterances])
        # The library itself would draw by the seconds of the clock.
        time.sleep(1.1 * (number == 0))
    assert heard[1] == heard[0]
    assert all(one != other for one, other in zip(heard[0], heard[2], strict=True))


def test_silence_is_trimmed_and_quiet_sounds_are_not() -> None:
    from pipelines.speech.recordings.synthesis_worker import trimmed

    noise = np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    # The silence is 80 dB below the loudest sound, the first and the last sound 40 dB.
    noise[:800] *= 1e-4
    noise[800:1_600] *= 1e-2
    noise[6_400:7_200] *= 1e-2
    noise[7_200:] *= 1e-4
    np.testing.assert_array_equal(trimmed(noise, 16_000), noise[800:7_200])
    assert len(trimmed(noise[:7], 16_000)) == 7


def test_how_an_utterance_is_spoken(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    plain = replace(
        plan("digits")[0], transcript="three", voice="m1", noise_decibels=-90.0,
        silence_before=0.0, silence_after=0.0,
    )  # fmt: skip
    ways = {
        "plain": {},
        "quiet": {"peak": 0.05},
        "german": {"accent": "German", "spoken": "frie", "trimmed": True},
    }
    synthesise([replace(plain, file=f"{way}.wav", **new) for way, new in ways.items()], tmp_path)
    heard = {way: read_audio(tmp_path / f"{way}.wav", 16_000) for way in ways}
    listed = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert {one["transcript"] for one in listed} == {"three"}
    assert np.abs(heard["quiet"]).max() == pytest.approx(0.05, rel=0.02)
    assert np.abs(heard["german"]).max() == pytest.approx(0.5, rel=0.02)
    lengths = {len(heard[way]) for way in ("plain", "quiet")}
    assert max(lengths) - min(lengths) < 800
    # Not the German letters for "three", which take longer.
    assert 0.2 < len(heard["german"]) / 16_000 < 0.6
