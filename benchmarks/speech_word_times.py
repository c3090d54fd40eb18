"""How exactly a recogniser says when words begin and end, on joined recordings of digits.

    python -m benchmarks.speech_word_times --data FOLDER/fsdd [--exported FOLDER] [--strings 200]

joins recordings as `benchmarks.fsdd` does, so that it is known where each begins and ends, and
recognises the strings with an exported recogniser (that of `saved_models/speech` by default): each
as a whole, and as a stream in chunks of 50 ms with the default endpoints.

The truth is the energetic part of each recording, from its first to its last window of 25 ms (every
10 ms) that is at most 30 dB quieter than its loudest one; the table gives it for 25 and 35 dB, too.
Words that are not recognised have no time: they are left out and counted.

The lists are those of `benchmarks.fsdd`: "validation" (recordings 10 to 12 of the four known
speakers), on which the constants of `rnn_apps.edge.speech.word_times` were chosen, "test_known"
(recordings 5 to 9) and "test_unseen" (the speaker who does not occur in training).
"""

from __future__ import annotations

import argparse
import difflib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.fsdd import (
    SAMPLE_RATE,
    Digit,
    Samples,
    digit_sets,
    join,
    random_strings,
    read_digits,
)
from pipelines.base.atomic_files import write_text
from rnn_apps.application.model_zoo import find
from rnn_apps.edge import DecodingConfig, EdgeRecogniser, EndpointConfig
from rnn_apps.edge.speech.transcripts import Word

SHIPPED = "speech/recorded-digits"
PARTS = ("validation", "test_known", "test_unseen")
WAYS = ("whole", "stream")
START_GOAL, END_GOAL = 0.080, 0.100
_CHUNK_SECONDS = 0.05
_WINDOW_SECONDS, _HOP_SECONDS = 0.025, 0.010
_RULES = (30.0, 25.0, 35.0)


@dataclass(frozen=True)
class Spoken:
    """A word that was said, with its time in seconds by each rule of the truth."""

    text: str
    spans: dict[float, tuple[float, float]]


@dataclass
class Deviations:
    """Times that a recogniser gives, minus the true ones, in seconds.

    Attributes:
        starts, ends: one number per word that was recognised.
        missed: number of words that were not.
    """

    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    missed: int = 0

    @property
    def starts_within(self) -> float:
        """Share of the words whose start is at most 80 ms off."""
        return float(np.mean(np.abs(self.starts) <= START_GOAL))

    @property
    def ends_within(self) -> float:
        """Share of the words whose end is at most 100 ms off."""
        return float(np.mean(np.abs(self.ends) <= END_GOAL))


def energetic_part(samples: Samples, below: float) -> tuple[float, float]:
    """Start and end in seconds of the part that is at most `below` dB quieter than the loudest."""
    window, hop = round(_WINDOW_SECONDS * SAMPLE_RATE), round(_HOP_SECONDS * SAMPLE_RATE)
    views = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), window)[::hop]
    powers = np.square(views).mean(axis=1)
    loud = np.flatnonzero(powers > powers.max() * 10 ** (-below / 10))
    return loud[0] * hop / SAMPLE_RATE, (loud[-1] * hop + window) / SAMPLE_RATE


def strings(
    digits: Sequence[Digit], count: int, seed: int = 1
) -> Iterator[tuple[Samples, list[Spoken]]]:
    """Yields strings of digits as one recording each, with what is said when."""
    generator = np.random.default_rng(seed)
    for string in random_strings(digits, count, generator):
        samples, starts = join(string, generator)
        said = []
        for one, at in zip(string, starts, strict=True):
            spans = {}
            for rule in _RULES:
                start, end = energetic_part(one.samples, rule)
                spans[rule] = (at / SAMPLE_RATE + start, at / SAMPLE_RATE + end)
            said.append(Spoken(one.digit, spans))
        yield samples, said


def heard(recogniser: EdgeRecogniser, samples: Samples, way: str) -> list[Word]:
    """The words of a recording, recognised as a whole or as a stream."""
    if way == "whole":
        return list(recogniser.transcribe(samples)[0].words)
    size = round(_CHUNK_SECONDS * SAMPLE_RATE)
    chunks = (samples[at : at + size] for at in range(0, len(samples), size))
    stream = recogniser.stream(EndpointConfig())
    return [word for one in stream.recognise(chunks) for word in one.transcripts[0].words]


def deviations(
    recogniser: EdgeRecogniser, digits: Sequence[Digit], count: int, way: str
) -> dict[float, Deviations]:
    """Deviations by each rule of the truth, over `count` strings."""
    found = {rule: Deviations() for rule in _RULES}
    for samples, said in strings(digits, count):
        words = heard(recogniser, samples, way)
        matcher = difflib.SequenceMatcher(
            None, [one.text for one in said], [word.text for word in words], autojunk=False
        )
        pairs = [
            (said[block.a + i], words[block.b + i])
            for block in matcher.get_matching_blocks()
            for i in range(block.size)
        ]
        for rule, deviation in found.items():
            deviation.missed += len(said) - len(pairs)
            for spoken, word in pairs:
                start, end = spoken.spans[rule]
                deviation.starts.append(word.start - start)
                deviation.ends.append(word.end - end)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of DIGIT_SPEAKER_INDEX.wav")
    parser.add_argument("--exported", default="", help="exported recogniser; default: the shipped")
    parser.add_argument("--strings", type=int, default=200, help="number of strings per list")
    parser.add_argument("--word-times", default="sound", help="source of the times: sound|labels")
    parser.add_argument("--to", type=Path, help="file for the table; default: none is written")
    arguments = parser.parse_args()
    recogniser = EdgeRecogniser(
        arguments.exported or find(SHIPPED).folder,
        decoding=DecodingConfig(word_times=arguments.word_times),
    )
    sets = digit_sets(read_digits(arguments.data))
    begun = time.process_time()
    rows = []
    for part in PARTS:
        for way in WAYS:
            results = deviations(recogniser, getattr(sets, part), arguments.strings, way)
            for rule, one in results.items():
                rows.append(_row(part, way, rule, one))
                print(rows[-1], flush=True)
    seconds = time.process_time() - begun
    table = "\n".join((*_HEADER, *rows))
    text = (
        f"# When words begin and end\n\n{arguments.strings} strings per list, times by "
        f"{arguments.word_times}, {seconds:.0f} s of processor time. `python -m "
        "benchmarks.speech_word_times --help` says how the truth is found.\n\n"
        f"{table}\n"
    )
    if arguments.to:
        write_text(arguments.to, text)


_HEADER = (
    "| list | recognised | truth, dB below the loudest | words | start: median, ms "
    "| 95 % of starts within, ms | starts within 80 ms, % | end: median, ms "
    "| 95 % of ends within, ms | ends within 100 ms, % |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def _row(part: str, way: str, rule: float, one: Deviations) -> str:
    cells = [part, way, f"{rule:g}", f"{len(one.starts)} of {len(one.starts) + one.missed}"]
    for values, share in ((one.starts, one.starts_within), (one.ends, one.ends_within)):
        sizes = 1000 * np.abs(values)
        cells += [
            f"{np.median(sizes):.0f}",
            f"{np.percentile(sizes, 95):.0f}",
            f"{100 * share:.1f}",
        ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
