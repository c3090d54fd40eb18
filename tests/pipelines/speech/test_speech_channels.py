"""A channel of recordings by its number, from the file to the features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sound_files import speech_like, write_sound

from pipelines import DataError
from pipelines.speech import (
    FeatureConfig,
    extract_features,
    features,
    load_recordings,
    read_audio,
)
from pipelines.speech.audio.reading import AudioError


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """A call: each speaker has a channel; the sum of both is silent."""
    left = speech_like(0.5, 8000)
    write_sound(tmp_path / "call.wav", np.stack([left, -left], axis=1), 8000)
    write_sound(tmp_path / "mono.wav", left, 8000)
    (tmp_path / "list.csv").write_text("path,transcript\ncall.wav,hello\nmono.wav,hello\n")
    return tmp_path


def test_a_channel_is_read_by_its_number(stereo: Path) -> None:
    left, right = (read_audio(stereo / "call.wav", 8000, channel=number) for number in (1, 2))
    np.testing.assert_array_equal(left, read_audio(stereo / "mono.wav", 8000))
    np.testing.assert_allclose(right, -left, atol=1e-4)
    assert np.abs(read_audio(stereo / "call.wav", 8000)).max() < 1e-3
    with pytest.raises(AudioError, match=r"call\.wav: has 2 channel\(s\), and no channel 3"):
        read_audio(stereo / "call.wav", 8000, channel=3)


def test_recordings_without_the_channel_are_dropped(stereo: Path) -> None:
    recordings = load_recordings(f"file:{stereo / 'list.csv'}", channel=2)
    assert [one.path.name for one in recordings] == ["call.wav"]
    assert recordings.report.count("no such channel") == 1
    assert "channel 2 is read" in str(recordings.report)
    np.testing.assert_array_equal(
        recordings[0].read(8000), read_audio(stereo / "call.wav", 8000, channel=2)
    )
    with pytest.raises(DataError, match="no channel 3"):
        load_recordings(f"file:{stereo / 'list.csv'}", channel=3)


def test_each_channel_has_features_of_its_own(stereo: Path) -> None:
    config = FeatureConfig(sample_rate=8000, bands=20)
    stores = []
    for channel in (1, 2):
        recordings = load_recordings(f"file:{stereo / 'list.csv'}", channel=channel)
        stores.append(extract_features(recordings, config, cache_dir=stereo / "cache", processes=1))
    # As the mean of both, the call would be dropped: they cancel each other.
    assert stores[0].files[0] != stores[1].files[0] and len(stores[1]) == 1
    for channel, store in enumerate(stores, 1):
        own = features(read_audio(stereo / "call.wav", 8000, channel=channel), config)
        np.testing.assert_array_equal(store.load(0), own)
    averaged = load_recordings(f"file:{stereo / 'list.csv'}")
    mean = extract_features(averaged, config, cache_dir=stereo / "cache", processes=1)
    assert [one.path.name for one in mean.recordings] == ["mono.wav"]
