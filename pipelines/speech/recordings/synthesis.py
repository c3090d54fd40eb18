"""Digits and commands spoken by the synthesiser espeak-ng in many voices: builtin:digits, ...

This is synthetic speech: a recogniser trained on it has learnt the voices of espeak-ng, not those
of people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipelines.base.atomic_files import atomic_folder, write_text
from pipelines.base.child_processes import WorkerError, run_worker
from pipelines.base.errors import UserError
from pipelines.data_report import DataReport
from pipelines.speech.cache import cache_folder
from pipelines.speech.recordings.manifests import read_manifest
from pipelines.speech.recordings.recording import Entry

SAMPLE_RATE = 16_000
PACKAGE = "espeakng_loader"

ACCENTS = (
    "English (America)", "English (America, New York City)", "English (Great Britain)",
    "English (Received Pronunciation)", "English (Scotland)", "English (Lancaster)",
    "English (West Midlands)", "English (Caribbean)",
)  # fmt: skip

# Voices that sound like people, without whispering, robots and other effects.
VOICES = (
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique",
    "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "Reed", "Storm", "adam",
    "anika", "announcer", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david",
    "ed", "edward", "edward2", "f1", "f2", "f3", "f4", "f5", "grandma", "grandpa", "gustave", "ian",
    "iven", "iven2", "iven3", "iven4", "john", "kaukovalta", "klatt2", "klatt3", "klatt4", "klatt5",
    "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max", "michel", "miguel",
    "mike2", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby",
    "steph", "steph2", "steph3", "travis", "victor", "zac",
)  # fmt: skip

_UTTERANCES = {"train": 2400, "validation": 200, "test": 300}
_HELD_OUT_VOICES = {"validation": 8, "test": 16}
_SEED = 20_251
_VERSION = 1
_LONGEST_WAIT = 600

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DEVICES = ("light", "lamp", "heater", "fan", "radio", "television", "music", "alarm")
_ROOMS = ("kitchen", "bedroom", "bathroom", "garage", "garden", "office")
_WORDS = ("stop", "go", "next", "back", "yes", "no", "louder", "quieter", "play", "pause", "help")


@dataclass(frozen=True)
class Utterance:
    """What the synthesiser has to say, and how.

    Attributes:
        file: name of the sound file.
        transcript: words that the recording is said to have.
        accent: name of a voice of espeak-ng: one of `ACCENTS`, or another language's.
        voice: one of `VOICES`, which is used as the speaker.
        part: "train", "validation" or "test".
        words_a_minute: speed in words per minute.
        pitch: pitch from 0 to 100; 50 is the normal pitch of the voice.
        silence_before: length of the faint noise before the words, in seconds.
        silence_after: length of the faint noise after the words, in seconds.
        noise_decibels: level of the noise in relation to full scale.
        seed: seed of the noise, and of the synthesiser's own noise in breathy voices.
        spoken: text to say where it is not the transcript: with other punctuation, or spelt anew
            for another language; "" for the transcript.
        pitch_range: how far the pitch moves, from 0 for a monotone to 100; 50 is normal.
        peak: largest absolute value of the speech; 1 is full scale.
        trimmed: whether the synthesiser's own silence is cut off at both ends.
    """

    file: str
    transcript: str
    accent: str
    voice: str
    part: str
    words_a_minute: int
    pitch: int
    silence_before: float
    silence_after: float
    noise_decibels: float
    seed: int
    spoken: str = ""
    pitch_range: int = 50
    peak: float = 0.5
    trimmed: bool = False


def plan(name: str) -> list[Utterance]:
    """The utterances of the built-in data `name`, always the same, drawn with a fixed seed.

    No voice occurs in two parts.
    """
    generator = np.random.default_rng((_SEED, sorted(_SENTENCES).index(name)))
    voices = generator.permutation(np.array(VOICES))
    start = 0
    voices_of = {}
    for part, count in _HELD_OUT_VOICES.items():
        voices_of[part] = voices[start : start + count]
        start += count
    voices_of["train"] = voices[start:]
    return [
        _utterance(name, part, number, str(generator.choice(voices_of[part])), generator)
        for part, count in _UTTERANCES.items()
        for number in range(count)
    ]


def _utterance(
    name: str, part: str, number: int, voice: str, generator: np.random.Generator
) -> Utterance:
    return Utterance(
        file=f"{part}-{number:04d}.wav",
        transcript=_SENTENCES[name](generator),
        accent=str(generator.choice(ACCENTS)),
        voice=voice,
        part=part,
        words_a_minute=int(generator.integers(110, 190)),
        pitch=int(generator.integers(35, 66)),
        silence_before=round(float(generator.uniform(0.05, 0.4)), 3),
        silence_after=round(float(generator.uniform(0.05, 0.4)), 3),
        noise_decibels=round(float(generator.uniform(-70.0, -40.0)), 1),
        seed=int(generator.integers(2**31)),
    )


def _digit_string(generator: np.random.Generator) -> str:
    return " ".join(generator.choice(_DIGITS, size=int(generator.integers(1, 6))))


def _command(generator: np.random.Generator) -> str:
    device, room = generator.choice(_DEVICES), generator.choice(_ROOMS)
    number = generator.choice(_DIGITS[1:])
    forms = (
        f"turn {generator.choice(['on', 'off'])} the {device}",
        f"turn {generator.choice(['on', 'off'])} the {device} in the {room}",
        f"set the timer to {number} minutes",
        f"set the {device} to {number}",
        f"play song number {number}",
        f"open the {room} door",
        f"close the {room} door",
        str(generator.choice(_WORDS)),
    )
    return str(generator.choice(forms))


_SENTENCES = {"digits": _digit_string, "commands": _command}


def synthesised_entries(name: str, cache_dir: str | Path = "") -> Iterator[Entry]:
    """Yields the recordings of the built-in data "digits" or "commands".

    They are synthesised once, in a separate process, and kept in the cache, since espeak-ng says
    the same words slightly differently each time within a process.

    Args:
        name: name of the data.
        cache_dir: folder that keeps the recordings; "" for the default, see `cache.cache_folder`.

    Raises:
        UserError: the synthesiser fails.
    """
    folder = cache_folder(cache_dir) / "speech-builtin" / f"{name}-{_VERSION}"
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        with atomic_folder(folder) as beside:
            synthesise(plan(name), beside)
    return read_manifest(manifest, DataReport())


def synthesise(
    utterances: Sequence[Utterance], folder: Path, time_limit: float = _LONGEST_WAIT
) -> None:
    """Has the utterances spoken into `folder`, in a process of their own, and lists them.

    The list is "manifest.jsonl" there. The same utterances in the same order are the same bytes.

    Args:
        utterances: texts to speak and how; the names of their files are relative to `folder`.
        folder: an existing folder.
        time_limit: longest time to wait, in seconds.

    Raises:
        UserError: the synthesiser fails.
    """
    lines = [
        json.dumps({"path": utterance.file, "transcript": utterance.transcript,
                    "speaker": utterance.voice, "part": utterance.part})
        for utterance in utterances
    ]  # fmt: skip
    try:
        run_worker(
            "pipelines.speech.recordings.synthesis_worker",
            [str(folder)],
            request="\n".join(json.dumps(asdict(item)) for item in utterances).encode(),
            time_limit=time_limit,
        )
    except WorkerError as failure:
        how = f"no end within {time_limit:g} s" if failure.hung else failure.last_words
        raise UserError(f"the synthesiser espeak-ng failed: {how}") from None
    # Written last, since its existence means that all recordings exist.
    write_text(folder / "manifest.jsonl", "\n".join(lines) + "\n")
