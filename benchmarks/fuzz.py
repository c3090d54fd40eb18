"""A fuzz campaign over everything that is read: damaged files are read right or refused.

    python -m benchmarks.fuzz --subject csv --count 200 --seed 1
    python -m benchmarks.fuzz --subject all --count 50

A subject (see `fuzz_subjects`) writes an original. Each input is the original with one of its files
damaged: bytes changed, inserted or deleted, a block written twice, the end cut off; or a digit
changed, a line deleted, written twice or swapped with the next, which leaves a text a text (in a
binary file a line is what is between two line feeds). Subject, seed and number determine an input,
so that `--first N --count 1` repeats number N alone. A child process reads it, since a reader may
crash or hang; each input has a time limit. What came of it:

    right      read with the original's meaning, or with what the damaged text says when it is read
               by a few lines of plain Python that do not share the reader's code
    refused    a `UserError`, or read with a finding in the data report that the original has not
    other      read with another meaning that nobody could have known to be another: a digit of a
               CSV file that became another digit, a sample of a WAV file that is louder
    traceback  any other exception, or the process died
    hang       no answer within the time limit
    silent     read with another meaning although the format tells: a file with checksums (FLAC,
               .keras, the parts of a run), a container that is cut short, bytes that are not UTF-8,
               a text that the plain reading calls broken or reads otherwise

Plain text without redundancy that was changed into other valid text is not silent acceptance: that
is the line between "other" and "silent". The command ends with code 1 if any input fell into the
last three.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz_subjects import SUBJECTS, Reading, Subject
from pipelines.base.child_processes import child_environment
from pipelines.base.errors import UserError

VERDICTS = ("right", "refused", "other", "traceback", "hang", "silent")
FAULTS = ("traceback", "hang", "silent")
DAMAGES = (
    "changed",
    "inserted",
    "deleted",
    "doubled",
    "cut",
    "digit changed",
    "line deleted",
    "line doubled",
    "lines swapped",
)
# Largest number of bytes that one damage concerns; a cut may take all.
LONGEST_DAMAGE = 64
# A header that claims terabytes must not take the machine's memory with it.
MEMORY_BYTES = 16 << 30
# Starting up and reading the first original, with TensorFlow, on a busy machine.
START_SECONDS = 300.0
# What differs between messages of one kind: places, numbers, names in quotes.
_LIKE = re.compile(r"/\S+|\d+|'[^']*'")


@dataclass(frozen=True)
class Input:
    """One damaged input: which file of the original, how, and its bytes."""

    number: int
    part: str
    damage: str
    content: bytes


def damaged(subject: str, original: Path, parts: list[str], seed: int, number: int) -> Input:
    """The input of this number: one part of the original, damaged at random."""
    generator = np.random.default_rng([seed, number, zlib.crc32(subject.encode())])
    part = parts[int(generator.integers(len(parts)))]
    damage = DAMAGES[int(generator.integers(len(DAMAGES)))]
    content = (original / part).read_bytes()
    return Input(number, part, damage, _damage(content, damage, generator))


def _damage(content: bytes, damage: str, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(len(content)))
    length = min(int(generator.integers(1, LONGEST_DAMAGE + 1)), len(content) - place)
    if damage == "digit changed":
        return _changed_digit(content, place, generator)
    if damage.startswith("line"):
        return _changed_line(content, place, damage)
    if damage == "cut":
        return content[:place]
    if damage == "deleted":
        return content[:place] + content[place + length :]
    if damage == "doubled":
        return content[: place + length] + content[place:]
    if damage == "inserted":
        return content[:place] + _new_bytes(content, length, generator) + content[place:]
    changed = bytearray(content)
    count = int(generator.integers(1, 5))
    places = generator.integers(len(content), size=count)
    for index, byte in zip(places, _new_bytes(content, count, generator), strict=True):
        changed[index] = byte
    return bytes(changed)


def _changed_digit(content: bytes, place: int, generator: np.random.Generator) -> bytes:
    """Changes the first digit from `place` on; without any, adds a digit at the end."""
    while place < len(content) and not content[place : place + 1].isdigit():
        place += 1
    return content[:place] + b"%d" % generator.integers(10) + content[place + 1 :]


def _changed_line(content: bytes, place: int, damage: str) -> bytes:
    lines = [line + b"\n" for line in content.split(b"\n")]
    number = min(content.count(b"\n", 0, place), len(lines) - 1)
    if damage == "line deleted":
        del lines[number]
    elif damage == "line doubled":
        lines.insert(number, lines[number])
    else:
        lines[number : number + 2] = reversed(lines[number : number + 2])
    return b"".join(lines).removesuffix(b"\n")


def _new_bytes(content: bytes, count: int, generator: np.random.Generator) -> bytes:
    """Random bytes or, half of the time, bytes from the content, so that texts stay texts."""
    if generator.integers(2):
        return generator.bytes(count)
    return bytes(content[index] for index in generator.integers(len(content), size=count))


class Reader:
    """The child process that reads inputs; it is restarted after it died or was stopped."""

    def __init__(self, subject: str, time_limit: float) -> None:
        self._subject = subject
        self._time_limit = time_limit
        self._child: subprocess.Popen[bytes] | None = None

    def read(self, folder: Path) -> dict[str, Any]:
        """Result of reading: "outcome" and, by outcome, "meaning" and "findings", or "text"."""
        limit = self._time_limit
        if self._child is None:
            self._child = self._start()
            limit += START_SECONDS
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(f"{folder}\n".encode())
        self._child.stdin.flush()
        answer = _line(self._child.stdout.fileno(), time.monotonic() + limit)
        if answer is None:
            self.close()
            return {"outcome": "hang", "text": f"no answer within {limit:g} s"}
        if not answer:
            code = self._child.wait()
            self.close()
            return {"outcome": "traceback", "text": f"the process died with code {code}"}
        return dict(json.loads(answer))

    def close(self) -> None:
        """Ends the child process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fuzz", "--subject", self._subject, "--reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1"),
        )


