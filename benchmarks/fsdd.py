"""Strings of digits from the Free Spoken Digit Dataset, for training and for honest tests.

    python -m benchmarks.fsdd --data FOLDER/fsdd --to STRINGS

joins recordings of single digits (DIGIT_SPEAKER_INDEX.wav, 8 kHz) into strings of 1 to 7 digits
with pauses, and writes them with lists that `rnn-apps` reads as `file:STRINGS/train.jsonl`.

Who is heard where:

- train.jsonl: recordings 13 to 49 of every speaker but one (part "train"), and, for choosing, 10
  to 12 of the same speakers (part "validation").
- test_known.jsonl: recordings 5 to 9 of the same speakers. No recording of it is in train.jsonl.
- test_unseen.jsonl: recordings of the one speaker of whom nothing is in train.jsonl: by default
  the first in the alphabet, which was settled before anything was trained.
- single_known.jsonl, single_unseen.jsonl: the recordings of these two by themselves, each once,
  with pauses around.
- raw_known.jsonl, raw_unseen.jsonl: the same recordings as they lie on disk, which begin and end
  with the word, without any pause.

How a string is made: one speaker; a length of 1 to 7, each as likely; digits as they come from a
shuffled pile of the speaker's recordings, so that all are used about equally often; before, between
and after the digits a pause of 0.05 to 0.5 s, uniform. Since no room is ever silent, a pause holds
white noise as loud as the quietest 20 ms of the recording before it (after it, at the start).
Everything is drawn from `--seed`: the same seed writes the same bytes.

With `--hard-cuts SHARE` that share of the training strings begins without a pause, and that share
ends without one, like a recording that somebody cut out.

With `--synthetic` train.jsonl also has the 2,900 utterances of `builtin:digits`, spoken by the
synthesiser espeak-ng in 81 voices, for training only: four people are few to learn from how people
differ. `--synthetic-speakers N` adds speakers of many accents, whose single digits are joined like
those of people, 10 strings each, and `--synthetic-strings N` adds strings that such speakers speak
in one go; see `benchmarks.fsdd_voices`. `--recorded-speakers N` adds speakers who have the voices
of 32 people, of synthesisers that were made of recordings; see `benchmarks.fsdd_recorded_voices`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fsdd_recorded_voices, fsdd_voices
from benchmarks.fsdd_digits import LONGEST_STRING, SAMPLE_RATE, Digit, Samples
from pipelines.base.atomic_files import atomic_folder, write_json, write_text
from pipelines.base.errors import DataError
from pipelines.speech.audio.reading import read_audio
from pipelines.speech.recordings.loading import load_recordings

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
TEST_INDICES = range(5, 10)
VALIDATION_INDICES = range(10, 13)
NAMING_RULE = r"(?P<transcript>\d)_(?P<speaker>[a-z]+)_\d+\.wav"
_QUIET_SECONDS = 0.02
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT_OF_WORD = {word: str(digit) for digit, word in enumerate(_WORDS)}
_STRINGS_PER_SYNTHETIC_SPEAKER = 10
FIGURES = "figures.json"


@dataclass(frozen=True)
class DigitSets:
    """Recordings by the list in which they are heard; see the module."""

    train: list[Digit]
    validation: list[Digit]
    test_known: list[Digit]
    test_unseen: list[Digit]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of DIGIT_SPEAKER_INDEX.wav")
    parser.add_argument("--to", required=True, help="folder to write; an existing one is replaced")
    parser.add_argument(
        "--unseen-speaker", default="", help="speaker to hold out; default: first in the alphabet"
    )
    parser.add_argument("--train-strings", type=int, default=6000)
    parser.add_argument(
        "--test-strings", type=int, default=600, help="number of strings per test list"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--synthetic", action="store_true", help="also train on builtin:digits")
    parser.add_argument(
        "--hard-cuts", type=float, default=0.0,
        help="share of the training strings that begin, and that end, without a pause",
    )  # fmt: skip
    parser.add_argument(
        "--synthetic-speakers", type=int, default=0,
        help="number of synthetic speakers whose digits are joined too; recommended: 400",
    )  # fmt: skip
    parser.add_argument(
        "--synthetic-strings", type=int, default=0,
        help="number of strings that synthetic speakers speak in one go; recommended: 6000",
    )  # fmt: skip
    parser.add_argument(
        "--recorded-speakers", type=int, default=0,
        help="number of speakers with voices that were recorded from people; recommended: 300",
    )  # fmt: skip
    arguments = parser.parse_args()
    sets = digit_sets(read_digits(arguments.data), arguments.unseen_speaker)
    figures = write_strings(
        sets, arguments.to, train_strings=arguments.train_strings,
        test_strings=arguments.test_strings, seed=arguments.seed, synthetic=arguments.synthetic,
        hard_cuts=arguments.hard_cuts,
        synthetic_speakers=arguments.synthetic_speakers,
        synthetic_strings=arguments.synthetic_strings,
        recorded_speakers=arguments.recorded_speakers,
    )  # fmt: skip
    print(json.dumps(figures))


def read_digits(folder: str | Path) -> list[Digit]:
    """All recordings of the folder, in the order of their names."""
    recordings = load_recordings(f"file:{folder}", naming_rule=NAMING_RULE)
    return [
        Digit(
            one.transcript, one.speaker, int(one.path.stem.rsplit("_", 1)[1]),
            read_audio(one.path, SAMPLE_RATE),
        )
        for one in recordings
    ]  # fmt: skip


def digit_sets(digits: Sequence[Digit], unseen_speaker: str = "") -> DigitSets:
    """Deals the recordings out.

    Raises:
        DataError: there is no such speaker, or fewer than two.
    """
    speakers = sorted({one.speaker for one in digits})
    unseen = unseen_speaker or speakers[0]
    if unseen not in speakers or len(speakers) < 2:
        raise DataError(f"speaker {unseen!r} cannot be held out of {', '.join(speakers)}")
    known = [one for one in digits if one.speaker != unseen]
    held_out = {*TEST_INDICES, *VALIDATION_INDICES}
    return DigitSets(
        train=[one for one in known if one.index not in held_out],
        validation=[one for one in known if one.index in VALIDATION_INDICES],
        test_known=[one for one in known if one.index in TEST_INDICES],
        test_unseen=[one for one in digits if one.speaker == unseen],
    )


def write_strings(
    sets: DigitSets,
    folder: str | Path,
    *,
    train_strings: int,
    test_strings: int,
    seed: int,
    synthetic: bool = False,
    hard_cuts: float = 0.0,
    synthetic_speakers: int = 0,
    synthetic_strings: int = 0,
    recorded_speakers: int = 0,
) -> dict[str, Any]:
    """Writes strings and lists into `folder`; returns strings and seconds per list, which are in
    `FIGURES`, too, with what the strings were made of."""
    figures: dict[str, Any] = {
        "seed": seed, "hard_cuts": hard_cuts, "synthetic_speakers": synthetic_speakers,
        "synthetic_strings": synthetic_strings, "recorded_speakers": recorded_speakers,
    }  # fmt: skip
    # Validation is a twentieth of training: it only chooses.
    plans = (
        ("train", [("train", sets.train, train_strings),
                   ("validation", sets.validation, max(train_strings // 20, 1))]),
        ("test_known", [("test", sets.test_known, test_strings)]),
        ("test_unseen", [("test", sets.test_unseen, test_strings)]),
        ("single_known", [("test", sets.test_known, 0)]),
        ("single_unseen", [("test", sets.test_unseen, 0)]),
        ("raw_known", [("test", sets.test_known, 0)]),
        ("raw_unseen", [("test", sets.test_unseen, 0)]),
    )  # fmt: skip
    with atomic_folder(folder) as beside:
        for name, parts in plans:
            lines = []
            seconds = 0.0
            for part, digits, count in parts:
                # Its own stream of random numbers for each list, whatever the others' sizes.
                entropy = (seed, *f"{name} {part}".encode())
                generator = np.random.default_rng(entropy)
                strings = (
                    random_strings(digits, count, generator) if count else ([d] for d in digits)
                )
                for number, string in enumerate(strings):
                    file = f"{name}/{part}-{number:05d}.wav"
                    if name.startswith("raw"):
                        samples = string[0].samples
                    else:
                        cuts = hard_cuts if part == "train" else 0.0
                        samples, _ = join(string, generator, cuts)
                    seconds += len(samples) / SAMPLE_RATE
                    _write(beside / file, samples)
                    lines.append(json.dumps(_line(file, part, string)))
            figures[name] = {"strings": len(lines), "seconds": round(seconds)}
            if synthetic and name == "train":
                spoken = list(_synthetic_lines(beside))
                lines += spoken
                figures["synthetic"] = {"strings": len(spoken)}
            if name == "train" and (synthetic_speakers or synthetic_strings):
                spoken = list(
                    _voice_lines(beside, seed, synthetic_speakers, synthetic_strings, hard_cuts)
                )
                lines += spoken
                figures["synthetic_voices"] = {"strings": len(spoken)}
            if name == "train" and recorded_speakers:
                spoken = list(_recorded_lines(beside, seed, recorded_speakers, hard_cuts))
                lines += spoken
                figures["recorded_voices"] = {"strings": len(spoken)}
            write_text(beside / f"{name}.jsonl", "\n".join(lines) + "\n")
        write_json(beside / FIGURES, figures)
    return figures


def _synthetic_lines(folder: Path) -> Iterator[str]:
    """Writes the utterances of builtin:digits at our sample rate; yields their lines."""
    for number, one in enumerate(load_recordings("builtin:digits")):
        file = f"train/synthetic-{number:05d}.wav"
        _write(folder / file, read_audio(one.path, SAMPLE_RATE))
        said = " ".join(_DIGIT_OF_WORD[word] for word in one.transcript.split())
        speaker = f"espeak-ng {one.speaker}"
        line = {"path": file, "transcript": said, "speaker": speaker, "part": "train"}
        yield json.dumps(line)


def _voice_lines(
    folder: Path, seed: int, speakers: int, strings: int, hard_cuts: float
) -> Iterator[str]:
    """Writes strings of synthetic speakers, joined and spoken in one go; yields their lines."""
    generator = np.random.default_rng((seed, *b"synthetic voices"))
    digits = fsdd_voices.synthetic_digits(seed, speakers)
    yield from _joined_lines(folder, "joined", digits, speakers, generator, hard_cuts)
    spoken = fsdd_voices.synthetic_strings(seed, strings)
    for number, (speaker, said, samples) in enumerate(spoken):
        file = f"train/spoken-{number:05d}.wav"
        _write(folder / file, samples)
        line = {"path": file, "transcript": said, "speaker": speaker, "part": "train"}
        yield json.dumps(line)


def _recorded_lines(folder: Path, seed: int, speakers: int, hard_cuts: float) -> Iterator[str]:
    """Writes strings of speakers with recorded voices, joined; yields their lines."""
    generator = np.random.default_rng((seed, *b"recorded voices"))
    digits = fsdd_recorded_voices.recorded_digits(seed, speakers)
    yield from _joined_lines(folder, "recorded", digits, speakers, generator, hard_cuts)


def _joined_lines(
    folder: Path,
    name: str,
    digits: Sequence[Digit],
    speakers: int,
    generator: np.random.Generator,
    hard_cuts: float,
) -> Iterator[str]:
    count = _STRINGS_PER_SYNTHETIC_SPEAKER * speakers
    for number, string in enumerate(random_strings(digits, count, generator)):
        file = f"train/{name}-{number:05d}.wav"
        _write(folder / file, join(string, generator, hard_cuts)[0])
        yield json.dumps(_line(file, "train", string))


def _line(file: str, part: str, string: Sequence[Digit]) -> dict[str, Any]:
    return {
        "path": file,
        "transcript": " ".join(one.digit for one in string),
        "speaker": string[0].speaker,
        "part": part,
        "recordings": [one.index for one in string],
    }


def _write(path: Path, samples: Samples) -> None:
    import soundfile

    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.clip(samples, -1, 1), SAMPLE_RATE, subtype="PCM_16")


def random_strings(
    digits: Sequence[Digit], count: int, generator: np.random.Generator
) -> Iterator[list[Digit]]:
    """Yields `count` strings of 1 to 7 digits, each of one speaker."""
    piles = {speaker: _pile(digits, speaker, generator) for speaker in _speakers(digits)}
    speakers = list(piles)
    for number in range(count):
        pile = piles[speakers[number % len(speakers)]]
        yield [next(pile) for _ in range(int(generator.integers(1, LONGEST_STRING + 1)))]


def _speakers(digits: Sequence[Digit]) -> list[str]:
    return sorted({one.speaker for one in digits})


def _pile(digits: Sequence[Digit], speaker: str, generator: np.random.Generator) -> Iterator[Digit]:
    """The speaker's recordings in random order, repeated without end."""
    own = [one for one in digits if one.speaker == speaker]
    while True:
        for place in generator.permutation(len(own)):
            yield own[place]


