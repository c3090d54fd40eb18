"""The process that speaks: calls the library of espeak-ng by ctypes, once per line of input.

    python -m pipelines.speech.recordings.synthesis_worker FOLDER

It is a separate process, since the library keeps global state that affects the sound, and has
another licence (GPL-3.0-or-later) than this toolkit.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from pipelines.speech.recordings.synthesis import SAMPLE_RATE, Utterance

# From espeak-ng's speak_lib.h, version 1.52.
_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8 = 2, 1 << 15, 1
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_PHONEMES_AS_IPA = 2
# Frames this far below the loudest are the silence around speech: what espeak-ng says is clean.
_FRAME_SECONDS, _SILENCE_DECIBELS = 0.005, -50.0


class Synthesiser:
    """The synthesiser espeak-ng; a process can have only one."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DO_NOT_EXIT)
        if self.sample_rate <= 0:
            raise RuntimeError(
                f"espeak_Initialize gave {self.sample_rate} with the data in {data!r}"
            )
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._blocks: list[np.ndarray[Any, Any]] = []
        # The library does not keep a reference to it.
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_Synth.argtypes = (
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        )  # fmt: skip
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_TextToPhonemes.argtypes = (
            ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int,
        )  # fmt: skip

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, utterance: Utterance) -> np.ndarray[Any, Any]:
        """The spoken utterance, int16 [samples] at the sample rate of the library."""
        self._blocks.clear()
        self._choose(f"{utterance.accent}+{utterance.voice}")
        self._library.espeak_SetParameter(_RATE, utterance.words_a_minute, 0)
        self._library.espeak_SetParameter(_PITCH, utterance.pitch, 0)
        self._library.espeak_SetParameter(_PITCH_RANGE, utterance.pitch_range, 0)
        # Otherwise the time of day decides on the breath in breathy voices.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(utterance.seed))
        text = (utterance.spoken or utterance.transcript).encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._blocks)

    def phonemes(self, accent: str, text: str) -> str:
        """How `accent` reads the text, in the International Phonetic Alphabet."""
        self._choose(accent)
        rest = ctypes.c_char_p(text.encode())
        clauses = []
        # The library moves the pointer on by a clause per call, and clears it at the end.
        while rest.value is not None:
            spelt = self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _PHONEMES_AS_IPA)
            clauses.append((spelt or b"").decode())
        return " ".join(clauses)

    def _choose(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")


def recording(speech: np.ndarray[Any, Any], sample_rate: int, utterance: Utterance) -> Any:
    """The utterance with silence around it, all in faint noise, float32 at `SAMPLE_RATE`."""
    samples = soxr.resample(speech.astype(np.float32) / 2**15, sample_rate, SAMPLE_RATE)
    if utterance.trimmed:
        samples = trimmed(samples, SAMPLE_RATE)
    return in_faint_noise(
        samples, SAMPLE_RATE, peak=utterance.peak,
        silences=(utterance.silence_before, utterance.silence_after),
        noise_decibels=utterance.noise_decibels, seed=utterance.seed,
    )  # fmt: skip


def in_faint_noise(
    samples: np.ndarray[Any, Any],
    sample_rate: int,
    *,
    peak: float,
    silences: tuple[float, float],
    noise_decibels: float,
    seed: int,
) -> np.ndarray[Any, Any]:
    """Clean speech at a level, with silence around it, all in white noise, float32.

    Args:
        samples: speech, float32 [samples].
        sample_rate: sample rate of the samples in Hz.
        peak: largest absolute value of the speech; 1 is full scale.
        silences: lengths of the silence before and after the speech, in seconds.
        noise_decibels: level of the noise in relation to full scale.
        seed: seed of the noise.
    """
    samples = samples * np.float32(peak / max(float(np.abs(samples).max()), 1e-3))
    samples = np.pad(samples, [round(seconds * sample_rate) for seconds in silences])
    noise = np.random.default_rng(seed).standard_normal(len(samples), np.float32)
    return samples + noise * np.float32(10 ** (noise_decibels / 20))


def trimmed(samples: np.ndarray[Any, Any], sample_rate: int) -> np.ndarray[Any, Any]:
    """Clean speech [samples] without the silence before its first and after its last sound."""
    size = round(_FRAME_SECONDS * sample_rate)
    frames = np.resize(samples, (max(len(samples) // size, 1), size))
    level = np.sqrt(np.square(frames).mean(axis=1))
    heard = np.flatnonzero(level >= level.max() * 10 ** (_SILENCE_DECIBELS / 20))
    return samples[heard[0] * size : (heard[-1] + 1) * size]


def main() -> None:
    """Speaks the utterances on standard input into the folder named on the command line."""
    folder = Path(sys.argv[1])
    synthesiser = Synthesiser()
    for line in sys.stdin:
        utterance = Utterance(**json.loads(line))
        samples = recording(synthesiser.say(utterance), synthesiser.sample_rate, utterance)
        soundfile.write(folder / utterance.file, samples, SAMPLE_RATE, subtype="PCM_16")


if __name__ == "__main__":
    main()
