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


def bad_files(folder: Path) -> dict[str, Path]:
    """Files that cannot be used, by the kind of trouble."""
    good = write_sound(folder / "good.wav", speech_like(1.0)).read_bytes()
    flac = write_sound(folder / "good.flac", speech_like(1.0)).read_bytes()
    files = {"missing": folder / "nowhere.wav"}
    for kind, name, content in (
        ("no samples", "empty.wav", b""),
        ("no samples", "header.wav", good[:44]),
        ("truncated", "cut.wav", good[: len(good) // 2]),
        ("truncated", "cut.flac", flac[: len(flac) // 2]),
        ("not audio", "text.wav", b"this is no sound at all, but a text\n" * 50),
        ("not audio", "random.mp3", np.random.default_rng(0).bytes(5_000)),
    ):
        (folder / name).write_bytes(content)
        files[f"{kind} {name}"] = folder / name
    header = bytearray(good[:44])
    header[40:44] = (0).to_bytes(4, "little")
    (folder / "header.wav").write_bytes(bytes(header))
    broken = speech_like(1.0)
    broken[777] = np.nan
    files["NaN samples"] = write_sound(folder / "nan.wav", broken, subtype="FLOAT")
    return files


def three_hours(path: Path, sample_rate: int = 16_000) -> Path:
    """A silent recording of three hours that takes no room on the disk."""
    soundfile.write(path, np.zeros(10, np.int16), sample_rate, subtype="PCM_16")
    header = bytearray(path.read_bytes()[:44])
    size = 3 * 3600 * sample_rate * 2
    header[4:8] = (size + 36).to_bytes(4, "little")
    header[40:44] = size.to_bytes(4, "little")
    path.write_bytes(bytes(header))
    with open(path, "r+b") as file:
        file.truncate(44 + size)
    return path
