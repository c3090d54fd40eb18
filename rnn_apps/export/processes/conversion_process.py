"""Converting in a child process, since the converter can crash or hang.

One process serves many conversions, so that TensorFlow is imported once; after a crash or when its
time is up, the next conversion starts a new one.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.child_processes import Worker, WorkerError
from rnn_apps.export.processes.failure_texts import converter_text
from rnn_apps.export.results import ExportError

# Seconds for importing TensorFlow.
START_LIMIT = 180.0


@dataclass(frozen=True)
class Conversion:
    """One request to the converter; paths are files on disk, so that only names travel.

    Attributes:
        calibration: path of an .npz file with arrays `SIGNATURE/INDEX/INPUT`; for int8 only.
        rewrites: names of the changes to the written flatbuffer, in order (`flatbuffer_rewrites`).
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

    Importing TensorFlow takes the child seconds, in which the caller can do other work.
    """
    with _lock:
        _running_worker()


def convert(conversion: Conversion, *, time_limit: float) -> tuple[str, ...]:
    """Runs one conversion in the child process and returns the names of the file's operators.

    Raises:
        ConverterCrashedError: the process ended, or did not answer within `time_limit` seconds;
            time in which it waits for a processor does not count.
        ConverterFailedError: the converter refused the model.
    """
    with _lock:
        answer = ask(_running_worker(), asdict(conversion), time_limit)
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


def ask(worker: Worker, request: dict[str, Any], time_limit: float) -> dict[str, Any]:
    """Sends one request to the converter's process and returns its answer.

    Raises:
        ConverterCrashedError: as `convert`.
    """
    try:
        if worker not in _ready:
            worker.ask_json(None, START_LIMIT)
            _ready.add(worker)
        answer: dict[str, Any] = worker.ask_json(request, time_limit)
    except WorkerError as failure:
        if failure.hung:
            text = f"the converter did not finish within {time_limit:.0f} s"
        else:
            errors = [line for line in failure.said if "error" in line.lower()]
            said = f": {errors[-1][:300]}" if errors else ""
            text = f"the converter crashed ({failure.ending}){said}"
        raise ConverterCrashedError(text) from None
    return answer


_lock = threading.Lock()
_worker: Worker | None = None
# The workers that have said that TensorFlow is imported.
_ready: weakref.WeakSet[Worker] = weakref.WeakSet()


def _running_worker() -> Worker:
    global _worker
    if _worker is None or not _worker.is_running:
        _worker = Worker(
            "rnn_apps.export.processes.conversion_worker", variables={"TF_CPP_MIN_LOG_LEVEL": "2"}
        )
    return _worker


def stop() -> None:
    """Ends the child process; the next conversion starts a new one."""
    global _worker
    if _worker is not None:
        _worker.close()
        _worker = None


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder for the files that the processes exchange."""
    with tempfile.TemporaryDirectory(prefix="rnn-apps-export-") as name:
        yield Path(name)
