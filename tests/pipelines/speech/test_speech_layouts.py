"""Folders of recordings in the layouts of other toolkits and collections."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from sound_files import speech_like, write_sound

from pipelines import DataError
from pipelines.speech import Recordings, load_recordings
from pipelines.speech.recordings.layouts import LAYOUTS, layout_of
from pipelines.speech.recordings.named_files import named_recordings


def listed(folder: Path) -> list[tuple[str, str, str, str]]:
    return [
        (one.path.relative_to(folder).as_posix(), one.transcript, one.speaker, one.part)
        for one in load_recordings(f"file:{folder}")
    ]


def sounds(folder: Path, *names: str, seconds: float = 0.4) -> None:
    for name in names:
        write_sound(folder / name, speech_like(seconds, 8000), 8000)


def lines(file: Path, *rows: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")


def kaldi(folder: Path) -> Path:
    sounds(folder, "wav/r1.wav", seconds=2.0)
    sounds(folder, "wav/r2.wav")
    lines(folder / "wav.scp", "r1 wav/r1.wav", f"r2\t{folder / 'wav' / 'r2.wav'}")
    lines(folder / "text", "u1 hello world", "u2 good bye", "u3 all of it", "u9 nobody")
    lines(folder / "segments", "u1 r1 0.5 1.0", "u2 r1 1.0 2.0", "u3 r2 0 -1", "u4 r2 0.0 0.2")
    lines(folder / "utt2spk", "u1 anna", "u2 bob")
    return folder


def test_a_data_folder_of_kaldi(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = kaldi(tmp_path)
    with caplog.at_level(logging.INFO):
        recordings = load_recordings(f"file:{folder}")
    assert "is read as a data folder of Kaldi" in caplog.text
    assert [(one.transcript, one.speaker, round(one.seconds, 3)) for one in recordings] == [
        ("hello world", "anna", 0.5), ("good bye", "bob", 1.0), ("all of it", "", 0.4),
    ]  # fmt: skip
    assert recordings[0].segment is not None and recordings[0].segment.offset == 0.5
    assert recordings.report.count("no recording") == 1
    assert recordings.report.count("no transcript") == 1
    # Without segments, the transcripts are those of whole recordings.
    (folder / "segments").unlink()
    lines(folder / "text", "r2 all of it")
    assert listed(folder) == [("wav/r2.wav", "all of it", "", "")]


@pytest.mark.parametrize(
    ("file", "rows", "message"),
    [
        ("wav.scp", ["r1 touch ran |"], r"wav\.scp, row 1: has a command .* not run"),
        ("wav.scp", ["r1 a.wav", "r1 b.wav"], r"wav\.scp, row 2: 'r1' is in row 1, too"),
        ("wav.scp", ["r1 raw.ark:17"], r"row 1: 'raw.ark:17' is not a sound file"),
        ("wav.scp", ["r1"], r"row 1: has nothing after the name 'r1'"),
        ("segments", ["u1 r1 0.5"], r"segments, row 1: has 3 fields"),
        ("segments", ["u1 r1 0 1", "u2 r7 0 1"], r"segments, row 2: 'r7' is not in wav\.scp"),
        ("segments", ["u1 r1 0 x"], r"row 1: 0 to x are not seconds"),
        ("segments", ["u1 r1 1.5 0.5"], r"row 1: ends at 0\.5 s, and begins at 1\.5 s"),
    ],
)
def test_what_is_wrong_in_a_folder_of_kaldi(
    tmp_path: Path, file: str, rows: list[str], message: str
) -> None:
    lines(kaldi(tmp_path) / file, *rows)
    with pytest.raises(DataError, match=message):
        load_recordings(f"file:{tmp_path}")
    assert not Path("ran").exists()


def test_kaldi_without_transcripts(tmp_path: Path) -> None:
    (kaldi(tmp_path) / "text").unlink()
    with pytest.raises(DataError, match=r"has wav\.scp and no file 'text'"):
        load_recordings(f"file:{tmp_path}")


def test_ljspeech_s_layout(tmp_path: Path) -> None:
    sounds(tmp_path, "wavs/LJ001-0001.wav", "wavs/LJ001-0002.wav")
    rows = ['LJ001-0001|He said "1|He said "one', "LJ001-0002|plain|", "LJ001-0003|gone|gone"]
    lines(tmp_path / "metadata.csv", *rows)
    assert listed(tmp_path) == [
        ("wavs/LJ001-0001.wav", 'He said "one', "", ""), ("wavs/LJ001-0002.wav", "plain", "", ""),
    ]  # fmt: skip
    assert load_recordings(f"file:{tmp_path}").report.count("missing") == 1
    lines(tmp_path / "metadata.csv", *rows, "", "LJ001-0004")
    with pytest.raises(DataError, match=r"metadata\.csv, row 5: has 1 fields"):
        load_recordings(f"file:{tmp_path}")
    (tmp_path / "metadata.csv").write_bytes(b"LJ001-0001|a\nLJ001-0002|caf\xe9\n")
    with pytest.raises(DataError, match=r"metadata\.csv, row 2: is not UTF-8"):
        load_recordings(f"file:{tmp_path}")
    # With a header, it is any list.
    lines(tmp_path / "metadata.csv", "file|text", "wavs/LJ001-0001.wav|words")
    assert listed(tmp_path) == [("wavs/LJ001-0001.wav", "words", "", "")]


def test_third_fields_of_ljspeech_that_are_no_texts_are_refused(tmp_path: Path) -> None:
    sounds(tmp_path, *(f"wavs/a{n}.wav" for n in range(4)))
    file = tmp_path / "metadata.csv"
    lines(file, "a0|good day|anna", "a1|good night|bert", "a2|see you|bert", "a3|bye|anna")
    with pytest.raises(DataError, match=r"metadata\.csv, row 1: has 'anna' .* manifest\.csv"):
        load_recordings(f"file:{tmp_path}")
    # Numbers and abbreviations share no word with what they are spelled out as.
    lines(file, "a0|5|five", "a1|Dr. King|Doctor King", "a2|6|six", "a3|5|five")
    assert [row[1] for row in listed(tmp_path)] == ["five", "Doctor King", "six", "five"]
    # Nor does a reading in another script; one speaker's name would repeat.
    lines(file, "a0|今日|きょう", "a1|明日|あした", "a2|昨日|きのう", "a3|今日|きょう")
    assert len(listed(tmp_path)) == 4


@pytest.mark.parametrize(
    ("folder", "ending"), [("wav48", ".wav"), ("wav48_silence_trimmed", "_mic1.flac")]
)
def test_vctk_s_layout(tmp_path: Path, folder: str, ending: str) -> None:
    sounds(tmp_path, *(f"{folder}/p225/p225_00{n}{ending}" for n in (1, 2)))
    if "mic1" in ending:
        sounds(tmp_path, f"{folder}/p225/p225_001_mic2.flac")
    lines(tmp_path / "txt" / "p225" / "p225_001.txt", "Please call Stella.")
    lines(tmp_path / "txt" / "p225" / "p225_003.txt", "Not here.")
    path = f"{folder}/p225/p225_001{ending}"
    assert listed(tmp_path) == [(path, "Please call Stella.", "p225", "")]
    report = load_recordings(f"file:{tmp_path}").report
    assert report.count("missing") == 1 and report.count("no transcript") == 1


def test_common_voice_s_layout(tmp_path: Path) -> None:
    sounds(tmp_path, "clips/a.mp3", "clips/b.mp3", "clips/c.mp3")
    header = "client_id\tpath\tsentence\tup_votes"
    lines(tmp_path / "train.tsv", header, '7f\ta.mp3\tHe said "no\t2')
    lines(tmp_path / "test.tsv", header, "8f\tb.mp3\tYes\t2", "8f\tx.mp3\tGone\t2")
    lines(tmp_path / "invalidated.tsv", header, "9f\tc.mp3\tWrong\t0")
    assert listed(tmp_path) == [
        ("clips/a.mp3", 'He said "no', "7f", "train"), ("clips/b.mp3", "Yes", "8f", "test"),
    ]  # fmt: skip
    assert load_recordings(f"file:{tmp_path}").report.count("missing") == 1
    lines(tmp_path / "train.tsv", header, "7f\ta.mp3\tshort")
    with pytest.raises(DataError, match=r"train\.tsv, row 2: has 3 fields"):
        load_recordings(f"file:{tmp_path}")
    for name in ("train.tsv", "test.tsv"):
        (tmp_path / name).unlink()
    lines(tmp_path / "validated.tsv", header, "9f\tc.mp3\tRight\t2")
    assert listed(tmp_path) == [("clips/c.mp3", "Right", "9f", "")]


@pytest.mark.parametrize("above", [".", "data"])
def test_an_audio_folder_of_hugging_face(tmp_path: Path, above: str) -> None:
    root = tmp_path / above
    sounds(root, "train/a.wav", "test/b.wav")
    lines(root / "train" / "metadata.csv", "file_name,transcription", 'a.wav,"yes, please"')
    row = json.dumps({"file_name": "b.wav", "text": "no"})
    lines(root / "test" / "metadata.jsonl", row)
    prefix = "" if above == "." else "data/"
    assert listed(tmp_path) == [
        (f"{prefix}test/b.wav", "no", "", "test"),
        (f"{prefix}train/a.wav", "yes, please", "", "train"),
    ]
    assert listed(root / "test") == [("b.wav", "no", "", "")]
    lines(root / "test" / "metadata.jsonl", row, '{"file_name": "c.wav"}')
    with pytest.raises(DataError, match=r"metadata\.jsonl, row 2: has no key 'transcript'"):
        load_recordings(f"file:{tmp_path}")


def test_a_text_file_for_each_recording(tmp_path: Path) -> None:
    sounds(tmp_path, "train/a.wav", "dev/b.flac", "dev/c.wav")
    lines(tmp_path / "train" / "a.txt", "two", "lines")
    lines(tmp_path / "dev" / "b.txt", "one")
    assert listed(tmp_path) == [
        ("dev/b.flac", "one", "", "validation"), ("train/a.wav", "two lines", "", "train"),
    ]  # fmt: skip
    assert load_recordings(f"file:{tmp_path}").report.count("no transcript") == 1
    (tmp_path / "dev" / "b.txt").write_bytes(b"good\ncaf\xe9")
    with pytest.raises(DataError, match=r"b\.txt, row 2: is not UTF-8"):
        load_recordings(f"file:{tmp_path}")


def counts(folder: Path) -> dict[str, int]:
    report = load_recordings(f"file:{folder}").report
    return {finding.kind: finding.count for finding in report.findings}


def test_recordings_and_transcripts_without_a_partner_are_counted(tmp_path: Path) -> None:
    for name, wavs in (("libri", "train/11/22"), ("lj", "wavs"), ("hf", "train"), ("beside", "")):
        sounds(tmp_path / name / wavs, *(f"11-22-000{n}.wav" for n in range(2)), seconds=0.1)
    # A recording that was converted to another format is the same one.
    sounds(tmp_path / "libri", "train/11/22/11-22-0000.flac", seconds=0.1)
    lines(tmp_path / "libri" / "train" / "11" / "22" / "11-22.trans.txt", "11-22-0000 ZERO")
    lines(tmp_path / "lj" / "metadata.csv", "11-22-0000|zero")
    lines(tmp_path / "hf" / "train" / "metadata.csv", "file_name,text", "11-22-0000.wav,zero")
    lines(tmp_path / "beside" / "11-22-0000.txt", "zero")
    for name in ("libri", "lj", "hf", "beside"):
        assert counts(tmp_path / name) == {"no transcript": 1}, name
    lines(tmp_path / "beside" / "orphan.txt", "nobody says this")
    assert counts(tmp_path / "beside") == {"no transcript": 1, "no recording": 1}


def test_recordings_in_formats_that_are_not_read_are_named(tmp_path: Path) -> None:
    lines(tmp_path / "a.txt", "zero")
    lines(tmp_path / "b.txt", "one")
    for name in ("a.m4a", "b.m4a"):
        (tmp_path / name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(DataError, match=r"is an MPEG-4 file .* ffmpeg -i a\.m4a a\.wav"):
        load_recordings(f"file:{tmp_path}")
    sounds(tmp_path, "a.wav")
    # The file that was converted stands for the one that it was converted from.
    assert counts(tmp_path) == {"not audio": 1}
    assert [Path(one).name for one in named_recordings([str(tmp_path)])] == ["a.wav", "b.m4a"]


@pytest.mark.parametrize("ending", [".WAV", ".Wav", ".wav"])
def test_what_is_read_goes_before_what_is_not_in_letters_of_any_case(
    tmp_path: Path, ending: str
) -> None:
    sounds(tmp_path / "libri", f"11-22-0000{ending}")
    lines(tmp_path / "libri" / "11-22.trans.txt", "11-22-0000 zero")
    sounds(tmp_path / "lj" / "wavs", f"a{ending}")
    lines(tmp_path / "lj" / "metadata.csv", "a|zero")
    sounds(tmp_path / "beside", f"a{ending}")
    lines(tmp_path / "beside" / "a.txt", "zero")
    for folder, name in (("libri", "11-22-0000"), ("lj/wavs", "a"), ("beside", "a")):
        (tmp_path / folder / f"{name}.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    for folder in ("libri", "lj", "beside"):
        assert [Path(one).suffix for one, *_ in listed(tmp_path / folder)] == [ending], folder
        assert not counts(tmp_path / folder), folder
    assert len(named_recordings([str(tmp_path / "beside")])) == 1


def load_list(folder: Path, name: str, *rows: str) -> Recordings:
    lines(folder / name, *rows)
    return load_recordings(f"file:{folder / name}")


def test_lists_of_speechbrain_deepspeech_and_nemo(tmp_path: Path) -> None:
    sounds(tmp_path, "a.wav")
    speechbrain = load_list(
        tmp_path, "sb.csv", "ID,duration,wav,spk_id,wrd", "u1,0.4,$data_root/a.wav,anna,HELLO YOU"
    )
    assert (speechbrain[0].transcript, speechbrain[0].speaker) == ("HELLO YOU", "anna")
    deepspeech = load_list(
        tmp_path, "ds.csv", "wav_filename,wav_filesize,transcript", "a.wav,6444,hello"
    )
    assert deepspeech[0].transcript == "hello"
    row = {"audio_filepath": "a.wav", "duration": 0.2, "offset": 0.1, "text": "hello"}
    nemo = load_list(tmp_path, "nemo.json", json.dumps(row))
    assert nemo[0].segment is not None and nemo[0].seconds == 0.2
    with pytest.raises(DataError, match="length contradicts the list"):
        load_list(tmp_path, "sb.csv", "ID,duration,wav,wrd", "u1,9.4,a.wav,HELLO")
    with pytest.raises(DataError, match=r"row 1, column 'offset': 'soon' is not a number"):
        load_list(tmp_path, "nemo.json", json.dumps(row | {"offset": "soon"}))
    with pytest.raises(DataError, match="no column 'transcript'"):
        load_list(tmp_path, "ds.csv", "wav_filename,wav_filesize", "a.wav,6444")


def test_a_folder_without_a_layout(tmp_path: Path) -> None:
    sounds(tmp_path, "a.wav")
    assert layout_of(tmp_path) is None and len({one.name for one in LAYOUTS}) == len(LAYOUTS)
    with pytest.raises(DataError, match=r"has no transcripts .* a file x\.txt for each x\.wav"):
        load_recordings(f"file:{tmp_path}")
