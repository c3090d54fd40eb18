"""Converting in a child process, since the converter can crash or hang.

One process serves many conversions, so that TensorFlow is imported once; after a crash or when its
time is up, the next conversion starts a new one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipelines.base.child_processes import child_environment
from rnn_apps.export.processes.failure_texts import converter_text
from rnn_apps.export.results import ExportError

START_LIMIT = 180.0


@dataclass(frozen=True)
class Conversion:
    """One request to the converter; paths are files on disk, so that only names travel.

    Attributes:
        calibration: .npz with arrays `SIGNATURE/INDEX/INPUT`; for int8 only.
        rewrites: what to change in the written flatbuffer, in order (`flatbuffer_rewrites`).
    """

    saved_model: str
    signatures: tuple[str, ...]
    output: str
    quantize: str | None = None
    integer_io: bool = False
    calibration: str | None = None
    rewrites: tuple[str, ...] = ()


class ConverterCrashedError(ExportError):
    """The converter's process ended or hung instead of answering."""


class ConverterFailedError(ExportError):
    """The converter answered with an error of its own."""


def prepare() -> None:
    """Starts the child process, unless there is one, and does not wait for it.

    It imports TensorFlow, which takes seconds that the caller has other work for.
    """
    with _lock:
        _running_worker()


def convert(conversion: Conversion, *, time_limit: float) -> tuple[str, ...]:
    """Runs one conversion in the child process and returns the names of the file's operators.

    Raises:
        ConverterCrashedError: the process ended, or did not answer within `time_limit` seconds.
        ConverterFailedError: the converter refused the model.
    """
    with _lock:
        worker = _running_worker()
        answer = worker.ask(asdict(conversion), time_limit)
    if "error" in answer:
        raise ConverterFailedError(converter_text(answer["error"]))
    return tuple(answer["operators"])


def write_calibration(path: Path, examples: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Writes examples by signature in the form that `Conversion.calibration` names."""
    arrays = {
        f"{signature}/{index}/{name}": np.asarray(value)
        for signature, listed in examples.items()
        for index, example in enumerate(listed)
        for name, value in example.items()
    }
    # NumPy's own stub confuses the arrays' names with its options.
    np.savez(path, **arrays)  # type: ignore[arg-type]


class _Worker:
    """The child process, with a thread that reads its answers so that waiting can end."""

    def __init__(self) -> None:
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rnn_apps.export.processes.conversion_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=child_environment(TF_CPP_MIN_LOG_LEVEL="2"),
        )
        self.answers: queue.Queue[str] = queue.Queue()
        self._started = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put("")

    def ask(self, request: dict[str, Any], time_limit: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        if not self._started:
            self._next_answer(START_LIMIT)
            self._started = True
        # A process that has ended also closes the pipe; waiting for its answer says why.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        return self._next_answer(time_limit)

    def _next_answer(self, time_limit: float) -> dict[str, Any]:
        try:
            line = self.answers.get(timeout=time_limit)
        except queue.Empty:
            self.close()
            raise ConverterCrashedError(
                f"the converter did not finish within {time_limit:.0f} s"
            ) from None
        if not line:
            code = self.process.wait()
            raise ConverterCrashedError(
                f"the converter crashed (exit code {code}){self._last_words()}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", "replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()]
        return f": {errors[-1][:300]}" if errors else ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


_lock = threading.Lock()
_worker: _Worker | None = None


def _running_worker() -> _Worker:
    global _worker
    if _worker is None or _worker.process.poll() is not None:
        _worker = _Worker()
    return _worker


@atexit.register
def stop() -> None:
    """Ends the child process; the next conversion starts a new one."""
    global _worker
    if _worker is not None:
        _worker.close()
        _worker = None


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for what goes between the processes, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rnn-apps-export-") as name:
        yield Path(name)
