"""Requests that several child processes answer, each answer in its place.

A message between the processes is a pickled object after its length. Both ends are this toolkit's
own, on a pipe that nothing else can write to.
"""

from __future__ import annotations

import os
import pickle
import queue
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from pipelines.base.child_processes import Worker, WorkerError, reserve_standard_output
from pipelines.base.errors import ConfigurationError, UserError

_LENGTH = struct.Struct("<Q")
_SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class Refused:
    """The answer to a request that cannot be answered.

    Attributes:
        error: what is wrong with it.
    """

    error: UserError


def number_of_processes(processes: int, requests: int) -> int:
    """The number of processes for a number of requests.

    Args:
        processes: number of processes that the user asks for; 0 for one per core.
        requests: number of requests; more processes than that are of no use.

    Raises:
        ConfigurationError: the number is negative.
    """
    if processes < 0:
        raise ConfigurationError(
            f"processes = {processes}: name at least 1 process, or 0 for one per core"
        )
    return max(1, min(processes or os.cpu_count() or 1, requests))


def answers_in_order(
    module: str, setup: Any, requests: Sequence[Any], processes: int
) -> list[Any | Refused]:
    """Has child processes answer requests; each takes the next one when it is done with the last.

    Args:
        module: name of the module that is run, which calls `serve`.
        setup: object for each process to begin with.
        requests: objects to answer.
        processes: number of processes, at least 1.

    Returns:
        One answer per request, in the order of the requests.

    Raises:
        UserError: the processes cannot begin with `setup`, or one of them ended.
        Exception: a request cannot be sent to another process.
    """
    pool = _Pool(module, setup, requests)
    threads = [threading.Thread(target=pool.serve, daemon=True) for _ in range(processes)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        # Also where this process is interrupted: nobody waits for the answers any more.
        pool.stop()
    if pool.failure is not None:
        raise pool.failure
    return [pool.answers[number] for number in range(len(requests))]


class _Pool:
    """Open requests and received answers, which the threads share."""

    def __init__(self, module: str, setup: Any, requests: Sequence[Any]) -> None:
        self.answers: dict[int, Any] = {}
        self.failure: Exception | None = None
        self._stopped = False
        self._workers: list[Worker] = []
        self._module = module
        self._setup = setup
        self._requests = requests
        self._open: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(requests)):
            self._open.put(number)

    def serve(self) -> None:
        """Runs one process until no request is open, or something has failed."""
        try:
            with Worker(self._module) as worker:
                self._workers.append(worker)
                self._answer(worker)
        except Exception as error:
            # A process that was stopped cannot answer.
            if not self._stopped:
                self.failure = _named(error)
                self.stop()

    def stop(self) -> None:
        """Ends all processes, whatever they are doing."""
        self._stopped = True
        for worker in tuple(self._workers):
            worker.close()

    def _answer(self, worker: Worker) -> None:
        begun = worker.ask(_message(self._setup), _receive)
        if isinstance(begun, Refused):
            raise begun.error
        while not self._stopped:
            try:
                number = self._open.get_nowait()
            except queue.Empty:
                worker.close(patience=_SECONDS_TO_END)
                return
            self.answers[number] = worker.ask(_message(self._requests[number]), _receive)


def _named(error: Exception) -> Exception:
    """The error that the user sees for what happened to a process."""
    if not isinstance(error, WorkerError):
        return error
    said = f"; {error.said[-1]}" if error.said else ""
    return UserError(
        f"one of the processes ended ({error.ending}{said}). Try again with one process, which "
        "shows where"
    )


def serve(begin: Callable[[Any], Callable[[Any], Any]]) -> None:
    """Answers requests in a child process until its input ends.

    Args:
        begin: function that takes the setup and returns the function that answers a request; both
            may raise a UserError, which the parent receives.
    """
    answers = reserve_standard_output()
    given = sys.stdin.buffer
    answer: Callable[[Any], Any] = begin
    while True:
        head = given.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        request = pickle.loads(given.read(*_LENGTH.unpack(head)))
        try:
            found = answer(request)
        except UserError as error:
            found = Refused(error)
        if answer is begin and not isinstance(found, Refused):
            answer, found = found, None
        _send(answers, found)


def _send(pipe: BinaryIO, content: Any) -> None:
    pipe.write(_message(content))
    pipe.flush()


def _message(content: Any) -> bytes:
    pickled = pickle.dumps(content)
    return _LENGTH.pack(len(pickled)) + pickled


def _receive(worker: Worker) -> Any:
    [size] = _LENGTH.unpack(worker.exactly(_LENGTH.size))
    return pickle.loads(worker.exactly(size))
