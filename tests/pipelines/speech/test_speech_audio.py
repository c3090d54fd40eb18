"""Reading sound files: formats, rates, channels, and all that can be wrong with them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sound_files import bad_files, speech_like, three_hours, write_sound

from pipelines import ConfigurationError
from pipelines.speech import extract_features, load_recordings, read_audio, stream_audio
from pipelines.speech.audio.reading import AudioError, read_header
from pipelines.speech.feature_extraction.configuration import FeatureConfig


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.wav", {"subtype": "PCM_16"}, 1e-4),
        ("a.wav", {"subtype": "PCM_24"}, 1e-6),
        ("a.wav", {"subtype": "FLOAT"}, 0.0),
        ("a.flac", {}, 1e-4),
        ("a.ogg", {}, 0.05),
        ("a.mp3", {}, 0.05),
    ],
)
def test_formats(tmp_path: Path, name: str, options: dict[str, str], tolerance: float) -> None:
    sound = speech_like(1.0)
    path = write_sound(tmp_path / name, sound, **options)
    samples = read_audio(path, 16_000)
    assert samples.dtype == np.float32
    assert abs(len(samples) - len(sound)) <= (2500 if name == "a.mp3" else 0)
    if name != "a.mp3":
        assert np.abs(samples - sound).max() <= tolerance
    assert read_header(path).fits_extension(path)


@pytest.mark.parametrize("rate", [4_000, 11_025, 44_100, 192_000])
def test_any_rate_keeps_a_tone_where_it_is(tmp_path: Path, rate: int) -> None:
    time = np.arange(2 * rate) / rate
    path = write_sound(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 700 * time), rate)
    samples = read_audio(path, 16_000)
    assert abs(len(samples) - 32_000) <= 2
    spectrum = np.abs(np.fft.rfft(samples[8_000:24_000]))
    assert spectrum.argmax() == 700
    assert np.abs(samples[8_000:24_000]).max() == pytest.approx(0.5, abs=0.01)


def test_resampling_is_librosa_s_and_blocks_leave_no_trace(tmp_path: Path) -> None:
    import librosa

    # Longer than one block of 8 channels, so that the resampler carries its state.
    sound = speech_like(20.0, 44_100)
    path = write_sound(tmp_path / "a.wav", np.repeat(sound[:, None], 8, axis=1), 44_100)
    blocks = list(stream_audio(path, 16_000))
    assert len(blocks) > 2
    stored = np.round(sound * 2**15) / 2**15
    expected = librosa.resample(stored, orig_sr=44_100, target_sr=16_000)
    samples = np.concatenate(blocks)
    assert abs(len(samples) - len(expected)) <= 1
    length = min(len(samples), len(expected))
    assert np.abs(samples[:length] - expected[:length]).max() < 1e-4


def test_channels_are_averaged(tmp_path: Path) -> None:
    channels = np.stack([np.full(800, 0.1 * k, np.float32) for k in range(8)], axis=1)
    path = write_sound(tmp_path / "eight.wav", channels, subtype="FLOAT")
    assert read_header(path).channels == 8
    np.testing.assert_allclose(read_audio(path, 16_000), 0.35, atol=1e-6)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    for kind, path in bad_files(tmp_path).items():
        with pytest.raises(AudioError) as caught:
            read_audio(path, 16_000)
        assert kind.startswith(caught.value.kind), kind
        assert str(path) in str(caught.value)
    with pytest.raises(AudioError, match=r"sample 777 is NaN"):
        read_audio(tmp_path / "nan.wav", 16_000)
    with pytest.raises(AudioError, match="is a folder"):
        read_audio(tmp_path, 16_000)
    with pytest.raises(ConfigurationError, match="sample_rate = 10"):
        read_audio(tmp_path / "good.wav", 10)


def test_three_hours_are_refused_at_once_and_streamed_in_little_memory(tmp_path: Path) -> None:
    path = three_hours(tmp_path / "long.wav", 4_000)
    assert read_header(path).seconds == 3 * 3600
    tracemalloc.start()
    try:
        with pytest.raises(AudioError, match=r"lasts 10800.0 s, more than 120 s"):
            read_audio(path, 16_000)
        assert tracemalloc.get_traced_memory()[1] < 2**20
        read = sum(len(block) for block in stream_audio(path, 8_000))
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()
    assert abs(read - 3 * 3600 * 8_000) <= 2


def test_everything_bad_is_reported_once_and_in_sum(tmp_path: Path) -> None:
    bad = bad_files(tmp_path)
    rows = [(path, "words") for path in bad.values()]
    silent = write_sound(tmp_path / "silent.wav", np.zeros(16_000))
    clipped = write_sound(tmp_path / "clipped.wav", np.clip(20 * speech_like(1.0), -1, 1))
    eight = write_sound(tmp_path / "eight.wav", np.repeat(speech_like(1.0)[:, None], 8, 1))
    odd = write_sound(tmp_path / "really_flac.flac", speech_like(1.0, seed=1))
    odd.rename(tmp_path / "odd.wav")
    slow = write_sound(tmp_path / "slow.wav", speech_like(1.0, 4_000), 4_000)
    fast = write_sound(tmp_path / "fast.wav", speech_like(1.0, 192_000), 192_000)
    rows += [(path, "words") for path in (silent, clipped, eight, tmp_path / "odd.wav", slow, fast)]
    rows += [(three_hours(tmp_path / "long.wav"), "words"), (tmp_path / "good.wav", " ")]
    rows += [(write_sound(tmp_path / "blip.wav", speech_like(0.05)), "words")]
    rows += [(eight, "words")]
    manifest = tmp_path / "list.tsv"
    lines = ["path\ttranscript", *(f"{path}\t{words}" for path, words in rows)]
    manifest.write_text("\n".join(lines) + "\n")

    recordings = load_recordings(f"file:{manifest}")
    store = extract_features(recordings, FeatureConfig(bands=40), cache_dir=tmp_path / "cache")
    report = store.report
    counts = {finding.kind: finding.count for finding in report.findings}
    assert counts == {
        "listed twice": 1, "missing": 1, "no samples": 2, "truncated": 2, "not audio": 2,
        "NaN samples": 1, "silent": 1, "clipped": 1, "several channels": 1, "too long": 1,
        "wrong extension": 1, "empty transcript": 1, "too short": 1,
        "higher sample rate than the model's": 1, "lower sample rate than the model's": 1,
    }  # fmt: skip
    names = {recording.path.name for recording in store.recordings}
    assert names == {"clipped.wav", "eight.wav", "odd.wav", "slow.wav", "fast.wav"}
    # Again from what is kept: the same report, and nothing is computed.
    again = extract_features(
        load_recordings(f"file:{manifest}"), FeatureConfig(bands=40), cache_dir=tmp_path / "cache",
    )  # fmt: skip
    assert {f.kind: f.count for f in again.report.findings} == counts
