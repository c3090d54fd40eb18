"""Worker processes that extract features, each fed by a thread."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.base.child_processes import Worker, WorkerError
from pipelines.base.errors import UserError
from pipelines.base.terminal_log import duration
from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.librosa_features import compile_librosa

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_NEWS = 5.0
_CRASHES_TO_GIVE_UP = 5
_FEWEST_FOR_SEVERAL = 32
_SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class Request:
    """A recording and the file for its features.

    Attributes:
        path: path of the sound file.
        target: path of the file for the features.
        offset: place in the sound file at which the recording begins, in seconds.
        seconds: length of the recording; None for everything after `offset`.
        channel: number of the channel to read, counted from 1; 0 for the mean of all.
    """

    path: str
    target: str
    offset: float = 0.0
    seconds: float | None = None
    channel: int = 0


def extract_missing(
    requests: Sequence[Request],
    config: FeatureConfig,
    *,
    processes: int,
    most_seconds: float,
) -> list[dict[str, Any]]:
    """Extracts features in worker processes.

    Args:
        requests: recordings and the files for their features.
        config: features to compute.
        processes: number of worker processes; 0 for one per core.
        most_seconds: longest allowed recording, in seconds.

    Returns:
        The answers in the order of the requests; see `extraction_worker.extract`.

    Raises:
        UserError: the workers fail repeatedly, or cannot write.
    """
    compile_librosa()
    wanted = processes or os.cpu_count() or 1
    workers = min(wanted, -(-len(requests) // _FEWEST_FOR_SEVERAL))
    pool = _Pool(requests, config, most_seconds)
    threads = [threading.Thread(target=pool.serve, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    started = told = time.monotonic()
    try:
        while any(thread.is_alive() for thread in threads):
            threads[0 if threads[0].is_alive() else -1].join(timeout=0.2)
            now = time.monotonic()
            if now - told > _SECONDS_BETWEEN_NEWS:
                told = now
                rate = pool.done / (now - started)
                _log.info(_progress(pool.done, len(requests), rate))
    finally:
        pool.stop()
        for thread in threads:
            thread.join(timeout=10)
    if pool.failure:
        raise UserError(f"features cannot be extracted: {pool.failure}")
    return [pool.answers[i] for i in range(len(requests))]


def _progress(done: int, count: int, rate: float) -> str:
    text = f"Features: {done} of {count} recordings"
    if not done:
        return text
    return f"{text}, {rate:.0f} per second, about {duration((count - done) / rate)} left"


class _Pool:
    """Open requests and received answers, which the threads share."""

    def __init__(
        self, requests: Sequence[Request], config: FeatureConfig, most_seconds: float
    ) -> None:
        self.answers: dict[int, dict[str, Any]] = {}
        self.failure = ""
        self._requests = requests
        setup = json.dumps({"config": asdict(config), "most_seconds": most_seconds})
        self._setup = setup.encode() + b"\n"
        self._open: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(requests)):
            self._open.put(number)
        self._crashes = 0
        self._stopped = False
        for folder in {Path(request.target).parent for request in requests}:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> int:
        return len(self.answers)

    def stop(self) -> None:
        """Makes the threads begin no further request."""
        self._stopped = True

    def serve(self) -> None:
        """Runs one worker process, restarted after a crash, until no request is open."""
        worker: Worker | None = None
        while not (self._stopped or self.failure):
            try:
                number = self._open.get_nowait()
            except queue.Empty:
                break
            request = json.dumps(asdict(self._requests[number])).encode() + b"\n"
            if worker is None:
                worker = self._start()
                request = self._setup + request
            try:
                self.answers[number] = json.loads(worker.ask(request, Worker.line))
            except WorkerError as failure:
                self._note_crash(number, failure)
                worker = None
        if worker is not None:
            worker.close(patience=_SECONDS_TO_END)

    def _start(self) -> Worker:
        # The processes run in parallel; more threads inside them would only compete.
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        module = "pipelines.speech.feature_extraction.extraction_worker"
        return Worker(module, variables=one_thread)

    def _note_crash(self, number: int, failure: WorkerError) -> None:
        """Ends everything after an error; a crash of the decoder costs only this recording."""
        code = failure.exit_code or 0
        if code >= 0:
            self.failure = failure.last_words
            return
        self._crashes += 1
        if self._crashes >= _CRASHES_TO_GIVE_UP:
            last = failure.said[-1] if failure.said else ""
            self.failure = f"{self._crashes} worker processes were ended by a signal; {last}"
        problem = f"the decoder was ended by signal {-code}"
        self.answers[number] = {"error": ["not audio", problem]}
