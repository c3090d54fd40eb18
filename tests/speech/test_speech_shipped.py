"""The shipped recogniser on somebody's own files: lists in, tables and subtitles out; export."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from sound_files import speech_like, write_sound
from speech_setup import spoken

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.speech.recordings.named_files import named_recordings
from rnn_apps import speech
from rnn_apps.application.command_line import main
from rnn_apps.application.model_zoo import find
from rnn_apps.edge.speech.transcripts import Transcript, Word
from rnn_apps.speech.device import export_recordings
from rnn_apps.speech.transcript_files import FORMATS, Transcribed, TranscriptWriter, cues

SHIPPED = "speech/recorded-digits"


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    for name in ("a.wav", "b.flac", "old/c.wav", ".hidden/d.wav"):
        write_sound(folder / name, speech_like(0.6, 8000), 8000)
    (folder / "notes.txt").write_text("no sound")
    return folder


def test_files_folders_patterns_and_lists_are_named(sounds: Path) -> None:
    a, b, c = (str(sounds / name) for name in ("a.wav", "b.flac", "old/c.wav"))
    assert named_recordings([str(sounds)]) == [a, b, c]
    assert named_recordings([str(sounds / "**" / "*.wav"), a]) == [a, c]
    assert named_recordings(["-"], [f"{c}\r\n", "\n", f"{b}\n"]) == [c, b]
    assert named_recordings([str(sounds / "no.wav")]) == [str(sounds / "no.wav")]
    (sounds / "[1].wav").write_bytes((sounds / "a.wav").read_bytes())
    assert named_recordings([str(sounds / "[1].wav")]) == [str(sounds / "[1].wav")]
    (sounds / "empty").mkdir()
    for bad, message in (
        (str(sounds / "empty"), "the folder has no sound files"),
        (str(sounds / "*.mp3"), "no file fits this pattern"),
        ("-", "standard input names no sound files"),
    ):
        with pytest.raises(UserError, match=message):
            named_recordings([bad])


def words(*spans: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text, start, end, 0.9) for text, start, end in spans)


SAID = Transcribed(
    "in/a.wav",
    [Transcript("one <two> three", -1.0, 0.9, words(
        ("one", 0.2, 0.4), ("<two>", 0.5, 1.0), ("three", 3661.2, 3661.3)
    ))],
)  # fmt: skip
BROKEN = Transcribed("in/b.wav", [], 'is damaged, "really"')


def written(folder: Path, name: str, results: list[Transcribed], format: str = "") -> str:
    writer = TranscriptWriter(folder / name, format, [one.recording for one in results])
    [path] = writer.write(results)
    return Path(path).read_text(encoding="utf-8")


def test_each_format_of_transcripts(tmp_path: Path) -> None:
    both = [SAID, BROKEN]
    assert written(tmp_path, "t.txt", both) == "one <two> three\n\n"
    rows = list(csv.DictReader(io.StringIO(written(tmp_path, "t.csv", both))))
    assert rows[0]["transcript"] == "one <two> three" and rows[0]["confidence"] == "0.9000"
    assert rows[1]["error"] == BROKEN.error and rows[1]["transcript"] == ""
    first, second = map(json.loads, written(tmp_path, "t.jsonl", both).splitlines())
    assert first["transcripts"][0]["words"][1] == {
        "text": "<two>", "start": 0.5, "end": 1.0, "confidence": 0.9,
    }  # fmt: skip
    assert second == {"path": "in/b.wav", "error": BROKEN.error}
    assert written(tmp_path, "t.srt", [SAID]) == (
        "1\n00:00:00,200 --> 00:00:01,000\none <two>\n\n2\n01:01:01,200 --> 01:01:01,700\nthree\n\n"
    )
    assert written(tmp_path, "t.vtt", [SAID]).startswith(
        "WEBVTT\n\n00:00:00.200 --> 00:00:01.000\none &lt;two&gt;\n\n01:01:01.200"
    )
    assert written(tmp_path, "t", [SAID], "vtt").startswith("WEBVTT")


def test_subtitles_are_short_enough_to_read() -> None:
    many = words(*((f"word{n:02}", 0.4 * n, 0.4 * n + 0.3) for n in range(60)))
    groups = list(cues(many))
    assert [word for group in groups for word in group] == list(many)
    for group in groups:
        assert len(" ".join(word.text for word in group)) <= 84
        assert group[-1].end - group[0].start <= 7.0


def test_what_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    several = ["x/a.wav", "y/a.mp3"]
    for to, format, names, message in (
        ("t.doc", "", several, "the ending does not say the format. Available: txt, csv"),
        ("t.csv", "xml", several, "format = 'xml'"),
        ("t.srt", "", several, "is one file, but 2 recordings"),
        ("subtitles", "srt", several, "x/a.wav and y/a.mp3 would both be written to"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            TranscriptWriter(tmp_path / to, format, names)
    assert FORMATS == ("txt", "csv", "jsonl", "srt", "vtt")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_transcribed_into_files(
    sounds: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (sounds / "b.flac").write_bytes(b"not a sound")
    command = ["speech", "transcribe", "--run", str(find(SHIPPED).folder), "--greedy"]
    to = tmp_path / "out" / "all.csv"
    # What cannot be read is skipped and named at the end.
    assert main([*command, str(sounds), "--to", str(to)]) == 2
    assert "1 of 3 recordings cannot be used" in capfd.readouterr().err
    rows = list(csv.DictReader(io.StringIO(to.read_text(encoding="utf-8"))))
    assert [Path(row["path"]).name for row in rows] == ["a.wav", "b.flac", "c.wav"]
    assert "b.flac: is a text that begins with" in rows[1]["error"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{sounds / 'a.wav'}\n{sounds / 'old'}\n"))
    subtitles = tmp_path / "subtitles"
    assert main([*command, "-", "--to", str(subtitles), "--format", "srt", "--json"]) == 0
    files = json.loads(capfd.readouterr().out)["files"]
    assert files == [str(subtitles / "a.srt"), str(subtitles / "c.srt")]
    for arguments, message in (
        (["--format", "csv", str(sounds)], "name the file with --to"),
        (["--microphone", "--to", "x.csv"], "not of the microphone"),
        (["--microphone", "--padding-seconds", "0.1"], "--padding-seconds is for sound files"),
    ):
        assert main([*command, *arguments]) == 2
        assert message in capfd.readouterr().err


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A few recordings of sounds, named as a source."""
    rows = ["path,transcript,part"]
    for number in range(4):
        write_sound(tmp_path / f"{number}.wav", spoken("ab cd", number), 8000)
        rows.append(f"{number}.wav,{'seven one'},{'test' if number % 2 else 'train'}")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    return f"file:{tmp_path / 'list.csv'}"