def _line(pipe: int, deadline: float) -> bytes | None:
    """The next line of a pipe, empty at its end; None after the deadline."""
    received = b""
    while not received.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        block = os.read(pipe, 1 << 16)
        if not block:
            return b""
        received += block
    return received


def answer_requests(subject: Subject) -> None:
    """The child's side: reads the folder that each line of standard input names."""
    replies = os.fdopen(os.dup(1), "w")
    # Whatever libraries print must not come among the answers.
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for line in sys.stdin:
        try:
            reading = subject.read(Path(line.rstrip("\n")))
            reply: dict[str, Any] = {"outcome": "read", **vars(reading)}
        except UserError as refusal:
            reply = {"outcome": "refused", "text": str(refusal)}
        except Exception:
            reply = {"outcome": "traceback", "text": traceback.format_exc()}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def verdict(
    subject: Subject, folder: Path, item: Input, reply: dict[str, Any], original: Reading
) -> str:
    """Into which of `VERDICTS` an answer falls."""
    if reply["outcome"] != "read":
        return str(reply["outcome"])
    meaning = reply["meaning"]
    if meaning == original.meaning:
        return "right"
    plain = None if subject.plain is None else subject.plain(folder)
    if plain is not None and meaning == plain:
        return "right"
    if reply["findings"] != original.findings:
        return "refused"
    told = subject.plain is not None or subject.tells(folder, item.part, item.damage)
    return "silent" if told else "other"


def campaign(
    name: str, count: int, seed: int, *, first: int = 0, time_limit: float = 60.0
) -> tuple[Counter[str], list[str], Counter[str]]:
    """Reads `count` damaged inputs of one subject.

    Returns:
        The number of inputs per verdict, a description of every fault, and how often what was said.
    """
    subject = SUBJECTS[name]
    verdicts: Counter[str] = Counter()
    told: Counter[str] = Counter()
    faults = []
    reader = Reader(name, time_limit)
    with tempfile.TemporaryDirectory(prefix="fuzz_") as scratch:
        # The original is read in the very folder where the damaged ones are: paths may be in it.
        folder, kept = Path(scratch) / "read", Path(scratch) / "original"
        folder.mkdir()
        # Training and converting tell of their progress; the table alone is this command's output.
        with contextlib.redirect_stdout(sys.stderr):
            subject.make(folder)
        shutil.copytree(folder, kept)
        parts = subject.parts(folder)
        whole = reader.read(folder)
        if whole["outcome"] != "read":
            raise RuntimeError(f"{name}: the original is not read: {whole['text']}")
        original = Reading(whole["meaning"], whole["findings"])
        for number in range(first, first + count):
            item = damaged(name, kept, parts, seed, number)
            (folder / item.part).write_bytes(item.content)
            reply = reader.read(folder)
            fell = verdict(subject, folder, item, reply, original)
            verdicts[fell] += 1
            text = _said(reply, original)
            told[f"{fell}: {_LIKE.sub('#', text)[:120]}"] += 1
            if fell in FAULTS:
                faults.append(f"{fell}: {name} {number}: {item.part} {item.damage}: {text}")
            shutil.copyfile(kept / item.part, folder / item.part)
        reader.close()
    return verdicts, faults, told


def _said(reply: dict[str, Any], original: Reading) -> str:
    """What is worth saying of an answer, on one line."""
    if reply["outcome"] == "read":
        return _difference(reply["meaning"], original.meaning)
    lines = str(reply["text"]).strip().splitlines()
    own = [line.strip() for line in lines if "/pipelines/" in line or "/rnn_apps/" in line]
    return " <- ".join([lines[-1], *own[-1:]]) if reply["outcome"] == "traceback" else lines[0]


def _difference(meaning: dict[str, str], original: dict[str, str]) -> str:
    parts = [key for key in original | meaning if original.get(key) != meaning.get(key)]
    shown = [f"{key}: {meaning.get(key)!r:.80}, was {original.get(key)!r:.80}" for key in parts[:3]]
    return f"{len(parts)} parts read otherwise: {'; '.join(shown)}"


def main() -> int:
    """The command line; the exit code is 1 if an input fell into `FAULTS`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subject", required=True, choices=("all", *SUBJECTS))
    parser.add_argument("--count", type=int, default=100, help="number of inputs per subject")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damages")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit per input")
    parser.add_argument("--shown", type=int, default=20, help="faults described per subject")
    parser.add_argument(
        "--messages", action="store_true", help="count the messages; similar ones together"
    )
    parser.add_argument("--reader", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader:
        answer_requests(SUBJECTS[arguments.subject])
        return 0
    names = list(SUBJECTS) if arguments.subject == "all" else [arguments.subject]
    print(f"{'subject':<20}", *(f"{verdict:>9}" for verdict in VERDICTS), flush=True)
    fell = 0
    for name in names:
        verdicts, faults, told = campaign(
            name,
            arguments.count,
            arguments.seed,
            first=arguments.first,
            time_limit=arguments.seconds,
        )
        print(f"{name:<20}", *(f"{verdicts[verdict]:>9}" for verdict in VERDICTS), flush=True)
        for fault in faults[: arguments.shown]:
            print(f"  {fault}", flush=True)
        if arguments.messages:
            for text, times in told.most_common():
                print(f"  {times:>5} {text}", flush=True)
        fell += len(faults)
    return 1 if fell else 0


if __name__ == "__main__":
    sys.exit(main())
