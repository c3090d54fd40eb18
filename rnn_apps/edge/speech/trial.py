"""A recogniser tried on recordings in a process of its own, which imports what a device has:
texts, processor time and memory.

    python -m rnn_apps.edge.speech.trial FOLDER FILE TARGET RECORDINGS.npz

The archive holds "samples" float32 [all samples] and "lengths" int64 [recordings]. The last line of
standard output is the result as JSON.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.base.child_processes import child_environment
from pipelines.base.errors import UserError
from rnn_apps.edge.speech.recogniser import EdgeRecogniser
from rnn_apps.edge.speech.recognition import Utterance
from rnn_apps.edge.speech.transcripts import DecodingConfig

# Of a stream, as a microphone gives them.
CHUNK_SECONDS = 0.05
# One run may take so many times as long as its recordings last, and so many seconds beside.
SLOWEST, STARTING_SECONDS = 5.0, 120.0


@dataclass(frozen=True)
class Trial:
    """What trying a file gave.

    Attributes:
        texts: of each recording, by greedy decoding.
        real_time_factor: processor time of features, model and decoding over the recordings'
            length, one thread.
        memory_kib: by how much the process grew to its largest, beyond Python, NumPy and the
            runtime's library; None where the system does not tell.
        delay_seconds: how late a stream's text is at most, computing aside; None for a file that
            takes whole utterances.
    """

    texts: tuple[str, ...]
    real_time_factor: float
    memory_kib: int | None
    delay_seconds: float | None


def try_recogniser(
    folder: Path, file: str, target: str, recordings: Sequence[npt.NDArray[np.float32]]
) -> Trial:
    """Runs a file of an exported folder over recordings, streams in chunks, in a child process.

    Args:
        recordings: samples at the model's rate, [samples] each.

    Raises:
        UserError: the process failed, or took too long.
    """
    seconds = STARTING_SECONDS + SLOWEST * sum(map(len, recordings)) / 8000
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "recordings.npz"
        lengths = np.array([len(samples) for samples in recordings])
        np.savez(path, samples=np.concatenate(recordings), lengths=lengths)
        command = [sys.executable, "-m", __name__, str(folder), file, target, str(path)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        try:
            done = subprocess.run(
                command, env=child_environment(**threads), capture_output=True, text=True,
                timeout=seconds, check=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise UserError(f"{file}: took more than {seconds:.0f} s on the recordings") from None
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"{file}: failed on the recordings: {last}") from None
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Trial(**{**found, "texts": tuple(found["texts"])})


def _status_kib(name: str) -> int | None:
    """A figure of this process that Linux tells in KiB."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)


def _forget_peak() -> None:
    """The largest size is counted from here on (proc(5), clear_refs)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main(folder: str, file: str, target: str, path: str) -> None:
    """See the module."""
    with np.load(path, allow_pickle=False) as archive:
        samples = np.split(archive["samples"], np.cumsum(archive["lengths"])[:-1])
    if target == "litert":
        import ai_edge_litert.interpreter  # noqa: F401
    else:
        import tflite_micro  # noqa: F401
    _forget_peak()
    before = _status_kib("VmRSS")
    recogniser = EdgeRecogniser(folder, file, target, DecodingConfig(method="greedy"))
    texts, spent = [], 0.0
    delay = recogniser.stream().delay_seconds if recogniser.can_stream else None
    for number, recording in enumerate([samples[0], *samples]):
        start = time.process_time()
        text = _streamed(recogniser, recording) if recogniser.can_stream else (
            recogniser.transcribe(recording)[0].text
        )  # fmt: skip
        if number:
            # The first time is a rehearsal.
            texts.append(text)
            spent += time.process_time() - start
    heard = sum(map(len, samples)) / recogniser.sample_rate
    peak = _status_kib("VmHWM")
    result = {
        "texts": texts, "real_time_factor": spent / heard, "delay_seconds": delay,
        "memory_kib": None if peak is None or before is None else peak - before,
    }  # fmt: skip
    print(json.dumps(result))


def _streamed(recogniser: EdgeRecogniser, samples: npt.NDArray[np.float32]) -> str:
    stream = recogniser.stream()
    size = round(CHUNK_SECONDS * recogniser.sample_rate)
    ended: list[Utterance] = []
    for at in range(0, len(samples), size):
        ended += stream.push(samples[at : at + size])
        stream.partial()
    assert not ended
    return stream.finish().text


if __name__ == "__main__":
    main(*sys.argv[1:])
