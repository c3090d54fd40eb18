"""Lists in JSON of other toolkits, and text files with times: Audacity, TIMIT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sound_files import speech_like, write_sound

from pipelines import DataError
from pipelines.speech import Recordings, load_recordings

SECONDS, RATE = 2.0, 8000
SAMPLES = int(SECONDS * RATE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a", "b")):
        # Other lengths, since equal recordings count once.
        write_sound(tmp_path / f"{name}.wav", speech_like(SECONDS + 0.1 * number, RATE), RATE)
    return tmp_path


def said(recordings: Recordings) -> list[tuple[str, str]]:
    return [(one.path.name, one.transcript) for one in recordings]


@pytest.mark.parametrize(
    "content",
    [
        [{"audio": "a.wav", "transcription": "one"}, {"audio": "b.wav", "transcription": "two"}],
        {"u1": {"wav": "a.wav", "length": 2.0, "words": "one"},
         "u2": {"wav": "{data_root}/b.wav", "length": 2.1, "words": "two"}},
        [{"audio": {"path": "a.wav", "sampling_rate": 8000}, "sentence": "one"},
         {"audio": {"path": "b.wav", "sampling_rate": 8000}, "sentence": "two"}],
    ],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 2])
def test_documents_in_json(folder: Path, content: Any, indent: int | None) -> None:
    (folder / "list.json").write_text(json.dumps(content, indent=indent))
    recordings = load_recordings(f"file:{folder / 'list.json'}")
    assert said(recordings) == [("a.wav", "one"), ("b.wav", "two")]


def test_objects_of_hugging_face_line_by_line(folder: Path) -> None:
    rows = [{"audio": {"path": f"{name}.wav", "bytes": None}, "text": name} for name in "ab"]
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recordings = load_recordings(f"file:{folder / 'list.jsonl'}")
    assert said(recordings) == [("a.wav", "a"), ("b.wav", "b")]
    named = [{"clip": row["audio"], "text": row["text"]} for row in rows]
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in named))
    recordings = load_recordings(f"file:{folder / 'list.jsonl'}", columns=("audio=clip",))
    assert said(recordings) == [("a.wav", "a"), ("b.wav", "b")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"path": "a.wav", "text": "x"}, 5]', "row 2: is not a JSON object"),
        ('[{"path": "a.wav"}]', "row 1: has no key 'transcript' among path"),
        ('{"u1": {"wav": "a.wav", "words": "x"}, "u2": {"wav": "b.wav"}}', "row 2: has no key"),
        ('{\n"path": "a.wav",\n"text": "x"\n}', "is one JSON object, but not one of recordings"),
        ('[{"path": "a.wav", "text": "x"}', "is not JSON: "),
        (
            '{"u": {"wav": "a.wav", "words": "x"}, "u": {"wav": "b.wav", "words": "y"}}',
            r"list\.json: has 'u' 2 times in one object",
        ),
        ('{"path": "a.wav", "text": "x", "text": "y"}\n', "row 1: has 'text' 2 times"),
        ('[{"audio": {"bytes": 5}, "text": "x"}]', "row 1, column 'path': has .*not a text"),
    ],
)
def test_bad_documents(folder: Path, content: str, message: str) -> None:
    (folder / "list.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_recordings(f"file:{folder / 'list.json'}")


def test_label_tracks_of_audacity_are_segments(folder: Path) -> None:
    (folder / "a.txt").write_text(
        "0.100000\t0.900000\thello there\n\\\t100.0\t2000.0\n1,0\t1,8\tgood bye\n1.9\t1.9\tmark\n"
    )
    (folder / "b.txt").write_text("no times at all\n")
    recordings = load_recordings(f"file:{folder}")
    assert said(recordings) == [
        ("a.wav", "hello there"), ("a.wav", "good bye"), ("b.wav", "no times at all"),
    ]  # fmt: skip
    segments = [one.segment for one in recordings]
    assert [None if one is None else round(one.offset, 3) for one in segments] == [0.1, 1.0, None]
    assert [round(one.seconds, 3) for one in recordings[:2]] == [0.8, 0.8]
    assert recordings.report.count("label without a length") == 1
    (folder / "a.txt").write_text("0.1\t0.9\thello there\nand more\n")
    with pytest.raises(DataError, match=r"a\.txt, row 2: has no times, unlike other lines"):
        load_recordings(f"file:{folder}")


def test_labels_that_begin_before_the_sound(folder: Path) -> None:
    (folder / "a.txt").write_text("-0.05\t0.9\thello\n1E-05\t1.2e0\tyou\n")
    (folder / "b.txt").write_text("12.5 of them\n")
    recordings = load_recordings(f"file:{folder}")
    assert said(recordings) == [("a.wav", "hello"), ("a.wav", "you"), ("b.wav", "12.5 of them")]
    assert [round(one.seconds, 3) for one in recordings[:2]] == [0.9, 1.2]


def test_times_are_not_said(folder: Path) -> None:
    (folder / "a.txt").write_text("0.1 0.9 hello there\n1.0 1.8 good bye\n")
    with pytest.raises(DataError, match=r"a\.txt, row 1: begins with two times, .* a tab"):
        load_recordings(f"file:{folder}")


def test_the_numbers_of_timit_are_not_said(folder: Path) -> None:
    (folder / "a.TXT").write_text(f"0 {SAMPLES} She had your dark suit.\n")
    # Numbers that are said, not those of the samples.
    (folder / "b.txt").write_text("0 12 three\n")
    recordings = load_recordings(f"file:{folder}")
    assert said(recordings) == [("a.wav", "She had your dark suit."), ("b.wav", "0 12 three")]
    assert recordings.report.count("numbers of samples before the words") == 1


def test_timit_at_another_sample_rate(folder: Path) -> None:
    """The numbers are those of its 16 kHz, and this sound has 8 kHz."""
    (folder / "a.TXT").write_text(f"0 {2 * SAMPLES - 100} She had your dark suit.\n")
    [recording] = load_recordings(f"file:{folder}")
    assert recording.transcript == "She had your dark suit."


def test_a_list_of_ljspeech_names_its_folder(folder: Path) -> None:
    (folder / "wavs").mkdir()
    (folder / "metadata.csv").write_text("a|Printing|printing\n")
    with pytest.raises(DataError, match=r"layout of LJSpeech is named itself: file:"):
        load_recordings(f"file:{folder / 'metadata.csv'}")


@pytest.mark.parametrize("key", ["path", "transcript", "speaker"])
def test_half_of_a_character_in_a_list_is_refused_with_its_row(folder: Path, key: str) -> None:
    rows = [{"path": "a.wav", "transcript": "one", "speaker": "é"} for _ in range(2)]
    rows[1][key] = "hi \ud83d there"
    path = folder / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="half of a surrogate pair") as raised:
        load_recordings(f"file:{path}")
    assert raised.value.row == 2
