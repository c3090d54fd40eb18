"""Sound files whose headers do not tell how long they are: all is read, or they are named."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from sound_files import speech_like, write_sound

from pipelines.speech import load_recordings, read_audio
from pipelines.speech.audio.reading import AudioError, read_header
from rnn_apps.edge.speech.recogniser import read_recording

SOUND = speech_like(2.0)


def wav(folder: Path, seconds: float = 2.0) -> bytes:
    return write_sound(folder / "plain.wav", speech_like(seconds), subtype="PCM_16").read_bytes()


@pytest.mark.parametrize(
    "length", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0x7FFF_F000, 0xFFFF_FFDB, 0x7FFF_FFFE]
)
def test_a_wav_file_from_a_pipe_is_as_long_as_its_samples(tmp_path: Path, length: int) -> None:
    content = wav(tmp_path)
    path = tmp_path / "piped.wav"
    path.write_bytes(content[:4] + b"\xff" * 4 + content[8:40] + struct.pack("<I", length)
                     + content[44:] + b"\x01")  # fmt: skip
    expected = read_audio(tmp_path / "plain.wav", 16_000)
    assert read_header(path).samples == len(expected) == 32_000
    np.testing.assert_array_equal(read_audio(path, 16_000), expected)
    np.testing.assert_array_equal(read_recording(path, 16_000), expected)
    np.testing.assert_array_equal(
        read_audio(path, 16_000, offset=0.5, seconds=1.0), expected[8000:24_000]
    )


def test_what_stands_behind_the_samples_is_a_tag_or_is_named(tmp_path: Path) -> None:
    content = wav(tmp_path)
    path = tmp_path / "more.wav"
    tag = b"LIST" + struct.pack("<I", 2002) + b"INFO" + bytes(1998)
    for behind in (tag, bytes(5000), b"rubbish"):
        path.write_bytes(content + behind)
        assert len(read_audio(path, 16_000)) == 32_000
    for behind, message in (
        (content, "a second WAV file.*sox"),
        (content[44:], "64000 bytes after the samples.*-ignore_length 1"),
    ):
        path.write_bytes(content + behind)
        for read in (read_audio, read_recording):
            with pytest.raises(AudioError, match=message):
                read(path, 16_000)
    # A header that announces a little more than there is was cut, not piped.
    path.write_bytes(content[:-1000])
    for read in (read_audio, read_recording):
        with pytest.raises(AudioError, match="announces 64000 bytes of samples but has 63000"):
            read(path, 16_000)


def frames_of(content: bytes) -> int:
    """Where the second frame of an MP3 file begins: behind the one that holds its tag."""
    at = content.index(b"\xff\xf3")
    return content.index(content[at : at + 2], at + 2)


def mp3(folder: Path, name: str, samples: np.ndarray, mode: str) -> bytes:
    options = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": mode}
    return write_sound(folder / name, samples, **options).read_bytes()


@pytest.mark.parametrize("first", ["loud", "silent"])
@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_the_frames_of_an_mp3_file_are_counted(tmp_path: Path, first: str, mode: str) -> None:
    rest, quiet = speech_like(3.0), np.zeros(48_000, np.float32)
    noise = 0.5 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    sound = np.concatenate([noise, quiet, rest] if first == "loud" else [quiet, rest, noise])
    sound = np.clip(sound, -1, 1)
    content = mp3(tmp_path, "tagged.mp3", sound, mode)
    whole = read_audio(tmp_path / "tagged.mp3", 16_000)
    assert abs(len(whole) - len(sound)) < 2500
    at = frames_of(content)
    picture = b"ID3\x03\0\0" + bytes([0, 3, 0x54, 0x6A]) + b"APIC" + b"\xff" * (3 * 2**14 + 0x2A66)
    for name, altered in {
        "untagged": content[at:],
        "cover": picture + content,
        "untagged with cover": picture + content[at:],
        "old tag": content + b"TAG" + bytes(125),
    }.items():
        path = tmp_path / "altered.mp3"
        path.write_bytes(altered)
        found = read_audio(path, 16_000)
        assert abs(len(found) - len(sound)) < 3500, name
        # The same sound, though the encoder's delay may no longer be taken off.
        shift = int(np.argmax(np.correlate(found, whole[: len(whole) // 2], "valid")[:3000]))
        length = min(len(whole), len(found) - shift)
        assert np.corrcoef(whole[:length], found[shift : shift + length])[0, 1] > 0.99, name
        # A part is that part of the whole.
        part = read_audio(path, 16_000, offset=2.5, seconds=1.0)
        np.testing.assert_allclose(part, found[40_000:56_000], atol=1e-5)


def test_mp3_files_that_were_joined_cut_or_damaged(tmp_path: Path) -> None:
    first, second = speech_like(2.0), speech_like(1.0, seed=3)
    content = mp3(tmp_path, "a.mp3", first, "VARIABLE")
    path = tmp_path / "altered.mp3"
    path.write_bytes(content + mp3(tmp_path, "b.mp3", second, "VARIABLE"))
    found = read_audio(path, 16_000)
    assert abs(len(found) - 48_000) < 5000
    assert np.abs(found[34_000:]).max() > 0.05
    other = write_sound(tmp_path / "c.mp3", speech_like(1.0, 24_000), 24_000).read_bytes()
    middle = frames_of(content) + 400
    for altered, kind in (
        (content[:-100], "truncated"),
        (content[: frames_of(content)] + b"\x55" * 999, "not audio"),
        (content[:middle] + b"\x55" * 300 + content[middle:], "damaged"),
        (content + other, "changes inside"),
        (content + b"what is this?" * 100, "damaged"),
        (content[:middle] + bytes(5000) + content[middle:], "damaged"),
        # What is left of the last frame is no tag.
        (content[:-100] + b"\n", "truncated"),
        (content[: (last := content.rindex(b"\xff\xf3"))] + b"\0\x55" * 60, "truncated"),
        (content[:last] + b"\x55" + content[last + 1 :], "truncated"),
    ):
        path.write_bytes(altered)
        with pytest.raises(AudioError, match=r"ffmpeg|Copy it again") as caught:
            read_audio(path, 16_000)
        assert caught.value.kind == kind


def test_what_stands_around_the_frames_of_an_mp3_file_is_no_damage(tmp_path: Path) -> None:
    content = mp3(tmp_path, "plain.mp3", speech_like(3.0), "VARIABLE")
    path = tmp_path / "altered.mp3"
    whole = read_audio(tmp_path / "plain.mp3", 16_000)
    lyrics = b"LYRICSBEGININD0000200LYR02000" + b"la \xff\xfb la " * 200 + b"002027LYRICS200"
    for behind in (b"\n", lyrics + b"TAG" + bytes(125), b"Tit\0abcAPETAGEX" + bytes(24)):
        path.write_bytes(content + behind)
        np.testing.assert_array_equal(read_audio(path, 16_000), whole)
    for before in (b"HTTP/1.0 200 OK\r\n", b"\xff\xfa" * 3000):
        path.write_bytes(before + content)
        np.testing.assert_array_equal(read_audio(path, 16_000), whole)
    # A recording of a broadcast begins in the middle of a frame, and nothing says its length.
    untagged = content[frames_of(content) :]
    loud = mp3(tmp_path, "loud.mp3", np.clip(speech_like(3.0) * 20, -1, 1), "VARIABLE")
    path.write_bytes(untagged[len(untagged) // 2 + 11 :] + loud[frames_of(loud) :])
    found = read_audio(path, 16_000)
    assert 1.3 * 16_000 + len(whole) < len(found) < 1.8 * 16_000 + len(whole)
    np.testing.assert_allclose(
        np.abs(found[-16_000:]).max(), np.abs(read_audio(tmp_path / "loud.mp3", 16_000)[-16_000:])
        .max(), rtol=0.1,
    )  # fmt: skip


def test_tags_of_other_formats_around_a_recording(tmp_path: Path) -> None:
    flac = write_sound(tmp_path / "a.flac", SOUND).read_bytes()
    ogg = write_sound(tmp_path / "a.ogg", SOUND).read_bytes()
    id3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
    for name, content in (
        ("b.flac", id3 + flac), ("b.ogg", ogg + b"TAG" + bytes(125)), ("c.ogg", ogg + b"\n")
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        np.testing.assert_array_equal(
            read_audio(tmp_path / name, 16_000),
            read_audio(tmp_path / f"a{Path(name).suffix}", 16_000),
        )
    # Sound that was lost is no tag.
    (tmp_path / "d.ogg").write_bytes(ogg[:-1])
    with pytest.raises(AudioError, match="ends inside a page"):
        read_audio(tmp_path / "d.ogg", 16_000)


@pytest.mark.parametrize("extension", ["vox", "gsm", "au", "snd", "raw"])
def test_the_end_of_a_name_makes_no_sound_of_anything(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_bytes(np.random.default_rng(0).bytes(9000))
    with pytest.raises(AudioError, match=rf"sox -t (raw|vox|gsm) -r \d+ .*a\.{extension} "):
        read_header(path)
    # What says itself what it is keeps its name.
    path.write_bytes(wav(tmp_path))
    assert len(read_audio(path, 16_000)) == 32_000


@pytest.mark.parametrize(("format", "coding"), [("NIST", "PCM_16"), ("W64", "PCM_24")])
def test_uncommon_files_that_were_cut_are_named(tmp_path: Path, format: str, coding: str) -> None:
    path = tmp_path / "a.sound"
    content = write_sound(path, SOUND, format=format, subtype=coding).read_bytes()
    assert len(read_audio(path, 16_000)) == len(SOUND)
    path.write_bytes(content[:-9000])
    with pytest.raises(AudioError, match=r"announces .* bytes of samples but has"):
        read_audio(path, 16_000)


def test_commands_that_are_advised_can_be_run(tmp_path: Path) -> None:
    cut = wav(tmp_path)[:-999]
    for name, command in (
        ("cut.wav", "ffmpeg -i cut.wav cut-converted.wav"),
        ("my cut (1).WAV", "ffmpeg -i 'my cut (1).WAV' 'my cut (1)-converted.wav'"),
    ):
        (tmp_path / name).write_bytes(cut)
        with pytest.raises(AudioError) as caught:
            read_audio(tmp_path / name, 16_000)
        assert str(caught.value).endswith(command)


def test_a_flac_file_without_a_length_is_counted(tmp_path: Path) -> None:
    content = bytearray(write_sound(tmp_path / "a.flac", SOUND).read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = tmp_path / "piped.flac"
    path.write_bytes(content)
    expected = read_audio(tmp_path / "a.flac", 16_000)
    assert read_header(path).samples == len(expected)
    np.testing.assert_array_equal(read_audio(path, 16_000), expected)


@pytest.mark.parametrize("extension", ["flac", "ogg", "au", "aiff", "wav"])
def test_files_that_were_cut_or_joined_are_named(tmp_path: Path, extension: str) -> None:
    content = write_sound(tmp_path / f"a.{extension}", speech_like(3.0)).read_bytes()
    path = tmp_path / f"altered.{extension}"
    for altered in (content + content, content[: 2 * len(content) // 3]):
        path.write_bytes(altered)
        with pytest.raises(AudioError, match=path.name):
            read_audio(path, 16_000)


def test_an_ogg_file_without_a_mark_of_its_end_is_reported(tmp_path: Path) -> None:
    content = bytearray(write_sound(tmp_path / "a.ogg", SOUND).read_bytes())
    last = content.rindex(b"OggS")
    (tmp_path / "cut.ogg").write_bytes(content[:last])
    (tmp_path / "list.csv").write_text("path,transcript\na.ogg,yes\ncut.ogg,no\n")
    recordings = load_recordings(f"file:{tmp_path / 'list.csv'}")
    assert [one.transcript for one in recordings] == ["yes", "no"]
    assert recordings.report.count("no end mark") == 1


def test_a_damaged_page_of_an_ogg_file_is_not_left_out(tmp_path: Path) -> None:
    content = bytearray(write_sound(tmp_path / "a.ogg", speech_like(3.0)).read_bytes())
    content[len(content) // 2] ^= 0x40
    (tmp_path / "a.ogg").write_bytes(content)
    with pytest.raises(AudioError, match="has a damaged page at byte") as caught:
        read_audio(tmp_path / "a.ogg", 16_000)
    assert caught.value.kind == "damaged"


def test_samples_of_another_range_in_a_file_are_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", SOUND * 2**15, subtype="FLOAT")
    with pytest.raises(AudioError, match="divide them by 32768"):
        read_audio(path, 16_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\0\x1cftypM4A " + bytes(500), r"MPEG-4.*ffmpeg -i phone\.m4a phone\.wav"),
        (b"\x1a\x45\xdf\xa3" + bytes(500), "WebM.*ffmpeg"),
        (b"#!AMR\n" + bytes(500), "AMR.*ffmpeg"),
        (b"\xff\xf1\x50\x80" + bytes(500), "AAC.*ffmpeg"),
        (b"\xff\xfd\x84\x00" + bytes(500), "MPEG sound of layer 2.*ffmpeg"),
        (b"OggS" + bytes(24) + b"Speex   1.2" + bytes(500), "Speex.*ffmpeg"),
        (b"FORM\0\0\0\0AIFFSSND" + bytes(500), "as from a pipe.*sox"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"<!DOCTYPE html><html>Not found</html>", "text that begins with '<!DOCTYPE html>"),
        (b"PK\x03\x04" + bytes(90), "ZIP archive. Unpack it"),
        (bytes(range(1, 256)) * 9, "sox -t raw"),
    ],
)
def test_what_is_not_a_sound_file_is_told_apart(tmp_path: Path, content: bytes, message) -> None:
    (tmp_path / "phone.m4a").write_bytes(content)
    with pytest.raises(AudioError, match=message):
        read_audio(tmp_path / "phone.m4a", 16_000)
