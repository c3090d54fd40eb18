"""Digits in many synthetic voices, accents and prosodies, to train with those of a few people.

    python -m benchmarks.fsdd_voices --speakers 400

has 400 synthetic speakers say each digit once and prints, for each accent, how long they take.

A synthetic speaker is one accent and one voice of espeak-ng with its own speed (90 to 230 words per
minute), pitch and range of pitch, loudness and background noise. Three in five have a foreign
accent: a voice of another language reads the digits in a spelling of that language (see
`benchmarks.fsdd_accents`), which a speaker chooses once per digit. There are two kinds of
recordings:

- single digits (`synthetic_digits`), each spoken by itself, as a statement, a question, an
  exclamation or as if more followed, with hardly any silence around, like those of people that
  `benchmarks.fsdd` joins into strings;
- strings of 1 to 7 digits spoken in one go (`synthetic_strings`), fluently, with commas between
  them, or both, each by a new speaker.

Everything is drawn from a seed: the same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fsdd_accents import ENGLISH, FOREIGN
from benchmarks.fsdd_digits import LONGEST_STRING, SAMPLE_RATE, Digit, Samples, print_lengths
from pipelines.base.atomic_files import atomic_folder
from pipelines.speech.audio.reading import read_audio
from pipelines.speech.cache import cache_folder
from pipelines.speech.recordings.synthesis import VOICES, Utterance, synthesise

FOREIGN_SHARE = 0.6
WORDS_A_MINUTE = (90, 230)
PITCHES = (10, 90)
PITCH_RANGES = (20, 100)
# People in one data set differ that much: some sit close to a loud microphone, some do not.
PEAKS = (0.03, 0.9)
SIGNAL_TO_NOISE_DECIBELS = (30.0, 65.0)
# Between two takes of a speaker.
_SPEED_CHANGE, _PITCH_CHANGE = 0.1, 6
_LONGEST_MARGIN = 0.06
_ENDS, _END_SHARES = ("", ",", "!", "?"), (0.55, 0.2, 0.15, 0.1)
_GAPS = (" ", ", ")
_LIST_STYLES = ("fluent", "listed", "mixed")
# Part of the cache's key: to be raised when the same plan sounds different.
_VERSION = 1
_SECONDS_PER_UTTERANCE = 1.0


@dataclass(frozen=True)
class Speaker:
    """How one synthetic speaker speaks.

    Attributes:
        accent: name of a voice of espeak-ng, which is that of a language or a region.
        voice: one of espeak-ng's variants of all voices: the speaker's throat.
        spellings: text to say for each of the ten digits.
        words_a_minute: usual speed in words per minute.
        pitch: usual pitch from 0 to 100.
        pitch_range: from 0 for a monotone to 100.
        peak: largest absolute value of the speech.
        noise_decibels: level of the background noise in relation to full scale.
    """

    accent: str
    voice: str
    spellings: tuple[str, ...]
    words_a_minute: int
    pitch: int
    pitch_range: int
    peak: float
    noise_decibels: float

    @property
    def name(self) -> str:
        """What lists call the speaker; several may have the same accent and voice."""
        return f"espeak-ng {self.accent}+{self.voice}"

    def utterance(
        self, file: str, digits: str, spoken: str, generator: np.random.Generator
    ) -> Utterance:
        """One take of the text `spoken`, which is heard as `digits`: "7 0"."""
        speed = self.words_a_minute * generator.uniform(1 - _SPEED_CHANGE, 1 + _SPEED_CHANGE)
        pitch = self.pitch + int(generator.integers(-_PITCH_CHANGE, _PITCH_CHANGE + 1))
        before, after = (round(float(generator.uniform(0, _LONGEST_MARGIN)), 3) for _ in range(2))
        return Utterance(
            file=file, transcript=digits, accent=self.accent, voice=self.voice, part="train",
            words_a_minute=int(np.clip(speed, *WORDS_A_MINUTE)),
            pitch=int(np.clip(pitch, *PITCHES)),
            silence_before=before, silence_after=after, noise_decibels=self.noise_decibels,
            seed=int(generator.integers(2**31)), spoken=spoken, pitch_range=self.pitch_range,
            peak=self.peak, trimmed=True,
        )  # fmt: skip


def draw_speaker(generator: np.random.Generator) -> Speaker:
    """A speaker drawn at random; each accent of a kind, English or foreign, is as likely."""
    accents = FOREIGN if generator.random() < FOREIGN_SHARE else ENGLISH
    accent = str(generator.choice(sorted(accents)))
    peak = float(np.exp(generator.uniform(*np.log(PEAKS))))
    noise = 20 * np.log10(peak) - generator.uniform(*SIGNAL_TO_NOISE_DECIBELS)
    return Speaker(
        accent=accent,
        voice=str(generator.choice(VOICES)),
        spellings=tuple(str(generator.choice(spellings)) for spellings in accents[accent]),
        words_a_minute=int(generator.integers(*WORDS_A_MINUTE, endpoint=True)),
        pitch=int(generator.integers(*PITCHES, endpoint=True)),
        pitch_range=int(generator.integers(*PITCH_RANGES, endpoint=True)),
        peak=round(peak, 4),
        noise_decibels=round(float(noise), 1),
    )


def planned_digits(seed: int, speakers: int, takes: int = 1) -> list[tuple[str, Utterance]]:
    """What `speakers` speakers say of single digits, each of them `takes` times, with the name of
    the speaker: it is another for each of them."""
    generator = np.random.default_rng((seed, *b"digits"))
    planned = []
    for number in range(speakers):
        speaker = draw_speaker(generator)
        for digit in range(10):
            for take in range(takes):
                end = str(generator.choice(_ENDS, p=_END_SHARES))
                file = f"{number:04d}-{digit}-{take}.wav"
                spoken = speaker.spellings[digit] + end
                one = speaker.utterance(file, str(digit), spoken, generator)
                planned.append((f"{speaker.name} {number:04d}", one))
    return planned


def planned_strings(seed: int, count: int) -> list[tuple[str, Utterance]]:
    """`count` strings of 1 to 7 digits, each by a new speaker, with the name of the speaker."""
    generator = np.random.default_rng((seed, *b"strings"))
    planned = []
    for number in range(count):
        speaker = draw_speaker(generator)
        digits = generator.integers(10, size=int(generator.integers(1, LONGEST_STRING + 1)))
        words = [speaker.spellings[digit] for digit in digits]
        style = str(generator.choice(_LIST_STYLES))
        shares = {"fluent": (1, 0), "listed": (0, 1), "mixed": (0.5, 0.5)}[style]
        gaps = [str(generator.choice(_GAPS, p=shares)) for _ in words[1:]]
        spoken = words[0] + "".join(gap + word for gap, word in zip(gaps, words[1:], strict=True))
        said = " ".join(map(str, digits))
        one = speaker.utterance(f"{number:05d}.wav", said, spoken, generator)
        planned.append((speaker.name, one))
    return planned


def synthetic_digits(
    seed: int, speakers: int, takes: int = 1, cache_dir: str | Path = ""
) -> list[Digit]:
    """Single digits as `speakers` synthetic speakers say them, each digit `takes` times.

    They are synthesised once and kept in the cache.

    Args:
        seed: seed of all that is drawn.
        speakers: number of speakers.
        takes: number of recordings of each digit and speaker.
        cache_dir: folder that keeps the recordings; "" for the default, see `cache.cache_folder`.

    Raises:
        UserError: the synthesiser fails.
    """
    planned = planned_digits(seed, speakers, takes)
    return [
        Digit(one.transcript, name, place % takes, samples)
        for place, (name, one, samples) in enumerate(_spoken(planned, cache_dir))
    ]


def synthetic_strings(
    seed: int, count: int, cache_dir: str | Path = ""
) -> Iterator[tuple[str, str, Samples]]:
    """Yields speaker, transcript ("7 0") and sound of `count` strings spoken in one go.

    The arguments and errors are those of `synthetic_digits`.
    """
    for name, one, samples in _spoken(planned_strings(seed, count), cache_dir):
        yield name, one.transcript, samples


def _spoken(
    planned: Sequence[tuple[str, Utterance]], cache_dir: str | Path
) -> Iterator[tuple[str, Utterance, Samples]]:
    if not planned:
        return
    utterances = [one for _, one in planned]
    key: Any = [_VERSION, [asdict(one) for one in utterances]]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    folder = cache_folder(cache_dir) / "fsdd-voices" / digest
    if not folder.is_dir():
        with atomic_folder(folder) as beside:
            synthesise(utterances, beside, 60 + _SECONDS_PER_UTTERANCE * len(utterances))
    for name, one in planned:
        yield name, one, read_audio(folder / one.file, SAMPLE_RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speakers", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache-dir", default="", help="folder that keeps the recordings")
    arguments = parser.parse_args()
    digits = synthetic_digits(arguments.seed, arguments.speakers, cache_dir=arguments.cache_dir)
    print_lengths(
        digits, "accent", lambda name: name.removeprefix("espeak-ng ").split("+", maxsplit=1)[0]
    )


if __name__ == "__main__":
    main()
