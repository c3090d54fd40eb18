"""A recogniser tried on recordings in a process of its own, which imports what a device has:
texts, processor time and memory.

    python -m rnn_apps.edge.speech_trial FOLDER FILE TARGET RECORDINGS.npz

The archive holds "samples" float32 [all samples] and "lengths" int64 [recordings]. The last line of
standard output is the result as JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.child_processes import child_environment
from pipelines.errors import UserError
from rnn_apps.edge.recognition import Utterance
from rnn_apps.edge.speech import EdgeRecogniser
from rnn_apps.edge.transcripts import DecodingConfig

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
        model_factor: the model's part in it, the runtime's calls included.
        memory_kib: by how much the process grew to its largest, beyond Python, NumPy and the
            runtime's library.
        delay_seconds: how late a stream's text is at most, computing aside; None for a file that
            takes whole utterances.
    """

    texts: tuple[str, ...]
    real_time_factor: float
    model_factor: float
    memory_kib: int
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


def _peak_kib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes.
    return peak // 1024 if sys.platform == "darwin" else peak


def main(folder: str, file: str, target: str, path: str) -> None:
    """See the module."""
    with np.load(path, allow_pickle=False) as archive:
        samples = np.split(archive["samples"], np.cumsum(archive["lengths"])[:-1])
    if target == "litert":
        import ai_edge_litert.interpreter  # noqa: F401
    else:
        import tflite_micro  # noqa: F401
    before = _peak_kib()
    recogniser = EdgeRecogniser(folder, file, target, DecodingConfig(method="greedy"))
    texts, spent, calls = [], 0.0, 0.0
    delay = recogniser.stream().delay_seconds if recogniser.can_stream else None
    for number, recording in enumerate([samples[0], *samples]):
        start = time.process_time()
        model_before = recogniser.model_seconds
        text = _streamed(recogniser, recording) if recogniser.can_stream else (
            recogniser.transcribe(recording)[0].text
        )  # fmt: skip
        if number:
            # The first time is a rehearsal.
            texts.append(text)
            spent += time.process_time() - start
            calls += recogniser.model_seconds - model_before
    heard = sum(map(len, samples)) / recogniser.sample_rate
    result = {
        "texts": texts, "real_time_factor": spent / heard, "model_factor": calls / heard,
        "memory_kib": _peak_kib() - before, "delay_seconds": delay,
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
