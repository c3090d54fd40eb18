"""Digits in the voices of 32 people whom synthesisers were made of, to train with those of a few.

    python -m benchmarks.fsdd_recorded_voices --speakers 300

has 300 speakers say each digit once and prints, for each voice, how long it takes. A speaker is one
of the voices with its own speed (2/3 to 3/2 of the usual one), pitch (5/6 to 6/5), loudness and
background noise. Voices of other languages read the digits in a spelling of that language, which a
speaker chooses once per digit (see `benchmarks.fsdd_accents`). Voices of which the model
`saved_models/speech/recorded-digits`, which has heard none of them, understood at most half of 20
digits are left out: RHVoice's talgat and Pico's fr-FR and it-IT, which misread the spellings.

Everything is drawn from a seed; the sounds are synthesised once and kept in the cache. What has to
be installed is in `benchmarks.fsdd_engines`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.fsdd_accents import ENGLISH_WORDS, FOREIGN, Spellings, spellings_of
from benchmarks.fsdd_digits import SAMPLE_RATE, Digit, Samples, print_lengths
from benchmarks.fsdd_engines import Take, say
from benchmarks.fsdd_voices import PEAKS, SIGNAL_TO_NOISE_DECIBELS
from pipelines.base.atomic_files import atomic_folder
from pipelines.speech.audio.reading import read_audio
from pipelines.speech.cache import cache_folder
from pipelines.speech.recordings.synthesis_worker import in_faint_noise, trimmed

_ENGLISH: Spellings = tuple((word,) for word in ENGLISH_WORDS)
_ESPERANTO = spellings_of("ziro zirou|ŭan van|tu|tri sri|for|fajv fajf|siks|seven|ejt|najn")
# Festival stops at Italian accents.
_ITALIAN = spellings_of("sirou ziro siro|uan|tu|tri sri fri|for|faiv faif|sics|seven|eit|nain")
_RUSSIAN = FOREIGN["Russian"]

VOICES: dict[tuple[str, str], Spellings] = {
    **{("flite", name): _ENGLISH for name in ("awb", "kal16", "rms", "slt")},
    ("festival", "ked_diphone"): _ENGLISH,
    **{("festival", name): _ITALIAN for name in ("lp_diphone", "pc_diphone")},
    **{("festival", f"czech_{name}"): FOREIGN["Czech"] for name in ("dita", "krb", "machac", "ph")},
    **{
        ("festival", name): FOREIGN["Finnish"] for name in ("hy_fi_mv_diphone", "suo_fi_lj_diphone")
    },
    ("festival", "upc_ca_ona_hts"): FOREIGN["Catalan"],
    ("festival", "msu_ru_nsh_clunits"): _RUSSIAN,
    **{("rhvoice", name): _ENGLISH for name in ("bdl", "clb")},
    **{
        ("rhvoice", name): _RUSSIAN
        for name in ("aleksandr", "anna", "elena", "irina", "azamat", "nazgul")
    },
    **{("rhvoice", name): FOREIGN["Ukrainian"] for name in ("anatol", "natalia")},
    ("rhvoice", "natia"): FOREIGN["Georgian"],
    ("rhvoice", "letícia-f123"): FOREIGN["Portuguese (Brazil)"],
    ("rhvoice", "spomenka"): _ESPERANTO,
    **{("pico", name): _ENGLISH for name in ("en-US", "en-GB")},
    ("pico", "de-DE"): FOREIGN["German"],
    ("pico", "es-ES"): FOREIGN["Spanish (Spain)"],
}
"""Spellings of the ten digits by synthesiser and voice."""

SPEEDS = (2 / 3, 3 / 2)
PITCHES = (5 / 6, 6 / 5)
_SPEED_CHANGE, _PITCH_CHANGE = 1.1, 1.05
_LONGEST_MARGIN = 0.06
# Part of the cache's key: to be raised when the same plan sounds different.
_VERSION = 1


@dataclass(frozen=True)
class _Planned:
    """A take of a digit, with what happens to its sound afterwards."""

    digit: int
    speaker: int
    take: Take
    peak: float
    noise_decibels: float
    margins: tuple[float, float]
    seed: int


def planned_digits(seed: int, speakers: int) -> dict[tuple[str, str], list[_Planned]]:
    """What the speakers say, by synthesiser and voice: every voice has about as many speakers."""
    generator = np.random.default_rng((seed, *b"recorded voices"))
    planned = defaultdict(list)
    for number in range(speakers):
        voice = list(VOICES)[number % len(VOICES)]
        speed, pitch = _factor(SPEEDS, generator), _factor(PITCHES, generator)
        peak = float(np.exp(generator.uniform(*np.log(PEAKS))))
        noise = 20 * np.log10(peak) - generator.uniform(*SIGNAL_TO_NOISE_DECIBELS)
        for digit, spellings in enumerate(VOICES[voice]):
            take = Take(
                str(generator.choice(spellings)),
                round(speed * _factor((1 / _SPEED_CHANGE, _SPEED_CHANGE), generator), 3),
                round(pitch * _factor((1 / _PITCH_CHANGE, _PITCH_CHANGE), generator), 3),
            )
            before, after = generator.uniform(0, _LONGEST_MARGIN, size=2).round(3)
            planned[voice].append(
                _Planned(
                    digit, number, take, round(peak, 4), round(float(noise), 1),
                    (float(before), float(after)), int(generator.integers(2**31)),
                )
            )  # fmt: skip
    return dict(planned)


def recorded_digits(seed: int, speakers: int, cache_dir: str | Path = "") -> list[Digit]:
    """Single digits as `speakers` speakers say them, one of each digit.

    Args:
        seed: seed of all that is drawn.
        speakers: number of speakers.
        cache_dir: folder that keeps the recordings; "" for the default, see `cache.cache_folder`.

    Raises:
        UserError: a synthesiser or a voice is missing, or fails.
    """
    planned = planned_digits(seed, speakers)
    key = [_VERSION, [[voice, [asdict(one) for one in all]] for voice, all in planned.items()]]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    folder = cache_folder(cache_dir) / "fsdd-recorded-voices" / digest
    if not folder.is_dir():
        with atomic_folder(folder) as beside:
            for voice, takes in planned.items():
                sounds = say(*voice, [one.take for one in takes])
                for one, samples in zip(takes, sounds, strict=True):
                    soundfile.write(
                        beside / _file(one), _recording(samples, one), SAMPLE_RATE,
                        subtype="PCM_16",
                    )  # fmt: skip
    return list(_read(planned, folder))


def _read(planned: dict[tuple[str, str], list[_Planned]], folder: Path) -> Iterator[Digit]:
    for (engine, voice), takes in planned.items():
        for one in takes:
            name = f"{engine} {voice} {one.speaker:04d}"
            yield Digit(str(one.digit), name, 0, read_audio(folder / _file(one), SAMPLE_RATE))


def _file(one: _Planned) -> str:
    return f"{one.speaker:04d}-{one.digit}.wav"


def _recording(samples: Samples, one: _Planned) -> Samples:
    """The speech at the level of its take, in faint noise, with its margins."""
    return in_faint_noise(
        trimmed(samples, SAMPLE_RATE), SAMPLE_RATE, peak=one.peak, silences=one.margins,
        noise_decibels=one.noise_decibels, seed=one.seed,
    )  # fmt: skip


def _factor(limits: tuple[float, float], generator: np.random.Generator) -> float:
    return float(np.exp(generator.uniform(*np.log(limits))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speakers", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache-dir", default="", help="folder that keeps the recordings")
    arguments = parser.parse_args()
    digits = recorded_digits(arguments.seed, arguments.speakers, arguments.cache_dir)
    print_lengths(digits, "voice", lambda name: name.rsplit(" ", 1)[0])


if __name__ == "__main__":
    main()
