"""Sound files for the tests of speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float32]


def speech_like(seconds: float, sample_rate: int = 16_000, seed: int = 0) -> Samples:
    """A voice-like sound: a gliding tone with overtones, syllables and noise, float32."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * time + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = np.maximum(np.sin(2 * np.pi * 3 * time), 0.0)
    noise = generator.standard_normal(len(time))
    return (0.1 * tone * syllables + 0.002 * noise).astype(np.float32)


def write_sound(path: Path, samples: Any, sample_rate: int = 16_000, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, sample_rate, **options)
    return path
