"""The features of speech in C are librosa's, and what has no C code is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipelines.speech.audio.reading import read_audio
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.librosa_features import features
from rnn_apps.export import ExportError
from rnn_apps.export.c.proof.compiler import c_compiler
from rnn_apps.export.c.proof.harness import compiled
from rnn_apps.export.c.sound import front_end as module
from rnn_apps.export.c.sound.front_end import (
    FEATURES,
    SAMPLES,
    FrontEnd,
    front_end,
    hops_of,
    in_sixteen_bits,
    proven_features,
)

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "earlier" / "data" / "recordings"
# Kind, options, largest and mean difference from librosa. A tone leaves most frequencies all but
# empty, and there float32 has no digits left; bands average that out.
KINDS = {
    "log_mel": ({"bands": 24}, 0.01, 1e-3),
    "mfcc": ({"bands": 24, "coefficients": 9}, 0.01, 1e-3),
    "spectrogram": ({"window_seconds": 0.03, "hop_seconds": 0.0125}, 0.3, 3e-3),
}


@pytest.fixture(scope="module")
def heard() -> list[np.ndarray]:
    """A recording, a loud tone, noise and silence, int16 at 8 kHz."""
    draw = np.random.default_rng(0)
    tone = 0.4 * np.sin(0.7 * np.arange(4000))
    spoken = in_sixteen_bits(read_audio(RECORDINGS / "3.wav", 8000))
    noise = in_sixteen_bits(0.2 * draw.normal(size=2500))
    return [spoken[:8000], in_sixteen_bits(tone), noise, np.zeros(700, np.int16)]


def config_of(kind: str) -> FeatureConfig:
    return FeatureConfig(kind=kind, sample_rate=8000, normalisation="none", **KINDS[kind][0])


def computed(
    front: FrontEnd, config: FeatureConfig, samples: np.ndarray, folder: Path
) -> np.ndarray:
    """All frames of a recording, by the compiled code called hop by hop."""
    prefix = front.code.interface.prefix
    (folder / f"{prefix}.h").write_text(front.code.header)
    (folder / f"{prefix}.c").write_text(front.code.source)
    program = compiled(front.code, folder, c_compiler(), 60.0)
    hops = hops_of(samples, config, front.delay)
    (calls,) = program.stream("", [[{SAMPLES: hop} for hop in hops]])
    return np.stack([call[FEATURES] for call in calls[front.delay - 1 :]])


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_librosas(kind: str, heard: list[np.ndarray], tmp_path: Path) -> None:
    config, (_, largest, mean) = config_of(kind), KINDS[kind]
    front = front_end(config, "ears")
    for samples in heard:
        found = computed(front, config, samples, tmp_path)

        whole = samples[: len(samples) // config.hop_length * config.hop_length]
        expected = features(whole.astype(np.float32) / 32768.0, config)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=largest)
        assert np.abs(found - expected).mean() < mean


def test_features_are_proven_before_they_are_there(
    heard: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of("log_mel")
    front = front_end(config, "ears")

    proof = proven_features(front, config, heard[:1], tmp_path, c_compiler(), tmp_path)

    assert proof.errors[0].within and proof.sanitized
    assert proof.cost.state_bytes == 2 * (128 + 2 * 80)
    assert proof.cost.scratch_bytes == 4 * (256 + 1)
    assert 0 < proof.cost.weight_bytes < 4096
    lower = dataclasses.replace(config, lowest_frequency=100.0)
    with pytest.raises(ExportError, match="the features in C differs"):
        proven_features(front, lower, heard[:1], tmp_path, c_compiler(), tmp_path)
    assert module.TOLERANCES["log_mel"] < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "mfcc", "deltas": 1}, "deltas = 1: C code computes no deltas"),
        ({"fft_size": 300, "sample_rate": 8000}, "fft_size = 300: .* Train with fft_size = 512"),
    ],
)
def test_what_has_no_code_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        front_end(FeatureConfig(**{"bands": 20, **options}), "ears")
