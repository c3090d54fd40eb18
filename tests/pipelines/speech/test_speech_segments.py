"""Lists of segments, and lists that are not quite what they seem: read as meant, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sound_files import speech_like, write_sound

from pipelines import DataError
from pipelines.speech import FeatureConfig, extract_features, features, load_recordings, read_audio
from pipelines.speech.feature_extraction import feature_store

LONG = speech_like(5.0, 8000)
CONFIG = FeatureConfig(sample_rate=8000, bands=20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sound(tmp_path / "long.wav", LONG, 8000, subtype="FLOAT")
    return tmp_path


def written(folder: Path, rows: list[dict[str, object]]) -> str:
    lines = [json.dumps({"audio_filepath": "long.wav", "text": "words", **row}) for row in rows]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return f"file:{folder / 'manifest.jsonl'}"


def test_every_reader_takes_the_segment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, object]] = [
        {"offset": 0.5, "duration": 1.25, "text": "one"},
        {"offset": 2.0, "end": 3.0, "text": "two"},
        {"offset": 3.5, "text": "three"},
        {"offset": "0", "duration": "0.75", "text": "four"},
        {"text": "whole"},
    ]
    recordings = load_recordings(written(folder, rows))
    bounds = [(0.5, 1.75), (2.0, 3.0), (3.5, 5.0), (0.0, 0.75), (0.0, 5.0)]
    assert [one.transcript for one in recordings] == ["one", "two", "three", "four", "whole"]
    assert [one.seconds for one in recordings] == [1.25, 1.0, 1.5, 0.75, 5.0]
    assert recordings.seconds == sum(end - start for start, end in bounds)
    store = extract_features(recordings, CONFIG, cache_dir=folder / "cache", processes=1)
    assert len(set(store.files)) == 5
    for number, (start, end) in enumerate(bounds):
        expected = LONG[round(start * 8000) : round(end * 8000)]
        np.testing.assert_array_equal(recordings[number].read(8000), expected)
        np.testing.assert_allclose(store.load(number), features(expected, CONFIG), atol=1e-5)
    assert store.places[0].endswith("long.wav (0.500 to 1.750 s)")
    # Found again where they were kept, by file and segment.
    monkeypatch.setattr(feature_store, "extract_missing", pytest.fail)
    again = extract_features(
        load_recordings(written(folder, rows[:2])), CONFIG, cache_dir=folder / "cache", processes=1
    )
    assert again.files == store.files[:2]


def test_a_segment_is_resampled_by_itself(folder: Path) -> None:
    recordings = load_recordings(written(folder, [{"offset": 1.0, "duration": 2.0}]))
    found = recordings[0].read(16_000)
    whole = read_audio(folder / "long.wav", 16_000)[16_000:48_000]
    assert len(found) == 32_000
    np.testing.assert_allclose(found[500:-500], whole[500:-500], atol=1e-3)


def test_segments_that_do_not_fit_their_file_are_dropped_and_reported(folder: Path) -> None:
    rows: list[dict[str, object]] = [
        {"offset": 1.0, "duration": 1.0},
        {"offset": 4.0, "duration": 1.03},
        {"offset": 4.0, "duration": 1.5},
        {"offset": 6.0, "duration": 1.0},
        {"duration": 4.96},
        {"duration": 2.0},
        {"offset": 1.0, "duration": 1.0, "text": "other words"},
    ]
    recordings = load_recordings(written(folder, rows))
    # Rounding is not a contradiction.
    assert [one.seconds for one in recordings] == [1.0, 1.0, 5.0]
    counts = {finding.kind: finding.count for finding in recordings.report.findings}
    assert counts == {
        "segment outside the recording": 2, "length contradicts the list": 1,
        "listed twice with different transcripts": 1,
    }  # fmt: skip
    assert "a segment also needs an offset" in str(recordings.report)
    # Milliseconds are not seconds.
    with pytest.raises(DataError, match="segment outside the recording: 1"):
        load_recordings(written(folder, [{"offset": 1000, "duration": 500}]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"offset": -1.0, "duration": 1.0}, r"row 1, column 'offset': -1.0 is not a number of"),
        ({"offset": "00:00:01", "duration": 1}, "'00:00:01' is not a number of seconds"),
        ({"offset": 1.0, "duration": 0}, "lasts 0 s"),
        ({"offset": 1.0, "end": 0.5}, "lasts -0.5 s"),
        ({"offset": 1.0, "duration": 2.0, "end": 2.0}, "contradict each other"),
        ({"start_ms": 1000, "end_ms": 2000}, "'start_ms', which seems to be a place"),
        ({"split": "holdout"}, "'holdout' does not exist. Available: train, validation, test"),
        ({"text": ["two", "words"]}, "column 'transcript': has .*, which is not a text"),
        ({"audio_filepath": ["long.wav"]}, "column 'path': has"),
        ({"audio_filepath": "words", "text": "long.wav"}, "transcript are swapped"),
    ],
)
def test_rows_that_cannot_be_meant_so_are_refused(folder: Path, row, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_recordings(written(folder, [row]))


def test_lists_as_spreadsheets_save_them(folder: Path) -> None:
    path = folder / "list.csv"
    for text in (
        "path;transcript;offset;duration\nlong.wav;well, well;1.0;2\n",
        "path\ttranscript\toffset\tduration\nlong.wav\twell, well\t1.0\t2\n",
        'path,transcript,offset,duration\n"long.wav","well, well",1.0,2\n',
        'path,transcript,offset,duration\r\n"./long.wav","well, well",1.0,2\r\n',
    ):
        path.write_text(text, newline="")
        (one,) = load_recordings(f"file:{path}")
        assert (one.transcript, one.seconds) == ("well, well", 2.0)
    for content, message in (
        ("path,transcript\nlong.wav,Grüße\n".encode("utf-16"), "not UTF-8 but UTF-16.*Excel"),
        ("path,transcript\nlong.wav,Grüße\n".encode("cp1252"), "not UTF-8 but another encoding"),
        (b"path,transcript,transcript\nlong.wav,a,b\n", "2 columns 'transcript'"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            load_recordings(f"file:{path}")


def test_a_choice_between_columns_is_reported(folder: Path) -> None:
    row: dict[str, object] = {"text": "two", "normalized_text": "2"}
    recordings = load_recordings(written(folder, [row]))
    assert recordings[0].transcript == "two"
    assert "several columns that could be the transcript: 1, 'text' is read" in str(
        recordings.report
    )


def test_channels_that_cancel_or_are_silent(folder: Path) -> None:
    sound = speech_like(1.0, 8000)
    for name, channels in {
        "opposite.wav": [sound, -sound],
        "half.wav": [sound, np.zeros_like(sound)],
        "offset.wav": [sound + 0.1],
        "plain.wav": [sound, sound],
    }.items():
        write_sound(folder / name, np.stack(channels, 1), 8000)
    names = ("opposite.wav", "half.wav", "offset.wav", "plain.wav")
    rows: list[dict[str, object]] = [{"audio_filepath": name} for name in names]
    store = extract_features(
        load_recordings(written(folder, rows)), CONFIG, cache_dir=folder / "cache", processes=1,
    )  # fmt: skip
    assert len(store) == 3
    counts = {finding.kind: finding.count for finding in store.report.findings}
    assert counts == {
        "several channels": 3, "channels cancel": 1, "a silent channel": 1,
        "samples that are not around zero": 1,
    }  # fmt: skip