def join(
    string: Sequence[Digit], generator: np.random.Generator, hard_cuts: float = 0.0
) -> tuple[Samples, list[int]]:
    """The digits with a pause before, between and after them, float32 [samples], and the number of
    the sample at which each digit's recording begins.

    Args:
        string: digits to join.
        generator: random number generator that draws the pauses.
        hard_cuts: probability that the pause before the first digit is left out, and that the one
            after the last is.
    """
    pieces = [_pause(string[0], generator)]
    starts = []
    for one in string:
        starts.append(sum(map(len, pieces)))
        pieces += [one.samples, _pause(one, generator)]
    if hard_cuts:
        first, last = generator.random(2) < hard_cuts
        if first:
            starts = [start - len(pieces[0]) for start in starts]
            pieces = pieces[1:]
        pieces = pieces[:-1] if last else pieces
    return np.concatenate(pieces), starts


def _pause(beside: Digit, generator: np.random.Generator) -> Samples:
    length = int(generator.uniform(SHORTEST_PAUSE, LONGEST_PAUSE) * SAMPLE_RATE)
    size = int(_QUIET_SECONDS * SAMPLE_RATE)
    whole = len(beside.samples) // size * size
    windows = beside.samples[:whole].reshape(-1, size)
    level = float(windows.std(axis=1).min())
    return generator.standard_normal(length, np.float32) * np.float32(level)


if __name__ == "__main__":
    main()
