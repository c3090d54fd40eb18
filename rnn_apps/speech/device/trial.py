"""Trying an exported recogniser on recordings, in a process that imports what a device has.

    python -m rnn_apps.speech.device.trial FOLDER FILE TARGET RECORDINGS.npz

The archive holds "samples" float32 [all samples] and "lengths" int64 [recordings]. What is written
to standard output is the result as JSON: texts, processor time and memory.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.base.child_processes import WorkerError, reserve_standard_output, run_worker
from pipelines.base.errors import UserError
from rnn_apps.edge.speech.recogniser import EdgeRecogniser
from rnn_apps.edge.speech.recognition import Utterance
from rnn_apps.edge.speech.transcripts import DecodingConfig

# Seconds of a stream that are pushed at a time, as a microphone gives them.
CHUNK_SECONDS = 0.05
# A trial may take this many times as long as its recordings last, after this many seconds to start.
SLOWEST, STARTING_SECONDS = 5.0, 120.0


@dataclass(frozen=True)
class Trial:
    """What trying a file gave.

    Attributes:
        texts: the text of each recording, by greedy decoding.
        real_time_factor: processor time of features, model and decoding over the recordings'
            length, one thread.
        memory_kib: growth of the process to its largest size, beyond Python, NumPy and the
            runtime's library; None where the system does not tell.
        delay_seconds: the longest time by which a stream's text is late, without the time for
            computing; None for a file that takes whole utterances.
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
        folder: the exported folder, with contract and vocabulary.
        file: the name of the .tflite file, or of the folder of C code, in it.
        target: the runtime: "litert", "tflm" or "c".
        recordings: one array of samples [samples] per recording, at the model's sample rate.

    Raises:
        UserError: the process failed, or took too long.
    """
    seconds = STARTING_SECONDS + SLOWEST * sum(map(len, recordings)) / 8000
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "recordings.npz"
        lengths = np.array([len(samples) for samples in recordings])
        np.savez(path, samples=np.concatenate(recordings), lengths=lengths)
        try:
            answer = run_worker(
                __name__,
                [str(folder), file, target, str(path)],
                variables=dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
                time_limit=seconds,
            )
        except WorkerError as failure:
            if failure.hung:
                problem = f"took more than {seconds:.0f} s on the recordings"
            else:
                problem = f"failed on the recordings: {failure.last_words}"
            raise UserError(f"{file}: {problem}") from None
    found = json.loads(answer)
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
    """Tries a recogniser and writes the result; see the module."""
    answers = reserve_standard_output()
    with np.load(path, allow_pickle=False) as archive:
        samples = np.split(archive["samples"], np.cumsum(archive["lengths"])[:-1])
    if target == "litert":
        import ai_edge_litert.interpreter  # noqa: F401
    elif target == "tflm":
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
    answers.write(json.dumps(result).encode())
    answers.close()


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
