"""Samples that come as arrays: what range they have is known or asked for, never guessed at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sound_files import speech_like, write_sound

from pipelines.base.errors import UserError
from pipelines.speech import FeatureConfig, read_audio
from pipelines.speech.audio.samples import LOUDEST, one_channel
from pipelines.speech.feature_extraction import extraction_worker
from pipelines.speech.feature_extraction.extraction_pool import Request
from rnn_apps.edge.speech.resampling import resample

SOUND = speech_like(0.3, 8000)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (SOUND, 0.0),
        (SOUND.astype(np.float64), 1e-7),
        (SOUND.astype(np.float16), 1e-3),
        (SOUND.tolist(), 1e-7),
        (SOUND[:, None], 0.0),
        (SOUND[None], 0.0),
        (np.round(SOUND * 2**15).astype(np.int16), 2**-15),
        (np.round(SOUND * 2**15).astype(np.int16)[:, None], 2**-15),
        (np.round(SOUND.astype(np.float64) * 2**31).astype(np.int32), 2**-24),
        (np.round(SOUND * 2**7).astype(np.int8), 2**-7),
        ((np.round(SOUND * 2**7) + 128).astype(np.uint8), 2**-7),
    ],
)
def test_samples_of_any_type_that_says_its_range_are_the_same_sound(given, error) -> None:
    found = one_channel(given)
    assert found.dtype == np.float32 and found.shape == SOUND.shape
    assert np.abs(found - SOUND).max() <= error


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (SOUND * 2**15, "divide them by 32768"),
        (SOUND.astype(np.float64) * 2**31, "divide them by 2147483648"),
        (SOUND.astype(np.float64) * 2**23, "divide them by 8388608"),
        (SOUND / SOUND.std(), "pass them as recorded"),
        (np.round(SOUND * 2**15).astype(np.int32), r"pass samples.astype\(numpy.int16\)"),
        (np.round(SOUND * 2**15).astype(np.int64), r"pass samples.astype\(numpy.int16\)"),
        (np.round(SOUND * 2**15 + 2**15).astype(np.uint16), "their range is unknown"),
        (SOUND.tobytes(), "frombuffer"),
        (bytearray(SOUND.tobytes()), "frombuffer"),
        (np.stack([SOUND, SOUND], axis=1), r"2 channels.*samples.mean\(axis=1\)"),
        (np.stack([SOUND, SOUND]), r"2 channels.*samples.mean\(axis=0\)"),
        (np.float32(0.1), "one channel"),
        (np.array(["a", "b"]), "type <U1"),
        ([[1.0, 2.0], [3.0]], "not an array"),
        (SOUND + 1j, "type complex64"),
        (np.where(np.arange(len(SOUND)) == 7, np.nan, SOUND), "NaN or infinity"),
    ],
)
def test_samples_that_do_not_say_their_range_are_refused_with_what_to_do(given, message) -> None:
    with pytest.raises(UserError, match=f"(?i){message}"):
        one_channel(given)


def test_a_little_beyond_full_scale_is_what_lossy_formats_give() -> None:
    assert one_channel(SOUND / np.abs(SOUND).max() * LOUDEST).max() <= LOUDEST
    assert one_channel([]).shape == (0,)
    assert not one_channel(np.zeros(5, np.int32)).any()


def square(loudest: float) -> np.ndarray:
    """A loud sound with edges, at which a filter overshoots."""
    return (loudest * np.sign(np.sin(np.arange(4410) / 30))).astype(np.float32)


def test_what_resampling_overshoots_is_no_other_range(tmp_path: Path) -> None:
    loud = square(0.98 * LOUDEST)
    hot = write_sound(tmp_path / "hot.wav", loud, 44_100, subtype="FLOAT")
    for found in (read_audio(hot, 16_000), resample(loud, 44_100, 16_000)):
        assert np.abs(found).max() == LOUDEST
        one_channel(found)
    quiet = resample(loud / 4, 44_100, 16_000)
    assert LOUDEST / 4 < np.abs(quiet).max() < LOUDEST / 3


def test_features_that_fail_cost_one_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.speech.feature_extraction import librosa_features

    def refuse(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
        raise UserError("the samples are strange")

    monkeypatch.setattr(librosa_features, "features", refuse)
    path = write_sound(tmp_path / "a.wav", SOUND, 8000)
    request = Request(str(path), str(tmp_path / "a.npy"))
    answer = extraction_worker.extract(request, FeatureConfig(sample_rate=8000), 60.0)
    assert answer == {"error": ["absurd samples", "the samples are strange"]}