def test_the_shipped_model_is_exported_without_its_recordings(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Other sounds are heard by the file as Keras hears them."""
    run = speech.load(find(SHIPPED).folder)
    monkeypatch.setattr(export_recordings, "STAND_IN", own)
    found = run.export(tmp_path / "exported", ["streaming"])
    assert "compared with what Keras writes" in found["table"]["title"]
    assert found["table"]["rows"][0][3] == 0.0
    assert "STRINGS/train.jsonl" in caplog.text and "--data SOURCE" in caplog.text
    card = json.loads((tmp_path / "exported" / "streaming.tflite.json").read_text())
    assert card["task_metric"]["name"] == "word error rate compared with Keras' text"
    contract = json.loads((tmp_path / "exported" / "contract.json").read_text())
    assert contract["spelling"] == {
        "lowercase": True, "language": "", "punctuation": True, "numbers": False,
    }  # fmt: skip
    shipped = np.frombuffer((find(SHIPPED).folder / "streaming.tflite").read_bytes(), np.uint8)
    assert abs(len(shipped) - (tmp_path / "exported" / "streaming.tflite").stat().st_size) < 4096
    monkeypatch.setattr(export_recordings, "STAND_IN", "builtin:nothing")
    with pytest.raises(UserError, match=r"train\.jsonl.*--data SOURCE.*builtin:nothing"):
        run.export(tmp_path / "no", ["streaming"])
    assert not (tmp_path / "no").exists()


def test_recordings_to_prove_on_are_named(own: str) -> None:
    run = speech.load(find(SHIPPED).folder)
    proof = export_recordings.proof_recordings(run, own)
    assert proof.transcribed and (len(proof.judged), len(proof.calibrating)) == (2, 2)
    judged = export_recordings.judged_recordings(run, own)
    assert judged.transcripts == ["seven one"] * 2 and judged.what.startswith("2 test recordings")


def test_the_shipped_model_is_judged_without_its_recordings(
    own: str, tmp_path: Path, copied: Path
) -> None:
    """On other recordings, with a table that is a list of recordings again."""
    run = speech.load(copied)
    with pytest.raises(DataError, match=r"train\.jsonl.*Name others: --data SOURCE"):
        run.evaluate()
    found = run.evaluate(own, decoding=speech.DecodingConfig(method="greedy"))
    with open(found["predictions"], encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["transcript"] for row in rows] == ["seven one"] * 2
    assert sum(int(row["word_errors"]) for row in rows) == found["wer"] * 4
    heard = [
        run.transcribe(row["path"], speech.DecodingConfig(method="greedy"))[0][0].text
        for row in rows
    ]
    assert [row["recognised"] for row in rows] == heard
    again = run.evaluate(f"file:{found['predictions']}")
    assert again["wer"] == found["wer"]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The shipped run in a folder that an evaluation may write to."""
    import shutil

    return shutil.copytree(find(SHIPPED).folder, tmp_path / "run")
